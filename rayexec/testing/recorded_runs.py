"""Recorded runs of any size that nobody drove, for tests of what reads runs."""

from __future__ import annotations

import time
from array import array
from collections.abc import Sequence
from dataclasses import replace

from rayexec.definitions.op import op
from rayexec.events import (
    FAILURE,
    Attempt,
    BatchFacts,
    ErrorInfo,
    RunStatus,
    StepBlockedData,
    StepFailureData,
    Successes,
)
from rayexec.jobs import job
from rayexec.plan import compile_job
from rayexec.store import DirectoryRunStore, RunRecord
from rayexec.store.writing import LogWriter

__all__ = ["record_large_run"]

_STEPS_OF_BATCH = 100


@op
def load() -> int:
    """Load a part."""
    return 1


@op
def clean(part: int) -> int:
    """Clean a part."""
    return part


def record_large_run(
    store: DirectoryRunStore,
    run_id: str,
    steps: int,
    *,
    workers: int = 16,
    step_s: float = 0.5,
    failing: Sequence[int] = (),
    waiting: int = 0,
) -> None:
    """Record a run of ``steps`` steps on ``workers`` workers, half of them loads, half cleans.

    Steps in ``failing`` failed in their only attempt, and the first ``waiting`` steps waited for
    a limit of tags.
    """

    @job
    def large() -> None:
        for _ in range(steps // 2):
            clean(load())

    plan = compile_job(large)
    began = time.time() - 86_400.0
    failed = frozenset(failing)
    status = RunStatus.FAILURE if failed else RunStatus.SUCCESS
    record = RunRecord(run_id, "large", status, start_time=began)
    writer = store.create(record)
    log = LogWriter(plan, writer)
    free_at = [began] * workers
    for batch, first in enumerate(range(0, len(plan.steps), _STEPS_OF_BATCH)):
        worker = batch % workers
        indices = range(first, min(first + _STEPS_OF_BATCH, len(plan.steps)))
        start = free_at[worker]
        free_at[worker] = end = start + len(indices) * step_s
        pid, host = 1_000 + worker, f"node-{worker // 8}"
        log.add(BatchFacts(batch, host, host, pid, start, start, end, calls=len(indices)))
        plain = [index for index in indices if index not in failed]
        started = array("d", (start + (index - first) * step_s for index in plain))
        ended = array("d", (moment + step_s * 0.9 for moment in started))
        log.add(Successes(plain, [0] * len(plain), started, ended, pid, batch))
        for index in indices:
            if index in failed:
                log.add(_failure(index, start + (index - first) * step_s, step_s, pid, batch))
    holders = (plan.steps[0].key,)
    log.write({(step, 0): StepBlockedData("kind=x", 0.25, holders) for step in range(waiting)})
    writer.update(replace(record, end_time=max(free_at), steps=dict(log.counts)))
    writer.close()


def _failure(step: int, started: float, step_s: float, pid: int, batch: int) -> Attempt:
    error = ErrorInfo("ValueError", f"part {step} is empty\n", "  in load\n")
    failure = StepFailureData(error, ("builtins.ValueError",))
    return Attempt(
        step, 0, FAILURE, started, started + step_s * 0.5, failure=failure, pid=pid, batch=batch
    )
