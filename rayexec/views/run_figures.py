"""Figures of a recorded run from its columns: summary, ops, failures and critical path."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rayexec.events import (
    DRIVER_BATCH,
    FAILURE,
    Attempt,
    BatchFacts,
    ErrorInfo,
    OutputRecord,
    StepBlockedData,
    StepEnd,
)
from rayexec.store.columns import ATTEMPT, PLAIN
from rayexec.store.encoding import read_attempt, read_event
from rayexec.views.arrow_columns import (
    arrow_of,
    equal_any,
    grouped,
    numbers_of,
    record_columns,
    within,
)
from rayexec.views.read_columns import ReadColumns
from rayexec.views.run_summary import OpSummary, RunSummary, StepFailure, StepSummary
from rayexec.views.worker_use import QueuedBatch, WorkerUse

__all__ = [
    "FailureGroup",
    "NodeCounts",
    "attempt_at",
    "attempt_of",
    "failures",
    "node_counts",
    "summary",
    "times_by",
]

_NO_FACTS = BatchFacts(DRIVER_BATCH)
_ENDS = list(StepEnd)
_MOST_NODES = 5_000


@dataclass(slots=True)
class FailureGroup:
    """Failures with one message; ``steps`` are the keys of the first few."""

    message: str
    error: str
    count: int = 0
    steps: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class NodeCounts:
    """Steps of one node: counts by end, and the times of their attempts (seconds)."""

    path: str
    op: str
    counts: dict[StepEnd, int]
    attempts: int
    seconds: float
    longest: float


def attempt_at(columns: ReadColumns, row: int) -> Attempt:
    """Return an attempt in full, from its frame in the log; raises StoreError."""
    frame, position = columns.attempts.position(row)
    return next(attempts_in(columns, frame, [position]))


def attempts_in(columns: ReadColumns, frame: int, positions: Sequence[int]) -> Iterator[Attempt]:
    """Yield attempts of one frame, by their positions among its attempts."""
    from pyarrow import compute

    table = record_columns(columns.frames.records(frame))
    is_one = equal_any(table["kind"], PLAIN, ATTEMPT)
    is_valid = within(table["step"], 0, len(columns.steps))
    rows = table.filter(compute.and_(is_one, is_valid))
    for position in positions:
        yield attempt_of(columns, rows.slice(position, 1).to_pylist()[0])


def attempt_of(columns: ReadColumns, row: Mapping[str, Any]) -> Attempt:
    """Return the attempt of a row of the log."""
    signature = columns.steps.signatures[columns.steps.signature_of_step[row["step"]]]
    rest: dict[str, Any] = {"outputs": tuple(map(OutputRecord, signature.outputs))}
    if row["kind"] == ATTEMPT:
        rest.update(read_attempt(row["detail"]))
    return Attempt(
        row["step"],
        row["number"],
        row["outcome"],
        row["started"],
        row["ended"],
        pid=row["pid"],
        batch=row["slice"],
        output_bytes=row["output_bytes"],
        **rest,
    )


def failures(columns: ReadColumns, first: int = 0) -> Iterator[StepFailure]:
    """Yield the failures of steps for good, in the order of the log, from row ``first`` on."""
    by_frame: dict[int, list[int]] = {}
    outcomes = bytes(columns.attempts.outcome)
    row = outcomes.find(FAILURE, first)
    while row >= 0:
        frame, position = columns.attempts.position(row)
        by_frame.setdefault(frame, []).append(position)
        row = outcomes.find(FAILURE, row + 1)
    for frame, positions in by_frame.items():
        for attempt in attempts_in(columns, frame, positions):
            if attempt.failure is not None:
                key = columns.steps.key(attempt.step)
                yield StepFailure(key, attempt.attempt_number + 1, attempt.failure)


def node_counts(columns: ReadColumns) -> list[NodeCounts]:
    """Return the counts of each node, in the order of their first steps.

    A run of very many nodes has the counts of each op instead, with its name as the path.
    """
    import pyarrow as pa

    steps = columns.steps
    paths, path_of_step = steps.ops, steps.arrow_ops()
    if steps.has_few_nodes(_MOST_NODES):
        paths, path_of_step = steps.node_paths()
    ops = [""] * len(paths)
    by_end = [dict.fromkeys(StepEnd, 0) for _ in paths]
    table = pa.table([path_of_step, steps.arrow_ops(), steps.arrow_ends()], ["path", "op", "end"])
    ended = grouped(table, ["path", "op", "end"], ("", "count_all"))
    names = ("path", "op", "end", "count_all")
    for path, op, end, count in zip(*(ended[name].to_pylist() for name in names), strict=True):
        ops[path] = steps.ops[op]
        by_end[path][_ENDS[end]] += count
    times = times_by(columns, path_of_step)
    return [
        NodeCounts(path, ops[index], by_end[index], *times.get(index, (0, 0.0, 0.0)))
        for index, path in enumerate(paths)
    ]


def summary(columns: ReadColumns) -> RunSummary:
    """Return the summary of a run, with the figures that ``summarise`` has of its log."""
    import pyarrow as pa

    steps = columns.steps
    ops = [OpSummary(name) for name in steps.ops]
    table = pa.table([steps.arrow_ops(), steps.arrow_ends()], ["op", "end"])
    ended = grouped(table, ["op", "end"], ("", "count_all"))
    for op, end, count in zip(
        *(ended[name].to_pylist() for name in ("op", "end", "count_all")), strict=True
    ):
        ops[op].counts[_ENDS[end]] = count
    times = times_by(columns, steps.arrow_ops())
    for op, (count, seconds, longest) in times.items():
        ops[op].attempts, ops[op].seconds, ops[op].longest = count, seconds, longest
    workers, longest_queue = _workers(columns)
    error = None
    if columns.failure_text is not None:
        data = read_event(columns.failure_text, 0.0).event_specific_data
        error = data if isinstance(data, ErrorInfo) else None
    return RunSummary(
        _StepSummaries(columns),
        _in_order_of_steps(columns, ops),
        list(failures(columns)),
        workers,
        longest_queue,
        error,
        columns.latest or None,
    )


def _in_order_of_steps(columns: ReadColumns, ops: list[OpSummary]) -> list[OpSummary]:
    """Return the ops that have steps, in the order of their first ones."""
    unique = arrow_of(columns.steps.op_of_step).unique()
    return [ops[index] for index in unique.to_pylist()]


def times_by(columns: ReadColumns, value_of_step: Any) -> dict[int, tuple[int, float, float]]:
    """Return number, sum of seconds and most seconds of the attempts of steps with each value."""
    attempts = columns.attempts.table()
    return _times(attempts.append_column("by", value_of_step.take(attempts["step"])))


def _times(attempts: Any) -> dict[int, tuple[int, float, float]]:
    """Return number, sum of seconds and most seconds of the attempts with each value of ``by``."""
    sums = grouped(attempts, ["by"], ("row", "count"), ("seconds", "sum"), ("seconds", "max"))
    names = ("by", "row_count", "seconds_sum", "seconds_max")
    rows = zip(*(sums[name].to_pylist() for name in names), strict=True)
    return {by: (count, seconds, max(0.0, longest)) for by, count, seconds, longest in rows}


def _workers(columns: ReadColumns) -> tuple[list[WorkerUse], QueuedBatch | None]:
    attempts = columns.attempts.table()
    lanes = arrow_of(columns.lanes.lane_of_row)
    attempts = attempts.append_column("by", lanes)
    times = _times(attempts)
    first = grouped(attempts, ["by", "batch", "pid"], ("row", "min"), ("step", "first"))
    names = ("row_min", "by", "batch", "step_first")
    pairs = sorted(zip(*(numbers_of(first[name]) for name in names), strict=True))
    uses: dict[int, WorkerUse] = {}
    longest: QueuedBatch | None = None
    for _, lane_id, batch, step in pairs:
        use = uses.get(lane_id)
        if use is None:
            lane = columns.lanes.lanes[lane_id]
            use = uses[lane_id] = WorkerUse(lane.node, lane.host, lane.node_id, lane.pid)
            use.attempts, use.seconds, _ = times[lane_id]
        facts = columns.batches.get(batch, _NO_FACTS)
        use.batches.add(batch)
        use.peak_rss = max(use.peak_rss, facts.peak_rss)
        queued = facts.queued
        if queued is not None:
            use.longest_queue = max(use.longest_queue, queued)
            if longest is None or queued > longest.seconds:
                longest = QueuedBatch(queued, columns.steps.key(step))
    return list(uses.values()), longest


class _StepSummaries(Sequence[StepSummary]):
    """Summaries of steps that are made when somebody looks at them."""

    def __init__(self, columns: ReadColumns) -> None:
        self._columns = columns
        self._made: list[StepSummary] | None = None
        self._count = len(columns.steps)

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: Any) -> Any:
        return self._all()[index]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]

    def _all(self) -> list[StepSummary]:
        if self._made is None:
            columns = self._columns
            steps, attempts = columns.steps, columns.attempts
            self._made = [
                StepSummary(key, steps.ops[op], _ENDS[end])
                for key, op, end in zip(
                    steps.keys.to_pylist(), steps.op_of_step, steps.ends, strict=True
                )
            ]
            for step, started, ended in zip(
                attempts.step, attempts.started, attempts.ended, strict=True
            ):
                self._made[step].attempts += 1
                self._made[step].seconds += ended - started
            for (step, _), blocked in columns.blocked.items():
                name = columns.limits[blocked.limit]
                wait = StepBlockedData(name, blocked.seconds, blocked.held_by)
                self._made[step].add_wait(wait)
        return self._made
