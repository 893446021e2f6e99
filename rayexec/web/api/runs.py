"""Endpoints of recorded runs as a whole: list, one run, comparison, and actions on it."""

from __future__ import annotations

import difflib
from typing import Any

import yaml
from aiohttp import web

from rayexec.config.masking import mask_env_vars, names_in_runtime_env
from rayexec.errors import StoreError
from rayexec.launch.launched_run import LaunchedRun, ask_to_end, locate
from rayexec.launch.local_driver import Spares
from rayexec.launch.removal import is_running, remove_run
from rayexec.launch.resuming import resume_job
from rayexec.launch.run_document import launched_document
from rayexec.store import RunRecord, is_over
from rayexec.views.log_damage import check_log
from rayexec.views.run_columns import RunColumns
from rayexec.views.run_report import run_row
from rayexec.views.waits import waits_of_columns
from rayexec.web.actions import actions_of, launched_actions
from rayexec.web.endpoints import ApiError, Call, delete, get, post
from rayexec.web.guard import checked_run_id
from rayexec.web.missing_jobs import refuse_bad_config, refuse_unknown_job
from rayexec.web.models.base import NoBody, NoQuery
from rayexec.web.models.runs import (
    CancelBody,
    CompareQuery,
    Comparison,
    DeletedRun,
    NewRun,
    ResumeBody,
    RunAnswer,
    RunsAnswer,
    RunsQuery,
)
from rayexec.web.open_runs import OpenRun, reads_run, reads_run_or_launch
from rayexec.web.session import Session

__all__ = ["routes"]

_MOST_PATH_STEPS = 2_000
_MOST_DIFF_LINES = 5_000


def routes(session: Session) -> list[web.RouteDef]:
    """Return the routes of this module."""
    return [
        get("api/runs", _list, RunsAnswer, "Recorded runs, the newest first.", query=RunsQuery),
        get(
            "api/runs/compare",
            _compare,
            Comparison,
            "Differences of two runs.",
            query=CompareQuery,
        ),
        get("api/runs/{run_id}", _show, RunAnswer, "All about one run."),
        post(
            "api/runs/{run_id}/cancel",
            _cancel,
            NoBody,
            "Ask a run to end.",
            body=CancelBody,
        ),
        post(
            "api/runs/{run_id}/resume",
            _resume,
            NewRun,
            "Continue a run in a new one.",
            body=ResumeBody,
        ),
        delete("api/runs/{run_id}", _delete, DeletedRun, "Remove a run and its values."),
    ]


def _list(call: Call[RunsQuery]) -> dict[str, Any]:
    return call.session.runs.page(call.given)


def _show(call: Call[NoQuery]) -> dict[str, Any]:
    session, run_id = call.session, checked_run_id(call.path["run_id"])
    shown = reads_run_or_launch(lambda run: _described(session, run), session.open_runs, run_id)
    return _launched(session, shown) if isinstance(shown, LaunchedRun) else shown


def _described(session: Session, run: OpenRun) -> dict[str, Any]:
    report, record = run.report_and_record()
    details = run.made_once("details", _details)
    runs = session.runs
    parent = runs.find(record.parent_run_id)
    return {
        "report": report,
        "is_over": is_over(record),
        "is_recorded": True,
        **details,
        "config_yaml": _yaml(record),
        "runtime_env": names_in_runtime_env(record.run_config),
        "op_selection": None if record.op_selection is None else list(record.op_selection),
        "children": [run_row(each) for each in runs.children(record.run_id)],
        "parent": None if parent is None else run_row(parent),
        "retention": {"in_use_by": runs.living_descendants(record.run_id)},
        "actions": actions_of(session, record),
    }


def _details(columns: RunColumns, record: RunRecord) -> dict[str, Any]:
    return {
        "damage": _damage(record, columns),
        "limits": columns.run_limits,
        "waited": {
            waits.limit: round(waits.seconds, 6)
            for waits in sorted(waits_of_columns(columns), key=lambda waits: -waits.seconds)
        },
        "failures": [
            {
                "message": group.message,
                "error": group.error,
                "count": group.count,
                "steps": group.steps,
            }
            for group in columns.failure_groups()
        ],
        "critical_path": _path(columns),
        "materializations": columns.materializations(),
        "first_failed_rows": columns.failed_rows(),
    }


def _damage(record: RunRecord, columns: RunColumns) -> str | None:
    try:
        check_log(record, columns)
    except StoreError as error:
        return str(error)
    return None


