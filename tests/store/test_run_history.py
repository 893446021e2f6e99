"""A live log and a stored one tell the same history of a run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from held_limits import LIMITED, queries_job
from store_kinds import KINDS, make_store

from rayexec import (
    DynamicOut,
    DynamicOutput,
    OpExecutionContext,
    ReexecutionOptions,
    RetryPolicy,
    RunResult,
    job,
    op,
)
from rayexec.events import BatchFacts, StepBlockedData, StepsRestored
from rayexec.plan import compile_job
from rayexec.store import MemoryRunStore, RunRecord, RunStore
from rayexec.store.reading import StoredLog
from rayexec.store.writing import LogWriter


@pytest.fixture(params=KINDS)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> RunStore:
    """A run store of each kind."""
    return make_store(request.param, tmp_path)


@op
def one() -> int:
    return 1


@op(out=DynamicOut())
def fan(start: int) -> Iterator[DynamicOutput[int]]:
    for index in range(3):
        yield DynamicOutput(start + index, f"k{index}")


@op(retry_policy=RetryPolicy(max_retries=1))
def retried(context: OpExecutionContext, value: int) -> int:
    context.log.info("a line")
    if not context.retry_number:
        raise ValueError("the first try")
    return value


@op
def total(values: list[int]) -> int:
    if sum(values) == 6:
        raise ValueError("the sum is wrong")
    return sum(values)


@op
def after(value: int) -> int:
    return value


@job
def fans() -> None:
    after(total(fan(one()).map(retried).collect()))


def merged(entries: Iterable[Any]) -> list[Any]:
    """Return entries with restored steps that follow each other as one."""
    together: list[Any] = []
    for entry in entries:
        if isinstance(entry, StepsRestored) and isinstance(together[-1], StepsRestored):
            together[-1] = StepsRestored((*together[-1].steps, *entry.steps))
        elif isinstance(entry, StepsRestored):
            together.append(StepsRestored(tuple(entry.steps)))
        else:
            together.append(entry)
    return together


def check_alike(result: RunResult, stored: StoredLog) -> None:
    live = result._log
    assert list(live.keys) == list(stored.keys)
    steps = range(len(stored.keys))
    assert [live.op_of(step) for step in steps] == [stored.op_of(step) for step in steps]
    assert list(map(list, live.predecessors)) == list(map(list, stored.predecessors or []))
    assert dict(live.batches) == dict(stored.batches)
    assert live.batches
    assert live.blocked == stored.blocked
    assert list(live.attempts()) == list(stored.attempts())
    assert merged(live.entries()) == merged(stored.entries())
    assert list(live.events()) == list(stored.events())


IN_PROCESS: dict[str, Any] = {"execution": {"config": {"in_process": {}}}}


def test_both_logs_tell_the_same(store: RunStore) -> None:
    result = fans.execute(IN_PROCESS, raise_on_error=False, store=store)
    check_alike(result, StoredLog(store.open(result.run_id)))


def test_both_logs_tell_which_steps_were_restored(store: RunStore) -> None:
    first = fans.execute(IN_PROCESS, raise_on_error=False, store=store)
    options = ReexecutionOptions.from_failure(first.run_id)
    result = fans.execute(
        IN_PROCESS, raise_on_error=False, store=store, reexecution_options=options
    )
    stored = StoredLog(store.open(result.run_id))
    check_alike(result, stored)
    assert StepsRestored in map(type, stored.entries())


def test_both_logs_tell_the_same_on_ray(ray_session: None, tmp_path: Path) -> None:
    store = MemoryRunStore()
    result = queries_job(tmp_path).execute(LIMITED, store=store)
    stored = StoredLog(store.open(result.run_id))
    check_alike(result, stored)
    assert len(stored.blocked) == 2


def test_a_log_that_is_read_on_has_what_was_added_to_it(store: RunStore) -> None:
    plan = compile_job(fans)
    writer = LogWriter(plan, store.create(RunRecord("r", "fans")))
    log = StoredLog(store.open("r"))
    assert (log.predecessors, dict(log.batches), dict(log.blocked)) == ([], {}, {})
    writer.add(BatchFacts(4, "host", began=1.0))
    writer.write()
    log.read_on()
    assert log.predecessors == [list(each) for each in plan.predecessors]
    assert dict(log.batches) == {4: BatchFacts(4, "host", began=1.0)}
    blocked = {(0, 0): StepBlockedData("a limit", 2.0, ("fan",))}
    writer.add(BatchFacts(4, "host", began=1.0, ended=2.0))
    writer.add(BatchFacts(5, "host"))
    writer.write(blocked)
    log.read_on()
    assert list(log.batches) == [4, 5]
    assert log.batches[4].ended == 2.0
    assert log.blocked == blocked
