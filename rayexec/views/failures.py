"""Failures of a run in words: failed steps, and the error that ended the run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from rayexec.events import ErrorInfo, RunStatus, describe_error
from rayexec.execute import RunResult
from rayexec.names import node_path
from rayexec.store import RunRecord
from rayexec.views.run_summary import RunSummary, StepFailure, summarise

__all__ = ["describe_failures", "ending_error", "failure_text"]

_MOST_SHOWN = 10
_MOST_OF_ONE_NODE = 3  # of those, steps of one mapped node, which mostly fail alike
_MOST_NAMED = 20


def failure_text(result: RunResult) -> str:
    """Return the failures of a run, in the text that a command ends with.

    Each step has its message and its traceback without frames of rayexec.
    """
    if result.status == RunStatus.CANCELED:
        return f"Run {result.run_id} was canceled."
    parts = [f"Run {result.run_id} resulted in failure."]
    failures = summarise(result.run_log).failures if result.get_failed_step_keys() else []
    parts += describe_failures(failures)
    if len(failures) > len(_most_telling(failures)):
        parts[:2] = [f"{parts[0]} {parts[1]}"]
    if result.error is not None:
        parts.append(_describe("The run could not continue", describe_error(result.error)))
    return "\n\n".join(parts)


def describe_failures(failures: Sequence[StepFailure]) -> list[str]:
    """Return a part of text for each failure; of many only some, behind a part with their count."""
    parts = []
    shown = _most_telling(failures)
    if len(shown) < len(failures):
        parts.append(
            f"{len(failures):,} steps failed; {len(shown)} are shown, --json lists them all."
        )
    for failure in shown:
        tries = f" in attempt {failure.attempt}" if failure.attempt > 1 else ""
        parts.append(_describe(f'Step "{failure.step_key}" failed{tries}', failure.data.root))
    if len(shown) < len(failures):
        shown_keys = {failure.step_key for failure in shown}
        keys = [each.step_key for each in failures if each.step_key not in shown_keys]
        more = f" and {len(keys) - _MOST_NAMED:,} more" if len(keys) > _MOST_NAMED else ""
        parts.append(f"Also failed: {', '.join(keys[:_MOST_NAMED])}{more}")
    return parts


def ending_error(record: RunRecord, summary: RunSummary) -> str | None:
    """Return the error that ended a run as a whole, in words."""
    error = summary.error
    if error is not None:
        return f"The run could not continue: {error.own_name}: {error.message}"
    if record.error is not None and record.status == RunStatus.FAILURE:
        return f"The run could not continue: {record.error['error']}: {record.error['message']}"
    return None


def _describe(subject: str, error: ErrorInfo) -> str:
    headline = f"{subject}: {error.own_name}: {error.message}".rstrip().removesuffix(":")
    # Without a frame of the user's code a traceback only repeats the headline.
    return f"{headline}\n\n{error.stack.rstrip()}" if '  File "' in error.stack else headline


def _most_telling(failures: Sequence[StepFailure]) -> list[StepFailure]:
    """Return the first failures, and only a few of each mapped node."""
    counted: Counter[str] = Counter()
    shown = []
    for failure in failures:
        node = node_path(failure.step_key)
        counted[node] += 1
        if node == failure.step_key or counted[node] <= _MOST_OF_ONE_NODE:
            shown.append(failure)
    return shown[:_MOST_SHOWN]
