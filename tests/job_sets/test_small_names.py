"""Small names that job files import: warnings, tags, config in files, instances for tests."""

from __future__ import annotations

import os
import warnings
from pathlib import Path

import pytest

import rayexec as dg
from rayexec import InvariantError


@dg.op
def one() -> int:
    return 1


@dg.graph
def graphed() -> None:
    one()


def test_config_of_files_and_texts_is_merged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "configs_of_a_package"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "a.yaml").write_text("ops: {a: {config: {x: 1, y: 2}}}")
    (package / "b.yaml").write_text("ops: {a: {config: {y: 3}}}")
    merged = {"ops": {"a": {"config": {"x": 1, "y": 3}}}}
    assert dg.config_from_files([str(package / "*.yaml")]) == merged
    texts = [(package / name).read_text() for name in ("a.yaml", "b.yaml")]
    assert dg.config_from_yaml_strings(texts) == merged
    monkeypatch.syspath_prepend(tmp_path)
    pairs = [(package.name, "a.yaml"), (package.name, "b.yaml")]
    assert dg.config_from_pkg_resources(pairs) == merged
    with pytest.raises(InvariantError, match="there is no file"):
        dg.config_from_files([str(tmp_path / "*.yml")])
    with pytest.raises(InvariantError, match="text 1 is not YAML"):
        dg.config_from_yaml_strings(["{"])
    with pytest.raises(InvariantError, match="text 1 must be a mapping"):
        dg.config_from_yaml_strings(["a"])
    with pytest.raises(InvariantError, match=r"c\.yaml of package"):
        dg.config_from_pkg_resources([(package.name, "c.yaml")])


def test_a_job_may_choose_the_default_executor() -> None:
    chosen = graphed.to_job(executor_def=dg.multi_or_in_process_executor)
    defs = dg.Definitions(jobs=[chosen], executor=dg.in_process_executor)
    assert defs.get_job_def("graphed").executor_def is dg.multi_or_in_process_executor


def test_to_job_takes_its_first_arguments_by_position() -> None:
    job = graphed.to_job("other", "Says why.", {"r": 1}, {"ops": {}})
    assert (job.name, job.description, list(job.resource_defs)) == ("other", "Says why.", ["r"])


def test_warnings_can_be_filtered_and_the_tag_has_its_name() -> None:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=dg.BetaWarning)
        warnings.filterwarnings("ignore", category=dg.PreviewWarning)
    assert issubclass(dg.SupersessionWarning, FutureWarning)
    assert issubclass(dg.ConfigArgumentWarning, SyntaxWarning)
    assert dg.MAX_RUNTIME_SECONDS_TAG == "dagster/max_runtime"


def test_an_instance_for_a_test_has_a_home_of_its_own() -> None:
    before = os.environ.get("RAYEXEC_HOME")
    with dg.instance_for_test() as instance:
        home = os.environ["RAYEXEC_HOME"]
        assert home != before
        result = graphed.to_job().execute_in_process(instance=instance)
        assert [run.run_id for run in dg.DagsterInstance.get().get_runs()] == [result.run_id]
    assert os.environ.get("RAYEXEC_HOME") == before
    assert not os.path.exists(home)
