"""`rayexec dev` in a process of its own."""

from __future__ import annotations

import contextlib
import os
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

__all__ = ["DevServer"]

_PATIENCE_S = 60.0
_URL = re.compile(r"https?://\S+")


class DevServer:
    """A server that has printed its address.

    ``url`` has the token, and ``base`` lacks it. ``home`` is the directory of its runs.
    """

    def __init__(
        self, arguments: Sequence[str], home: Path, cwd: Path, *, browser: Path | None = None
    ) -> None:
        home.mkdir(parents=True, exist_ok=True)
        self.home = home
        self._output = b""
        environment = {**os.environ, "RAYEXEC_HOME": str(home), "PYTHONUNBUFFERED": "1"}
        # With ``browser``, a program that gets the address.
        opening = ["--no-open"] if browser is None else []
        environment |= {} if browser is None else {"BROWSER": f"{browser} %s"}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "rayexec", "dev", *opening, "--port", "0", *arguments],
            cwd=cwd,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self.session = self.process.pid
        self.url = self._read_url()
        self.base = self.url.partition("?")[0]

    @property
    def output(self) -> str:
        """All that it printed so far."""
        return self._output.decode("utf-8", "replace")

    def stop(self) -> None:
        """End it as Ctrl-C does; raises AssertionError where it leaves a process behind."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(_PATIENCE_S)
        except subprocess.TimeoutExpired:
            os.killpg(self.session, signal.SIGKILL)
            raise
        finally:
            if self.process.stdout is not None:
                self.process.stdout.close()
        deadline = time.monotonic() + _PATIENCE_S
        while left := self.processes():
            if time.monotonic() > deadline:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(self.session, signal.SIGKILL)
                raise AssertionError(f"rayexec dev left behind: {left}")
            time.sleep(0.05)

    def processes(self) -> list[str]:
        """Return the living processes of its session, by pid and name."""
        found = []
        for entry in os.listdir("/proc"):
            if entry.isdigit():
                with contextlib.suppress(OSError, ValueError):
                    status = Path("/proc", entry, "stat").read_text()
                    name, _, rest = status.rpartition(")")
                    state, _, _, session = rest.split()[:4]
                    if int(session) == self.session and state != "Z":
                        found.append(name)
        return found

    def _read_url(self) -> str:
        stream = self.process.stdout
        assert stream is not None
        deadline = time.monotonic() + _PATIENCE_S
        while time.monotonic() < deadline:
            if select.select([stream], [], [], 0.1)[0]:
                read = os.read(stream.fileno(), 65_536)
                self._output += read
                if not read:
                    break
            match = _URL.search(self.output)
            if match and "\n" in self.output[match.end() :]:
                return match[0]
        self.process.kill()
        raise AssertionError(f"rayexec dev printed no address: {self.output}")
