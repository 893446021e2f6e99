"""Endpoints of recorded runs."""

from __future__ import annotations

from collections import Counter
from typing import Any

from aiohttp import web

from rayexec.launch.launched_run import locate_recorded
from rayexec.launch.monitor import RunMonitor, add_launched_runs
from rayexec.store import RunRecord, is_over, settled
from rayexec.store.reading import StoredLog
from rayexec.views.run_report import report, run_row
from rayexec.web.endpoints import Call, get
from rayexec.web.models.base import NoQuery
from rayexec.web.models.runs import RunsAnswer, RunsQuery
from rayexec.web.session import Session

__all__ = ["routes"]


def routes(session: Session) -> list[web.RouteDef]:
    """Return the routes of this module."""
    return [
        get("api/runs", _list, RunsAnswer, "Recorded runs, the newest first.", query=RunsQuery),
        get("api/runs/{run_id}", _show, None, "All about one run."),
    ]


def _list(call: Call[RunsQuery]) -> dict[str, Any]:
    given, session = call.given, call.session
    records = list(session.store.list())
    if session.options.store is None:
        records = add_launched_runs(records)
        records.sort(key=lambda record: record.start_time, reverse=True)
    chosen = [
        record
        for record in map(settled, records)
        if given.job in (None, record.job_name) and given.status in (None, record.status)
    ]
    return {
        "runs": [_listed(record) for record in chosen[: given.limit]],
        "total": len(chosen),
        "statuses": dict(Counter(str(record.status) for record in chosen)),
        "jobs": sorted({record.job_name for record in records}),
        "next": None,
    }


def _listed(record: RunRecord) -> dict[str, Any]:
    return {
        **run_row(record),
        "is_over": is_over(record),
        "is_live": not is_over(record),
        "origin": dict(record.origin),
        "driver": record.to_dict()["driver"],
        "op_selection": None if record.op_selection is None else list(record.op_selection),
    }


def _show(call: Call[NoQuery]) -> dict[str, Any]:
    run = locate_recorded(call.session.options.store, call.path["run_id"])
    record, log = RunMonitor(run.reader).record(), StoredLog(run.reader)
    return {"report": report(record, log).to_dict(), "is_over": is_over(record)}
