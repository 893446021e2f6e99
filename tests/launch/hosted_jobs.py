"""Hosted code for tests: a file of jobs in a child process, and a look for what it leaves."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any

from rayexec.launch.hosted_code import HostedCode
from rayexec.launch.job_file import JobSource

TIMEOUT_S = 60.0
JOBS = """
from rayexec import Config, job, op

class Size(Config):
    rows: int

@op
def load(config: Size):
    return config.rows

@op
def save(rows):
    pass

@job
def copy():
    save(load())
"""
MARK = "RAYEXEC_TEST_MARK"


@contextlib.asynccontextmanager
async def hosted(directory: Path, text: str = JOBS, **options: Any) -> AsyncIterator[HostedCode]:
    """Yield the code of a file once its import is over; nothing may be left after it."""
    (directory / "jobs.py").write_text(text)
    async with hosted_at(JobSource(directory / "jobs.py"), directory, **options) as code:
        yield code


@contextlib.asynccontextmanager
async def hosted_at(
    source: JobSource, directory: Path, **options: Any
) -> AsyncIterator[HostedCode]:
    """Yield the code at a source once its import is over; nothing may be left after it."""
    environment = {**os.environ, MARK: str(directory)}
    code = HostedCode(source, environment=environment, **options)
    code.start()
    await code.settled()
    try:
        yield code
    finally:
        await code.close()
        assert marked_processes(directory) == []


def marked_processes(directory: Path) -> list[str]:
    """Return the processes that began in the environment of a test's code."""
    mark, marked = f"{MARK}={directory}".encode(), []
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            with contextlib.suppress(OSError):
                if mark in (process / "environ").read_bytes().split(b"\0"):
                    marked.append(f"{process.name} {(process / 'cmdline').read_bytes()!r}")
    return marked


async def until(condition: Callable[[], bool]) -> None:
    """Wait until a condition holds."""
    deadline = time.monotonic() + TIMEOUT_S
    while not condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)


def run(test: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run the body of a test in an event loop."""
    asyncio.run(asyncio.wait_for(test(), 2 * TIMEOUT_S))


async def selected(code: HostedCode, *clauses: str) -> list[str]:
    """Return the selected ops of the job ``copy``."""
    answer = await code.ask("select", job="copy", selection=list(clauses))
    return list(answer["selected"])
