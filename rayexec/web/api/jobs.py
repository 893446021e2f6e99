"""Endpoints of jobs: their code, checks and previews of runs, and the launch."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Mapping
from typing import Any

import yaml
from aiohttp import web

from rayexec.errors import EngineError
from rayexec.launch.hosted_code import (
    AskError,
    CodeEndedError,
    HostedCode,
    NoCodeError,
    SupersededError,
)
from rayexec.launch.launching import launch_job
from rayexec.launch.run_text import IN_PROCESS, ON_RAY, RunText
from rayexec.launch.warm_cluster import ClusterState, WarmCluster
from rayexec.selection.clauses import split_clauses
from rayexec.views.run_report import run_row
from rayexec.web.endpoints import ApiError, Call, get, post
from rayexec.web.live import Topic
from rayexec.web.models.base import NoQuery
from rayexec.web.models.jobs import (
    CompletionAnswer,
    GraphQuery,
    JobAnswer,
    JobsAnswer,
    SelectionQuery,
)
from rayexec.web.models.layout import LayoutAnswer
from rayexec.web.models.written_runs import (
    CheckAnswer,
    CopyAnswer,
    CopyBody,
    EditAnswer,
    EditBody,
    LaunchAnswer,
    PlanAnswer,
    RunBody,
)
from rayexec.web.runs_of_jobs import RunsOfJobs
from rayexec.web.session import Session

__all__ = ["routes", "start", "stop"]

#: Names the tab of a browser, so that its newer questions replace older ones that still wait.
TAB_HEADER = "X-Rayexec-Tab"

_CHECK_PATIENCE_S = 5.0
_FIRST_JOBS_S = 1.0
_LAST_RUNS, _HISTORY = 10, 50
_COMING_RAY = "the Ray of this server, which starts with it or with the launch"
_UNKNOWN_JOB = "UnknownJobError"


def routes(session: Session) -> list[web.RouteDef]:
    """Return the routes of this module."""
    job = "api/jobs/{job}"
    endpoints = JobEndpoints(session)
    return [
        get("api/jobs", endpoints.list, JobsAnswer, "The jobs of the code."),
        get(job, endpoints.show, JobAnswer, "One job with its ops and its runs."),
        get(f"{job}/graph", endpoints.graph, LayoutAnswer, "A drawing.", query=GraphQuery),
        get(
            f"{job}/completion",
            endpoints.completion,
            CompletionAnswer,
            "Keys and values to offer.",
            query=SelectionQuery,
        ),
        post(
            f"{job}/check",
            endpoints.check,
            CheckAnswer,
            "The mistakes of a run.",
            body=RunBody,
            has_effect=False,
        ),
        post(
            f"{job}/edit",
            endpoints.edit,
            EditAnswer,
            "Run config after an action.",
            body=EditBody,
            has_effect=False,
        ),
        post(
            f"{job}/plan",
            endpoints.plan,
            PlanAnswer,
            "A run before it begins.",
            body=RunBody,
            has_effect=False,
        ),
        post(
            f"{job}/copy",
            endpoints.copy,
            CopyAnswer,
            "What runs the same.",
            body=CopyBody,
            has_effect=False,
        ),
        post(f"{job}/launch", endpoints.launch, LaunchAnswer, "Start a run.", body=RunBody),
    ]


async def start(session: Session) -> None:
    """Begin to import the code, and tell tabs of its changes."""
    source = session.options.source
    if source is None:
        return
    environment = dict(os.environ)
    if session.options.store is not None:
        environment["RAYEXEC_HOME"] = session.options.store
    code = HostedCode(source, environment=environment)
    code.on_change = lambda: session.live.publish(
        "jobs", "changed", {"version": code.version}, stays=True
    )
    session.code = code

    async def watch(topic: Topic) -> None:
        with code.watching():
            topic.publish("changed", {"version": code.version})
            await asyncio.Event().wait()

    session.live.register("jobs", watch)
    code.start()


async def stop(session: Session) -> None:
    """End the process with the code, and questions to clusters."""
    await session.capacity.close()
    if session.code is not None:
        await session.code.close()


class JobEndpoints:
    """The endpoints of one server."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._runs = RunsOfJobs(session)

    async def list(self, call: Call[NoQuery]) -> dict[str, Any]:
        """Return the jobs and the state of their code."""
        code: HostedCode | None = self._session.code
        if code is None:
            nothing: dict[str, Any] = {"error": None, "jobs": [], "output": ""}
            return {"state": "none", "version": 0, "is_stale": False, **nothing}
        code.look()
        if code.version == 0:
            # A page that comes with the server has its jobs by the first answer.
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(asyncio.shield(code.settled()), _FIRST_JOBS_S)
        runs = await self._session.in_thread(self._runs.by_job, _LAST_RUNS)
        error = code.error
        return {
            "state": code.state.value,
            "version": code.version,
            "is_stale": code.is_stale,
            "error": None
            if error is None
            else {"message": error.message, "traceback": error.traceback},
            "jobs": [
                {**job, "last_runs": [_in_short(each) for each in runs.get(job["name"], [])]}
                for job in code.jobs
            ],
            "output": code.output,
        }

    async def show(self, call: Call[NoQuery]) -> dict[str, Any]:
        """Return a job with its ops, its last runs, and the times of its ops in them."""
        document = await self._ask(call, "describe")
        name = document["job"]
        runs = await self._session.in_thread(self._runs.by_job, _HISTORY)
        records = runs.get(name, [])
        statistics = await self._session.in_thread(self._runs.statistics, records)
        return {
            **document,
            "statistics": statistics,
            "history": [run_row(record) for record in records],
        }

    async def graph(self, call: Call[GraphQuery]) -> dict[str, Any]:
        """Return a drawing of the job."""
        given = call.given
        opened = None if given.open is None else split_clauses([given.open])
        return await self._ask(
            call,
            "graph",
            opened=opened,
            focus=given.focus or None,
            depth=given.depth,
            selection=split_clauses([given.selection]),
        )

    async def completion(self, call: Call[SelectionQuery]) -> dict[str, Any]:
        """Return what an editor offers."""
        return await self._ask(call, "completion", selection=split_clauses([call.given.selection]))

    async def check(self, call: Call[RunBody]) -> dict[str, Any]:
        """Return the mistakes of a run."""
        return await self._ask(call, "check", **self._text(call.given))

    async def edit(self, call: Call[EditBody]) -> dict[str, Any]:
        """Return run config after an action."""
        given = call.given
        selection = _clauses(given.selection)
        return await self._ask(
            call, "edit", yaml=given.yaml, action=given.action, selection=selection
        )

    async def plan(self, call: Call[RunBody]) -> dict[str, Any]:
        """Return the preview of a run, on the Ray that a launch would use."""
        text, warm, coming = self._text(call.given), None, None
        wanted = RunText(where=text["where"])
        if self._session.options.is_read_only and wanted.where not in (None, IN_PROCESS, ON_RAY):
            # Who connects to a cluster shows it a token, and executes its pickles.
            raise ApiError(403, "a read-only server connects to no cluster that its readers name.")
        if wanted.where in (None, ON_RAY):
            warm = self._warm_address()
            coming = _COMING_RAY if warm is None else None
        capacity, notes = None, []
        if (address := wanted.address or warm) is not None:
            try:
                capacity = await self._session.capacity.of(address)
            except EngineError as error:
                notes.append(str(error))
        plan = await self._ask(call, "plan", capacity=capacity, warm=warm, coming=coming, **text)
        return {**plan, "notes": [*notes, *plan.get("notes", ())]}

    def _warm_address(self) -> str | None:
        """Return the Ray of this server, which runs without a cluster of their own attach to.

        None before the start of an own one.
        """
        cluster: WarmCluster | None = self._session.cluster
        if cluster is None or (cluster.is_own and cluster.state is not ClusterState.UP):
            return None
        return cluster.address or self._session.options.address

    async def copy(self, call: Call[CopyBody]) -> dict[str, Any]:
        """Return what runs the same."""
        given = call.given
        return await self._ask(
            call,
            "copy",
            **self._text(given),
            resume_from=given.resume_from,
            steps=given.steps or [],
            store=self._session.options.store,
        )

    async def launch(self, call: Call[RunBody]) -> dict[str, Any]:
        """Start a run, unless it has mistakes."""
        code: HostedCode | None = self._session.code
        if code is not None:  # a run must not be checked by code of before the last save
            code.look()
            await code.settled()
        text = await self._ask(call, "launch_text", **self._text(call.given))
        if code is not None and code.error is not None:
            raise ApiError(422, f"The code has a mistake, so nothing starts: {code.error.message}")
        if not text["is_valid"]:
            problems = text["check"]["problems"]
            first = problems[0]
            at = f"{first['path']}: " if first["path"] else ""
            message = first["message"].partition("\n")[0]
            raise ApiError(422, f"The run has mistakes, so nothing starts: {at}{message}", problems)
        run_id = await self._session.in_thread(self._launch, call.given, text)
        return {"run_id": run_id}

    def _launch(self, given: RunBody, text: Mapping[str, Any]) -> str:
        source, cluster = self._session.options.source, self._session.cluster
        assert source is not None
        wanted = RunText(where=given.where or None)
        attach, spares = wanted.address, None
        if cluster is not None and wanted.where in (None, ON_RAY) and text["is_on_ray"]:
            cluster.begin()
            attach, spares = cluster.wait(), cluster.spares
        run = launch_job(
            source.file,
            yaml.safe_load(text["config"]) or None,
            module=source.module,
            attribute=text["attribute"],
            job=text["job"],
            op_selection=_clauses(given.selection),
            tags=given.tags or None,
            store=self._session.options.store,
            address=wanted.dashboard,
            attach=attach,
            spares=spares,
            max_concurrent=given.max_concurrent,
        )
        if spares is not None and cluster.is_own:
            cluster.runs.add(run)
        return run.run_id

    def _text(self, given: RunBody) -> dict[str, Any]:
        """Return the fields of ``RunText``."""
        return {
            "yaml": given.yaml,
            "selection": _clauses(given.selection),
            "tags": given.tags or {},
            "where": given.where or None,
            "max_concurrent": given.max_concurrent,
            "reads_files": not self._session.options.is_read_only,
        }

    async def _ask(self, call: Call[Any], kind: str, **given: Any) -> dict[str, Any]:
        """Return an answer of the code, or raise ApiError."""
        code: HostedCode | None = self._session.code
        if code is None:
            raise ApiError(404, "There is no code: start with rayexec dev -f FILE or -m MODULE.")
        is_quick = kind in ("check", "plan", "edit")
        try:
            return await code.ask(
                kind,
                patience_s=_CHECK_PATIENCE_S if is_quick else 20.0,
                topic=_topic(call, kind) if kind in ("check", "plan") else None,
                is_wanted=lambda: call.request.transport is not None,
                job=call.path["job"],
                **given,
            )
        except AskError as error:
            status = 404 if error.kind == _UNKNOWN_JOB else 422
            raise ApiError(status, str(error), error.problems) from None
        except SupersededError as error:
            raise ApiError(409, str(error)) from None
        except (NoCodeError, CodeEndedError) as error:
            raise ApiError(503, str(error)) from None


def _topic(call: Call[Any], kind: str) -> str | None:
    """Return what a newer question of the same tab replaces; None for a client without tabs."""
    tab = call.request.headers.get(TAB_HEADER)
    return None if tab is None else f"{tab[:64]} {kind} {call.path['job']}"


def _in_short(record: Any) -> dict[str, Any]:
    row = run_row(record)
    return {
        "run_id": record.run_id,
        "status": record.status,
        "start_time": record.start_time,
        "duration": row["duration"],
    }


def _clauses(selection: list[str] | str | None) -> list[str]:
    return split_clauses([selection] if isinstance(selection, str) else selection or ())
