"""The user's jobs in a child process: started, asked, and started anew where their files change.

``HostedCode`` belongs to one event loop. The last good jobs stay in use while newer code does not
import.
"""

from __future__ import annotations

import asyncio
import contextlib
import enum
import os
import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rayexec.errors import RayexecError
from rayexec.launch.code_files import Stamp, changed_files, stamps
from rayexec.launch.host_process import CodeEndedError, HostProcess
from rayexec.launch.job_file import JobSource

__all__ = [
    "AskError",
    "CodeEndedError",
    "CodeError",
    "CodeState",
    "HostedCode",
    "NoCodeError",
    "SupersededError",
]

IMPORT_PATIENCE_S = 20.0
_LOOK_INTERVAL_S = 0.5
# A look takes at most this part of the time, however many files there are.
_LOOK_SHARE = 0.02
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 1.0, 30.0
_MAX_FILES = 5_000
_FILE_OF_STACK = re.compile(r'File "(/[^"\n]+)", line \d+')


class CodeState(str, enum.Enum):
    """What is known of the jobs."""

    LOADING = "loading"
    READY = "ready"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class CodeError:
    """The reason why the code of now has no jobs, and the traceback or the stack."""

    message: str
    traceback: str | None = None


class NoCodeError(RayexecError):
    """There are no jobs to ask about; ``error`` has the reason."""

    def __init__(self, error: CodeError) -> None:
        self.error = error
        super().__init__(error.message)


class SupersededError(RayexecError):
    """A newer request of the same topic came, or nobody waits for the answer any more."""


class AskError(RayexecError):
    """The request was refused: a mistake in it, or in the user's code.

    ``kind`` is the class of the error; ``problems`` are those of run config: a path and a message.
    """

    def __init__(
        self,
        kind: str,
        message: str,
        traceback: str | None = None,
        problems: list[dict[str, Any]] | None = None,
    ) -> None:
        self.kind, self.traceback, self.problems = kind, traceback, problems
        super().__init__(message)


