"""A run's events, as its log has them."""

from __future__ import annotations

import json
import os
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from held_limits import LIMITED, queries_job
from store_kinds import KINDS, make_store

from rayexec import (
    DynamicOut,
    DynamicOutput,
    EventType,
    Failure,
    In,
    JobDefinition,
    MetadataValue,
    Nothing,
    OpExecutionContext,
    Out,
    Output,
    RetryPolicy,
    RunResult,
    failure_hook,
    fs_io_manager,
    graph,
    job,
    op,
    resource,
    success_hook,
)
from rayexec.events import RETRY, Attempt, Successes
from rayexec.execute import Observer, Record
from rayexec.plan import compile_job
from rayexec.store import DirectoryRunStore, MemoryRunStore, RunRecord, RunStore
from rayexec.store.columns import PLAIN
from rayexec.store.reading import StoredLog
from rayexec.store.writing import LogWriter

IN_PROCESS: dict[str, Any] = {"execution": {"config": {"in_process": {}}}}


@pytest.fixture(params=KINDS)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> RunStore:
    """A run store of each kind."""
    return make_store(request.param, tmp_path)


def record(
    job: JobDefinition, store: RunStore, config: Any = None, **options: Any
) -> tuple[RunResult, StoredLog]:
    """Run a job in this process, recorded; return its result and its log."""
    result: RunResult = job.execute({**IN_PROCESS, **(config or {})}, store=store, **options)
    return result, StoredLog(store.open(result.run_id))


