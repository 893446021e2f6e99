"""Materializations, observations and expectations that ops yield or log, recorded as events."""

import json
from pathlib import Path
from typing import Any

import pytest

from rayexec import (
    AssetKey,
    AssetMaterialization,
    AssetObservation,
    DagsterEventType,
    DagsterInstance,
    DirectoryRunStore,
    DynamicOut,
    DynamicOutput,
    ExpectationResult,
    IOManager,
    Output,
    RetryPolicy,
    execute_job,
    job,
    op,
)
from rayexec.cli.main import app
from rayexec.store.reading import StoredLog

IN_PROCESS: dict[str, Any] = {"execution": {"config": {"in_process": {}}}}


@op
def yields() -> Any:
    yield ExpectationResult(True, label="has rows", metadata={"rows": 3})
    yield AssetMaterialization(AssetKey(["db", "t"]), metadata={"rows": 3}, partition="2001")
    yield Output(1)
    yield AssetObservation("seen", description="It is there.")


@op
def logs(context: Any, value: int) -> int:
    context.log_event(AssetMaterialization("file"))
    return value + 1


@op(out=DynamicOut(int))
def splits() -> Any:
    for number in range(2):
        yield AssetMaterialization(f"part_{number}")
        yield DynamicOutput(number, str(number))


@op(retry_policy=RetryPolicy(max_retries=1, delay=0.0))
def flaky(context: Any) -> None:
    context.log_event(AssetObservation(f"attempt_{context.retry_number}"))
    if context.retry_number == 0:
        raise ValueError("not yet")


@job
def reporting() -> None:
    logs(yields())
    splits()
    flaky()


def test_events_are_in_dagsters_order_with_their_data(execute: Any) -> None:
    result = execute(reporting)
    assert result.success
    assert [event.event_type_value for event in result.events_for_node("yields")] == [
        "STEP_START",
        "STEP_EXPECTATION_RESULT",
        "ASSET_MATERIALIZATION",
        "STEP_OUTPUT",
        "HANDLED_OUTPUT",
        "ASSET_OBSERVATION",
        "STEP_SUCCESS",
    ]
    kinds = [event.event_type_value for event in result.events_for_node("splits")]
    part = ["ASSET_MATERIALIZATION", "STEP_OUTPUT", "HANDLED_OUTPUT"]
    assert kinds == ["STEP_START", *part, *part, "STEP_SUCCESS"]
    (made,) = result.asset_materializations_for_node("yields")
    assert made.asset_key == AssetKey(["db", "t"])
    assert (made.partition, made.metadata["rows"].value) == ("2001", 3)
    (logged,) = result.asset_materializations_for_node("logs")
    assert logged == AssetMaterialization("file")
    (seen,) = result.asset_observations_for_node("yields")
    assert seen.description == "It is there."
    (expected,) = result.expectation_results_for_node("yields")
    assert (expected.success, expected.label) == (True, "has rows")
    observed = result.asset_observations_for_node("flaky")
    assert [each.asset_key.path for each in observed] == [["attempt_0"], ["attempt_1"]]
    assert len(result.get_asset_materialization_events()) == 4
    (event,) = [each for each in result.events_for_node("yields") if each.is_step_materialization]
    assert event.asset_key == AssetKey(["db", "t"])
    assert event.partition == "2001"
    assert event.step_materialization_data.materialization is made
    assert event.node_name == "yields"
    assert (event.to_dict()["data"]) == {
        "asset_key": ["db", "t"],
        "metadata": {"rows": 3},
        "partition": "2001",
    }


def test_an_io_manager_reports_with_the_step_of_the_output(execute: Any) -> None:
    class Noting(IOManager):
        def handle_output(self, context: Any, obj: Any) -> None:
            context.log_event(AssetMaterialization(context.step_key))

        def load_input(self, context: Any) -> Any:
            return 1

    result = execute(reporting, resources={"io_manager": Noting()})
    (made, _) = result.asset_materializations_for_node("logs")
    assert made.asset_key == AssetKey("file")
    assert [each.asset_key.path for each in result.asset_materializations_for_node("yields")] == [
        ["db", "t"],
        ["yields"],
    ]


def test_a_store_and_its_instance_have_the_events(tmp_path: Path) -> None:
    store = DirectoryRunStore(tmp_path)
    result = execute_job(reporting, run_config=IN_PROCESS, store=store)
    stored = list(StoredLog(store.open(result.run_id)).events())
    assert [event.to_dict() for event in stored] == [event.to_dict() for event in result.all_events]
    assert [event.event_specific_data for event in stored if event.is_step_materialization] == [
        event.event_specific_data for event in result.get_asset_materialization_events()
    ]
    instance = DagsterInstance(store)
    latest = instance.get_latest_materialization_event(AssetKey(["db", "t"]))
    assert latest is not None
    assert latest.asset_materialization == result.asset_materializations_for_node("yields")[0]
    assert instance.get_latest_materialization_event(AssetKey("never")) is None
    assert instance.has_asset_key(AssetKey("file"))
    page = instance.fetch_observations(AssetKey("seen"))
    assert [record.asset_key for record in page.records] == [AssetKey("seen")]
    entries = instance.all_logs(result.run_id, of_type=DagsterEventType.STEP_EXPECTATION_RESULT)
    assert [entry.step_key for entry in entries] == ["yields"]


def test_commands_and_pages_show_them_without_markup(tmp_path: Path) -> None:
    from typer.testing import CliRunner

    @op
    def hostile(context: Any) -> None:
        context.log_event(AssetObservation("x", description="<b>\x1b[2J</b>"))

    @job
    def writing() -> None:
        hostile()

    run_id = execute_job(writing, run_config=IN_PROCESS, store=tmp_path).run_id

    def shown(*arguments: str) -> str:
        invoked = CliRunner().invoke(app, ["run", *arguments, "--store", str(tmp_path)])
        assert invoked.exit_code == 0, invoked.output
        return invoked.output

    events = ("events", run_id, "--type", "ASSET_OBSERVATION")
    assert r"ASSET_OBSERVATION - <b>\x1b[2J</b>" in shown(*events)
    row = json.loads(shown(*events, "--json"))
    assert row["data"] == {"asset_key": ["x"], "description": "<b>\x1b[2J</b>"}
    page = tmp_path / "page.html"
    shown("export", run_id, "--html", str(page))
    assert "<b>\x1b" not in page.read_text()
    assert "event" in page.read_text()


@pytest.mark.parametrize("wrong", [5, "text", object()])
def test_log_event_takes_events_only(wrong: Any) -> None:
    @op
    def odd(context: Any) -> None:
        context.log_event(wrong)

    @job
    def logging_it() -> None:
        odd()

    result = logging_it.execute_in_process(raise_on_error=False)
    data = result.failure_data_for_node("odd")
    assert data is not None
    assert data.error.cls_name == "DagsterInvariantViolationError"
