"""Index of a store: one SQLite file with answers that the store's files would give slowly.

The files of a store are the truth, and the index is a copy of parts of them. So it may lack, be old
or be damaged: every answer is checked against the files, and what lacks is read from there and
added. Only readers write the index. A driver never waits for it.

The index is a directory of its own, beside the store or in a cache of this user (see
``store.index_places``), so that one rename removes a damaged file together with its write-ahead
log. Its tables are in ``store.index_schema``.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from rayexec.private_directory import open_private
from rayexec.store.index_places import index_directories
from rayexec.store.index_schema import MIGRATIONS

if TYPE_CHECKING:
    import sqlite3

__all__ = ["IndexUnavailableError", "StoreIndex"]

_FILE = "index.sqlite"
_BUSY_TIMEOUT_S = 5.0
# Messages of SQLite about a file whose tables are not those of its schema version.
_OTHER_TABLES = ("no such table", "no such column", "has no column")


class IndexUnavailableError(Exception):
    """The index gives no answer now; the files of the store do."""


class StoreIndex:
    """The door to the index of one store; ``root`` is its directory on this machine, if any.

    Nothing stays open between two calls, so any thread and any forked process may use it.
    """

    def __init__(self, identity: str, root: str | None) -> None:
        self._identity = identity
        self._root = root

    @contextlib.contextmanager
    def connection(self) -> Iterator[sqlite3.Connection]:
        """Yield a connection with all tables; each statement commits by itself.

        Raises IndexUnavailableError without a directory for the index, and for every error of
        SQLite in the ``with`` block. A damaged index is removed, and the next call makes a new one.
        """
        try:
            import sqlite3
        except ImportError as error:  # Some Pythons are built without it.
            raise IndexUnavailableError(str(error)) from error
        directory, connection = self._opened()
        try:
            yield connection
        except sqlite3.Error as error:
            connection.close()
            if _is_damage(error):
                _remove(directory)
            raise IndexUnavailableError(str(error)) from error
        finally:
            connection.close()

    @contextlib.contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Yield a connection with a transaction to write; its end commits it.

        Waits up to 5 s for the transaction of another process. Raises as ``connection`` does.
        """
        with self.connection() as connection:
            connection.execute("BEGIN IMMEDIATE")
            yield connection
            connection.execute("COMMIT")

    def _opened(self) -> tuple[Path, sqlite3.Connection]:
        import sqlite3

        reason = "there is no directory for it"
        for directory in index_directories(self._identity, self._root):
            for _ in range(2):  # The second time without the damaged file.
                try:
                    return directory, _open(directory)
                except (sqlite3.Error, OSError) as error:
                    reason = str(error)
                    if not _is_damage(error):
                        break
                    _remove(directory)
        raise IndexUnavailableError(reason)


def _open(directory: Path) -> sqlite3.Connection:
    """Return a connection to the index in a directory, with the tables of this version."""
    import sqlite3

    directory.mkdir(mode=0o700, exist_ok=True)
    path = directory / _FILE
    os.close(open_private(path, os.O_RDWR | os.O_CREAT))  # SQLite would follow the umask.
    connection = sqlite3.connect(path, timeout=_BUSY_TIMEOUT_S, isolation_level=None)
    try:
        # A lost last transaction costs nothing, so no commit waits for the disk.
        connection.execute("PRAGMA synchronous = NORMAL")
        if _version_of(connection) != len(MIGRATIONS):
            connection.execute("PRAGMA journal_mode = WAL")
            _migrate(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def _version_of(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _migrate(connection: sqlite3.Connection) -> None:
    """Bring the tables to this version; raises OperationalError for those of a newer one."""
    import sqlite3

    connection.execute("BEGIN IMMEDIATE")
    version = _version_of(connection)  # Another process may have migrated it meanwhile.
    if version > len(MIGRATIONS):
        raise sqlite3.OperationalError("a newer rayexec made the index")
    for statements in MIGRATIONS[version:]:
        for statement in statements:
            connection.execute(statement)
    connection.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")
    connection.execute("COMMIT")


def _is_damage(error: Exception) -> bool:
    """Tell whether a new index would answer instead; a busy or full one would not."""
    import sqlite3

    if isinstance(error, sqlite3.OperationalError):
        return "already exists" in str(error) or any(each in str(error) for each in _OTHER_TABLES)
    return isinstance(error, sqlite3.DatabaseError)


def _remove(directory: Path) -> None:
    """Remove an index; a process that has it open continues with the removed files."""
    away = directory.with_name(f".{directory.name}-{uuid.uuid4().hex}")
    with contextlib.suppress(OSError):
        os.rename(directory, away)
        shutil.rmtree(away, ignore_errors=True)
