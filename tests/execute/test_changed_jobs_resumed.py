"""Resuming a job whose steps, wiring or outputs changed since the earlier run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import resumed_jobs
from resumed_jobs import Ran, Run

from rayexec import DynamicOut, DynamicOutput, JobDefinition, Out, ReexecutionOptions, job, op
from rayexec.store import DirectoryRunStore

ran = resumed_jobs.ran
run = resumed_jobs.run
store = resumed_jobs.store


def test_a_job_that_was_changed_runs_what_is_new_and_what_hangs_on_it(
    run: Run, ran: Ran, tmp_path: Path
) -> None:
    store = DirectoryRunStore(tmp_path / "store")

    @op
    def load() -> int:
        ran.note("load")
        return 1

    @op
    def extra(value: int) -> int:
        ran.note("extra")
        return value + 1

    @op
    def middle(value: int) -> int:
        ran.note("middle")
        return value * 10

    @op
    def save(value: int) -> int:
        ran.note("save")
        ran.check()
        return value

    @job(name="evolving")
    def before() -> None:
        save(middle(load()))

    @job(name="evolving")
    def after() -> None:
        save(middle(extra(load())))

    first = run(before, store, durable=True)
    ran.drain()
    result = run(after, store, reexecution_options=ReexecutionOptions.from_failure(first.run_id))
    assert ran.drain() == ["extra", "middle", "save"]
    assert result.output_for_node("save") == 20


def test_a_step_that_is_wired_to_another_op_runs_again(run: Run, ran: Ran, tmp_path: Path) -> None:
    store = DirectoryRunStore(tmp_path / "store")

    @op
    def a() -> int:
        return 1

    @op
    def b() -> int:
        return 2

    @op
    def use(value: int) -> int:
        ran.note("use")
        return value * 100

    @op
    def save(value: int) -> int:
        ran.check()
        return value

    @job(name="rewired")
    def before() -> None:
        b()
        save(use(a()))

    @job(name="rewired")
    def after() -> None:
        a()
        save(use(b()))

    first = run(before, store, durable=True)
    ran.drain()
    result = run(after, store, reexecution_options=ReexecutionOptions.from_failure(first.run_id))
    assert ran.drain() == ["use"]
    assert result.output_for_node("save") == 200


@pytest.mark.parametrize("was_dynamic", [True, False])
def test_an_output_that_became_dynamic_or_plain_is_yielded_again(
    run: Run, ran: Ran, tmp_path: Path, was_dynamic: bool
) -> None:
    store = DirectoryRunStore(tmp_path / "store")

    def make(is_dynamic: bool) -> JobDefinition:
        @op(out=DynamicOut() if is_dynamic else Out())
        def source() -> Any:
            ran.note("source")
            return [DynamicOutput(1, "a"), DynamicOutput(2, "b")] if is_dynamic else 3

        @op
        def one(value: int) -> int:
            ran.check()
            return value

        @job
        def changed() -> None:
            if is_dynamic:
                source().map(one)
            else:
                one(source())

        return changed

    first = run(make(was_dynamic), store, durable=True)
    assert not first.success
    ran.drain()
    result = run(
        make(not was_dynamic),
        store,
        reexecution_options=ReexecutionOptions.from_failure(first.run_id),
    )
    assert ran.drain() == ["source"]
    assert result.success
    assert result.output_for_node("one") == (3 if was_dynamic else {"a": 1, "b": 2})
