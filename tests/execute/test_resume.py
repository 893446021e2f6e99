"""Resuming a run that failed or was canceled, and running some of its steps again."""

from __future__ import annotations

import datetime
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import resumed_jobs
from resumed_jobs import ALL, IN_PROCESS, TOTAL, Ran, Run, failed_flow, make_flow

from rayexec import (
    Config,
    DagsterInvariantViolationError,
    DefinitionError,
    DynamicOut,
    DynamicOutput,
    OpExecutionContext,
    Out,
    Output,
    ReexecutionOptions,
    RunNotFoundError,
    StoreError,
    execute_job,
    job,
    op,
)
from rayexec.events import RunStatus
from rayexec.execute import Observer
from rayexec.run.process_identity import ProcessIdentity
from rayexec.store import DirectoryRunStore, MemoryRunStore, RunStore

ran = resumed_jobs.ran
run = resumed_jobs.run
store = resumed_jobs.store


class Count(Config):
    count: int


@pytest.mark.parametrize("keep", ["all", "none"])
def test_only_what_failed_and_what_hangs_on_it_runs(
    run: Run, store: RunStore, ran: Ran, keep: str
) -> None:
    flow, run_id = failed_flow(run, store, ran, keep_outputs=keep)
    result = run(flow, store, reexecution_options=ReexecutionOptions.from_failure(run_id))
    assert ran.drain() == ["total", "work[k2]"]
    assert result.success
    assert result.output_for_node("total") == TOTAL
    assert result.counts() == {"succeeded": 2, "reused": 6, "failed": 0, "skipped": 0, "not run": 0}
    assert {event.step_key for event in result.all_node_events} == {"total", "work[k2]"}
    record = store.open(result.run_id).record()
    assert (record.parent_run_id, record.root_run_id) == (run_id, run_id)
    assert record.steps == {"succeeded": 2, "reused": 6, "failed": 0, "skipped": 0, "not run": 0}


def test_a_resumed_run_that_fails_again_is_resumed_in_turn(
    run: Run, store: RunStore, ran: Ran
) -> None:
    flow, first = failed_flow(run, store, ran)
    ran.trouble.touch()
    second = run(flow, store, reexecution_options=ReexecutionOptions.from_failure(first))
    assert not second.success
    assert ran.drain() == ["work[k2]"]
    third = run(flow, store, reexecution_options=ReexecutionOptions.from_failure(second.run_id))
    assert third.success
    assert ran.drain() == ["total", "work[k2]"]
    assert third.output_for_node("total") == TOTAL
    record = store.open(third.run_id).record()
    assert (record.parent_run_id, record.root_run_id) == (second.run_id, first)


def test_what_a_removed_run_had_is_made_again(run: Run, store: RunStore, ran: Ran) -> None:
    flow, first = failed_flow(run, store, ran)
    ran.trouble.touch()
    second = run(flow, store, reexecution_options=ReexecutionOptions.from_failure(first))
    ran.drain()
    store.delete(first)
    third = run(flow, store, reexecution_options=ReexecutionOptions.from_failure(second.run_id))
    assert third.output_for_node("total") == TOTAL
    assert ran.drain() == ALL


@pytest.mark.parametrize(
    ("selection", "ran_again"),
    [
        (["work[k2]*"], ["total", "work[k2]"]),
        (["total"], ["total"]),
        (["work[?]"], ["work[k0]", "work[k1]", "work[k2]", "work[k3]"]),
        (["other", "work[k1]"], ["other", "work[k1]"]),
        (["split*"], ["split", "total", "work[k0]", "work[k1]", "work[k2]", "work[k3]"]),
        (["*total"], ALL),
        ([], ALL),
    ],
)
def test_steps_that_are_selected_run_and_take_the_rest_from_the_earlier_run(
    run: Run, ran: Ran, tmp_path: Path, selection: list[str], ran_again: list[str]
) -> None:
    store, flow = DirectoryRunStore(tmp_path / "store"), make_flow(ran)
    ran.trouble.unlink()
    first = run(flow, store, durable=True)
    assert first.success
    ran.drain()
    result = run(flow, store, reexecution_options=ReexecutionOptions(first.run_id, selection))
    assert result.success
    assert ran.drain() == ran_again
    if "total" in ran_again:
        assert result.output_for_node("total") == TOTAL


def test_a_selected_step_whose_input_nobody_made_fails(run: Run, store: RunStore, ran: Ran) -> None:
    flow, run_id = failed_flow(run, store, ran)
    result = run(flow, store, reexecution_options=ReexecutionOptions(run_id, ["total"]))
    assert ran.drain() == []
    assert result.get_failed_step_keys() == {"total"}
    failure = result.failure_data_for_node("total")
    assert failure is not None
    assert failure.root.message == (
        "it reads from ['work[k2]'], which the earlier run has no output of, and which the step "
        "selection leaves out."
    )


