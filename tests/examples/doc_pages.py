"""The project's Markdown pages and their blocks of code."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

__all__ = ["BLOCK", "FILE", "GUIDES", "README", "REFERENCE", "ROOT", "blocks", "run_block"]

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
# Pages to read from top to bottom; design.md and contributing.md have no code of users.
GUIDES = sorted(
    page
    for page in (ROOT / "docs").glob("*.md")
    if page.name not in ("design.md", "contributing.md")
)
# Pages to look things up, each block of Python a script of its own.
REFERENCE = sorted((ROOT / "docs" / "reference").glob("*.md"))
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# First line of a block that belongs into a file.
FILE = re.compile(r"# ([\w.]+\.(?:py|yaml|conf))(, continued)?\n")


def blocks(page: Path, language: str) -> list[str]:
    """Return the blocks of a language on a page, in order."""
    text = page.read_text(encoding="utf-8")
    return [block for named, block in BLOCK.findall(text) if named == language]


def run_block(block: str, directory: Path) -> dict[str, object]:
    """Run a block as a script and return its names."""
    script = directory / "block.py"
    script.write_text(block, encoding="utf-8")
    return runpy.run_path(str(script), run_name="__main__")
