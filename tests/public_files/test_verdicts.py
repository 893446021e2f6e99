"""The table of public files: what it claims, and what the pages say of it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import rayexec
from public_files.count import TABLE, Row, without_directories

ROOT = Path(__file__).parents[2]
HEADER, *LINES = TABLE.read_text("utf-8").splitlines()
ROWS = [Row(*line.split("\t")) for line in LINES]
# Files that ask for ops and jobs alone, and run or import under Dagster.
COMPARED = [
    row
    for row in ROWS
    if row.needs == "ops"
    and row.verdict
    in {
        "runs",
        "differs",
        "does not import",
    }
]
RUNNING = [row for row in COMPARED if row.verdict == "runs"]
LEAST_SHARE = 0.95
DAGSTER_NAMES = (ROOT / "tests/migration/dagster_public_names.txt").read_text("utf-8").split()


def test_the_table_is_one() -> None:
    assert HEADER.split("\t") == list(Row._fields)
    assert len(ROWS) > 150
    assert len({(row.repository, row.path) for row in ROWS}) == len(ROWS)


def test_the_table_names_no_directory_of_a_machine() -> None:
    assert [row.path for row in ROWS if row.reason != without_directories(row.reason)] == []


def test_reasons_lose_directories_alone() -> None:
    reason = "no file '/home/ann/copies/a/b.json' at https://example.com/a/b, a/b, 1/2 (/opt/x.py)"
    assert without_directories(reason) == (
        "no file '…/b.json' at https://example.com/a/b, a/b, 1/2 (…/x.py)"
    )


def test_nearly_all_files_of_ops_run() -> None:
    assert len(RUNNING) / len(COMPARED) >= LEAST_SHARE


def test_each_name_that_they_use_imports() -> None:
    used = {name for row in ROWS for name in row.names.split()} & set(DAGSTER_NAMES)
    assert len(used) > 100
    assert [name for name in sorted(used) if not hasattr(rayexec, name)] == []


@pytest.mark.parametrize("page", ["README.md", "docs/coming-from-dagster.md"])
def test_pages_have_the_figures_of_the_table(page: str) -> None:
    text = (ROOT / page).read_text("utf-8")
    figures = re.search(r"[Oo]f (\d+) public files\b[^.]*?\b(\d+) run\b", text)
    assert figures is not None
    assert (int(figures[1]), int(figures[2])) == (len(COMPARED), len(RUNNING))
