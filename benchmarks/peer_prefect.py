"""Prefect: flows of tasks that prefect-ray runs on the present Ray."""

from __future__ import annotations

import importlib
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Mapping
from typing import Any

from benchmarks import peer
from benchmarks.fine import Dag
from benchmarks.peer import CHAIN, FAN_OUT, LAYERED, Run

START = 120


class Prefect:
    """A flow of submitted tasks, with a Prefect server for all its processes.

    A flow ends only at a beat of its heartbeat thread, once a second.
    """

    name = "Prefect with prefect-ray"
    modules: tuple[str, ...] = ("prefect", "prefect_ray")
    sizes: Mapping[str, int] = {FAN_OUT: 100, CHAIN: 100, LAYERED: 50}
    repeats = 3
    warm_up = 16

    def start(self) -> None:
        """Start the server, and point to it before Prefect is imported and Ray's workers inherit
        the environment.
        """
        self._folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = str(free.getsockname()[1])
        os.environ.update(
            PREFECT_HOME=self._folder.name,
            PREFECT_API_URL=f"http://127.0.0.1:{port}/api",
            PREFECT_LOGGING_LEVEL="CRITICAL",
            PREFECT_SERVER_LOGGING_LEVEL="CRITICAL",
            PREFECT_SERVER_ANALYTICS_ENABLED="false",
            DO_NOT_TRACK="1",
        )
        app = [
            "uvicorn",
            "--factory",
            "prefect.server.api.server:create_app",
            "--log-level",
            "critical",
        ]
        self._server = subprocess.Popen(
            [sys.executable, "-m", *app, "--host", "127.0.0.1", "--port", port]
        )
        try:
            _wait_for(f"{os.environ['PREFECT_API_URL']}/health")
        except OSError:
            self.stop()
            raise
        prefect = importlib.import_module("prefect")
        runner = importlib.import_module("prefect_ray").RayTaskRunner
        self._flow = prefect.flow(task_runner=runner())
        self._source, self._follow = prefect.task(peer.source), prefect.task(peer.follow)
        self._join, self._nap = prefect.task(peer.join), prefect.task(peer.nap)

    def fan_out(self, width: int) -> Run:
        """Prepare a fan-out and its join."""
        source, follow, join = (
            self._source,
            self._follow,
            self._join,
        )  # a flow is pickled with each task, we cannot be

        def fan_out() -> int:
            value = source.submit()
            return int(join.submit([follow.submit(value) for _ in range(width)]).result())

        return self._flow(fan_out)  # type: ignore[no-any-return]  # Prefect is untyped here

    def chain(self, steps: int) -> Run:
        """Prepare a chain."""
        source, follow = self._source, self._follow

        def chain() -> int:
            value = source.submit()
            for _ in range(steps - 1):
                value = follow.submit(value)
            return int(value.result())

        return self._flow(chain)  # type: ignore[no-any-return]

    def layered(self, dag: Dag) -> Run:
        """Prepare naps."""
        nap = self._nap

        def layered() -> int:
            made: list[Any] = []
            for length, before in dag:
                made.append(nap.submit(length, [made[each] for each in before]))
            return int(made[-1].result())

        return self._flow(layered)  # type: ignore[no-any-return]

    def stop(self) -> None:
        """End the server."""
        self._server.terminate()
        self._server.wait()
        self._folder.cleanup()


def _wait_for(url: str) -> None:
    deadline = time.monotonic() + START
    while True:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)
