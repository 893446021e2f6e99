"""Names in the pages for developers: every file and every dotted name exists."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = [
    DOCS / "design.md",
    DOCS / "contributing.md",
    DOCS / "security.md",
    *sorted((DOCS / "internals").glob("*.md")),
]
PATHS = re.compile(r"`((?:rayexec|tests|benchmarks|docs|clusters)/[\w./-]*)`")
# A test as pytest names it; the file of the test before is left out.
TESTS = re.compile(r"`(tests/[\w/]+\.py)?(?:::(\w+))?`")
DOTTED = re.compile(r"`(rayexec(?:\.\w+)+)`")
MOST_WORDS_OF_THE_DESIGN = 4_000
MOST_LINES_OF_A_DECISION = 10


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_file_and_name_exists(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert [path for path in PATHS.findall(text) if not (ROOT / path).exists()] == []
    for name in DOTTED.findall(text):
        module, _, attribute = name.rpartition(".")
        parent = import_module(module)
        assert hasattr(parent, attribute) or import_module(name), name


def test_each_attack_names_tests_that_exist() -> None:
    text = (DOCS / "security.md").read_text(encoding="utf-8")
    attacks = text.partition("\n## Attacks")[2].splitlines()
    rows = [line for line in attacks if line.startswith("| ") and "| shown by |" not in line]
    assert len(rows) > 50
    for row in rows:
        path = ""
        named = TESTS.findall(row.rpartition(" | ")[2])
        assert named, row
        for other_path, name in named:
            path = other_path or path
            assert f"def {name}" in (ROOT / path).read_text(encoding="utf-8"), row


def test_the_design_is_short() -> None:
    text = (DOCS / "design.md").read_text(encoding="utf-8")
    assert len(text.split()) <= MOST_WORDS_OF_THE_DESIGN
    decisions = text.partition("\n## Decisions\n")[2].partition("\n## ")[0].split("\n### ")[1:]
    assert len(decisions) >= 10
    for decision in decisions:
        assert len(decision.strip().splitlines()) <= MOST_LINES_OF_A_DECISION
        assert [word for word in ("Problem:", "Choice:", "Measured:") if word not in decision] == []
