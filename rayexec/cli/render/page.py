"""A recorded run as one HTML page that needs nothing else: no network, no other file."""

from __future__ import annotations

import json
import logging
import sys
from array import array
from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import escape
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Any

from rayexec.events import (
    Attempt,
    BatchFacts,
    ErrorInfo,
    Event,
    EventType,
    ResourceRecord,
    RunStatus,
    StepFailureData,
    StepsRestored,
)
from rayexec.store import RunRecord
from rayexec.store.reading import StoredLog
from rayexec.views.critical_path import Link, critical_path
from rayexec.views.run_report import RunReport
from rayexec.views.run_summary import duration
from rayexec.views.workers import bytes_in_words

__all__ = ["write_page"]

_STYLES = {
    RunStatus.SUCCESS: "good",
    RunStatus.FAILURE: "bad",
    RunStatus.CANCELED: "bad",
    RunStatus.STARTED: "open",
}
_MOST_TEXT = 24 * 1024 * 1024  # characters of logs; browsers open more only slowly
_MOST_ROWS = 200  # of a table
_UNTOLD = BatchFacts(-1)
_TELLS_OF_RUN = frozenset(
    {
        EventType.LOG_MESSAGE,
        EventType.ENGINE_EVENT,
        EventType.RUN_START,
        EventType.RUN_SUCCESS,
        EventType.RUN_FAILURE,
        EventType.RUN_CANCELING,
        EventType.RUN_CANCELED,
    }
)

# When, in which step (-1: none), of what kind, and what was said.
_Line = tuple[float, int, str, str]


def write_page(path: Path, record: RunRecord, log: StoredLog) -> int:
    """Write the page; return how many attempts it shows."""
    page = _Page(record, log)
    path.write_text(page.html(), encoding="utf-8", errors="backslashreplace")
    return len(page.attempts)


