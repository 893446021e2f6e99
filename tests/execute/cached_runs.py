"""Runs recorded in a store of the test's own, and a count of the calls of ops."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from rayexec import RunResult

Run = Callable[..., RunResult]


@pytest.fixture(params=["in_process", "ray"])
def run(request: pytest.FixtureRequest, tmp_path: Path) -> Run:
    """Run a job on an engine, recorded in a store of the test's own; settings of the engine are
    given as ``engine``.
    """
    if request.param == "ray":
        request.getfixturevalue("ray_session")

    def execute(job: Any, config: Any = None, *, engine: Any = None, **options: Any) -> RunResult:
        document = {**(config or {}), "execution": {"config": {request.param: engine or {}}}}
        result: RunResult = job.execute(document, **{"store": tmp_path / "store", **options})
        return result

    return execute


@pytest.fixture
def calls(tmp_path: Path) -> Calls:
    return Calls(tmp_path / "calls")


@dataclass
class Calls:
    """Counts calls of ops, in whatever process they are."""

    file: Path

    def add(self, name: str) -> None:
        with self.file.open("a") as file:
            file.write(f"{name}\n")

    def drain(self) -> list[str]:
        """Return the names since the last drain, sorted."""
        names = sorted(self.file.read_text().split()) if self.file.exists() else []
        self.file.write_text("")
        return names


def lines_of(result: RunResult) -> list[str]:
    return [each.message for each in result.all_events if each.event_type_value == "LOG_MESSAGE"]
