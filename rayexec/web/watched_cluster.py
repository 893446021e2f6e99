"""State of the cluster for pages: what a child process sees, joined with the runs under way.

The child (``cluster_probe``) lives while somebody watches, or has asked a moment ago. One that
hangs or dies is replaced. While the cluster does not answer, its last state stays, with its time.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import time
from typing import Any

from rayexec.cluster.local_cluster import running
from rayexec.errors import RayexecError, StoreError
from rayexec.launch.warm_cluster import ClusterState, WarmCluster
from rayexec.store import RunStore, is_over
from rayexec.store.base import watch
from rayexec.views.limit_use import LiveRun, runs_on, with_other_runs, with_runs
from rayexec.views.now import now_of
from rayexec.web.live import Topic
from rayexec.web.session import Session

__all__ = ["WatchedCluster"]

# The child writes a line a second; the doctor, and the start of a worker for it, take longer.
SILENCE_S = 30.0
RESTART_PAUSE_S = 1.0
# For so long after a question the child stays, for the next question.
WANTED_S = 5.0
FIRST_ANSWER_S = 6.0
_LOOK_INTERVAL_S = 0.5
# So many live runs are asked for their state at once.
_MOST_RUNS = 100
_LINE_BYTES = 16 * 1024 * 1024
# As ``python -m``, which would look for modules in the working directory first.
_PROGRAM = """\
import sys
sys.path[:] = filter(None, sys.path)
from rayexec.web.cluster_probe import main
main()
"""


class WatchedCluster:
    """The cluster of a session, and what is known of it; use it on the loop."""

    def __init__(self, session: Session, cluster: WarmCluster) -> None:
        self._session = session
        self._cluster = cluster
        self._wanted_until = 0.0
        self._task: asyncio.Task[None] | None = None
        self._address: str | None = None
        self._status: dict[str, Any] | None = None
        self._as_of: float | None = None
        self._error: str | None = None
        self._findings: list[str] = []
        self._runs: list[LiveRun] = []
        self._news = asyncio.Event()

    async def feed(self, topic: Topic) -> None:
        """Publish the state for as long as somebody watches the topic."""
        while True:
            self._want()
            topic.publish("cluster", await self.document())
            topic.publish("error", {"error": None})
            self._news.clear()
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._news.wait(), _LOOK_INTERVAL_S)

    async def answer(self) -> dict[str, Any]:
        """Return the state; a first one is awaited for a few seconds."""
        self._want()
        deadline = time.monotonic() + FIRST_ANSWER_S
        while self._status is None and self._error is None and time.monotonic() < deadline:
            if await self._session.in_thread(self._target) is None:
                break
            await asyncio.sleep(0.05)
        return await self.document()

    def with_other_runs(self, now: dict[str, Any]) -> dict[str, Any]:
        """Return the state of a run with the runs that hold what its steps wait for.

        Those of the last look; the next one begins at once.
        """
        if not any(queue["others"] for queue in now["queues"]):
            return now
        self._want()
        status = self._status
        return now if status is None else with_other_runs(now, status["limits"], self._runs)

    async def document(self) -> dict[str, Any]:
        """Return what is known now."""
        facts, address = await self._session.in_thread(self._facts)
        if address is None or address != self._address:
            self._forget()
        status, runs = self._status, self._runs
        here = [] if status is None else runs_on(status, runs)
        state = facts["state"]
        if state == "up" and self._error is not None:
            state = "away"
        return {
            **facts,
            "state": state,
            "error": facts["error"] or self._error,
            "as_of": self._as_of,
            "nodes": [] if status is None else status["nodes"],
            "limits": [] if status is None else with_runs(status["limits"], here),
            "holders_unknown": None if status is None else status["holders_unknown"],
            "findings": self._findings,
            "runs": [run.run_id for run in here],
            "other_runs": [run.run_id for run in runs if run not in here],
        }

    def _forget(self) -> None:
        self._status, self._as_of, self._error, self._findings = None, None, None, []
        self._runs = []

    def _facts(self) -> tuple[dict[str, Any], str | None]:
        """Return the facts of the cluster, and its address if it can be asked."""
        facts = self._cluster.facts()
        if facts["state"] != ClusterState.NONE.value:
            return facts, self._cluster.address
        address = running()
        if address is None:
            return facts, None
        # The cluster of ``cluster up``, which runs on this machine besides.
        return {**facts, "address": address, "is_own": True, "state": "up"}, address

    def _target(self) -> str | None:
        facts, address = self._facts()
        return None if facts["state"] == ClusterState.STARTING.value else address

    def _want(self) -> None:
        self._wanted_until = time.monotonic() + WANTED_S
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._probe_on())

    @property
    def _is_wanted(self) -> bool:
        return time.monotonic() < self._wanted_until

    async def _probe_on(self) -> None:
        """Have a child look at the cluster while it is wanted."""
        while self._is_wanted:
            address = await self._session.in_thread(self._target)
            if address is None:
                await asyncio.sleep(_LOOK_INTERVAL_S)
                continue
            if address != self._address:
                self._forget()
                self._address = address
            try:
                await self._probe(address)
            except (OSError, ValueError) as error:  # no process, or a line that is no document
                self._error = f"the process that looks at the cluster has failed: {error}"
            await asyncio.sleep(RESTART_PAUSE_S if self._is_wanted else 0)

    async def _probe(self, address: str) -> None:
        """Read one child's lines, until it ends, hangs, or nobody wants them."""
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-c", _PROGRAM, address,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            start_new_session=True,
            limit=_LINE_BYTES,
        )  # fmt: skip
        assert child.stdout is not None
        heard_at = time.monotonic()
        line_task: asyncio.Task[bytes] | None = None
        try:
            while self._is_wanted and time.monotonic() - heard_at < SILENCE_S:
                if line_task is None:
                    line_task = asyncio.ensure_future(child.stdout.readline())
                await asyncio.wait({line_task}, timeout=_LOOK_INTERVAL_S)
                if not line_task.done():
                    if await self._session.in_thread(self._target) != address:
                        return
                    continue
                line, line_task = line_task.result(), None
                if not line:
                    self._error = self._error or "the process that looks at the cluster ended."
                    return
                heard_at = time.monotonic()
                await self._hear(json.loads(line))
            if self._is_wanted:
                self._error = f"Ray has not answered for {SILENCE_S:g} s."
        finally:
            if line_task is not None:
                line_task.cancel()
            with contextlib.suppress(ProcessLookupError):
                child.kill()
            await child.wait()

    async def _hear(self, document: dict[str, Any]) -> None:
        if "findings" in document:
            self._findings = document["findings"]
        elif "error" in document:
            self._error = document["error"]
        else:
            # A state without its runs would say that there are none.
            self._runs = await self._session.in_thread(_live_runs, self._session)
            self._status, self._error = document["status"], None
            self._as_of = document["time"]
        self._news.set()

    async def close(self) -> None:
        """End the child."""
        self._wanted_until = 0.0
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task


def _live_runs(session: Session) -> list[LiveRun]:
    """Return the runs of the store that are not over, with their states; ask for new states."""
    try:
        records = [record for record in session.runs.records() if not is_over(record)]
    except StoreError:
        return []
    return [
        LiveRun(record.run_id, record.job_name, _state_of(session.store, record.run_id))
        for record in records[:_MOST_RUNS]
    ]


def _state_of(store: RunStore, run_id: str) -> dict[str, Any] | None:
    try:
        watch(store, run_id)
        return now_of(store, store.open(run_id))
    except RayexecError:  # it begins, is somewhere else, or has just gone
        return None
