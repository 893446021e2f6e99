"""Writes reference/dagster-names.md from the table that ``rayexec migrate check`` reads."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from rayexec.migration.name_table import Here, entries

PAGE = Path(__file__).parent / "reference" / "dagster-names.md"
# A line that ends in a backslash goes on, since a paragraph of a page is one line.
HEAD = """\
# Dagster's names

All public names of Dagster 1.13, and some arguments and attributes of them. \
`rayexec migrate check FILE|DIR` reads this table for files of yours, line by line, \
and runs none of them.

- **same**: a file with the name runs as it stands.
- **better**: it runs as it stands, and gets more.
- **differs**: the name is there, and the case of the note is another one.
- **not here**: the name imports at best, so that a job beside it runs. A use is an \
error with this note.

"""


def page() -> str:
    """Return the text of the page."""
    count = Counter(entry.here for entry in entries().values())
    counts = ", ".join(f"{count[here]} {here.value}" for here in Here if count[here])
    rows = [
        f"| `{entry.name}` | {entry.here.value} | {entry.note} |" for entry in entries().values()
    ]
    lines = [f"{counts}.", "", "| Dagster | here | note |", "|---|---|---|", *rows]
    return HEAD + "\n".join(lines) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
