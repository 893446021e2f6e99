"""The recorded store with its expected values, and a copy of it for a resumed run."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from recorded import recorded_jobs, step_notes, stored_values

from rayexec import FilesystemIOManager

RECORDED = Path(recorded_jobs.__file__).parent
EXPECTED: dict[str, Any] = json.loads((RECORDED / "expected.json").read_text())
LARGE = 8_400
ENGINES = ("in_process", "ray")
SELECTED = ("read", "add_all", "measure[2001,02]", "inner.label")
WAITING = ("canceled-in-process", "canceled-ray", "killed-ray")
YEARS, MONTHS = ("2001", "2002"), ("01", "02")

FLOW_VALUES: dict[str, dict[str, Any]] = {
    "load": {"result": stored_values.large(8)},
    "inner.total": {"result": 28},
    "inner.label": {"result": "28 in all"},
    **{name: {"result": np.array([0, 2, 4, 6])} for name in ("first", "second", "third")},
    "describe": {"result": recorded_jobs.Reading("first", (0, 1, 2))},
    "choose": {"left": 1},
    "after_left": {"result": 2},
    "flaky": {"result": 1},
    "speak": {"result": None},
    "afterwards": {"result": "after"},
    "years": {"result[2001]": "2001", "result[2002]": "2002"},
    **{
        f"months[{year}]": {f"result[{month}]": f"{year}-{month}" for month in MONTHS}
        for year in YEARS
    },
    **{f"measure[{year},{month}]": {"result": 7} for year in YEARS for month in MONTHS},
    **{f"add[{year}]": {"result": 14} for year in YEARS},
    "add_all": {"result": 28},
    "read": {"result": np.array([1, 2, 3, 4])},
    "borrow": {"result": (stored_values.public_values(), stored_values.public_errors())},
    "query_one": {"result": None},
    "query_two": {"result": None},
}


def failing_values(size: int) -> dict[str, dict[str, Any]]:
    return {
        "load": {"result": stored_values.large(size)},
        "describe": {"result": recorded_jobs.Reading("first", (0, 1, 2))},
        "check[k0]": {"result": 0},
        "check[k2]": {"result": 20},
        "borrow": {"result": (stored_values.public_values(), stored_values.public_errors())},
    }


# Stored values of each run by step and output, without those that go through an IO manager.
VALUES: dict[str, dict[str, dict[str, Any]]] = {
    "flow-in-process": FLOW_VALUES,
    "flow-ray": FLOW_VALUES,
    "failing-in-process": failing_values(8),
    "failing-ray": failing_values(LARGE),
    **{name: {"load": {"result": stored_values.large(8)}} for name in WAITING},
}
# Keys of managers of stored outputs; an output has none if a manager loads an input from it.
HANDLED: dict[str, dict[str, dict[str, str | None]]] = {
    **{name: {"save": {"result": "files"}} for name in ("flow-in-process", "flow-ray")},
    **{
        name: {
            "save": {"result": "files"},
            "cut": {f"result[{key}]": "files" for key in recorded_jobs.KEYS},
            "plain": {"result": None},
        }
        for name in ("failing-in-process", "failing-ray")
    },
}


def judged(size: int) -> dict[str, Any]:
    """Return the output of ``judge`` in a mended run."""
    return {
        "checked": [0, 10, 20],
        "pieces": [0, 1, 2],
        "sum": sum(range(size)),
        "described": recorded_jobs.Reading("first", (0, 1, 2)),
        "saved": [0, 1, 2, 3],
        "borrowed": (stored_values.public_values(), stored_values.public_errors()),
        "said": "read from plain",
        "passed": "passed",
    }


def is_same(value: Any, expected: Any) -> bool:
    """Whether two values have one type and are equal, also arrays and exceptions within them."""
    if type(value) is not type(expected):
        return False
    if isinstance(value, np.ndarray):
        return value.dtype == expected.dtype and bool(np.array_equal(value, expected))
    if isinstance(value, Exception):
        return str(value) == str(expected) and is_same(vars(value), vars(expected))
    if isinstance(value, Mapping):
        return list(value) == list(expected) and all(
            is_same(value[key], expected[key]) for key in expected
        )
    if isinstance(value, (list, tuple)):
        return len(value) == len(expected) and all(map(is_same, value, expected))
    return bool(value == expected)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A copy of the recorded store, to read and to resume from."""
    return Path(shutil.copytree(RECORDED / "store", tmp_path / "store"))


class Mended:
    """A directory that lets all steps pass and gets notes of those that ran."""

    def __init__(self, directory: Path, store: Path) -> None:
        directory.mkdir()
        (directory / "mended").touch()
        self._ran = directory / "ran"
        self.config = {
            "notes": {"config": {"directory": str(directory)}},
            "files": {"config": {"base_dir": str(store / "files")}},
        }

    def resources(self, *keys: str) -> dict[str, Any]:
        made = {
            "notes": step_notes.Notes(**self.config["notes"]["config"]),
            "files": FilesystemIOManager(**self.config["files"]["config"]),
        }
        return {key: made[key] for key in keys}

    def ran(self) -> list[str]:
        """Return the steps that ran so far."""
        return sorted(self._ran.read_text().splitlines()) if self._ran.exists() else []


@pytest.fixture
def mended(tmp_path: Path, store: Path) -> Mended:
    return Mended(tmp_path / "notes", store)


def execution(engine: str) -> dict[str, Any]:
    return {"execution": {"config": {engine: {}}}}


def needs_ray(request: pytest.FixtureRequest, engine: str) -> None:
    if engine == "ray":
        request.getfixturevalue("ray_session")