def test_new_values_of_a_selected_producer_are_selected_with_what_is_below(
    run: Run, ran: Ran, tmp_path: Path
) -> None:
    store = DirectoryRunStore(tmp_path / "store")

    @op(out=DynamicOut())
    def split() -> Iterator[Any]:
        for key in ("a", "b") if ran.trouble.exists() else ("b", "c"):
            yield DynamicOutput(key, key)

    @op
    def piece(key: str) -> str:
        ran.note(key)
        return key

    @op
    def joined(keys: list[str]) -> str:
        return "".join(keys)

    @job
    def letters() -> None:
        joined(split().map(piece).collect())

    first = run(letters, store, durable=True)
    assert first.output_for_node("joined") == "ab"
    ran.drain()
    options = {"split*": "bc", "split,piece[?]": "bc"}
    for selection, keys in options.items():
        result = run(
            letters,
            store,
            reexecution_options=ReexecutionOptions(first.run_id, tuple(selection.split(","))),
        )
        assert "".join(ran.drain()) == keys
        if selection == "split*":
            assert result.output_for_node("joined") == "bc"
    run(letters, store, reexecution_options=ReexecutionOptions(first.run_id, ("split",)))
    assert ran.drain() == [], "what is mapped over it is not selected"


def test_skipped_steps_and_optional_outputs_are_what_they_were(
    run: Run, store: RunStore, ran: Ran
) -> None:
    @op(out={"left": Out(is_required=False), "right": Out(is_required=False)})
    def branch() -> Iterator[Any]:
        ran.note("branch")
        yield Output(1, "right", metadata={"rows": 3})

    @op
    def one(value: int) -> int:
        ran.note("one")
        return value

    @op
    def two(value: int) -> int:
        ran.note("two")
        ran.check()
        return value

    @op
    def last(values: list[int]) -> int:
        ran.note("last")
        return sum(values)

    @job
    def branches() -> None:
        left, right = branch()
        last([one(left), two(right)])

    first = run(branches, store)
    assert ran.drain() == ["branch", "two"]
    result = run(branches, store, reexecution_options=ReexecutionOptions.from_failure(first.run_id))
    assert ran.drain() == ["last", "two"]
    assert result.is_node_skipped("one")
    assert result.output_for_node("last") == 1


def test_config_selection_and_tags_are_those_of_the_run(
    run: Run, store: RunStore, ran: Ran
) -> None:
    @op
    def load(config: Count) -> int:
        ran.note(f"load {config.count}")
        return config.count

    @op
    def save(value: int) -> int:
        ran.note(f"save {value}")
        ran.check()
        return value

    @op
    def never(value: int) -> None:
        ran.note("never")

    @job
    def configured() -> None:
        never(save(load()))

    config = {"ops": {"load": {"config": {"count": 7}}}}
    first = run(configured, store, config, op_selection=["load", "save"], tags={"team": "data"})
    assert ran.drain() == ["load 7", "save 7"]
    result = execute_job(
        configured, store=store, reexecution_options=ReexecutionOptions.from_failure(first.run_id)
    )
    assert ran.drain() == ["save 7"]
    assert result.success
    assert result.dagster_run.get_tag("team") == "data"
    assert result.dagster_run.get_tag("dagster/parent_run_id") == first.run_id
    changed = {"ops": {"load": {"config": {"count": 8}}}}
    options = ReexecutionOptions(first.run_id)
    run(configured, store, changed, reexecution_options=options)
    assert ran.drain() == ["load 8", "save 8"]


def test_a_canceled_run_keeps_what_was_done(ray_session: None, ran: Ran, tmp_path: Path) -> None:
    import signal
    import time

    store = DirectoryRunStore(tmp_path / "store")

    @op
    def load() -> Any:
        ran.note("load")
        return np.arange(100_000)

    @op
    def hang(data: Any) -> int:
        ran.note("hang")
        if ran.trouble.exists():
            time.sleep(600)
        return int(data.sum())

    @job
    def slow() -> None:
        hang(load())

    def press() -> None:
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline and not (
            ran.path.exists() and "hang" in ran.path.read_text()
        ):
            time.sleep(0.02)
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        thread = threading.Thread(target=press)
        thread.start()
        first = execute_job(slow, store=store, observer=Observer(), keep_outputs="none")
        thread.join()
    finally:
        signal.signal(signal.SIGINT, before)
    assert first.status == "CANCELED"
    ran.drain()
    result = execute_job(
        slow, store=store, reexecution_options=ReexecutionOptions.from_failure(first.run_id)
    )
    assert ran.drain() == ["hang"]
    assert result.output_for_node("hang") == sum(range(100_000))


