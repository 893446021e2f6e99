"""Small names of job files: the default executor, arguments of to_job, instances for tests."""

from __future__ import annotations

import os

import rayexec as dg


@dg.op
def one() -> int:
    return 1


@dg.graph
def graphed() -> None:
    one()


def test_a_job_may_choose_the_default_executor() -> None:
    chosen = graphed.to_job(executor_def=dg.multi_or_in_process_executor)
    defs = dg.Definitions(jobs=[chosen], executor=dg.in_process_executor)
    assert defs.get_job_def("graphed").executor_def is dg.multi_or_in_process_executor


def test_to_job_takes_its_first_arguments_by_position() -> None:
    job = graphed.to_job("other", "Says why.", {"r": 1}, {"ops": {}})
    assert (job.name, job.description, list(job.resource_defs)) == ("other", "Says why.", ["r"])


def test_an_instance_for_a_test_has_a_home_of_its_own() -> None:
    before = os.environ.get("RAYEXEC_HOME")
    with dg.instance_for_test() as instance:
        home = os.environ["RAYEXEC_HOME"]
        assert home != before
        result = graphed.to_job().execute_in_process(instance=instance)
        assert [run.run_id for run in dg.DagsterInstance.get().get_runs()] == [result.run_id]
    assert os.environ.get("RAYEXEC_HOME") == before
    assert not os.path.exists(home)
