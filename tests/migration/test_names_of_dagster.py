"""The table of Dagster's names against the package, Dagster's own list, and the page."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import rayexec
from rayexec.definitions.stand_ins.topics import TOPIC_OF
from rayexec.migration.name_table import Here, entries

ROOT = Path(__file__).parents[2]
# Public names of the package dagster 1.13, written by: python -c "import dagster; ..." (see there).
DAGSTER_NAMES = Path(__file__).with_name("dagster_public_names.txt")


def dagster_names() -> list[str]:
    lines = DAGSTER_NAMES.read_text().splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def test_the_table_has_each_public_name_of_dagster() -> None:
    whole = [name for name in entries() if "." not in name]
    assert sorted(whole) == sorted(dagster_names())


def test_a_name_that_works_is_a_name_of_the_package() -> None:
    claimed = [name for name, entry in entries().items() if "." not in name and entry.here.works]
    assert [name for name in claimed if name not in rayexec.__all__] == []
    assert [name for name in claimed if name in TOPIC_OF] == []


def test_a_name_of_the_package_is_not_called_absent() -> None:
    absent = {name for name, entry in entries().items() if entry.here is Here.ABSENT}
    assert sorted(absent & (set(rayexec.__all__) - TOPIC_OF.keys())) == []


def test_a_note_tells_what_differs_or_what_to_do() -> None:
    silent = [
        name
        for name, entry in entries().items()
        if entry.here is not Here.SAME and not entry.note.endswith(".")
    ]
    assert silent == []


def _writer() -> ModuleType:
    spec = importlib.util.spec_from_file_location(
        "write_dagster_names", ROOT / "docs/write_dagster_names.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_is_written_from_the_table() -> None:
    """Run ``python docs/write_dagster_names.py`` after a change of the table."""
    page = (ROOT / "docs/reference/dagster-names.md").read_text(encoding="utf-8")
    assert page == _writer().page()
