"""A job that fails at first, a note of each step that ran, and fixtures for resumed runs."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rayexec import (
    DynamicOut,
    DynamicOutput,
    JobDefinition,
    OpExecutionContext,
    RunResult,
    execute_job,
    job,
    op,
)
from rayexec.store import DirectoryRunStore, MemoryRunStore, RunStore

Run = Callable[..., RunResult]
IN_PROCESS: dict[str, Any] = {"execution": {"config": {"in_process": {}}}}


class Ran:
    """Steps that ran, in a file to which they append; ``trouble`` lets ``check`` raise."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / "ran"
        self.trouble = directory / "trouble"
        self.trouble.touch()

    def note(self, key: str) -> None:
        file = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(file, f"{key}\n".encode())
        os.close(file)

    def check(self) -> None:
        if self.trouble.exists():
            raise ValueError("trouble")

    def drain(self) -> list[str]:
        """Return the steps since the last drain, sorted, and end the trouble."""
        keys = sorted(self.path.read_text().splitlines()) if self.path.exists() else []
        self.path.unlink(missing_ok=True)
        self.trouble.unlink(missing_ok=True)
        return keys


@pytest.fixture
def ran(tmp_path: Path) -> Ran:
    return Ran(tmp_path)


@pytest.fixture(params=["in_process", "ray"])
def run(request: pytest.FixtureRequest) -> Run:
    """Run a job on each engine, recorded in a given store."""
    if request.param == "ray":
        request.getfixturevalue("ray_session")

    def run(job: JobDefinition, store: RunStore, config: Any = None, **options: Any) -> RunResult:
        given = config if request.param == "ray" else {**(config or {}), **IN_PROCESS}
        return execute_job(job, given, store=store, **options)

    return run


@pytest.fixture(params=["memory", "files"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> RunStore:
    return MemoryRunStore() if request.param == "memory" else DirectoryRunStore(tmp_path / "store")


def make_flow(ran: Ran) -> JobDefinition:
    @op
    def load() -> Any:
        ran.note("load")
        return np.arange(100_000)

    @op(out=DynamicOut())
    def split(data: Any) -> Iterator[Any]:
        ran.note("split")
        for key in range(4):
            yield DynamicOutput(data[key::4], f"k{key}")

    @op
    def work(context: OpExecutionContext, part: Any, data: Any) -> int:
        ran.note(f"work[{context.get_mapping_key()}]")
        if context.get_mapping_key() == "k2":
            ran.check()
        return int(part.sum() + data[-1])

    @op
    def other() -> int:
        ran.note("other")
        return 5

    @op
    def total(parts: list[int], extra: int) -> int:
        ran.note("total")
        return sum(parts) + extra

    @job
    def flow() -> None:
        data = load()
        total(split(data).map(lambda part: work(part, data)).collect(), other())

    return flow


ALL = sorted(["load", "split", "other", "total", *(f"work[k{key}]" for key in range(4))])
TOTAL = sum(range(100_000)) + 4 * 99_999 + 5


def failed_flow(run: Run, store: RunStore, ran: Ran, **options: Any) -> tuple[JobDefinition, str]:
    flow = make_flow(ran)
    result = run(flow, store, **options)
    assert not result.success
    assert ran.drain() == [key for key in ALL if key != "total"]
    return flow, result.run_id
