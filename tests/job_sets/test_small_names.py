"""Small names of job files: the default executor, arguments of to_job, instances for tests."""

from __future__ import annotations

import inspect
import json
import logging
import os

import pytest

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


def test_a_repository_may_have_a_way_of_its_own_to_make_jobs() -> None:
    made: list[str] = []

    class Own(dg.RepositoryData):
        def get_all_jobs(self) -> list[dg.Job]:
            return [self.get_job(name) for name in self.get_job_names()]

        def get_job_names(self) -> list[str]:
            return ["first", "second"]

        def get_job(self, job_name: str) -> dg.Job:
            made.append(job_name)
            return graphed.to_job(job_name)

    @dg.repository
    def owned() -> dg.RepositoryData:
        return Own()

    assert (owned.job_names, made) == (["first", "second"], [])
    assert owned.get_job("second").execute_in_process().success
    assert made == ["second"]
    assert Own().has_job("first")


def test_a_repository_finds_jobs_among_all() -> None:
    class Two(dg.RepositoryData):
        def get_all_jobs(self) -> list[dg.Job]:
            return [graphed.to_job("first"), graphed.to_job("second")]

    assert Two().get_job_names() == ["first", "second"]
    assert Two().get_job("second").name == "second"
    with pytest.raises(dg.DagsterInvariantViolationError, match="Did you mean 'second'"):
        Two().get_job("secnd")


def test_a_metadata_entry_has_a_value_with_its_kind() -> None:
    entry = dg.MetadataEntry("rows", value=3)
    assert (entry.label, entry.description, entry.value) == ("rows", None, dg.MetadataValue.int(3))
    assert dg.MetadataEntry("at", "Where.", dg.MetadataValue.url("x"))[2].value == "x"
    with pytest.raises(dg.DagsterInvalidDefinitionError):
        dg.MetadataEntry("rows", value=object())


def test_the_log_of_a_context_has_a_class() -> None:
    kinds = []

    @dg.op
    def speaks(context: dg.OpExecutionContext) -> None:
        kinds.append(isinstance(context.log, dg.DagsterLogManager))

    speaks(dg.build_op_context())
    dg.GraphDefinition("g", node_defs=[speaks]).to_job().execute_in_process()
    assert kinds == [True, True]


def test_the_logger_of_the_terminal_and_the_format_of_json() -> None:
    [(logger, config)] = dg.default_system_loggers(None)
    assert (logger, config["log_level"]) == (dg.colored_console_logger, "DEBUG")
    record = logging.makeLogRecord({"msg": "a line", "levelname": "INFO"})
    assert json.loads(dg.JsonLogFormatter().format(record))["msg"] == "a line"


def test_warnings_of_a_file_of_its_own() -> None:
    with pytest.warns(
        DeprecationWarning, match=r"f is deprecated and will be removed in 2\. Use g"
    ):
        dg.deprecation_warning("f", "2", "Use g")


def test_a_call_with_an_alias_and_a_schema_have_a_class() -> None:
    assert isinstance(one.alias("two"), dg.PendingNodeInvocation)
    assert inspect.isclass(dg.ConfigSchema)
    with pytest.raises(dg.DagsterInvalidInvocationError, match="a name for annotations"):
        dg.ConfigSchema()
