"""Local modules: each look finds what was imported, replaced and removed since the last one."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest

from rayexec.definitions.local_modules import local_modules


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("first_local", "second_local"):
        (tmp_path / f"{name}.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    for name in ("first_local", "second_local"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    return tmp_path


def looked() -> set[str]:
    return {name for name in local_modules() if name.endswith("_local")}


def test_each_import_and_removal_shows_at_the_next_look(directory: Path) -> None:
    assert looked() == set()
    importlib.import_module("first_local")
    assert looked() == looked() == {"first_local"}
    del sys.modules["first_local"]  # the count of modules is that of before behind this
    importlib.import_module("second_local")
    assert looked() == {"second_local"}
    del sys.modules["second_local"]
    assert looked() == set()


def test_a_module_in_the_place_of_another_shows_its_own_file(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    importlib.import_module("first_local")
    assert local_modules()["first_local"].file == str(directory / "first_local.py")
    other = directory / "elsewhere" / "first_local.py"
    other.parent.mkdir()
    other.write_text("")
    monkeypatch.syspath_prepend(other.parent)
    del sys.modules["first_local"]
    importlib.import_module("first_local")
    assert local_modules()["first_local"].file == str(other)
