"""Rows of arguments and attributes in the table of names, tried on the package."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import rayexec as dg
from rayexec.errors import UnsupportedError
from rayexec.migration.name_table import Entry, Here, entries

PARTS = [entry for name, entry in entries().items() if "." in name]
SILENT = [each for each in PARTS if each.here is Here.ABSENT]
DIFFERING = {each.name for each in PARTS if each.here is not Here.ABSENT}
SEEN: dict[str, Any] = {}


@dg.op
def one(context: dg.OpExecutionContext) -> int:
    SEEN["job"] = context.job_def
    with pytest.raises(UnsupportedError, match="no access to the store of its run"):
        assert context.instance
    return 1


@dg.job
def single() -> None:
    one()


def work_of_an_asset() -> None:
    raise AssertionError("no asset runs")


@pytest.mark.parametrize("entry", SILENT, ids=lambda entry: entry.name)
def test_what_is_not_here_is_neither_an_argument_nor_an_attribute(entry: Entry) -> None:
    owner_name, part = entry.name.split(".")
    owner = getattr(dg, owner_name)
    if entry.name in REFUSED:
        with pytest.raises(UnsupportedError):
            REFUSED[entry.name]()
        return
    assert part not in inspect.signature(owner).parameters
    assert not hasattr(owner, part)


REFUSED: dict[str, Callable[[], Any]] = {
    "build_op_context.partition_key_range": lambda: dg.build_op_context(partition_key_range=1),
    "execute_job.asset_selection": lambda: dg.execute_job(single, asset_selection=["a"]),
    "Definitions.get_assets_def": lambda: dg.Definitions().get_assets_def,
    "Definitions.load_asset_value": lambda: dg.Definitions().load_asset_value,
    "RepositoryDefinition.load_asset_value": lambda: dg.repository(list).load_asset_value,
}


def _partitioned(**arguments: Any) -> Any:
    job = dg.GraphDefinition("g", node_defs=[one]).to_job(**arguments)
    return job.execute_in_process().success


def _is_left_aside(**arguments: Any) -> Any:
    defs = dg.Definitions(jobs=[single], **arguments)
    return [each.name for each in defs.get_repository_def().get_all_jobs()] == ["single"]


def _has_no_effect(**arguments: Any) -> Any:
    @dg.op(ins={"given": dg.In(**arguments)})
    def takes(given: int) -> int:
        return given

    return takes(3) == 3


def _output_has_no_effect(**arguments: Any) -> Any:
    @dg.op
    def returns() -> dg.Output[int]:
        return dg.Output(3, **arguments)

    job = dg.GraphDefinition("g", node_defs=[returns]).to_job()
    return job.execute_in_process().output_for_node("returns") == 3


def _job_has_its_name_alone() -> Any:
    assert single.execute_in_process().success
    with pytest.raises(UnsupportedError):
        assert SEEN["job"].graph
    return SEEN["job"].name == "single"


def _instance_is_below_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("RAYEXEC_HOME", str(tmp_path / "ours"))
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "theirs"))
    result = single.execute_in_process(instance=dg.DagsterInstance.get())
    files = [path for path, _, names in os.walk(tmp_path) if names]
    return bool(result.run_id and files) and all(
        Path(path).is_relative_to(tmp_path / "ours") for path in files
    )


def _settings_have_no_effect() -> Any:
    with dg.instance_for_test(overrides={"run_launcher": {"module": "no.such"}}) as instance:
        return single.execute_in_process(instance=instance).success


PARTITIONS = dg.StaticPartitionsDefinition(["a"])
TRIED: dict[str, Callable[[], Any]] = {
    "job.partitions_def": lambda: _partitioned(partitions_def=PARTITIONS),
    "JobDefinition.partitions_def": lambda: _partitioned(partitions_def=PARTITIONS),
    "In.asset_key": lambda: _has_no_effect(asset_key=dg.AssetKey("a")),
    "In.asset_partitions": lambda: _has_no_effect(asset_partitions={"a"}),
    "Output.data_version": lambda: _output_has_no_effect(data_version=dg.DataVersion("1")),
    "Output.tags": lambda: _output_has_no_effect(tags={"a": "b"}),
    "Definitions.assets": lambda: _is_left_aside(assets=[dg.asset(work_of_an_asset)]),
    "Definitions.asset_checks": lambda: _is_left_aside(asset_checks=[]),
    "Definitions.schedules": lambda: _is_left_aside(
        schedules=[dg.ScheduleDefinition(job=single, cron_schedule="@daily")]
    ),
    "Definitions.sensors": lambda: _is_left_aside(sensors=[]),
    "Definitions.component_tree": lambda: _is_left_aside(component_tree=None),
    "OpExecutionContext.instance": lambda: single.execute_in_process().success,
    "OpExecutionContext.job_def": _job_has_its_name_alone,
    "instance_for_test.overrides": _settings_have_no_effect,
}
WITH_A_HOME = {"DagsterInstance.get": _instance_is_below_home}


def test_each_part_that_differs_is_tried() -> None:
    assert TRIED.keys() | WITH_A_HOME.keys() == DIFFERING


@pytest.mark.parametrize("name", TRIED)
def test_a_part_differs_as_its_note_says(name: str) -> None:
    assert TRIED[name]()


@pytest.mark.parametrize("name", WITH_A_HOME)
def test_a_part_that_looks_at_the_home(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert WITH_A_HOME[name](tmp_path, monkeypatch)
