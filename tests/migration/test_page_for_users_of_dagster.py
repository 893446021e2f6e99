"""docs/coming-from-dagster.md: each row that promises something names tests that show it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/coming-from-dagster.md"
# The first cell of a row, and tests/path.py::test_name of the tests that show it.
SHOWN: dict[str, list[str]] = {
    row: tests.split()
    for row, _, tests in (
        line.partition("\t")
        for line in Path(__file__).with_name("page_rows.tsv").read_text("utf-8").splitlines()
    )
}
WORDS = {"same", "better", "new"}


def rows_by_word() -> dict[str, str]:
    """Return what the second cell of each row with three cells says, by the first cell."""
    said: dict[str, str] = {}
    for line in PAGE.read_text("utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        if line.startswith("| ") and len(cells) == 3 and cells[0] != "Dagster":
            assert cells[0] not in said, f"two rows for {cells[0]}"
            said[cells[0]] = cells[1]
    return said


def test_rows_say_one_word() -> None:
    said = rows_by_word()
    assert len(said) > 50
    assert {row: word for row, word in said.items() if word not in WORDS} == {}


def test_each_row_that_promises_something_has_its_tests() -> None:
    promised = [row for row, word in rows_by_word().items() if word != "new"]
    assert sorted(SHOWN) == sorted(promised)


@pytest.mark.parametrize("row", SHOWN)
def test_those_tests_exist(row: str) -> None:
    assert SHOWN[row]
    for test in SHOWN[row]:
        path, _, name = test.partition("::")
        text = (ROOT / path).read_text("utf-8")
        assert re.search(rf"^ *(?:async )?def {name}\(", text, re.MULTILINE), test
