"""Tables of a store's index, by schema version.

Each entry of ``MIGRATIONS`` leads from the version before it to the next one, and is never edited
after a release: a change is a further entry. Whatever a table holds, the files of the store hold
too, so a migration may also drop a table and make it anew, empty.
"""

from __future__ import annotations

__all__ = ["MIGRATIONS"]

#: Statements that lead from each schema version to the next; version 0 is an empty file.
MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        # A row is the run.json of a run. ``stamp`` changes with that file, and ``crc`` is of
        # ``record``.
        """
        CREATE TABLE runs (
            run_id TEXT PRIMARY KEY,
            stamp TEXT NOT NULL,
            crc INTEGER NOT NULL,
            record BLOB NOT NULL
        ) WITHOUT ROWID
        """,
    ),
)