def test_what_nothing_can_go_on_from_is_told(ran: Ran, tmp_path: Path) -> None:
    store = DirectoryRunStore(tmp_path / "store")
    flow = make_flow(ran)
    ran.trouble.unlink()
    good = execute_job(flow, IN_PROCESS, store=store)
    from_failure = ReexecutionOptions.from_failure
    with pytest.raises(
        DagsterInvariantViolationError,
        match="ended as SUCCESS: only a run that failed or was canceled is resumed",
    ):
        execute_job(flow, store=store, reexecution_options=from_failure(good.run_id))
    with pytest.raises(RunNotFoundError, match="has no run 'nope'"):
        execute_job(flow, store=store, reexecution_options=from_failure("nope"))

    @job
    def another() -> None:
        pass

    with pytest.raises(
        DefinitionError, match="is of job 'flow', so job 'another' cannot resume it"
    ):
        execute_job(another, store=store, reexecution_options=ReexecutionOptions(good.run_id))
    with pytest.raises(DagsterInvariantViolationError, match="unknown steps: work, nope"):
        execute_job(
            flow, store=store, reexecution_options=ReexecutionOptions(good.run_id, ("work", "nope"))
        )
    with pytest.raises(DefinitionError, match="not both"):
        ReexecutionOptions(good.run_id, ("work[?]",), is_from_failure=True)
    with pytest.raises(StoreError, match="durable, but the run is not to be recorded"):
        execute_job(flow, store=False, durable=True)


def test_workers_must_reach_the_store_of_durable_outputs(ray_session: None, ran: Ran) -> None:
    with pytest.raises(StoreError, match="workers cannot reach the run store"):
        execute_job(make_flow(ran), store=MemoryRunStore(), durable=True, raise_on_error=True)


class Day(Config):
    day: datetime.date
    path: Path


def test_dates_and_paths_of_the_config_come_back(ran: Ran, tmp_path: Path) -> None:
    store = DirectoryRunStore(tmp_path / "store")

    @op
    def look(config: Day) -> str:
        ran.check()
        return f"{config.day.year} {config.path.name}"

    @op(config_schema={"odd": Any})
    def odd(context: OpExecutionContext) -> None:
        ran.check()

    @job
    def dated() -> None:
        look()

    @job
    def odder() -> None:
        odd()

    given = {"day": datetime.date(2020, 1, 2), "path": Path("/data/x")}
    first = execute_job(dated, {**IN_PROCESS, "ops": {"look": {"config": given}}}, store=store)
    assert not first.success
    strange = execute_job(
        odder, {**IN_PROCESS, "ops": {"odd": {"config": {"odd": object()}}}}, store=store
    )
    assert not strange.success
    ran.drain()
    result = execute_job(
        dated, store=store, reexecution_options=ReexecutionOptions.from_failure(first.run_id)
    )
    assert result.output_for_node("look") == "2020 x"
    with pytest.raises(
        DefinitionError, match="held an object of type object, which the record has only in words"
    ):
        execute_job(
            odder, store=store, reexecution_options=ReexecutionOptions.from_failure(strange.run_id)
        )


def test_a_run_that_seems_to_go_on_elsewhere_is_resumed_by_force(ran: Ran, tmp_path: Path) -> None:
    store = DirectoryRunStore(tmp_path / "store")
    flow = make_flow(ran)
    first = execute_job(flow, IN_PROCESS, store=store)
    ran.drain()
    driver = ProcessIdentity("a-host-that-is-gone", 1, None)
    record = replace(
        store.open(first.run_id).record(), status=RunStatus.STARTED, end_time=None, driver=driver
    )
    (tmp_path / f"store/runs/{first.run_id}/run.json").write_bytes(record.encode())
    with pytest.raises(
        DagsterInvariantViolationError, match=r"still runs \(by pid 1 on a-host-that-is-gone\)"
    ):
        execute_job(
            flow, store=store, reexecution_options=ReexecutionOptions.from_failure(first.run_id)
        )
    forced = ReexecutionOptions.from_failure(first.run_id, is_forced=True)
    assert (
        execute_job(flow, store=store, reexecution_options=forced).output_for_node("total") == TOTAL
    )
    assert ran.drain() == ["total", "work[k2]"]
    with pytest.raises(
        DefinitionError, match=r"is the id of a run \(result.run_id\), got JobExecutionResult"
    ):
        ReexecutionOptions.from_failure(first)  # type: ignore[arg-type]  # that is the mistake
