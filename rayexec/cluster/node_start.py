"""Start of a local cluster's nodes: one ``ray start`` a node, on the loopback interface."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from rayexec.cluster.cluster_spec import ClusterSpec
from rayexec.cluster.tokens import AUTH_MODE, TOKEN_PATH, token_path
from rayexec.cluster.usable_cpus import usable_cpus
from rayexec.errors import EngineError

__all__ = ["FURTHER_NODE", "ONE_MACHINE", "ClusterStart"]

_HOST = "127.0.0.1"
_PORT, _DASHBOARD_PORT = 6379, 8265
START_TIMEOUT_S = 120.0
_LINES_SHOWN = 12
#: With "0", Ray uses 127.0.0.1 as this machine's address, and listens there alone.
ONE_MACHINE = "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"
# Ray then starts no second node, and replaces 127.0.0.1 by the outward address if it may.
#: Program of ``ray start`` for a further node, which undoes both.
FURTHER_NODE = f"""\
import ray._private.ray_constants as constants
import ray._private.services as services
constants.ENABLE_RAY_CLUSTER = True
services.get_node_ip_address = lambda *_, **__: {_HOST!r}
from ray.scripts.scripts import main
main()
"""


# Without a dashboard, its server would only count usage, and Ray would wait a second for it.
_HEAD_ALONE = """\
import ray._private.node as node
if callable(getattr(node.Node, "start_api_server", None)):
    node.Node.start_api_server = lambda *_, **__: None
from ray.scripts.scripts import main
main()
"""


class ClusterStart:
    """Start of a cluster.

    ``spec`` is the requested one with all defaults filled in. ``sessions`` are the pids of the
    commands, each the leader of a session. Raises EngineError for a port in use.
    """

    def __init__(self, spec: ClusterSpec, mark: str, directory: str) -> None:
        port = spec.port or _free_port(_PORT)
        if not _is_free(port):
            raise EngineError(
                f"port {port} is already used on this machine. Leave --port out, and a free one "
                "is taken; or stop what uses it."
            )
        cpus = spec.num_cpus or max(1, usable_cpus() // spec.nodes)
        self.spec = replace(spec, num_cpus=cpus, port=port)
        self.address = f"{_HOST}:{port}"
        self._dashboard_port = _free_port(_DASHBOARD_PORT) if spec.dashboard else 0
        self.dashboard_url = f"http://{_HOST}:{self._dashboard_port}" if spec.dashboard else None
        self.sessions: tuple[int, ...] = ()
        self._directory = directory
        self._environment = _environment(mark)
        self._processes: list[tuple[subprocess.Popen[bytes], Path]] = []

    def nodes(self) -> Iterator[None]:
        """Start the nodes, and yield after each start of a process; at its end, all nodes run.

        Raises EngineError with Ray's own message if a node does not start.
        """
        self._begin(
            ["-m", "ray.scripts.scripts"] if self.spec.dashboard else ["-c", _HEAD_ALONE],
            self._head(),
        )
        yield
        self._await(0)
        for _ in range(1, self.spec.nodes):
            self._begin(["-c", FURTHER_NODE], [f"--address={self.address}"])
            yield
        for node_index in range(1, self.spec.nodes):
            self._await(node_index)

    def _head(self) -> list[str]:
        usage = [] if "RAY_USAGE_STATS_ENABLED" in os.environ else ["--disable-usage-stats"]
        return [
            "--head",
            f"--port={self.spec.port}",
            f"--resources={json.dumps(self.spec.resources())}",
            f"--include-dashboard={str(self.spec.dashboard).lower()}",
            *(
                [f"--dashboard-host={_HOST}", f"--dashboard-port={self._dashboard_port}"]
                if self.spec.dashboard
                else []
            ),
            # Nothing here scales. Nobody uses the old client, but its server always starts.
            "--no-monitor",
            f"--ray-client-server-port={_free_port()}",
            *usage,  # nobody would see Ray's question for consent
        ]

    def _begin(self, program: list[str], options: list[str]) -> None:
        node_index = len(self._processes)
        log = Path(self._directory, f"start-{node_index}.log")
        # Nodes in one directory would mix up their packages of jobs and their sockets. Ray opens
        # it to everybody, so that it is inside a private one.
        directory = Path(self._directory, f"node-{node_index + 1}")
        with log.open("wb") as output:
            process = subprocess.Popen(
                [
                    sys.executable,
                    *program,
                    "start",
                    *options,
                    f"--num-cpus={self.spec.num_cpus}",
                    f"--temp-dir={directory}",
                    # Free ports: Ray's own ranges would meet those of another Ray here.
                    "--min-worker-port=0",
                    "--max-worker-port=0",
                    "--dashboard-agent-listen-port=0",
                    "--log-style=record",
                    "--log-color=false",
                ],
                env=self._environment,
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # outlives this command and its terminal
            )
        self._processes.append((process, log))
        self.sessions += (process.pid,)

    def _await(self, node_index: int) -> None:
        process, log = self._processes[node_index]
        node = f"Node {node_index + 1}" if node_index else "Ray"
        try:
            code = process.wait(START_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            raise EngineError(
                f"{node} did not start within {START_TIMEOUT_S:g} seconds.{_ending(log)}"
            ) from None
        if code:
            raise EngineError(f"{node} did not start.{_ending(log)}")


def _ending(log: Path) -> str:
    lines = [
        re.sub(r"\x1b\[[0-9;]*m", "", line).rstrip()
        for line in log.read_text(errors="replace").splitlines()
    ]
    # Of a traceback, only the exception helps: the lines above it are of Ray's own code.
    header = max(
        (index for index, line in enumerate(lines) if line.startswith("Traceback")), default=None
    )
    if header is not None:
        lines = [line for line in lines[header + 1 :] if not line.startswith("  ")]
    said = [line for line in lines if line][-_LINES_SHOWN:]
    return " What it said last:\n" + "\n".join(f"  {line}" for line in said) if said else ""


def _environment(mark: str) -> dict[str, str]:
    name, _, value = mark.partition("=")
    changed = {name: value, AUTH_MODE: "token", ONE_MACHINE: "0"}
    if os.environ.get(TOKEN_PATH):
        changed[TOKEN_PATH] = str(token_path())  # absolute, since it may be relative to here
    # A submitted job runs `python`, which must be the one with our packages.
    changed["PATH"] = os.pathsep.join(
        [os.path.dirname(sys.executable), os.environ.get("PATH", os.defpath)]
    )
    # RAY_ADDRESS names another cluster.
    return {key: text for key, text in os.environ.items() if key != "RAY_ADDRESS"} | changed


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        # Connections that have just ended do not count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((_HOST, port))
        except OSError:
            return False
    return True


def _free_port(preferred: int = 0) -> int:
    if preferred and _is_free(preferred):
        return preferred
    with socket.socket() as probe:
        probe.bind((_HOST, 0))
        return int(probe.getsockname()[1])
