"""Summary of a run: ends, attempts and times of its steps, ops and workers, in one pass."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from rayexec.events import (
    Attempt,
    ErrorInfo,
    Event,
    EventType,
    StepBlockedData,
    StepEnd,
    StepFailureData,
    counts_by_end,
    end_of,
    ends_of,
)
from rayexec.plan import Plan
from rayexec.views.history import RunHistory
from rayexec.views.worker_use import NodeUse, QueuedBatch, WorkerUse, WorkerUses, nodes_of

__all__ = ["OpSummary", "RunSummary", "StepFailure", "StepSummary", "steps_in_order", "summarise"]


@dataclass(slots=True)
class StepSummary:
    """One step: its end, and the time of all its attempts together (seconds)."""

    key: str
    op: str
    end: StepEnd = StepEnd.NOT_RUN
    attempts: int = 0
    seconds: float = 0.0
    #: The waits for limits of tags or pools together, with the limit of the last one.
    blocked: StepBlockedData | None = None

    def add_wait(self, wait: StepBlockedData) -> None:
        """Count the wait of one more attempt."""
        former = 0.0 if self.blocked is None else self.blocked.seconds
        self.blocked = replace(wait, seconds=former + wait.seconds)


@dataclass(slots=True)
class OpSummary:
    """The steps of one op: counts by end, and the times of their attempts (seconds)."""

    name: str
    counts: dict[StepEnd, int] = field(default_factory=lambda: dict.fromkeys(StepEnd, 0))
    attempts: int = 0
    seconds: float = 0.0
    longest: float = 0.0


@dataclass(frozen=True, slots=True)
class StepFailure:
    """Failure of a step for good, in its attempt number ``attempt`` (1 is the first)."""

    step_key: str
    attempt: int
    data: StepFailureData


@dataclass
class RunSummary:
    """All that the history of a run adds up to."""

    #: By index.
    steps: Sequence[StepSummary]
    #: In the order of their first steps.
    ops: list[OpSummary]
    #: In the order of the log.
    failures: list[StepFailure]
    #: Processes that ran attempts, in the order of their first ones.
    workers: list[WorkerUse]
    longest_queue: QueuedBatch | None
    #: Error that ended the run as a whole.
    error: ErrorInfo | None
    #: Moment of the latest record, in seconds since 1970.
    latest: float | None

    @cached_property
    def counts(self) -> dict[StepEnd, int]:
        """Numbers of steps by end; reused ones only if there are any."""
        ended = {end: sum(op.counts[end] for op in self.ops) for end in StepEnd}
        return counts_by_end(ended, len(self.steps))

    @cached_property
    def nodes(self) -> list[NodeUse]:
        """The nodes of the workers, most attempts first."""
        return nodes_of(self.workers)


def summarise(history: RunHistory) -> RunSummary:
    """Return the summary of a run, live or stored."""
    steps = [StepSummary(key, history.op_of(step)) for step, key in enumerate(history.keys)]
    step_by_key = {step.key: step for step in steps}
    ops: dict[str, OpSummary] = {}
    for step in steps:
        if step.op not in ops:
            ops[step.op] = OpSummary(step.op)
    uses = WorkerUses(history.batches)
    failures: list[StepFailure] = []
    error: ErrorInfo | None = None
    latest = 0.0
    for entry in history.entries():
        if isinstance(entry, Attempt):
            step = steps[entry.step]
            op, seconds = ops[step.op], entry.ended - entry.started
            step.attempts += 1
            step.seconds += seconds
            op.attempts += 1
            op.seconds += seconds
            if seconds > op.longest:
                op.longest = seconds
            uses.add(entry, step.key, seconds)
            if entry.ended > latest:
                latest = entry.ended
            # Before a retry the step has no end yet.
            step.end = end_of(entry) or StepEnd.NOT_RUN
            if entry.failure is not None and step.end is StepEnd.FAILED:
                failures.append(StepFailure(step.key, entry.attempt_number + 1, entry.failure))
            continue
        ended = ends_of(entry)
        if ended is not None:
            for name in ended.steps:
                ended_step = step_by_key.get(name) if isinstance(name, str) else steps[name]
                if ended_step is not None:
                    ended_step.end = ended.end
        if isinstance(entry, Event):
            latest = max(latest, entry.timestamp)
            if entry.event_type is EventType.RUN_FAILURE and isinstance(
                entry.event_specific_data, ErrorInfo
            ):
                error = entry.event_specific_data
    for step in steps:
        ops[step.op].counts[step.end] += 1
    for (index, _), blocked in history.blocked.items():
        steps[index].add_wait(blocked)
    return RunSummary(
        steps,
        list(ops.values()),
        failures,
        uses.workers(),
        uses.longest_queue,
        error,
        latest or None,
    )


def steps_in_order(summary: RunSummary, plan: Plan) -> Sequence[StepSummary]:
    """Return the steps in the order of the plan; steps of dynamic outputs behind their cause."""
    if not plan.mapped_nodes:
        return summary.steps
    order = plan.depth_order
    return [summary.steps[step] for step in sorted(range(len(order)), key=order.__getitem__)]