class Odd(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no words")


@op
def one() -> int:
    return 1


@op
def add(left: int, right: int) -> int:
    return left + right


@op(ins={"after": In(Nothing)}, out={"a": Out(is_required=False), "b": Out()})
def two(context: OpExecutionContext, start: int = 3) -> Iterator[Output[Any]]:
    context.log.warning("a line\nand another ü \ud800")
    print("printed")
    os.write(2, b"not UTF-8: \xff\xfe\n")
    yield Output(
        start,
        "b",
        metadata={
            "n": 1,
            "x": float("inf"),
            "where": Path("/tmp"),
            "md": MetadataValue.md("*"),
            "d": {"$": 1},
        },
    )


@op(retry_policy=RetryPolicy(max_retries=2))
def broken(value: int) -> int:
    try:
        raise Odd
    except Odd as error:
        raise Failure("it is broken", metadata={"rows": 3}) from error


@op(required_resource_keys={"client"})
def uses(context: OpExecutionContext) -> None:
    context.log.info("using")


@op(out=DynamicOut())
def fan(context: OpExecutionContext) -> Iterator[DynamicOutput[int]]:
    for index in range(4):
        yield DynamicOutput(index, f"k{index}", metadata={"n": index})


@op(out=DynamicOut(is_required=False))
def nothing() -> Iterator[DynamicOutput[int]]:
    yield from ()


@op
def pick(value: int) -> int:
    if value == 2:
        raise ValueError("not two")
    return value


@op
def total(values: list[int]) -> int:
    return sum(values)


@success_hook
def noted(_: Any) -> None:
    pass


@failure_hook
def failing_hook(_: Any) -> None:
    raise KeyError("hook")


@resource
def client(_: Any) -> Iterator[int]:
    yield 1
    print("closing")
    raise OSError("cannot close")


@graph
def inner() -> Any:
    return add(one(), one())


@job(resource_defs={"client": client}, hooks={noted, failing_hook})
def everything() -> None:
    inner_output = inner()
    a, _ = two(after=inner_output)
    pick.alias("skipped")(a)
    add.alias("sum")(inner_output, add.alias("again")(broken(inner_output), one()))
    uses()
    total(fan().map(pick).collect())
    total.alias("of_none")(nothing().map(pick.alias("never")).collect())


def test_all_events_come_back_without_the_code_of_the_job(store: RunStore) -> None:
    result, log = record(everything, store)
    assert list(log.events()) == result.all_events
    kinds = {event.event_type.name for event in log.events()}
    assert kinds >= {
        "STEP_UP_FOR_RETRY",
        "STEP_SKIPPED",
        "HOOK_ERRORED",
        "RUN_FAILURE",
        "LOG_MESSAGE",
    }
    assert json.dumps([event.to_dict() for event in log.events()]) == json.dumps(
        [event.to_dict() for event in result.all_events]
    )
    assert store.open(result.run_id).record().steps == result.counts()


def test_what_io_managers_add_comes_back(store: RunStore, tmp_path: Path) -> None:
    @job(resource_defs={"io_manager": fs_io_manager})
    def managed() -> None:
        add(one(), one())

    result, log = record(
        managed, store, {"resources": {"io_manager": {"config": {"base_dir": str(tmp_path)}}}}
    )
    assert list(log.events()) == result.all_events
    [stored, *_] = [event for event in log.events() if event.event_type is EventType.HANDLED_OUTPUT]
    assert stored.handled_output_data.given_key == "io_manager"
    assert stored.handled_output_data.metadata["path"].kind == "path"


def test_an_error_that_kept_the_run_from_going_on_is_recorded(store: RunStore) -> None:
    @resource
    def bad(_: Any) -> None:
        raise OSError("no such host")

    @job(resource_defs={"client": bad})
    def stuck() -> None:
        uses()

    result, log = record(stuck, store)
    assert not result.success
    assert list(log.events()) == result.all_events
    assert store.open(result.run_id).record().status == "FAILURE"


def test_an_engine_that_cannot_start_is_recorded(ray_session: None) -> None:
    store = MemoryRunStore()

    @op(ray_options={"num_cpus": 4000})
    def greedy() -> None: ...

    @job
    def impossible() -> None:
        greedy()

    with pytest.raises(Exception, match="4000"):
        impossible.execute(store=store)
    [run_record] = store.list()
    assert run_record.status == "FAILURE"
    assert run_record.error is not None
    assert "4000" in run_record.error["message"]


def test_a_run_on_ray_is_recorded_alike(tmp_path: Path, ray_session: None) -> None:
    store = DirectoryRunStore(tmp_path)

    @job(resource_defs={"client": client}, hooks={noted, failing_hook})
    def on_ray() -> None:
        broken(one())
        total(fan().map(pick).collect())
        uses()
        two(after=one())

    result = on_ray.execute(store=store)
    log = StoredLog(store.open(result.run_id))
    assert list(log.events()) == result.all_events
    assert "LOGS_CAPTURED" in {event.event_type.name for event in log.events()}
    assert store.open(result.run_id).record().steps == result.counts()


def test_what_kept_steps_waiting_is_recorded(ray_session: None, tmp_path: Path) -> None:
    store = MemoryRunStore()
    result = queries_job(tmp_path).execute(LIMITED, store=store)
    events = list(StoredLog(store.open(result.run_id)).events())
    assert events == result.all_events
    assert [event.event_type.name for event in events].count("STEP_BLOCKED") == 2


def test_plain_successes_are_nothing_but_columns(ray_session: None) -> None:
    @op
    def follow(value: int) -> int:
        return value

    @job
    def chain() -> None:
        value = one()
        for _ in range(2_000):
            value = follow(value)

    store = MemoryRunStore()
    result = chain.execute(store=store)
    log = StoredLog(store.open(result.run_id))
    assert list(log.events()) == result.all_events
    kinds = [kind for kind, *_ in log._rows()]
    assert kinds.count(PLAIN) == 2_001
    assert sum(map(len, store.open(result.run_id).log())) < 100_000


def test_a_step_is_told_anew_once_it_is_known_what_it_collects(store: RunStore) -> None:
    @job
    def empty() -> None:
        total(nothing().collect())

    result, log = record(empty, store)
    assert list(log.events()) == result.all_events


def test_a_run_that_nobody_wants_recorded_is_not(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("RAYEXEC_HOME", str(tmp_path / "home"))

    @job
    def small() -> None:
        one()

    small.execute_in_process()
    small.execute(IN_PROCESS, store=False)
    monkeypatch.setenv("RAYEXEC_RECORD", "0")
    small.execute(IN_PROCESS)
    assert not (tmp_path / "home").exists()
    monkeypatch.delenv("RAYEXEC_RECORD")
    small.execute(IN_PROCESS)
    assert len(list((tmp_path / "home/runs").iterdir())) == 1


def test_nothing_is_left_open(tmp_path: Path) -> None:
    @job
    def small() -> None:
        one()

    def opened() -> int:
        return sum(
            str(tmp_path) in os.path.realpath(f"/proc/self/fd/{each}")
            for each in os.listdir("/proc/self/fd")
        )

    small.execute(IN_PROCESS, store=tmp_path)
    assert opened() == 0
    [run] = (tmp_path / "runs").iterdir()
    assert sorted(str(each.relative_to(run)) for each in run.rglob("*")) == [
        "events",
        "events/00000000.log",
        "run.json",
    ]


def test_what_is_known_of_a_run_is_noted(tmp_path: Path) -> None:
    store = MemoryRunStore()
    result, _ = record(
        everything,
        store,
        op_selection=["inner.one"],
        tags={"team": "a", "dagster/parent_run_id": "p", "dagster/root_run_id": "r"},
    )
    run_record = store.open(result.run_id).record()
    assert (run_record.job_name, run_record.status, run_record.op_selection) == (
        "everything",
        "SUCCESS",
        ("inner.one",),
    )
    assert (run_record.parent_run_id, run_record.root_run_id, run_record.tags["team"]) == (
        "p",
        "r",
        "a",
    )
    assert run_record.run_config["execution"] == IN_PROCESS["execution"]
    assert set(run_record.versions) == {"rayexec", "ray", "pyarrow", "python"}
    assert (run_record.origin["file"], run_record.origin["attribute"]) == (__file__, "everything")
    assert run_record.driver is not None
    assert run_record.driver.pid == os.getpid()
    assert run_record.end_time is not None
    assert run_record.start_time <= run_record.end_time


def test_what_was_recorded_before_a_run_broke_off_is_kept(store: RunStore) -> None:
    class Broken(Observer):
        def recorded(self, record: Record) -> None:
            if isinstance(record, Attempt):
                raise RuntimeError("an observer that is broken")

    @job
    def small() -> None:
        one()

    with pytest.raises(RuntimeError, match="is broken"):
        small.execute(IN_PROCESS, store=store, run_id="r", observer=Broken())
    run_record = store.open("r").record()
    assert run_record.status == "FAILURE"
    assert run_record.error == {"error": "RuntimeError", "message": "an observer that is broken"}
    assert next(StoredLog(store.open("r")).events()).event_type.name == "RUN_START"
    assert run_record.steps["succeeded"] == 1


def test_a_step_that_runs_again_since_its_outputs_were_lost_counts_once() -> None:
    @job
    def twice() -> None:
        one()
        one()

    store = MemoryRunStore()
    writer = store.create(RunRecord("r", "twice"))
    log = LogWriter(compile_job(twice), writer)
    for moment in (1.0, 2.0):
        log.add(Successes([0], [0], array("d", [moment]), array("d", [moment]), 7))
    log.add(Attempt(1, 0, RETRY, 1.0, 1.0))
    log.write()
    assert log.counts == {"succeeded": 1, "failed": 0, "skipped": 0, "not run": 1}
    assert [each.started for each in StoredLog(store.open("r")).attempts()] == [1.0, 2.0, 1.0]
