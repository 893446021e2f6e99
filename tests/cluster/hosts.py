"""A cluster whose nodes are hosts: each has an address of its own, and its own view of some
directories.

A host is a Ray node on this machine at another loopback address, in a mount namespace in which
directories are empty or others. So its workers lack files, or have others, as on another machine;
and what they write elsewhere is shared.
"""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import signal
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from ports import free_port

import rayexec
from rayexec.cluster import processes

ROOT = Path(rayexec.__file__).parents[1]
_TIMEOUT = 180.0
# Ray takes 127.0.0.1 for the address of the node itself, and with one node only starts no second.
_NODE = """
import sys
import ray._private.ray_constants as constants
import ray._private.services as services
address = sys.argv.pop(1)
constants.ENABLE_RAY_CLUSTER = True
services.get_node_ip_address = lambda *_, **__: address
services.resolve_ip_for_localhost = lambda host: host
"""


@dataclass
class Hosts:
    """A cluster with a head at 127.0.0.1, where its drivers run too.

    ``home`` is the home of who uses it, ``variables`` are of all processes of theirs. Ray's sockets
    are in ``temp``.
    """

    home: Path
    temp: Path
    mark: str = field(default_factory=lambda: uuid.uuid4().hex)
    address: str = ""
    variables: dict[str, str] = field(default_factory=dict)

    def environment(self, **changed: str) -> dict[str, str]:
        """Return the variables of a process of the user's."""
        inherited = {
            key: value for key, value in os.environ.items() if not key.startswith(("RAY", "PYTHON"))
        }
        own = {
            "HOME": str(self.home),
            "RAYEXEC_HOME": str(self.home / "runs"),
            "RAY_AUTH_MODE": "token",
        }
        own |= {
            "PYTHONPATH": str(ROOT),
            "RAYEXEC_TEST": self.mark,
            "NO_COLOR": "",
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        return {**inherited, **own, **self.variables, **changed}

    def start_head(self, *, before: str = "", **resources: float) -> None:
        """Start the head, in a process that runs the Python of ``before`` first."""
        port = free_port()
        self.address = f"127.0.0.1:{port}"
        options = [
            "--head",
            f"--port={port}",
            "--include-dashboard=false",
            "--no-monitor",
            "--disable-usage-stats",
        ]
        self._start(
            "127.0.0.1",
            [*options, f"--ray-client-server-port={free_port()}"],
            resources,
            {},
            before,
        )

    def start_host(
        self, ip: str, views: Mapping[Path, Path | int | None], **resources: float
    ) -> None:
        """Start a node at ``ip`` for which each directory of ``views`` is another, or (None) empty.

        A number is for one that is empty, and full with that many bytes.
        """
        self._start(ip, [f"--address={self.address}"], resources, views)

    def _start(
        self,
        ip: str,
        options: list[str],
        resources: Mapping[str, float],
        views: Mapping[Path, Path | int | None],
        before: str = "",
    ) -> None:
        program = f"{_NODE}{before}\nfrom ray.scripts.scripts import main\nmain()\n"
        command = [
            sys.executable,
            "-c",
            program,
            ip,
            "start",
            *options,
            f"--resources={json.dumps(resources)}",
        ]
        command += [
            f"--temp-dir={self.temp}",
            "--num-cpus=1",
            "--min-worker-port=0",
            "--max-worker-port=0",
        ]
        command += ["--dashboard-agent-listen-port=0", f"--object-store-memory={100 * 2**20}"]
        mounts = [
            f"mount --bind {shlex.quote(str(seen))} {shlex.quote(str(at))}"
            if isinstance(seen, Path)
            else f"mount -t tmpfs -o mode=700,size={seen or '50%'} none {shlex.quote(str(at))}"
            for at, seen in views.items()
        ]
        if views:
            command = [
                "unshare",
                "-m",
                "sh",
                "-c",
                " && ".join([*mounts, shlex.join(["exec", *command])]),
            ]
        log = self.temp / f"start-{ip}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                command,
                env=self.environment(RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER="0"),
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            code = process.wait(_TIMEOUT)
        except subprocess.TimeoutExpired:
            process.kill()
            code = process.wait()
        assert code == 0, log.read_text()

    def run(self, *command: str, cwd: Path | None = None, **changed: str) -> tuple[int, str, str]:
        """Run a program of the user's Python; return its exit code and what it printed."""
        done = subprocess.run(
            [sys.executable, *command],
            cwd=cwd or self.home,
            env=self.environment(**changed),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_TIMEOUT,
            check=False,
        )
        return done.returncode, done.stdout, done.stderr

    def stop(self) -> None:
        for pid in processes.marked(f"RAYEXEC_TEST={self.mark}", processes.table()):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


@contextlib.contextmanager
def hosts(home: Path) -> Iterator[Hosts]:
    """A cluster of hosts without any yet, and with a token; skips where no mount namespace can be
    made.
    """
    if subprocess.run(["unshare", "-m", "true"], capture_output=True, check=False).returncode:
        pytest.skip("mount namespaces are not permitted here")
    token = home / ".ray/auth_token"
    token.parent.mkdir(parents=True)
    token.write_text(uuid.uuid4().hex * 2)
    token.chmod(0o600)
    with tempfile.TemporaryDirectory(prefix="rx-", dir="/tmp", ignore_cleanup_errors=True) as temp:
        made = Hosts(home, Path(temp) / "ray")  # which Ray opens to all users
        made.temp.mkdir()
        try:
            yield made
        finally:
            made.stop()
