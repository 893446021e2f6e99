"""The owner's end of one child process with the user's code; see ``launch.code_host``."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from typing import IO, Any

from rayexec.errors import RayexecError
from rayexec.launch.code_host import MAX_MESSAGE_BYTES, HostOptions
from rayexec.launch.driver_process import signal_name
from rayexec.launch.guarded_process import SIGNAL_BASE
from rayexec.launch.job_file import JobSource

__all__ = ["CodeEndedError", "HostProcess"]

_MAX_OUTPUT_BYTES = 256 << 10
_MAX_TRACE_BYTES = 64 << 10
_EXIT_PATIENCE_S, _END_PATIENCE_S = 1.0, 8.0
_OWN_FRAMES = (
    f'File "{os.path.dirname(os.path.dirname(__file__))}',
    'File "<frozen',
    'File "<string',
)

# As ``python -m``, which would look for modules in the working directory first. That may be /tmp,
# where anybody may have put one.
_PROGRAM = """\
import sys
sys.path[:] = filter(None, sys.path)
import runpy
runpy.run_module("rayexec.launch.code_host", run_name="__main__", alter_sys=True)
"""


class CodeEndedError(RayexecError):
    """The process with the user's code has ended; ``trace`` is its stack, if it left one."""

    def __init__(self, message: str, trace: str | None = None) -> None:
        self.trace = trace
        super().__init__(message)


