"""Public names by Dagster's private import paths, and private names as stand-ins."""

from __future__ import annotations

import importlib
import subprocess
import sys

import pytest

import rayexec
from rayexec import UnsupportedError


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("rayexec._core.definitions.decorators", "op"),
        ("rayexec._core.definitions.output", "Out"),
        ("rayexec._core.errors", "DagsterInvalidConfigError"),
        ("rayexec._core.storage.fs_io_manager", "fs_io_manager"),
        ("rayexec._utils", "file_relative_path"),
        ("rayexec._core.definitions.asset_out", "AssetOut"),
    ],
)
def test_a_private_path_leads_to_the_public_name(path: str, name: str) -> None:
    module = importlib.import_module(path)
    assert getattr(module, name) is getattr(rayexec, name)


def test_a_private_name_imports_and_says_so_when_it_is_used() -> None:
    from rayexec import _check as check  # type: ignore[attr-defined]
    from rayexec._core.storage.tags import SomePrivateClass  # type: ignore[import-not-found]
    from rayexec._core.test_utils import nesting_graph  # type: ignore[import-not-found]

    class Own(SomePrivateClass):  # type: ignore[misc]
        pass

    assert "dagster._core.test_utils.nesting_graph" in repr(nesting_graph)
    with pytest.raises(UnsupportedError, match=r"dagster\._check\.str_param.* was called.*private"):
        check.str_param("a", "b")(1)(2)


def test_other_paths_stay_missing() -> None:
    for path in ("rayexec.core.definitions", "rayexec._no_such", "rayexec._version.more"):
        with pytest.raises(ModuleNotFoundError):
            importlib.import_module(path)
    with pytest.raises(AttributeError):
        importlib.import_module("rayexec._core").__wrapped__


def test_the_paths_work_in_a_fresh_process() -> None:
    code = (
        "from rayexec._core.definitions.decorators import op, job\n"
        "import rayexec._core.errors\n"
        "print(op, rayexec._core.errors.DagsterError.__name__)\n"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "DagsterError" in ended.stdout or "RayexecError" in ended.stdout
