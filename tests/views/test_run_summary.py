"""Summaries of runs, from a live log and from a stored one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rayexec import (
    DynamicOut,
    DynamicOutput,
    In,
    Nothing,
    OpExecutionContext,
    Out,
    Output,
    ReexecutionOptions,
    RetryPolicy,
    RunResult,
    job,
    op,
)
from rayexec.events import RETRY, SUCCESS, Attempt, StepEnd
from rayexec.plan import compile_job
from rayexec.store import DirectoryRunStore, RunRecord
from rayexec.store.reading import StoredLog
from rayexec.store.writing import LogWriter
from rayexec.views.failures import describe_failures, failure_text
from rayexec.views.run_report import outcome, report
from rayexec.views.run_summary import summarise

IN_PROCESS: dict[str, Any] = {"execution": {"config": {"in_process": {}}}}


@op
def load() -> int:
    return 1


@op(out=DynamicOut())
def split(value: int) -> Iterator[DynamicOutput[int]]:
    for index in range(3):
        yield DynamicOutput(index, str(index))


@op(retry_policy=RetryPolicy(max_retries=1))
def check(context: OpExecutionContext, value: int) -> int:
    if value == 1 and context.retry_number == 0:
        raise ValueError("once")
    if value == 2:
        raise ValueError("always")
    return value


@op(out=Out(is_required=False))
def silent() -> Iterator[Output[int]]:
    yield from ()


@op
def never(value: int) -> None: ...


@op(ins={"after": In(Nothing)})
def last() -> None: ...


@job
def mixed() -> None:
    checked = split(load()).map(check)
    last(after=checked.collect())
    never(silent())


ENDS = {
    "load": "succeeded",
    "split": "succeeded",
    "check[0]": "succeeded",
    "check[1]": "succeeded",
    "check[2]": "failed",
    "last": "not run",
    "silent": "succeeded",
    "never": "skipped",
}


@pytest.fixture
def result(tmp_path: Path) -> RunResult:
    """A run with an end of each kind but reuse, recorded below ``tmp_path``."""
    run: RunResult = mixed.execute(IN_PROCESS, store=tmp_path, raise_on_error=False)
    return run


def stored_log(home: Path, result: RunResult) -> StoredLog:
    return StoredLog(DirectoryRunStore(home).open(result.run_id))


def test_a_live_and_a_stored_log_have_the_same_summary(tmp_path: Path, result: RunResult) -> None:
    live, stored = summarise(result.run_log), summarise(stored_log(tmp_path, result))
    assert live.steps == stored.steps
    assert live.ops == stored.ops
    assert live.workers == stored.workers
    assert live.counts == stored.counts
    assert [failure.step_key for failure in live.failures] == ["check[2]"]
    assert [failure.attempt for failure in stored.failures] == [2]


def test_each_end_counts_once(result: RunResult) -> None:
    summary = summarise(result.run_log)
    assert {step.key: step.end.value for step in summary.steps} == ENDS
    assert summary.counts == dict(result.counts())
    check_op = next(op for op in summary.ops if op.name == "check")
    assert check_op.attempts == 5
    assert check_op.counts[StepEnd.FAILED] == 1
    assert check_op.longest <= check_op.seconds
    assert sum(op.attempts for op in summary.ops) == len(list(result.run_log.attempts()))


def test_the_outcome_and_the_report_agree(tmp_path: Path, result: RunResult) -> None:
    reader = DirectoryRunStore(tmp_path).open(result.run_id)
    recorded = report(reader.record(), StoredLog(reader)).to_dict()
    ended = outcome(result)
    for key in ("run_id", "job", "status", "steps"):
        assert ended[key] == recorded[key]
    for name, times in ended["ops"].items():
        assert times["attempts"] == recorded["ops"][name]["attempts"]
        assert times["seconds"] == pytest.approx(recorded["ops"][name]["seconds"], abs=1e-5)
    [failed] = ended["failed_steps"]
    assert failed.items() <= recorded["failed_steps"][0].items()


def test_restored_steps_count_as_reused(tmp_path: Path, result: RunResult) -> None:
    options = ReexecutionOptions.from_failure(result.run_id)
    resumed = mixed.execute(
        IN_PROCESS, store=tmp_path, raise_on_error=False, reexecution_options=options
    )
    live, stored = summarise(resumed.run_log), summarise(stored_log(tmp_path, resumed))
    assert live.steps == stored.steps
    assert live.counts == dict(resumed.counts())
    assert live.counts[StepEnd.REUSED] > 0


def test_a_step_that_lost_its_outputs_and_waits_for_a_retry_has_no_end(tmp_path: Path) -> None:
    store = DirectoryRunStore(tmp_path)
    writer = store.create(RunRecord("r", "mixed"))
    log = LogWriter(compile_job(mixed), writer)
    log.add(Attempt(0, 0, SUCCESS, 1.0, 2.0))
    log.add(Attempt(0, 1, RETRY, 3.0, 4.0))
    log.write()
    writer.close()
    summary = summarise(StoredLog(store.open("r")))
    assert summary.steps[0].end is StepEnd.NOT_RUN
    assert summary.counts == log.counts  # those of run.json
    assert log.counts["succeeded"] == 0


def test_a_failure_is_described_with_its_attempt(result: RunResult) -> None:
    [headline] = describe_failures(summarise(result.run_log).failures)
    assert headline.startswith('Step "check[2]" failed in attempt 2: ValueError: always')
    assert headline in failure_text(result)