class HostProcess:
    """A child process, its messages, and the last part of what its code has printed."""

    def __init__(
        self, process: subprocess.Popen[bytes], lifeline: int, requests: int, trace: IO[bytes]
    ) -> None:
        self._process = process
        self._lifeline: int | None = lifeline
        self._trace = trace
        self._pipe = requests
        self._requests: asyncio.WriteTransport | None = None
        self._output = bytearray()
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._last_id = 0
        loop = asyncio.get_running_loop()
        #: The message on the import of the code.
        self.first: asyncio.Future[dict[str, Any]] = loop.create_future()
        #: The end of the process: its exit code.
        self.ended: asyncio.Future[int] = loop.create_future()
        self._tasks: list[asyncio.Task[None]] = []

    @classmethod
    def start(
        cls,
        source: JobSource,
        environment: Mapping[str, str],
        *,
        patience_s: float,
        memory: int | None,
    ) -> HostProcess:
        """Start a process that imports the code at ``source``."""
        trace = tempfile.TemporaryFile()  # noqa: SIM115  # both processes use it
        lifeline, requests, answers = os.pipe(), os.pipe(), os.pipe()
        options = HostOptions(
            lifeline=lifeline[0],
            requests=requests[0],
            answers=answers[1],
            trace=trace.fileno(),
            file=None if source.file is None else os.path.abspath(source.file),
            module=source.module,
            attribute=source.attribute,
            memory=memory,
            patience=patience_s,
        )
        theirs = (lifeline[0], requests[0], answers[1])
        try:
            process = subprocess.Popen(
                [sys.executable, "-c", _PROGRAM, options.as_json()],
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                pass_fds=(*theirs, trace.fileno()),
                start_new_session=True,
            )
        except BaseException:
            for end in (lifeline[1], requests[1], answers[0]):
                os.close(end)
            trace.close()
            raise
        finally:
            for end in theirs:
                os.close(end)
        host = cls(process, lifeline[1], requests[1], trace)
        assert process.stdout is not None
        host._tasks = [
            asyncio.create_task(host._read_messages(os.fdopen(answers[0], "rb"))),
            asyncio.create_task(host._read_output(process.stdout)),
        ]
        return host

    @property
    def output(self) -> str:
        """The last part of what the code has printed."""
        return self._output.decode("utf-8", "backslashreplace")

    def trace(self) -> str | None:
        """Return the stack that the process left at a crash or a hang; None without one."""
        with contextlib.suppress(OSError, ValueError):
            text = os.pread(self._trace.fileno(), _MAX_TRACE_BYTES, 0).replace(b"\0", b"")
            lines = text.decode("utf-8", "backslashreplace").strip().splitlines()
            users = [line for line in lines if not line.strip().startswith(_OWN_FRAMES)]
            return "\n".join(users) or None
        return None

    async def ask(self, kind: str, given: Mapping[str, Any], patience_s: float) -> dict[str, Any]:
        """Return the message that answers a request.

        Raises CodeEndedError if the process ends before, and TimeoutError after ``patience_s``.
        """
        if self._requests is None:
            await self._open_requests()
        self._last_id += 1
        request_id = self._last_id
        # The stack is written before the owner's patience ends.
        request = {"id": request_id, "ask": kind, "given": given, "patience": patience_s * 0.9}
        line = json.dumps(request).encode() + b"\n"
        if len(line) > MAX_MESSAGE_BYTES:
            raise ValueError(f"the request has {len(line):,} bytes")
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._waiting[request_id] = answer
        try:
            if self.ended.done():
                raise self.end_error()
            assert self._requests is not None
            self._requests.write(line)
            return await asyncio.wait_for(answer, patience_s)
        except asyncio.TimeoutError:  # another class than TimeoutError below Python 3.11
            raise TimeoutError from None
        finally:
            self._waiting.pop(request_id, None)

    async def _open_requests(self) -> None:
        loop = asyncio.get_running_loop()
        transport, _ = await loop.connect_write_pipe(
            asyncio.BaseProtocol, os.fdopen(self._pipe, "wb", buffering=0)
        )
        self._pipe = -1
        self._requests = transport

    async def _read_messages(self, pipe: IO[bytes]) -> None:
        reader = asyncio.StreamReader(limit=MAX_MESSAGE_BYTES)
        loop = asyncio.get_running_loop()
        transport, _ = await loop.connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), pipe
        )
        try:
            with contextlib.suppress(ValueError):  # no message of ours: too long, or not JSON
                while line := await reader.readline():
                    self._receive(json.loads(line))
        finally:
            transport.close()
            code = await self._exit_code()
            if not self.ended.done():
                self.ended.set_result(code)
            self._fail_all(self.end_error())

    def _receive(self, message: dict[str, Any]) -> None:
        if message["kind"] in ("loaded", "failed"):
            if not self.first.done():
                self.first.set_result(message)
            return
        waiting = self._waiting.pop(message["id"], None)
        if waiting is not None and not waiting.done():
            waiting.set_result(message)

    async def _read_output(self, pipe: IO[bytes]) -> None:
        reader = asyncio.StreamReader()
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), pipe
        )
        try:
            while part := await reader.read(64 << 10):
                self._output += part
                del self._output[:-_MAX_OUTPUT_BYTES]
        finally:
            transport.close()

    async def _exit_code(self) -> int:
        """Return the exit code of the process, once its guard has ended all others."""
        loop = asyncio.get_running_loop()
        # It ends by itself where its code ended it; else its code has closed our pipe.
        for patience_s in (_EXIT_PATIENCE_S, _END_PATIENCE_S):
            with contextlib.suppress(subprocess.TimeoutExpired):
                return await loop.run_in_executor(None, self._process.wait, patience_s)
            self._let_go()
        self._process.kill()
        return await loop.run_in_executor(None, self._process.wait)

    def end_error(self) -> CodeEndedError:
        """Return the reason why the process is over."""
        code = self.ended.result()
        trace = self.trace()
        if code > SIGNAL_BASE:
            name = signal_name(code - SIGNAL_BASE)
            more = " The machine may lack memory." if name == "SIGKILL" else ""
            return CodeEndedError(f"the process with the code was ended by {name}.{more}", trace)
        return CodeEndedError(f"the code ended its process with exit code {code}.", trace)

    def _fail_all(self, error: CodeEndedError) -> None:
        for future in (self.first, *self._waiting.values()):
            if not future.done():
                future.set_exception(error)
        self._waiting.clear()
        if self.first.done() and not self.first.cancelled():
            self.first.exception()  # nobody may be interested

    def _let_go(self) -> None:
        """Close our end of the lifeline, so that the guard ends everything."""
        if self._lifeline is not None:
            os.close(self._lifeline)
            self._lifeline = None
        if self._pipe >= 0:
            os.close(self._pipe)
            self._pipe = -1
        if self._requests is not None and not self._requests.is_closing():
            self._requests.abort()

    async def end(self) -> None:
        """End the process and all that it started, and wait for that."""
        self._let_go()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._trace.close()
