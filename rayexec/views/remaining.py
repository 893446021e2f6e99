"""Least remaining time of a run, by the times of its ops so far or in an earlier run.

The bounds are those of ``placement.bound``, over the steps to come. A log lacks the limits of a
step. So a limit bounds the nodes with steps that hold it or wait for it now: all steps of a node
count in the same limits.
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from typing import Any, NamedTuple

from rayexec.events import StepEnd
from rayexec.names import node_path
from rayexec.placement.bound import Bound
from rayexec.placement.limits import MAX_CONCURRENT
from rayexec.views.arrow_columns import arrow_of
from rayexec.views.quantities import duration
from rayexec.views.read_columns import ReadColumns
from rayexec.views.run_figures import times_by
from rayexec.views.step_columns import END_CODES, NOT_RUN

__all__ = ["Remaining", "op_means", "remaining", "remaining_in_words", "with_remaining"]

_FAILED = END_CODES[StepEnd.FAILED]
# Above it only the work is counted: the longest path takes a microsecond for each step.
_MOST_STEPS_OF_PATH = 200_000
_MOST_OPS = 8


class Remaining(NamedTuple):
    """Least remaining seconds of a run, and the cause."""

    seconds: float
    because_of: str
    #: Ops with steps to come and no time yet; they count nothing.
    unknown_ops: list[str]

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON-able data."""
        return {**self._asdict(), "seconds": round(self.seconds, 3)}


def op_means(columns: ReadColumns) -> dict[str, float]:
    """Return the mean seconds of the attempts of each op so far."""
    times = times_by(columns, columns.steps.arrow_ops())
    names = columns.steps.ops
    return {names[op]: seconds / count for op, (count, seconds, _) in times.items()}


def remaining(
    columns: ReadColumns, state: Mapping[str, Any], earlier: Mapping[str, float]
) -> Remaining | None:
    """Return the bound for a run in a state (``views.now``), None without any known time.

    ``earlier`` has mean seconds of ops in another run, for ops without an attempt in this one.
    """
    steps = columns.steps
    means = {**earlier, **op_means(columns)}
    mean_of_op = [means.get(op) for op in steps.ops]
    left = {step: mean_of_op[steps.op_of_step[step]] or 0.0 for step in _steps_to_come(columns)}
    ops = {steps.op_of_step[step] for step in left}
    unknown = [steps.ops[op] for op in ops if mean_of_op[op] is None]
    if len(unknown) == len(ops):
        return None
    running = {each["key"]: each["seconds"] for each in state["running"]}
    for key, step in zip(running, steps.steps_of(list(running)), strict=True):
        if step in left:
            left[step] = max(0.0, left[step] - running[key])
    highest = max(_bounds(columns, state, left), default=None)
    if highest is None:
        return None
    return Remaining(highest.seconds, highest.reason, sorted(unknown)[:_MOST_OPS])


def with_remaining(
    columns: ReadColumns, state: Mapping[str, Any], earlier: Mapping[str, float]
) -> dict[str, Any]:
    """Return a state with the bound, or None, under ``remaining``."""
    rest = remaining(columns, state, earlier)
    return {**state, "remaining": None if rest is None else rest.to_dict()}


def remaining_in_words(rest: Mapping[str, Any] | None) -> str | None:
    """Return such as ``at least 12 s, because of the longest path``; None for no bound."""
    if rest is None:
        return None
    unknown = ", ".join(rest["unknown_ops"])
    without = f"; no time is known of {unknown}" if unknown else ""
    return f"at least {duration(rest['seconds'])}, because of {rest['because_of']}{without}"


def _steps_to_come(columns: ReadColumns) -> list[int]:
    """Return the steps without an end; none behind a failure, since they never run."""
    steps = columns.steps
    ends = bytearray(steps.ends)
    if ends.count(_FAILED):
        behind: dict[int, list[int]] = {}
        for source, target in zip(*steps.edges(), strict=True):
            behind.setdefault(source, []).append(target)
        lost = [step for step, end in enumerate(ends) if end == _FAILED]
        while lost:
            for step in behind.get(lost.pop(), ()):
                if ends[step] == NOT_RUN:
                    ends[step] = _FAILED
                    lost.append(step)
    return [step for step, end in enumerate(ends) if end == NOT_RUN]


def _bounds(
    columns: ReadColumns, state: Mapping[str, Any], left: Mapping[int, float]
) -> list[Bound]:
    bounds: list[Bound] = []
    if columns.steps.has_predecessors and len(columns.steps) <= _MOST_STEPS_OF_PATH:
        bounds.append(Bound(_longest_path(columns, left), "the longest path"))
    most = {limit["limit"]: limit["most"] for limit in columns.run_limits}
    at_once = most.get(MAX_CONCURRENT) or state["slots"]["most"]
    if at_once:
        bounds.append(Bound(sum(left.values()) / at_once, f"{MAX_CONCURRENT} {at_once:g}"))
    limited = [queue for queue in state["queues"] if queue["limit"] and queue["most"]]
    if limited:
        by_node: dict[str, float] = {}
        keys = columns.steps.keys.take(arrow_of(array("i", left))).to_pylist()
        for key, seconds in zip(keys, left.values(), strict=True):
            by_node[node_path(key)] = by_node.get(node_path(key), 0.0) + seconds
        for queue in limited:
            holders = [holder["key"] for holder in queue["holders"]]
            nodes = {node_path(key) for key in (*queue["steps"], *holders)}
            work = sum(by_node.get(node, 0.0) for node in nodes)
            bounds.append(Bound(work / queue["most"], f"{queue['limit']} {queue['most']:g}"))
    return bounds


def _longest_path(columns: ReadColumns, left: Mapping[int, float]) -> float:
    """Return the seconds of the longest path of steps to come."""
    following: dict[int, list[int]] = {}
    waits = dict.fromkeys(left, 0)
    for source, target in zip(*columns.steps.edges(), strict=True):
        if source in left and target in left:
            following.setdefault(source, []).append(target)
            waits[target] += 1
    begins = dict.fromkeys(left, 0.0)
    ready = [step for step, count in waits.items() if not count]
    longest = 0.0
    while ready:
        step = ready.pop()
        end = begins[step] + left[step]
        longest = max(longest, end)
        for target in following.get(step, ()):
            begins[target] = max(begins[target], end)
            waits[target] -= 1
            if not waits[target]:
                ready.append(target)
    return longest