def _path(columns: RunColumns) -> dict[str, Any] | None:
    path = columns.critical_path()
    if path is None:
        return None
    attempts, total, steps = columns.attempts, 0.0, []
    for link in path:
        seconds = attempts.ended[link.attempt] - attempts.started[link.attempt]
        total += seconds + link.waited
        steps.append((link, seconds))
    return {
        "seconds": round(total, 6),
        "steps": [
            {
                "row": link.attempt,
                "key": columns.key(attempts.step[link.attempt]),
                "seconds": round(seconds, 6),
                "waited": round(link.waited, 6),
                "waited_for": link.why,
            }
            for link, seconds in steps[-_MOST_PATH_STEPS:]
        ],
    }


def _yaml(record: RunRecord) -> str:
    config = mask_env_vars(record.run_config)
    if not config:
        return ""
    return yaml.safe_dump(config, sort_keys=False, allow_unicode=True, width=100)


def _launched(session: Session, run: LaunchedRun) -> dict[str, Any]:
    """Return what is known of a run that is in no store within reach."""
    document = launched_document(run)
    return {
        "report": document,
        "is_over": document["status"] != "STARTED",
        "is_recorded": False,
        "damage": None,
        "limits": [],
        "waited": {},
        "failures": [],
        "critical_path": None,
        "materializations": [],
        "first_failed_rows": [],
        "config_yaml": "",
        "runtime_env": {},
        "op_selection": None,
        "children": [],
        "parent": None,
        "retention": {"in_use_by": []},
        "actions": launched_actions(session, document["status"]),
    }


def _compare(call: Call[CompareQuery]) -> dict[str, Any]:
    session = call.session
    runs = [
        reads_run(
            lambda run: (run.report()["ops"], _yaml(run.record()), run.run_id),
            session.open_runs,
            checked_run_id(run_id),
        )
        for run_id in (call.given.a, call.given.b)
    ]
    (ops_a, yaml_a, id_a), (ops_b, yaml_b, id_b) = runs
    diff = difflib.unified_diff(
        yaml_a.splitlines()[:_MOST_DIFF_LINES],
        yaml_b.splitlines()[:_MOST_DIFF_LINES],
        id_a,
        id_b,
        lineterm="",
    )
    return {
        "config": "\n".join(diff),
        "ops": [
            {
                "op": op,
                "a": ops_a[op]["seconds"] if op in ops_a else None,
                "b": ops_b[op]["seconds"] if op in ops_b else None,
            }
            for op in dict.fromkeys([*ops_a, *ops_b])
        ],
    }


def _cancel(call: Call[CancelBody]) -> dict[str, Any]:
    run = locate(call.session.options.store, checked_run_id(call.path["run_id"]))
    record = ask_to_end(run, "rayexec dev", force=call.given.force)
    if is_over(record):
        raise ApiError(409, f"run {run.run_id} is over: it ended as {record.status}.")
    return {}


async def _resume(call: Call[ResumeBody]) -> dict[str, Any]:
    if call.given.yaml is not None:
        await refuse_bad_config(call.session, call.given.yaml)
    return await call.session.in_thread(_resumed, call)


def _resumed(call: Call[ResumeBody]) -> dict[str, Any]:
    session, given = call.session, call.given
    steps = tuple(given.steps) if given.from_ == "steps" else ()
    if given.from_ == "steps" and not steps:
        raise ApiError(422, "say which steps are to run again: their keys, or clauses over them.")
    run_id = checked_run_id(call.path["run_id"])
    record = session.runs.find(run_id)
    refuse_unknown_job(session, record)
    attach, spares = _ray_for(session, record)
    run = resume_job(
        run_id,
        steps=steps,
        config_text=given.yaml,
        source=session.options.source,
        store=session.options.store,
        attach=attach,
        spares=spares,
    )
    if spares is not None and session.cluster.is_own:
        session.cluster.runs.add(run)
    return {"run_id": run.run_id}


def _ray_for(session: Session, record: RunRecord | None) -> tuple[str | None, Spares | None]:
    """Return the Ray of this server for a run that was on one: the former may be gone by now."""
    cluster = session.cluster
    if cluster is None or record is None or "address" not in record.origin:
        return None, None
    cluster.begin()
    return cluster.wait(), cluster.spares


def _delete(call: Call[NoBody]) -> dict[str, Any]:
    session = call.session
    run = locate(session.options.store, checked_run_id(call.path["run_id"]))
    if run.run_id != call.path["run_id"]:
        raise ApiError(404, "a run is removed by its whole id only.")
    if is_running(run):
        raise ApiError(409, f"run {run.run_id} is not over: cancel it first.")
    remove_run(run, has_note=session.options.store is None)
    session.open_runs.forget(run.run_id)
    return {"deleted": run.run_id}
