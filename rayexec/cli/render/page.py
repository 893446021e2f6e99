"""HTML page of a recorded run that needs no network and no other file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Any

from rayexec.cli.printable import printable_html
from rayexec.cli.render.page_data import PageData
from rayexec.cli.render.page_tables import (
    failures_part,
    ops_part,
    path_part,
    waits_part,
    workers_part,
)
from rayexec.cli.render.run_lines import report_lines
from rayexec.events import RunStatus
from rayexec.store import RunRecord
from rayexec.store.reading import StoredLog
from rayexec.strict_json import json_text
from rayexec.views.critical_path import critical_path
from rayexec.views.run_report import report

__all__ = ["write_page"]

_STYLES = {
    RunStatus.SUCCESS: "good",
    RunStatus.FAILURE: "bad",
    RunStatus.CANCELED: "bad",
    RunStatus.STARTED: "open",
}


def write_page(path: Path, record: RunRecord, log: StoredLog) -> int:
    """Write the page; return the number of its attempts."""
    data = PageData(record, log)
    html = _html(record, log, data)
    path.write_text(html, encoding="utf-8", errors="backslashreplace")
    return len(data.attempts)


def _html(record: RunRecord, log: StoredLog, data: PageData) -> str:
    """Return the page; whatever comes from users is escaped in it."""
    run = report(record, log)
    path = critical_path(log, data.attempts, record.start_time)
    name, *facts = report_lines(run)
    label = f"Attempts of {name} by time and worker; the tables below say the same in words."
    log_note = ""
    if data.lines_left_out:
        log_note = (
            f'<p class="note">The last {data.lines_left_out:,} lines are left out here; '
            f"<code>rayexec run logs</code> has them.</p>"
        )
    return Template(_part("page.html")).substitute(
        title=printable_html(f"{record.job_name}: {name}"),
        job=printable_html(record.job_name),
        status=printable_html(record.status),
        status_class=_STYLES.get(RunStatus(record.status), "open"),
        about="\n".join(_facts(facts, record.run_id)),
        chart_label=printable_html(label),
        ops=ops_part(run.summary),
        path=path_part(log, data.attempts, path),
        waits=waits_part(log),
        workers=workers_part(run.summary),
        failures=failures_part(run, log, data.attempts),
        log_note=log_note,
        style=_part("page.css"),
        script=_part("page.js"),
        data=_script_json(data.document(path)),
    )


def _part(name: str) -> str:
    return (files("rayexec.cli.render") / "page_parts" / name).read_text(encoding="utf-8")


def _script_json(document: Any) -> str:
    """Return a document for a script element; no text in it can end that element."""
    text = json_text(document, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _facts(lines: Iterable[str], run_id: str) -> Iterator[str]:
    yield f"<dt>run</dt><dd>{printable_html(run_id)}</dd>"
    for line in lines:
        name, _, value = line.strip().partition("  ")
        yield f"<dt>{printable_html(name)}</dt><dd>{printable_html(value.strip())}</dd>"
