"""One step in full: attempts, waits, inputs, outputs, prints, and the errors of its attempts."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from rayexec.events import Attempt, BatchFacts, ErrorInfo, StepEnd
from rayexec.views.attempt_rows import attempt_row
from rayexec.views.log_lines import cut_text, expanded
from rayexec.views.materializations import materialized, metadata_document
from rayexec.views.run_columns import RunColumns

__all__ = ["step_details"]

_MOST_CHARACTERS = 256 * 1024
_MOST_NEIGHBOURS = 500
_MOST_LOG_LINES = 2_000
_MOST_ATTEMPTS = 200
_MOST_CAUSES = 20
_MOST_MATERIALIZATIONS = 200
_ENDS = list(StepEnd)


class _AsLog:
    """The columns of a run by the names that a stored log has."""

    def __init__(self, columns: RunColumns) -> None:
        self._columns = columns
        self.batches: Mapping[int, BatchFacts] = columns.batches

    @property
    def keys(self) -> _AsLog:
        """The keys of steps, by index."""
        return self

    def __getitem__(self, step: int) -> str:
        return self._columns.key(step)

    def op_of(self, step: int) -> str:
        """Return the name of a step's op."""
        return self._columns.steps.ops[self._columns.steps.op_of_step[step]]


def step_details(columns: RunColumns, step: int) -> dict[str, Any]:
    """Return a step as ``StepAnswer`` has it."""
    steps = columns.steps
    attempts = columns.attempts_of(step)
    after = list(steps.predecessors(step))
    before = _followers(columns, step)
    signature = steps.signatures[steps.signature_of_step[step]]
    last = attempts[-1] if attempts else None
    shown = attempts[-_MOST_ATTEMPTS:]
    return {
        "step": step,
        "key": columns.key(step),
        "op": signature.op,
        "state": _ENDS[steps.ends[step]].value,
        "attempts": [_attempt(columns, attempt) for attempt in shown],
        "inputs": _inputs(columns, signature.inputs, last, after),
        "outputs": _outputs(columns, signature.outputs, last, before),
        "after": [columns.key(each) for each in after[:_MOST_NEIGHBOURS]],
        "before": [columns.key(each) for each in before[:_MOST_NEIGHBOURS]],
        "after_count": len(after),
        "before_count": len(before),
        "metadata": {} if last is None else _all_metadata(last),
        "materializations": [
            each for attempt in shown for each in materialized(expanded(columns, attempt))
        ][-_MOST_MATERIALIZATIONS:],
        "cached_from": None
        if last is None or last.reused is None
        else {"run_id": last.reused.run_id, "step_key": last.reused.step_key},
        "stdout": _cut("".join(attempt.stdout for attempt in shown)),
        "stderr": _cut("".join(attempt.stderr for attempt in shown)),
        "logs": [
            {
                "attempt": attempt.attempt_number,
                "time": line.time,
                "level": logging.getLevelName(line.level),
                **dict(zip(("message", "left_out"), cut_text(line.message), strict=True)),
            }
            for attempt in shown
            for line in attempt.logs
        ][-_MOST_LOG_LINES:],
    }


def _followers(columns: RunColumns, step: int) -> list[int]:
    sources, targets = columns.steps.edges()
    followers: list[int] = []
    at = -1
    while True:
        try:
            at = sources.index(step, at + 1)
        except ValueError:
            return followers
        followers.append(targets[at])


def _attempt(columns: RunColumns, attempt: Attempt) -> dict[str, Any]:
    row = attempt_row(columns.record, _AsLog(columns), attempt)
    wait = columns.blocked.get((attempt.step, attempt.attempt_number))
    return {
        **row._asdict(),
        "waited_s": None if wait is None else wait.seconds,
        "waited_for": None if wait is None else columns.limits[wait.limit],
        "holders": [] if wait is None else list(wait.held_by),
        "failure": None if attempt.failure is None else _failure(attempt.failure.root),
    }


def _failure(error: ErrorInfo) -> dict[str, Any]:
    causes: list[dict[str, str]] = []
    origin = error.origin
    while origin is not None and len(causes) < _MOST_CAUSES:
        causes.append({"error": origin.own_name, "message": origin.message, "stack": origin.stack})
        origin = origin.origin
    return {
        "error": error.own_name,
        "message": error.message,
        "stack": error.stack,
        "causes": causes,
    }


def _inputs(
    columns: RunColumns, names: Sequence[str], last: Attempt | None, after: Sequence[int]
) -> list[dict[str, Any]]:
    """Return the inputs; the log has the source of one only where a manager loaded it."""
    sources: dict[str, list[str]] = {}
    for loaded in () if last is None else last.loaded:
        if loaded.upstream_step_key is not None:
            sources.setdefault(loaded.name, []).append(loaded.upstream_step_key)
    if len(names) == 1 and names[0] not in sources:
        sources[names[0]] = [columns.key(each) for each in after[:_MOST_NEIGHBOURS]]
    return [{"name": name, "from": sources.get(name, [])[:_MOST_NEIGHBOURS]} for name in names]


def _outputs(
    columns: RunColumns, names: Sequence[str], last: Attempt | None, before: Sequence[int]
) -> list[dict[str, Any]]:
    """Return the outputs; the log has their readers only for a step with one output."""
    stored = {} if last is None else {output.name: output for output in last.outputs}
    names = list(dict.fromkeys([*names, *stored]))[:_MOST_NEIGHBOURS]
    readers = [columns.key(each) for each in before[:_MOST_NEIGHBOURS]] if len(names) == 1 else []
    rows = []
    for name in names:
        output = stored.get(name)
        handled = None if output is None else output.handled
        metadata = None if output is None or not output.metadata else output.metadata
        rows.append(
            {
                "name": name,
                "to": readers,
                "metadata": None if metadata is None else metadata_document(metadata),
                "manager": None if handled is None else handled.manager_key,
            }
        )
    return rows


def _all_metadata(attempt: Attempt) -> dict[str, Any]:
    merged: dict[str, Any] = {}
    for output in attempt.outputs:
        merged |= output.metadata or {}
    return metadata_document(merged)


def _cut(text: str) -> dict[str, Any]:
    return {"text": text[-_MOST_CHARACTERS:], "is_cut": len(text) > _MOST_CHARACTERS}
