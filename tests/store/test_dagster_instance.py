"""Runs in a store, as Dagster's instance shows them."""

import copy
import datetime
import gc
import os
from pathlib import Path
from typing import Any

import pytest

from rayexec import (
    DagsterEventType,
    DagsterInstance,
    DagsterInvariantViolationError,
    DagsterRunNotFoundError,
    DagsterRunStatus,
    EventRecordsFilter,
    ReexecutionOptions,
    RunsFilter,
    UnsupportedError,
    build_reconstructable_job,
    execute_job,
    job,
    op,
    reconstructable,
)

IN_PROCESS: dict[str, Any] = {"execution": {"config": {"in_process": {}}}}
calls: list[str] = []


@op
def first(context: Any) -> int:
    calls.append("first")
    context.log.warning("here")
    return 1


@op
def tells_parent(context: Any) -> Any:
    return context.run.parent_run_id, context.run.root_run_id


@op(config_schema={"fails": bool})
def second(context: Any, value: int) -> int:
    calls.append("second")
    if context.op_config["fails"]:
        raise ValueError("bad")
    return value + 1


@job(config={**IN_PROCESS, "ops": {"second": {"config": {"fails": False}}}})
def chain() -> None:
    second(first())


FAILS = {**IN_PROCESS, "ops": {"second": {"config": {"fails": True}}}}


def make_chain(*_: Any) -> Any:
    return chain


@pytest.fixture
def instance() -> DagsterInstance:
    calls.clear()
    return DagsterInstance.ephemeral()


def test_a_run_in_this_process_is_recorded_in_its_instance(instance: DagsterInstance) -> None:
    result = chain.execute_in_process(instance=instance, tags={"team": "data"})
    (run,) = instance.get_runs()
    assert run == instance.get_run_by_id(result.run_id)
    assert (run.job_name, run.status) == ("chain", DagsterRunStatus.SUCCESS)
    assert run.tags["team"] == "data"
    assert instance.get_runs_count() == 1
    assert instance.has_run(result.run_id)
    assert instance.get_run_by_id("nope") is None
    assert instance.get_run_tags() == [("team", {"data"})]
    (record,) = instance.get_run_records()
    assert (record.storage_id, record.dagster_run) == (1, run)
    assert record.create_timestamp <= record.update_timestamp


def test_a_run_without_an_instance_is_recorded_nowhere(instance: DagsterInstance) -> None:
    chain.execute_in_process()
    assert instance.get_runs() == []


def test_the_log_of_a_run_has_events_and_lines(instance: DagsterInstance) -> None:
    result = chain.execute_in_process(instance=instance)
    entries = instance.all_logs(result.run_id)
    lines = [entry for entry in entries if not entry.is_dagster_event]
    assert [(line.user_message, line.level, line.step_key) for line in lines] == [
        ("here", 30, "first")
    ]
    events = [entry.get_dagster_event() for entry in entries if entry.is_dagster_event]
    assert [event.event_type for event in events] == [
        event.event_type
        for event in result.all_events
        if event.event_type is not DagsterEventType.LOG_MESSAGE
    ]
    assert {entry.job_name for entry in entries} == {"chain"}
    assert {entry.run_id for entry in entries} == {result.run_id}
    succeeded = instance.all_logs(result.run_id, of_type=DagsterEventType.STEP_SUCCESS)
    assert [entry.step_key for entry in succeeded] == ["first", "second"]
    ends = {DagsterEventType.STEP_SUCCESS, DagsterEventType.RUN_SUCCESS}
    assert len(instance.all_logs(result.run_id, of_type=ends)) == 3
    assert instance.all_logs("nope") == []


def test_a_failure_is_in_the_log_as_in_the_result(instance: DagsterInstance) -> None:
    result = chain.execute_in_process(FAILS, instance=instance, raise_on_error=False)
    (entry,) = instance.all_logs(result.run_id, of_type=DagsterEventType.STEP_FAILURE)
    assert entry.level == 40
    error = entry.get_dagster_event().step_failure_data.error
    assert error == result.failure_data_for_node("second").error  # type: ignore[union-attr]
    (entry,) = instance.all_logs(result.run_id, of_type=DagsterEventType.PIPELINE_FAILURE)
    assert entry.get_dagster_event().job_failure_data.error == error


def test_runs_are_filtered_and_counted(instance: DagsterInstance) -> None:
    fine = chain.execute_in_process(instance=instance, tags={"k": "a"})
    bad = chain.execute_in_process(FAILS, instance=instance, raise_on_error=False, tags={"k": "b"})
    assert [run.run_id for run in instance.get_runs()] == [bad.run_id, fine.run_id]
    assert instance.get_run_ids(limit=1) == [bad.run_id]
    assert instance.get_run_ids(cursor=bad.run_id) == [fine.run_id]
    assert [each.run_id for each in instance.get_runs(ascending=True)] == [fine.run_id, bad.run_id]

    def ids(**given: Any) -> list[str]:
        return list(instance.get_run_ids(RunsFilter(**given)))

    assert ids(statuses=[DagsterRunStatus.FAILURE]) == [bad.run_id]
    assert ids(tags={"k": "a"}) == [fine.run_id]
    assert ids(tags={"k": ["a", "b"]}) == [bad.run_id, fine.run_id]
    assert ids(job_name="other") == []
    assert ids(run_ids=[fine.run_id]) == [fine.run_id]
    now = datetime.datetime.now(datetime.timezone.utc)
    assert ids(created_after=now) == []
    assert len(ids(created_before=now, updated_before=now)) == 2
    with pytest.raises(DagsterInvariantViolationError, match="run_ids is empty"):
        RunsFilter(run_ids=[])
    instance.delete_run(bad.run_id)
    assert instance.get_runs_count() == 1


