"""Child process that holds the user's jobs, and answers questions about them.

Started as ``python -m rayexec.launch.code_host OPTIONS`` by ``rayexec.launch.hosted_code``;
OPTIONS is a JSON object with the fields of ``HostOptions``. It imports the code, sends one message
on that, and then answers requests in order. Requests and messages are lines of JSON on pipes of
their own: what the user's code prints goes to standard output, and never among them.

Nothing that the user's code does harms the owner. A guard (``launch.guarded_process``) ends all
processes that it left behind.
"""

from __future__ import annotations

import contextlib
import faulthandler
import fcntl
import importlib
import json
import os
import resource
import select
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NoReturn

from rayexec.launch.guarded_process import guard

if TYPE_CHECKING:
    from rayexec.launch.code_answers import CodeAnswers

__all__ = ["MAX_MESSAGE_BYTES", "CodeHost", "HostOptions"]

#: The most bytes of one request or message.
MAX_MESSAGE_BYTES = 32 << 20
#: The memory that one request may take beside what the code has already.
_REQUEST_MEMORY_BYTES = 512 << 20
_FIRST_DESCRIPTOR = 200  # out of the way of code that closes low ones
_NEEDED_LATER = (
    "rayexec.launch.checked_run",
    "rayexec.views.job_details",
    "rayexec.views.plan_preview",
    "ray",
)
_OOM_SCORE = "900"  # the kernel kills this process before the owner


@dataclass(frozen=True, slots=True)
class HostOptions:
    """Options of the child process."""

    #: Reading end of the owner's pipe that tells its end.
    lifeline: int
    requests: int
    answers: int
    #: A file for the stack of a crash or a hang.
    trace: int
    file: str | None = None
    module: str | None = None
    attribute: str | None = None
    #: The most memory for data, in bytes; None for no limit.
    memory: int | None = None
    #: Seconds until the stack of an import goes to ``trace``.
    patience: float = 20.0

    def as_json(self) -> str:
        """Return them as the argument of the process."""
        return json.dumps(asdict(self))


class CodeHost:
    """The jobs of a file or module, and the two pipes."""

    def __init__(self, options: HostOptions) -> None:
        self._options = options
        self._pid = os.getpid()
        self._requests = os.fdopen(_raised(options.requests), "rb")
        self._answers = os.fdopen(_raised(options.answers), "wb", buffering=0)
        self._trace = os.fdopen(_raised(options.trace), "wb", buffering=0)
        self._code: CodeAnswers | None = None
        faulthandler.enable(self._trace)
        os.register_at_fork(after_in_child=self._leave_pipes)

    def _leave_pipes(self) -> None:
        """Close the pipes in a process that the user's code forks, so that it can't use them."""
        null = os.open(os.devnull, os.O_RDWR)
        for pipe in (self._requests, self._answers):
            with contextlib.suppress(OSError):
                os.dup2(null, pipe.fileno(), inheritable=False)
        os.close(null)

    def load(self) -> bool:
        """Import the code and send a message on that; return whether the jobs are there."""
        options = self._options
        file = None if options.file is None else Path(options.file)
        began, directory = time.time_ns(), os.getcwd()
        # A stale one would be taken for the file's own where two changes come in one second.
        sys.dont_write_bytecode = True
        faulthandler.dump_traceback_later(options.patience, file=self._trace)
        error: BaseException | None = None
        jobs: list[dict[str, Any]] = []
        try:
            from rayexec.launch.code_answers import CodeAnswers
            from rayexec.launch.job_file import JobSource, find_jobs

            source = JobSource(file, options.module, options.attribute)
            self._code = CodeAnswers(source, find_jobs(source))
            jobs = self._code.jobs()
        except BaseException as raised:  # the user's code may raise anything
            error = raised
        faulthandler.cancel_dump_traceback_later()
        self._leave_forks()
        with contextlib.suppress(OSError):
            os.chdir(directory)
        from rayexec.launch.code_files import files_of_load

        message: dict[str, Any] = {"files": files_of_load(began, file, error)}
        if error is None:
            self._send({"kind": "loaded", "jobs": jobs, **message})
        else:
            self._send({"kind": "failed", **described(error), **message})
        return error is None

    def warm_up(self) -> None:
        """Import what requests will need, as long as there is none."""
        for name in _NEEDED_LATER:
            if select.select([self._requests], [], [], 0)[0]:
                return
            importlib.import_module(name)

    def serve(self) -> None:
        """Answer requests until the owner closes their pipe."""
        while line := self._requests.readline(MAX_MESSAGE_BYTES):
            request = json.loads(line)
            self._trace.truncate(0)
            faulthandler.dump_traceback_later(request["patience"], file=self._trace)
            reply: dict[str, Any]
            try:
                assert self._code is not None
                answer = getattr(self._code, request["ask"])
                with _bounded_memory(_REQUEST_MEMORY_BYTES):
                    reply = {"kind": "answer", "answer": answer(**request["given"])}
            except BaseException as error:  # the user's code may raise anything
                reply = {"kind": "error", "error": described(error)}
            faulthandler.cancel_dump_traceback_later()
            self._leave_forks()
            self._send({**reply, "id": request["id"]})

    def _leave_forks(self) -> None:
        """End a process that the user's code forked and let return."""
        if os.getpid() != self._pid:
            os._exit(0)

    def _send(self, message: Mapping[str, Any]) -> None:
        line = json.dumps(message, default=str).encode() + b"\n"
        if len(line) > MAX_MESSAGE_BYTES:
            text = f"the answer has {len(line):,} bytes, and {MAX_MESSAGE_BYTES:,} are allowed."
            error = {"error": "LoadError", "message": text, "traceback": None, "problems": None}
            small = {"kind": "error", "error": error, "id": message.get("id")}
            if message["kind"] != "answer":
                small = {"kind": "failed", **error, "files": message["files"]}
            line = json.dumps(small).encode() + b"\n"
        view = memoryview(line)
        while view:
            view = view[self._answers.write(view) or 0 :]