class HostedCode:
    """The jobs of a file or module, in a child process.

    ``version`` grows with each change of what is known, and then ``on_change`` is called.
    """

    def __init__(
        self,
        source: JobSource,
        *,
        environment: Mapping[str, str] | None = None,
        on_change: Callable[[], object] | None = None,
        memory: int | None = None,
        import_patience_s: float = IMPORT_PATIENCE_S,
    ) -> None:
        self.source = source
        self.state = CodeState.LOADING
        self.version = 0
        #: The last good jobs; with an error, they are of older code.
        self.jobs: list[dict[str, Any]] = []
        self.error: CodeError | None = None
        self._environment = dict(os.environ if environment is None else environment)
        self.on_change = on_change
        self._memory = memory
        self._import_patience_s = import_patience_s
        self._current: HostProcess | None = None
        self._loading: asyncio.Task[None] | None = None
        self._ends: set[asyncio.Task[None]] = set()
        self._stamps: dict[str, Stamp] = {}
        self._looked = 0.0
        self._look_interval_s = _LOOK_INTERVAL_S
        self._watchers = 0
        self._watch: asyncio.Task[None] | None = None
        self._turn = asyncio.Lock()
        self._latest: dict[str, int] = {}
        self._tickets = 0
        self._failures_in_row = 0
        self._tried = 0.0
        self._latest_host: HostProcess | None = None
        self._is_closed = False

    @property
    def is_stale(self) -> bool:
        """Whether the jobs are those of older code, since the code of now has an error."""
        return self.error is not None and bool(self.jobs)

    @property
    def output(self) -> str:
        """The last part of what the code has printed."""
        host = self._latest_host
        return "" if host is None else host.output

    def start(self) -> None:
        """Begin to import the code; returns at once."""
        if self._loading is None and not self._is_closed:
            self._tried = time.monotonic()
            self._loading = asyncio.create_task(self._load())

    async def close(self) -> None:
        """End all processes, and wait for that."""
        self._is_closed = True
        for task in (self._watch, self._loading):
            if task is not None:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
        self._retire(self._current)
        self._current = None
        await asyncio.gather(*self._ends, return_exceptions=True)

    async def settled(self) -> None:
        """Wait until the import under way is over, if there is one."""
        while (loading := self._loading) is not None:
            await asyncio.wait([loading])

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        """Look for changes of the files, twice a second, as long as the block lasts."""
        self._watchers += 1
        if self._watch is None:
            self._watch = asyncio.create_task(self._watch_files())
        try:
            yield
        finally:
            self._watchers -= 1

    async def ask(
        self,
        kind: str,
        *,
        patience_s: float = 20.0,
        topic: str | None = None,
        is_wanted: Callable[[], bool] = lambda: True,
        **given: Any,
    ) -> dict[str, Any]:
        """Return the answer to one request; they are answered one after another.

        A newer request of the same ``topic`` replaces one that still waits for its turn, and so
        does an ``is_wanted`` that says no: SupersededError. Raises AskError for a mistake,
        NoCodeError without jobs, and CodeEndedError if the process ends, also for lack of an answer
        within ``patience_s``.
        """
        self._tickets += 1
        ticket = self._tickets
        if topic is not None:
            self._latest[topic] = ticket
        self.look()
        try:
            async with self._turn:
                if (topic is not None and self._latest.get(topic) != ticket) or not is_wanted():
                    raise SupersededError("a newer request came.")
                host = await self._host()
                try:
                    message = await host.ask(kind, given, patience_s)
                except TimeoutError:
                    error = CodeEndedError(
                        f"the code gave no answer within {patience_s:g} s.", host.trace()
                    )
                    self._drop(host)
                    self.start()
                    raise error from None
        finally:
            if topic is not None and self._latest.get(topic) == ticket:
                del self._latest[topic]
        if message["kind"] == "error":
            error_fields = message["error"]
            raise AskError(
                error_fields["error"],
                error_fields["message"],
                error_fields["traceback"],
                error_fields["problems"],
            )
        answer: dict[str, Any] = message["answer"]
        return answer

    def look(self) -> None:
        """Import the code anew if its files have changed; looks twice a second at most."""
        now = time.monotonic()
        if now - self._looked < self._look_interval_s or self._is_closed:
            return
        self._looked = now
        changed = changed_files(self._stamps)
        cost = time.monotonic() - now
        self._look_interval_s = max(_LOOK_INTERVAL_S, cost / _LOOK_SHARE)
        if changed:
            self._failures_in_row = 0
            self._stamps = stamps(self._stamps)
            if self._loading is not None:
                self._loading.cancel()
                self._loading = None
            self.start()
        elif self._current is None and self._loading is None:
            self._try_again()

    def _try_again(self) -> None:
        """Start the code again after its process ended, with growing pauses."""
        pause = min(_FIRST_PAUSE_S * 2**self._failures_in_row, _LONGEST_PAUSE_S)
        is_import_error = self._failures_in_row < 0
        if not is_import_error and time.monotonic() - self._tried > pause:
            self.start()

    async def _watch_files(self) -> None:
        while self._watchers > 0:
            self.look()
            await asyncio.sleep(self._look_interval_s)
        self._watch = None

    async def _host(self) -> HostProcess:
        """Return the process with the jobs, once there is one; raises NoCodeError."""
        if self._current is None and self._loading is None and self._failures_in_row >= 0:
            self.start()
        while self._current is None and (loading := self._loading) is not None:
            await asyncio.wait([loading])
        if self._current is None:
            raise NoCodeError(self.error or CodeError("the jobs are not there any more."))
        return self._current

    async def _load(self) -> None:
        """Start a process, and put it in the place of the former one if its import succeeds."""
        began = time.time_ns()
        try:
            host = HostProcess.start(
                self.source,
                self._environment,
                patience_s=self._import_patience_s,
                memory=self._memory,
            )
        except OSError as os_error:  # no memory, no descriptors, no room for a file
            text = f"no process starts for {self.source.container}: {os_error.strerror}"
            self._failures_in_row = max(0, self._failures_in_row) + 1
            self._fail(None, CodeError(text), self._stamps)
            return
        self._latest_host = host
        try:
            message = await asyncio.wait_for(
                asyncio.shield(host.first), self._import_patience_s * 1.1 + 1
            )
        except asyncio.CancelledError:
            self._retire(host)
            raise
        except (asyncio.TimeoutError, CodeEndedError) as error:
            is_end = isinstance(error, CodeEndedError)
            text = (
                str(error) if is_end else f"no end of the import in {self._import_patience_s:g} s."
            )
            text = f"{self.source.container} cannot be imported: {text}"
            self._failures_in_row = max(0, self._failures_in_row) + 1
            self._fail(host, CodeError(text, host.trace()), self._files_around(host, began))
            return
        self._stamps = {**self._stamps, **_as_stamps(message["files"])}
        if message["kind"] == "failed":
            self._failures_in_row = -1  # the same code would fail again
            error_of_code = CodeError(message["message"], message["traceback"])
            self._fail(host, error_of_code, self._stamps)
            return
        former, self._current = self._current, host
        host.ended.add_done_callback(lambda _: self._ended(host))
        self._failures_in_row = 0
        self._stamps = _as_stamps(message["files"])
        self.jobs, self.error, self.state = message["jobs"], None, CodeState.READY
        self._loading = None
        self._retire(former)
        self._tell()

    def _fail(self, host: HostProcess | None, error: CodeError, files: Mapping[str, Stamp]) -> None:
        self._stamps = dict(files)
        self.error, self.state = error, CodeState.FAILED
        self._loading = None
        self._retire(host)
        self._tell()

    def _ended(self, host: HostProcess) -> None:
        """Note that the process with the jobs ended by itself."""
        if host is not self._current:
            return
        self._current = None
        self._retire(host)
        if self._is_closed:
            return
        self._failures_in_row += 1
        error = host.end_error()
        self.error = CodeError(f"{error} It starts again with the next request.", error.trace)
        self.state = CodeState.FAILED
        self._tell()

    def _drop(self, host: HostProcess) -> None:
        """End the process with the jobs; another one is about to start."""
        if host is self._current:
            self._current = None
        self._retire(host)

    def _retire(self, host: HostProcess | None) -> None:
        """End a process in the background."""
        if host is not None:
            task = asyncio.create_task(host.end())
            self._ends.add(task)
            task.add_done_callback(self._ends.discard)

    def _tell(self) -> None:
        self.version += 1
        if self.on_change is not None:
            self.on_change()

    def _files_around(self, host: HostProcess, began: int) -> dict[str, Stamp]:
        """Return stamps of the files that may be to blame, where the process tells of none."""
        files = {*self._stamps, *_FILE_OF_STACK.findall(host.trace() or "")}
        if self.source.file is not None:
            main = Path(os.path.abspath(self.source.file))
            files.add(str(main))
            files.update(map(str, main.parent.glob("*.py")))
        elif self.source.module is not None:
            path = Path.cwd().joinpath(*self.source.module.split("."))
            files.update((f"{path}.py", str(path / "__init__.py")))
        current = stamps(sorted(files)[:_MAX_FILES])
        return {
            file: (0, 0, 0) if mark is not None and mark[0] >= began else mark
            for file, mark in current.items()
        }


def _as_stamps(files: Mapping[str, Any]) -> dict[str, Stamp]:
    return {
        file: None if mark is None else tuple(mark)
        for file, mark in list(files.items())[:_MAX_FILES]
    }
