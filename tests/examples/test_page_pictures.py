"""Pictures of the browser door's pages: they show the pages of now, and are small."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import pytest
from doc_pages import ROOT

SCRIPT = ROOT / "docs" / "draw_pages.py"
IMAGES = ROOT / "docs" / "images"
MOST_BYTES = 120_000


@pytest.fixture(scope="module")
def script() -> dict[str, Any]:
    """The names of the script that takes the pictures."""
    return runpy.run_path(str(SCRIPT))


def test_pictures_are_of_the_pages_as_they_are_now(script: dict[str, Any]) -> None:
    outdated = script["outdated_pictures"]()
    assert outdated == [], (
        "the files of these pages have changed since their pictures: run "
        "`.venv/bin/python docs/draw_pages.py` (a minute) and look at docs/images, or add --same "
        "if nobody can see the change"
    )


def test_each_picture_is_small_and_has_a_light_and_a_dark_side(script: dict[str, Any]) -> None:
    names = {f"{name}-{side}.png" for name in script["read_facts"]() for side in ("light", "dark")}
    assert names == {path.name for path in IMAGES.glob("*.png")}
    assert [name for name in names if (IMAGES / name).stat().st_size > MOST_BYTES] == []


def test_a_change_that_nobody_sees_asks_for_no_picture(
    script: dict[str, Any], tmp_path: Path
) -> None:
    digest_of = script["digest_of"]
    digest_of.__globals__["STATIC"] = tmp_path
    file = tmp_path / "a.js"
    file.write_text("/** Says one. */\nconst a = 1;\n")
    before = digest_of(["a.js"])
    file.write_text("// Says one.\n  const a = 1;\n")
    assert digest_of(["a.js"]) == before
    file.write_text("const a = 2;\n")
    assert digest_of(["a.js"]) != before
