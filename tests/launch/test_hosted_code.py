"""The child process with the user's jobs: it survives what their code does, and leaves nothing."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from rayexec.launch.hosted_code import (
    AskError,
    CodeState,
    HostedCode,
)
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


@contextlib.asynccontextmanager
async def hosted(directory: Path, text: str = JOBS, **options: Any) -> AsyncIterator[HostedCode]:
    """Yield the code of a file once its import is over; nothing may be left after it."""
    (directory / "jobs.py").write_text(text)
    environment = {**os.environ, "RAYEXEC_TEST_MARK": str(directory)}
    code = HostedCode(JobSource(directory / "jobs.py"), environment=environment, **options)
    code.start()
    await code.settled()
    try:
        yield code
    finally:
        await code.close()
        assert marked_processes(directory) == []


def marked_processes(directory: Path) -> list[str]:
    """Return the processes that began in the environment of a test's code."""
    mark, found = f"RAYEXEC_TEST_MARK={directory}".encode(), []
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            with contextlib.suppress(OSError):
                if mark in (process / "environ").read_bytes():
                    found.append(f"{process.name} {(process / 'cmdline').read_bytes()!r}")
    return found


async def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + TIMEOUT_S
    while not condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)


def run(test: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(asyncio.wait_for(test(), 2 * TIMEOUT_S))


async def selected(code: HostedCode, *clauses: str) -> list[str]:
    answer = await code.ask("select", job="copy", selection=list(clauses))
    return list(answer["selected"])


def test_jobs_are_listed_and_described(tmp_path: Path) -> None:
    async def test() -> None:
        async with hosted(tmp_path) as code:
            assert (code.state, code.is_stale, code.error) == (CodeState.READY, False, None)
            assert [(each["name"], each["ops"]) for each in code.jobs] == [("copy", 2)]
            job = await code.ask("describe", job="copy")
            load, save = job["nodes"]
            assert (load["path"], load["asks_for"], load["line"]) == ("load", "1 CPU", 7)
            assert [(key["name"], key["required"]) for key in load["config"]] == [("rows", True)]
            assert (save["config"], job["line"]) == ([], 16)
            assert await selected(code, "save") == ["save"]

    run(test)


def test_a_mistake_in_a_request_is_told(tmp_path: Path) -> None:
    async def test() -> None:
        async with hosted(tmp_path) as code:
            with pytest.raises(AskError, match="'nothing'") as caught:
                await selected(code, "nothing")
            assert caught.value.kind == "SelectionError"
            with pytest.raises(AskError, match=r"no job 'cpy'; it has copy\. Did you mean 'copy'"):
                await code.ask("describe", job="cpy")

    run(test)


def test_last_good_jobs_stay_until_the_file_is_mended(tmp_path: Path) -> None:
    async def test() -> None:
        changes: list[CodeState] = []
        async with hosted(tmp_path) as code:
            code.on_change = lambda: changes.append(code.state)
            with code.watching():
                (tmp_path / "jobs.py").write_text(JOBS + "\nundefined_name\n")
                await until(lambda: code.state == CodeState.FAILED)
                assert code.is_stale
                assert code.error is not None
                assert "NameError: name 'undefined_name' is not defined" in code.error.message
                assert "line 19, in <module>" in (code.error.traceback or "")
                assert [each["name"] for each in code.jobs] == ["copy"]
                assert await selected(code, "save") == ["save"]
                (tmp_path / "jobs.py").write_text(JOBS.replace("save", "store"))
                await until(lambda: code.state == CodeState.READY)
            assert not code.is_stale
            assert await selected(code, "*store") == ["load", "store"]
            assert changes == [CodeState.FAILED, CodeState.READY]
            assert code.version == 3

    run(test)