def test_events_of_all_runs_are_found_in_pages(instance: DagsterInstance) -> None:
    runs = [chain.execute_in_process(instance=instance).run_id for _ in range(2)]
    wanted = EventRecordsFilter(DagsterEventType.STEP_SUCCESS)
    records = instance.get_event_records(wanted)
    assert [record.run_id for record in records] == [runs[1], runs[1], runs[0], runs[0]]
    ids = [record.storage_id for record in records]
    assert ids == sorted(ids, reverse=True)
    page = instance.get_records_for_run(runs[0], of_type=DagsterEventType.STEP_SUCCESS, limit=1)
    assert page.has_more
    (rest,) = instance.get_records_for_run(
        runs[0], cursor=page.cursor, of_type=DagsterEventType.STEP_SUCCESS
    ).records
    assert rest.event_log_entry.step_key == "second"


def test_execute_job_takes_a_function_and_an_instance(instance: DagsterInstance) -> None:
    with execute_job(reconstructable(make_chain), instance, tags={"a": "b"}) as result:
        assert result.output_for_node("second") == 2
    assert instance.get_run_by_id(result.run_id).tags == {"a": "b"}  # type: ignore[union-attr]
    made = build_reconstructable_job(__name__, "make_chain", (1,), {})
    assert made is chain
    with pytest.raises(DagsterInvariantViolationError, match="got int by the function"):
        reconstructable(lambda: 3)  # type: ignore[arg-type,return-value]  # wrong on purpose


def test_a_selection_of_steps_runs_with_stored_outputs(instance: DagsterInstance) -> None:
    parent = execute_job(chain, instance=instance)
    calls.clear()
    options = ReexecutionOptions(parent_run_id=parent.run_id, step_selection=["second"])
    again = execute_job(chain, instance=instance, reexecution_options=options)
    assert calls == ["second"]
    assert {event.step_key for event in again.all_node_events} == {"second"}
    assert not again.is_node_success("first")
    assert again.dagster_run.parent_run_id == parent.run_id
    assert instance.get_run_by_id(again.run_id).root_run_id == parent.run_id  # type: ignore[union-attr]


def test_an_op_sees_the_run_that_its_own_resumes(instance: DagsterInstance) -> None:
    @job(config=IN_PROCESS)
    def telling() -> None:
        tells_parent()

    parent = execute_job(reconstructable(telling).get_definition(), instance=instance)
    assert parent.output_for_node("tells_parent") == (None, None)
    options = ReexecutionOptions(parent_run_id=parent.run_id)
    again = execute_job(telling, instance=instance, reexecution_options=options)
    assert again.output_for_node("tells_parent") == (parent.run_id, parent.run_id)


def test_a_failed_run_is_resumed_from_its_failure(instance: DagsterInstance) -> None:
    parent = execute_job(chain, instance=instance, run_config=FAILS)
    assert not parent.success
    calls.clear()
    options = ReexecutionOptions.from_failure(parent.run_id, instance)
    again = execute_job(
        chain,
        instance=instance,
        run_config={**FAILS, "ops": {"second": {"config": {"fails": False}}}},
        reexecution_options=options,
    )
    assert again.output_for_node("second") == 2
    assert calls == ["second"]
    options = ReexecutionOptions.from_failure(again.run_id, instance)
    with pytest.raises(DagsterInvariantViolationError, match="only a run that failed"):
        execute_job(chain, instance=instance, reexecution_options=options)
    options = ReexecutionOptions(parent_run_id="nope")
    with pytest.raises(DagsterRunNotFoundError):
        execute_job(chain, instance=instance, reexecution_options=options)


def test_stores_of_instances(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAYEXEC_HOME", str(tmp_path / "home"))
    run_id = execute_job(chain).run_id
    with DagsterInstance.get() as home:
        assert home.get_run_ids() == [run_id]
        assert home.is_persistent
        assert home.root_directory == str(tmp_path / "home")
    with DagsterInstance.local_temp() as passing:
        directory = passing.root_directory
        chain.execute_in_process(instance=passing)
        assert passing.get_runs_count() == 1
    assert not os.path.exists(directory)
    with DagsterInstance.local_temp(tmp_path / "kept") as lasting:
        chain.execute_in_process(instance=lasting)
    assert DagsterInstance.local_temp(tmp_path / "kept").get_runs_count() == 1
    with DagsterInstance.ephemeral() as memory:
        assert memory.is_ephemeral
        directory = memory.root_directory
        assert os.path.isdir(directory)
        assert memory.storage_directory() == os.path.join(directory, "storage")
    assert not os.path.exists(directory)
    forgotten = DagsterInstance.ephemeral()
    directory = forgotten.root_directory
    del forgotten
    gc.collect()
    assert not os.path.exists(directory)


def test_what_belongs_to_assets_and_partitions_says_so(instance: DagsterInstance) -> None:
    names = {
        "all_asset_keys": "assets",
        "add_dynamic_partitions": "partitions",
        "get_backfills": "partitions",
        "start_schedule": "schedules",
        "start_sensor": "sensors",
    }
    for name, what in names.items():
        with pytest.raises(UnsupportedError, match=f"{name} .* does not have {what}"):
            getattr(instance, name)
    with pytest.raises(AttributeError, match="no attribute 'no_such'"):
        getattr(instance, "no_such")  # noqa: B009
    assert not hasattr(copy.copy(instance), "no_such")
