"""One-node Ray in a child process, which lasts as long as this process.

The child starts Ray and waits for the end of its standard input, so that it ends with this process
however that dies. Ray's own processes end with the child.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import threading
from typing import Any

from rayexec.errors import EngineError

__all__ = ["WarmRay"]

START_TIMEOUT_S = 120.0
END_TIMEOUT_S = 10.0
# As ``python -m``, which would look for modules in the working directory first.
_PROGRAM = """\
import sys
sys.path[:] = filter(None, sys.path)
from rayexec.cluster.warm_ray_process import main
main()
"""


class WarmRay:
    """A Ray that starts now, in a child process; ``close`` ends it.

    Any thread may call its methods. This process imports no Ray.
    """

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", _PROGRAM],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C is for the owner, which ends the rest in order
        )
        self._answer: dict[str, Any] | None = None
        self._has_answered = threading.Event()
        threading.Thread(target=self._read, name="rayexec-warm-ray", daemon=True).start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        try:
            self._answer = json.loads(line)
        except ValueError:
            self._answer = {"error": "the process that starts Ray ended without a word."}
        self._has_answered.set()

    def address(self) -> str:
        """Wait for the start, and return HOST:PORT; raises EngineError if Ray does not start."""
        if not self._has_answered.wait(START_TIMEOUT_S):
            raise EngineError(f"Ray did not start within {START_TIMEOUT_S:g} seconds.")
        answer = self._answer or {}
        if "error" in answer:
            raise EngineError(f"cannot start Ray on this machine: {answer['error']}")
        return str(answer["address"])

    @property
    def is_alive(self) -> bool:
        """Whether the child lives; it ends when Ray does."""
        return self._process.poll() is None

    def close(self) -> None:
        """End Ray and the child, and wait for that."""
        with contextlib.suppress(OSError):
            if self._process.stdin is not None:
                self._process.stdin.close()
        if not self._has_answered.is_set():
            self._process.terminate()  # a start under way ends at once then
        try:
            self._process.wait(END_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._has_answered.wait(END_TIMEOUT_S)
        if self._process.stdout is not None:
            self._process.stdout.close()
