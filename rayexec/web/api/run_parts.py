"""Endpoints of the parts of a run: attempts as columns, steps, ops, graph, downloads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from aiohttp import hdrs, web

from rayexec.launch.exported_run import EXPORTS
from rayexec.launch.launched_run import LaunchedRun
from rayexec.names import node_path
from rayexec.views.graph_layout import layout_of
from rayexec.views.graph_model import GraphModel, graph_of_log
from rayexec.views.log_search import log_page
from rayexec.views.run_columns import RunColumns
from rayexec.web.downloads import download
from rayexec.web.endpoints import ApiError, Call, get
from rayexec.web.followed_runs import condition_of
from rayexec.web.guard import checked_run_id
from rayexec.web.models.base import NoQuery
from rayexec.web.models.layout import LayoutAnswer
from rayexec.web.models.run_parts import (
    GraphQuery,
    KeysAnswer,
    KeysQuery,
    LogAnswer,
    LogQuery,
    NowAnswer,
    OpsAnswer,
    RowsQuery,
    StepAnswer,
    StepsAnswer,
    StepsQuery,
)
from rayexec.web.open_runs import OpenRun, reads_run, reads_run_or_launch
from rayexec.web.session import Session
from rayexec.web.step_details import step_details

__all__ = ["routes"]

T = TypeVar("T")
_MOST_KEYS = 10_000
_BYTES, _CHUNK_BYTES = "application/octet-stream", 256 * 1024


def routes(session: Session) -> list[web.RouteDef]:
    """Return the routes of this module."""
    run = "api/runs/{run_id}"
    return [
        get(f"{run}/rows", _rows, None, "Attempts as columns of numbers.", query=RowsQuery),
        get(f"{run}/keys", _keys, KeysAnswer, "Keys of steps.", query=KeysQuery),
        get(f"{run}/steps", _steps, StepsAnswer, "A page of steps.", query=StepsQuery),
        get(f"{run}/steps/{{key:.+}}", _step, StepAnswer, "All about one step."),
        get(f"{run}/ops", _ops, OpsAnswer, "Counts by state of each op."),
        get(f"{run}/graph", _graph, LayoutAnswer, "The graph of ops, drawn.", query=GraphQuery),
        get(f"{run}/log", _log, LogAnswer, "Lines of the log, searched.", query=LogQuery),
        get(f"{run}/now", _now, NowAnswer, "What a run does at this moment."),
        get(f"{run}/download/{{kind}}", _download, None, "The run as html, parquet or trace."),
    ]


def _read(call: Call[Any], work: Callable[[RunColumns], T]) -> T:
    run_id = checked_run_id(call.path["run_id"])
    return reads_run(lambda run: run.read(work), call.session.open_runs, run_id)


async def _rows(call: Call[RowsQuery]) -> web.StreamResponse:
    run_id = checked_run_id(call.path["run_id"])
    first, session = call.given.from_, call.session
    data = await session.in_thread(
        reads_run_or_launch, lambda run: run.rows(first), session.open_runs, run_id
    )
    if isinstance(data, LaunchedRun):
        return web.Response(status=204)
    if len(data) <= _CHUNK_BYTES:
        return web.Response(body=data, content_type=_BYTES)
    # A connection keeps its last answer until the next request, and this one has megabytes.
    headers = {hdrs.CONTENT_TYPE: _BYTES, hdrs.CONTENT_LENGTH: str(len(data))}
    answer = web.StreamResponse(headers=headers)
    await answer.prepare(call.request)
    for start in range(0, len(data), _CHUNK_BYTES):
        await answer.write(data[start : start + _CHUNK_BYTES])
    await answer.write_eof()
    return answer


def _keys(call: Call[KeysQuery]) -> dict[str, Any]:
    given = call.given
    if given.steps is not None:
        parts = [part for part in given.steps.split(",") if part]
        if len(parts) > _MOST_KEYS or not all(part.isascii() and part.isdigit() for part in parts):
            raise ApiError(422, "steps are numbers with commas between, at most 10,000 of them.")
        wanted: Sequence[int] = [int(part) for part in parts]
    else:
        wanted = range(given.from_, given.from_ + given.count)
    keys = _read(call, lambda columns: columns.keys(wanted))
    return {"keys": {str(step): key for step, key in keys.items()}}


def _steps(call: Call[StepsQuery]) -> dict[str, Any]:
    given = call.given
    try:
        return _read(
            call,
            lambda columns: columns.steps_page(
                state=given.state,
                op=given.op,
                text=given.text,
                waited_for=given.waited_for,
                sort=given.sort,
                desc=given.desc,
                first=given.from_,
                count=given.count,
            ),
        )
    except ValueError as error:
        raise ApiError(422, f"{error}") from None


def _step(call: Call[NoQuery]) -> dict[str, Any]:
    key = call.path["key"]

    def details(columns: RunColumns) -> dict[str, Any]:
        step = columns.step_of(key)
        if step is None:
            raise ApiError(404, f"run {columns.record.run_id} has no step {key!r} so far.")
        return step_details(columns, step)

    return _read(call, details)


def _ops(call: Call[NoQuery]) -> dict[str, Any]:
    def counts(columns: RunColumns) -> list[dict[str, Any]]:
        return [
            {
                "path": node.path,
                "op": node.op,
                "counts": {end.value: count for end, count in node.counts.items() if count},
                "attempts": node.attempts,
                "seconds": round(node.seconds, 6),
                "longest": round(node.longest, 6),
            }
            for node in columns.ops()
        ]

    return {"ops": _read(call, counts)}


class _Predecessors(Sequence[Sequence[int]]):
    """The steps before each step, looked up when somebody asks."""

    def __init__(self, columns: RunColumns) -> None:
        self._columns = columns

    def __len__(self) -> int:
        return len(self._columns.steps)

    def __getitem__(self, step: Any) -> Any:
        return self._columns.steps.predecessors(step)


def _model(columns: RunColumns) -> GraphModel:
    steps = columns.steps
    before = _Predecessors(columns) if steps.has_predecessors else None
    return graph_of_log(
        steps.keys.to_pylist(), before, lambda step: steps.ops[steps.op_of_step[step]]
    )


def _graph(call: Call[GraphQuery]) -> dict[str, Any]:
    given = call.given

    def drawn(run: OpenRun) -> dict[str, Any]:
        model = run.made_once("graph", lambda columns, _: _model(columns))
        opened = None if given.open is None else [each for each in given.open.split(",") if each]
        focus = None if given.focus is None else node_path(given.focus)
        return layout_of(model, opened=opened, focus=focus, depth=given.depth).to_dict()

    return reads_run(drawn, call.session.open_runs, checked_run_id(call.path["run_id"]))


def _log(call: Call[LogQuery]) -> dict[str, Any]:
    given = call.given
    condition = condition_of(given)
    return _read(
        call,
        lambda columns: log_page(
            columns, condition, start=given.from_, limit=given.limit, desc=given.desc
        ),
    )


async def _now(call: Call[NoQuery]) -> dict[str, Any]:
    """Return the state of a run; its driver writes it for those who ask again and again."""
    document = await call.session.in_thread(_state, call)
    named: dict[str, Any] = call.session.watched_cluster.with_other_runs(document)
    return named


def _state(call: Call[NoQuery]) -> dict[str, Any]:
    run_id = checked_run_id(call.path["run_id"])
    document = reads_run(lambda run: run.state(asks=True), call.session.open_runs, run_id)
    if document is None:
        raise ApiError(404, f"run {run_id} is over, or its driver does not tell what it does.")
    return document


async def _download(call: Call[NoQuery]) -> web.StreamResponse:
    """Answer with a file that a process of its own writes."""
    kind, session = call.path["kind"], call.session
    if kind not in EXPORTS:
        raise ApiError(404, f"there is no download {kind!r}: it is html, parquet or trace.")
    run_id = checked_run_id(call.path["run_id"])
    run = await session.in_thread(session.open_runs.get, run_id)
    return await download(session, call.request, run, kind)