class _Page:
    def __init__(self, record: RunRecord, log: StoredLog) -> None:
        self._record = record
        self._log = log
        self.attempts: list[Attempt] = []
        self._places = {key: step for step, key in enumerate(log.keys)}
        self._skipped: list[tuple[int, float]] = []
        self._lines: list[_Line] = []
        for each in log.entries():
            self._take(each)
        # Those of a lane lie together, by their starts, which is how the chart finds them.
        lane = {each: self._lane(each) for each in {(row.batch, row.pid) for row in self.attempts}}
        self.attempts.sort(key=lambda row: (lane[row.batch, row.pid], row.started))
        self._lanes = [lane[row.batch, row.pid] for row in self.attempts]
        self._path = critical_path(log, self.attempts, record.start_time)
        self._lines.sort(key=lambda line: line[0])

    def _lane(self, known: tuple[int, int]) -> tuple[str, str]:
        number, pid = known
        facts = self._log.batches.get(number, _UNTOLD)
        return facts.node, f"pid {pid or facts.pid}" if pid or facts.pid else "pid unknown"

    def _take(self, record: Event | Attempt | ResourceRecord | StepsRestored) -> None:
        if isinstance(record, Attempt):
            self.attempts.append(record)
            self._lines += _lines_of(record)
        elif isinstance(record, Event):
            step = self._places.get(record.step_key, -1) if record.step_key is not None else -1
            if record.event_type is EventType.STEP_SKIPPED:
                self._skipped.append((step, record.timestamp))
            if record.event_type in _TELLS_OF_RUN:
                data = record.event_specific_data
                level = data.get("level") if isinstance(data, Mapping) else None
                kind = logging.getLevelName(level) if isinstance(level, int) else "run"
                text = (
                    f"{record.message}\n{_in_words(data)}"
                    if isinstance(data, ErrorInfo)
                    else record.message
                )
                self._lines.append((record.timestamp, step, kind, text))
        elif isinstance(record, ResourceRecord):
            self._lines += _lines_of_resource(record, -1)

    def html(self) -> str:
        """Return the page; whatever comes from users is escaped in it."""
        record = self._record
        report = RunReport(record, self._log)
        lines = self._kept_lines()
        name, *about = report.lines()
        left_out = len(self._lines) - len(lines)
        words = f"The last {left_out:,} lines are left out here; <code>rayexec run logs</code> has them."
        return Template(_part("page.html")).substitute(
            title=escape(f"{record.job_name}: {name}"),
            job=escape(record.job_name),
            status=escape(record.status),
            status_class=_STYLES.get(record.status, "open"),
            about="\n".join(_described(about, record.run_id)),
            chart_label=escape(
                f"Attempts of {name} by time and worker; the tables below say the same in words."
            ),
            ops=_ops(report),
            path=self._path_table(),
            waits=self._waits(),
            workers=self._workers(),
            failures=self._failures(report),
            log_note=f'<p class="note">{words}</p>' if left_out else "",
            style=_part("page.css"),
            script=_part("page.js"),
            data=_as_json(self._data(lines)),
        )

    def _kept_lines(self) -> Sequence[_Line]:
        left = _MOST_TEXT
        for place, line in enumerate(self._lines):
            left -= len(line[3])
            if left < 0:
                return self._lines[:place]
        return self._lines

    def _data(self, lines: Sequence[_Line]) -> dict[str, Any]:
        """Return what the page's script shows; times are in seconds since the run's start."""
        began, log, rows = self._record.start_time, self._log, self.attempts
        ops: dict[str, int] = {}
        op_of = [ops.setdefault(log.op_of(step), len(ops)) for step in range(len(log.keys))]
        numbers: dict[int, int] = {}
        known: list[list[Any]] = []
        for number in {row.batch for row in rows}:
            facts = log.batches.get(number)
            if facts is not None:
                numbers[number] = len(known)
                known.append(
                    [
                        number,
                        facts.queued,
                        facts.loading,
                        facts.peak_rss,
                        facts.input_bytes,
                        facts.calls,
                    ]
                )
        moments = [*(row.started for row in rows), *(moment for _, moment in self._skipped)]
        last = max([row.ended for row in rows], default=began)
        return {
            "keys": log.keys,
            "ops": list(ops),
            "opOf": op_of,
            "lanes": list(self._lane_rows()),
            "first": min(moments, default=began) - began,
            "last": max(
                [last, self._record.end_time or began, *(moment for _, moment in self._skipped)]
            )
            - began,
            "attempts": {
                "step": _packed("i", [row.step for row in rows]),
                "number": _packed("i", [row.number for row in rows]),
                "outcome": _packed("B", [row.outcome for row in rows]),
                "start": _packed("d", [row.started - began for row in rows]),
                "length": _packed("d", [row.ended - row.started for row in rows]),
                "batch": _packed("i", [numbers.get(row.batch, -1) for row in rows]),
                "size": _packed("d", [row.output_bytes for row in rows]),
            },
            "batches": known,
            "blocked": {
                place: [found.limit, found.seconds, ", ".join(found.held_by[:5])]
                for place, row in enumerate(rows)
                if (found := log.blocked.get((row.step, row.number))) is not None
            },
            "path": [link.place for link in self._path or ()],
            "skipped": [[step, moment - began] for step, moment in self._skipped],
            "logs": [
                [round(moment - began, 6), step, kind, text] for moment, step, kind, text in lines
            ],
        }

    def _lane_rows(self) -> Iterator[list[Any]]:
        first = 0
        for place in range(1, len(self._lanes) + 1):
            if place == len(self._lanes) or self._lanes[place] != self._lanes[first]:
                yield [*self._lanes[first], first, place]
                first = place

    def _path_table(self) -> str:
        if self._path is None:
            return "<p>This log was written by an older rayexec, which did not keep which steps follow which.</p>"
        if not self._path:
            return "<p>No step ran.</p>"
        rows = [self._path_row(link) for link in self._path]
        ran = sum(
            self.attempts[link.place].ended - self.attempts[link.place].started
            for link in self._path
        )
        waited = sum(link.waited for link in self._path)
        return (
            f"<p>{len(rows):,} attempts one after another determined when the run ended: they ran "
            f"for "
            f"{escape(duration(ran))} and waited for {escape(duration(waited))} in between.</p>"
            + _table(("step", "op", "attempt", "waited", "where", "took"), (2, 3, 5), rows)
        )

    def _path_row(self, link: Link) -> tuple[str, ...]:
        row = self.attempts[link.place]
        took, waited = duration(row.ended - row.started), duration(link.waited)
        parts = {
            "for the driver": link.free,
            "in Ray's queue": link.queued,
            "in its batch": link.behind,
        }
        spent = [
            f"{duration(seconds)} {where}" for where, seconds in parts.items() if seconds >= 1e-3
        ]
        why = "; ".join(filter(None, (link.why, ", ".join(spent))))
        return (
            self._log.keys[row.step],
            self._log.op_of(row.step),
            str(row.number + 1),
            waited,
            why,
            took,
        )

    def _waits(self) -> str:
        found: dict[str, list[tuple[float, str]]] = {}
        for (step, _), blocked in self._log.blocked.items():
            found.setdefault(blocked.limit, []).append((blocked.seconds, self._log.keys[step]))
        if not found:
            return "<p>No step waited for a limit of tags or pools, as far as it was recorded.</p>"
        rows = []
        for limit, waits in sorted(found.items(), key=lambda item: -max(item[1])[0]):
            longest, key = max(waits)
            total = sum(seconds for seconds, _ in waits)
            rows.append(
                (limit, f"{len(waits):,}", duration(total / len(waits)), duration(longest), key)
            )
        return _table(("limit", "attempts", "mean", "longest", "step"), (1, 2, 3), rows)

    def _workers(self) -> str:
        rows: dict[
            tuple[str, str], list[Any]
        ] = {}  # attempts, batches, seconds, longest queue, peak memory
        for lane, row in zip(self._lanes, self.attempts, strict=True):
            facts = self._log.batches.get(row.batch, _UNTOLD)
            one = rows.setdefault(lane, [0, set(), 0.0, 0.0, 0])
            one[0] += 1
            one[1].add(row.batch)
            one[2] += row.ended - row.started
            one[3] = max(one[3], facts.queued or 0.0)
            one[4] = max(one[4], facts.peak_rss)
        return _table(
            ("node", "process", "attempts", "batches", "ran for", "longest queue", "peak memory"),
            (2, 3, 4, 5, 6),
            [
                (
                    *lane,
                    f"{count:,}",
                    f"{len(batches):,}",
                    duration(spent),
                    duration(queue) if queue else "",
                    bytes_in_words(peak) if peak else "",
                )
                for lane, (count, batches, spent, queue, peak) in rows.items()
            ],
        )

    def _failures(self, report: RunReport) -> str:
        failed = [
            (self._log.keys[row.step], row) for row in self.attempts if row.failure is not None
        ]
        shown = [
            f"<details><summary>{escape(key)}, attempt {row.number + 1}: "
            f"{escape(row.failure.root.cls_name)}: "
            f"{escape(row.failure.root.message)}</summary><pre>{escape(_failure_in_words(row.failure))}</pre></details>"
            for key, row in failed[:_MOST_ROWS]
            if row.failure is not None
        ]
        if len(failed) > _MOST_ROWS:
            shown.append(
                f"<p>and {len(failed) - _MOST_ROWS:,} more, which stand among the logs.</p>"
            )
        stopped = report.stopped()
        if stopped is not None:
            shown.insert(0, f"<pre>{escape(stopped)}</pre>")
        return "\n".join(shown) or "<p>None.</p>"


