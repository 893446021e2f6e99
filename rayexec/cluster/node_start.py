"""Starting the nodes of a local cluster: ``ray start``, once for each, bound to the loopback
interface.
"""

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

__all__ = ["ClusterStart"]

_HOST = "127.0.0.1"
_PORT, _DASHBOARD_PORT = 6379, 8265
_PATIENCE = 120.0  # seconds for a node to start
_LINES_SHOWN = 12
# With "0", Ray takes this machine's address to be 127.0.0.1, and listens there alone.
_ONE_MACHINE = "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"
# Then, however, it starts no second node, and takes 127.0.0.1 for the outward address if it may.
# Both are said here.
_FURTHER_NODE = f"""\
import ray._private.ray_constants as constants
import ray._private.services as services
constants.ENABLE_RAY_CLUSTER = True
services.get_node_ip_address = lambda *_, **__: {_HOST!r}
from ray.scripts.scripts import main
main()
"""


# Without a dashboard its server would do nothing but count usage, and Ray waits a second for it.
_HEAD_ALONE = """\
import ray._private.node as node
if callable(getattr(node.Node, "start_api_server", None)):
    node.Node.start_api_server = lambda *_, **__: None
from ray.scripts.scripts import main
main()
"""


class ClusterStart:
    """The start of a cluster: ``spec`` with what was left open filled in, the ``address``, and the
    ``sessions``.

    A session is the pid of a ``ray start``, which leads the session of all that it starts. Raises
    EngineError where the port that is asked for is taken.
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
        """Start the nodes, and yield as soon as each has begun to start; when it is over, all have
        started.

        Raises EngineError with what Ray said where one does not start.
        """
        self._begin(
            ["-m", "ray.scripts.scripts"] if self.spec.dashboard else ["-c", _HEAD_ALONE],
            self._head(),
        )
        yield
        self._await(0)
        for _ in range(1, self.spec.nodes):
            self._begin(["-c", _FURTHER_NODE], [f"--address={self.address}"])
            yield
        for which in range(1, self.spec.nodes):
            self._await(which)

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
            # Nothing here scales, and nobody attaches by the old client, whose server cannot be
            # left out.
            "--no-monitor",
            f"--ray-client-server-port={_free_port()}",
            *usage,  # nobody sees Ray's question whether it may send them
        ]

    def _begin(self, program: list[str], options: list[str]) -> None:
        number = len(self._processes)
        log = Path(self._directory, f"start-{number}.log")
        # Nodes that share a directory take the packages of jobs from each other, and the names of
        # their sockets.
        directory = Path(self._directory, f"node-{number + 1}") if number else Path(self._directory)
        with log.open("wb") as output:
            process = subprocess.Popen(
                [
                    sys.executable,
                    *program,
                    "start",
                    *options,
                    f"--num-cpus={self.spec.num_cpus}",
                    f"--temp-dir={directory}",
                    # Ports that are free, where Ray's own ranges would meet those of another Ray on
                    # this machine.
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
                start_new_session=True,  # stays when this command, or its terminal, ends
            )
        self._processes.append((process, log))
        self.sessions += (process.pid,)

    def _await(self, number: int) -> None:
        process, log = self._processes[number]
        which = f"Node {number + 1}" if number else "Ray"
        try:
            code = process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            raise EngineError(
                f"{which} did not start within {_PATIENCE:g} seconds.{_ending(log)}"
            ) from None
        if code:
            raise EngineError(f"{which} did not start.{_ending(log)}")


def _ending(log: Path) -> str:
    lines = [
        re.sub(r"\x1b\[[0-9;]*m", "", line).rstrip()
        for line in log.read_text(errors="replace").splitlines()
    ]
    # Of a traceback, what was raised: the lines of Ray's code above it help nobody who starts a
    # cluster.
    header = max(
        (number for number, line in enumerate(lines) if line.startswith("Traceback")), default=None
    )
    if header is not None:
        lines = [line for line in lines[header + 1 :] if not line.startswith("  ")]
    said = [line for line in lines if line][-_LINES_SHOWN:]
    return " What it said last:\n" + "\n".join(f"  {line}" for line in said) if said else ""


def _environment(mark: str) -> dict[str, str]:
    name, _, value = mark.partition("=")
    changed = {name: value, AUTH_MODE: "token", _ONE_MACHINE: "0"}
    if os.environ.get(TOKEN_PATH):
        changed[TOKEN_PATH] = str(token_path())  # which may be relative to here
    # Jobs that are submitted say `python`, which is then the one that has what is installed here.
    changed["PATH"] = os.pathsep.join(
        [os.path.dirname(sys.executable), os.environ.get("PATH", os.defpath)]
    )
    # A cluster elsewhere is no business of one that starts here.
    return {key: text for key, text in os.environ.items() if key != "RAY_ADDRESS"} | changed


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(
            socket.SOL_SOCKET, socket.SO_REUSEADDR, 1
        )  # connections that have just ended do not count
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
