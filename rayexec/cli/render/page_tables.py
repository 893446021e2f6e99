"""Tables of a run's page: ops, critical path, waits, workers and failures, as HTML."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from rayexec.cli.printable import printable_html
from rayexec.cli.render.page_data import error_text, worker_row
from rayexec.events import Attempt, StepEnd
from rayexec.store.reading import StoredLog
from rayexec.views.critical_path import Link
from rayexec.views.failures import ending_error
from rayexec.views.quantities import bytes_in_words, duration
from rayexec.views.run_report import RunReport
from rayexec.views.run_summary import RunSummary
from rayexec.views.waits import waits_by_limit

__all__ = ["failures_part", "ops_part", "path_part", "waits_part", "workers_part"]

_MOST_ROWS = 200
_LEAST_SHOWN_S = 1e-3
_ENDS = (StepEnd.SUCCEEDED, StepEnd.FAILED, StepEnd.SKIPPED, StepEnd.NOT_RUN)


def ops_part(summary: RunSummary) -> str:
    """Return a table of the ops, the op with most time first."""
    rows = []
    for op in sorted(summary.ops, key=lambda op: -op.seconds):
        counts = (*(op.counts[end] for end in _ENDS), op.attempts)
        times = (op.seconds, op.seconds / op.attempts, op.longest) if op.attempts else ()
        rows.append(
            (
                op.name,
                *(f"{count:,}" if count else "" for count in counts),
                *(map(duration, times) if times else ("", "", "")),
            )
        )
    names = ("op", *(end.value for end in _ENDS), "attempts", "in all", "mean", "longest")
    return _table(names, range(1, len(names)), rows)


def path_part(log: StoredLog, attempts: Sequence[Attempt], path: Sequence[Link] | None) -> str:
    """Return a table of the critical path below a sentence with its sums."""
    if path is None:
        return (
            "<p>This log was written by an older rayexec, which did not keep which steps follow "
            "which.</p>"
        )
    if not path:
        return "<p>No step ran.</p>"
    links = [(attempts[link.attempt], link) for link in path]
    ran = sum(attempt.ended - attempt.started for attempt, _ in links)
    waited = sum(link.waited for _, link in links)
    return (
        f"<p>{len(links):,} attempts one after another determined when the run ended: they ran for "
        f"{printable_html(duration(ran))} and waited for {printable_html(duration(waited))} in "
        "between.</p>"
    ) + _table(
        ("step", "op", "attempt", "waited", "where", "took"),
        (2, 3, 5),
        [_path_row(log, attempt, link) for attempt, link in links],
    )


def _path_row(log: StoredLog, attempt: Attempt, link: Link) -> tuple[str, ...]:
    parts = {
        "for the driver": link.free,
        "in Ray's queue": link.queued,
        "in its batch": link.behind,
    }
    spent = [
        f"{duration(seconds)} {part}"
        for part, seconds in parts.items()
        if seconds >= _LEAST_SHOWN_S
    ]
    return (
        log.keys[attempt.step],
        log.op_of(attempt.step),
        str(attempt.attempt_number + 1),
        duration(link.waited),
        "; ".join(filter(None, (link.why, ", ".join(spent)))),
        duration(attempt.ended - attempt.started),
    )


def waits_part(log: StoredLog) -> str:
    """Return a table of the waits for limits of tags and pools."""
    waits = waits_by_limit(log)
    if not waits:
        return "<p>No step waited for a limit of tags or pools, as far as it was recorded.</p>"
    rows = [
        (
            wait.limit,
            f"{wait.attempts:,}",
            duration(wait.mean),
            duration(wait.longest),
            wait.step_key,
        )
        for wait in waits
    ]
    return _table(("limit", "attempts", "mean", "longest", "step"), (1, 2, 3), rows)


def workers_part(summary: RunSummary) -> str:
    """Return a table of the processes that ran attempts."""
    uses = [(worker_row(worker.node, worker.pid), worker) for worker in summary.workers]
    rows = [
        (
            *row,
            f"{worker.attempts:,}",
            f"{len(worker.batches):,}",
            duration(worker.seconds),
            duration(worker.longest_queue) if worker.longest_queue else "",
            bytes_in_words(worker.peak_rss) if worker.peak_rss else "",
        )
        for row, worker in sorted(uses, key=lambda item: item[0])
    ]
    names = ("node", "process", "attempts", "batches", "ran for", "longest queue", "peak memory")
    return _table(names, range(2, len(names)), rows)


def failures_part(run: RunReport, log: StoredLog, attempts: Sequence[Attempt]) -> str:
    """Return the failed attempts, folded, below the error that ended the run."""
    failed = [(attempt, attempt.failure) for attempt in attempts if attempt.failure is not None]
    parts = []
    error = ending_error(run.record, run.summary)
    if error is not None:
        parts.append(f"<pre>{printable_html(error)}</pre>")
    for attempt, failure in failed[:_MOST_ROWS]:
        root = failure.root
        headline = (
            f"{log.keys[attempt.step]}, attempt {attempt.attempt_number + 1}: {root.own_name}: "
            f"{root.message}"
        )
        parts.append(
            f"<details><summary>{printable_html(headline)}</summary>"
            f"<pre>{printable_html(error_text(failure.error))}</pre></details>"
        )
    if len(failed) > _MOST_ROWS:
        more = len(failed) - _MOST_ROWS
        parts.append(f"<p>and {more:,} more, which stand among the logs.</p>")
    return "\n".join(parts) or "<p>None.</p>"


def _table(names: Sequence[str], numeric: Collection[int], rows: Sequence[Sequence[str]]) -> str:
    """Return a table; the columns with an index in ``numeric`` are set to the right."""

    def cells(tag: str, values: Sequence[str]) -> str:
        return "".join(
            f'<{tag} class="number">{printable_html(value)}</{tag}>'
            if index in numeric
            else f"<{tag}>{printable_html(value)}</{tag}>"
            for index, value in enumerate(values)
        )

    body = "\n".join(f"<tr>{cells('td', row)}</tr>" for row in rows[:_MOST_ROWS])
    more = f"<p>and {len(rows) - _MOST_ROWS:,} more.</p>" if len(rows) > _MOST_ROWS else ""
    head = cells("th", names).replace("<th", '<th scope="col"')
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    return f'<div class="scroll" tabindex="0">{table}</div>{more}'