def _part(name: str) -> str:
    return (files("rayexec.cli.render") / "page_parts" / name).read_text(encoding="utf-8")


def _packed(kind: str, values: Sequence[float]) -> str:
    """Return numbers as the script reads them: base64 of their bytes, least significant first."""
    packed = array(kind, values)
    if sys.byteorder == "big":
        packed.byteswap()
    return b64encode(packed.tobytes()).decode()


def _as_json(document: Any) -> str:
    """Return a document that may stand in a script element: no text in it can end that."""
    text = json.dumps(document, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _described(lines: Iterable[str], run_id: str) -> Iterator[str]:
    yield f"<dt>run</dt><dd>{escape(run_id)}</dd>"
    for line in lines:
        name, _, value = line.strip().partition("  ")
        yield f"<dt>{escape(name)}</dt><dd>{escape(value.strip())}</dd>"


def _table(names: Sequence[str], numbers: Sequence[int], rows: Sequence[Sequence[str]]) -> str:
    """Return a table; the columns at ``numbers`` are set to the right."""

    def cells(tag: str, values: Sequence[str]) -> str:
        return "".join(
            f'<{tag} class="number">{escape(value)}</{tag}>'
            if place in numbers
            else f"<{tag}>{escape(value)}</{tag}>"
            for place, value in enumerate(values)
        )

    body = "\n".join(f"<tr>{cells('td', row)}</tr>" for row in rows[:_MOST_ROWS])
    more = f"<p>and {len(rows) - _MOST_ROWS:,} more.</p>" if len(rows) > _MOST_ROWS else ""
    head = cells("th", names).replace("<th", '<th scope="col"')
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    return f'<div class="scroll" tabindex="0">{table}</div>{more}'


def _ops(report: RunReport) -> str:
    rows = sorted(report.to_dict()["ops"].items(), key=lambda item: -item[1]["seconds"])
    kinds = ("succeeded", "failed", "skipped", "not run", "attempts")
    return _table(
        ("op", *kinds, "in all", "mean", "longest"),
        range(1, 9),
        [
            (
                name,
                *(f"{row[kind]:,}" if row[kind] else "" for kind in kinds),
                *(
                    (
                        duration(row["seconds"]),
                        duration(row["seconds"] / row["attempts"]),
                        duration(row["longest"]),
                    )
                    if row["attempts"]
                    else ("", "", "")
                ),
            )
            for name, row in rows
        ],
    )


def _lines_of(attempt: Attempt) -> Iterator[_Line]:
    step = attempt.step
    for line in attempt.logs:
        yield line.time, step, logging.getLevelName(line.level), line.message
    for kind, text in (("stdout", attempt.stdout), ("stderr", attempt.stderr)):
        if text:
            yield attempt.ended, step, kind, text
    if attempt.failure is not None:
        yield attempt.ended, step, "failure", _failure_in_words(attempt.failure)
    for hook in attempt.hooks:
        if hook.error is not None:
            yield attempt.ended, step, "failure", f'hook "{hook.name}": {_in_words(hook.error)}'
    for resource in attempt.resources:
        yield from _lines_of_resource(resource, step)


def _lines_of_resource(record: ResourceRecord, step: int) -> Iterator[_Line]:
    for kind, text in (("stdout", record.stdout), ("stderr", record.stderr)):
        if text:
            yield record.ended, step, kind, text
    if record.error is not None:
        yield record.ended, step, "failure", f'resource "{record.key}": {_in_words(record.error)}'


def _failure_in_words(failure: StepFailureData) -> str:
    return _in_words(failure.error)


def _in_words(error: ErrorInfo) -> str:
    parts = []
    link: ErrorInfo | None = error
    while link is not None:
        parts.append(link.to_string().rstrip())
        link = link.cause
    return "\n\nCaused by:\n".join(parts)