def described(error: BaseException) -> dict[str, Any]:
    """Return an error as a message has it: the reason, the traceback, problems of run config."""
    from rayexec.errors import ConfigError, RayexecError
    from rayexec.events import user_traceback

    problems = None
    if isinstance(error, ConfigError):
        problems = [{"path": list(each.path), "message": each.message} for each in error.problems]
    if isinstance(error, RayexecError):
        message, _, trace = str(error).partition("\n\n")
        if trace.startswith("Traceback"):
            return _error_fields(error, message, trace, problems)
        return _error_fields(error, str(error), None, problems)
    if isinstance(error, MemoryError):
        message = f"it needs more than {_REQUEST_MEMORY_BYTES >> 20} MiB of memory"
        return _error_fields(error, message, None, problems)
    text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return _error_fields(error, text, user_traceback(error), problems)


def _error_fields(
    error: BaseException, message: str, trace: str | None, problems: list[Any] | None
) -> dict[str, Any]:
    return {
        "error": type(error).__name__,
        "message": message,
        "traceback": trace,
        "problems": problems,
    }


@contextlib.contextmanager
def _bounded_memory(most: int) -> Iterator[None]:
    """Have allocations fail with MemoryError beyond ``most`` more bytes of data."""
    used = _data_bytes()
    before = resource.getrlimit(resource.RLIMIT_DATA)
    if used is None or 0 <= before[0] < used + most:
        yield
        return
    resource.setrlimit(resource.RLIMIT_DATA, (used + most, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, before)


def _data_bytes() -> int | None:
    """Return the bytes of data of this process; None where the system does not tell."""
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[5]) * resource.getpagesize()
    except (OSError, ValueError, IndexError):
        return None


def _raised(descriptor: int) -> int:
    """Move a descriptor to a high number."""
    high = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, _FIRST_DESCRIPTOR)
    os.close(descriptor)
    return high


def _line_by_line(stream: IO[str]) -> None:
    """Have prints of the user's code come out at once."""
    with contextlib.suppress(AttributeError, ValueError):
        stream.reconfigure(line_buffering=True)  # type: ignore[attr-defined]


def main(arguments: list[str]) -> NoReturn:
    """Serve until the owner ends it."""
    options = HostOptions(**json.loads(arguments[0]))
    guard(options.lifeline)
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:
        file.write(_OOM_SCORE)
    if options.memory is not None:
        hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
        resource.setrlimit(resource.RLIMIT_DATA, (options.memory, hard))
    for stream in (sys.stdout, sys.stderr):
        _line_by_line(stream)
    sys.argv[1:] = []
    host = CodeHost(options)
    if host.load():
        host.warm_up()
        host.serve()
    os._exit(0)  # threads of the user's code would keep it


if __name__ == "__main__":
    main(sys.argv[1:])
