"""Resources that note each opening and closing in a file, and readers of these notes."""

import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from rayexec import ResourceDefinition, job, op, resource

# Batches of one step, so that a worker gets many.
ALONE = {"execution": {"config": {"ray": {"batches": False, "max_concurrent": 2}}}}


def noting(path: Path) -> Callable[[str], None]:
    """Return a function that appends a word and the id of its process to a file."""
    name = str(path)

    def note(word: str) -> None:
        with open(name, "a") as file:
            file.write(f"{word}:{os.getpid()}\n")

    return note


def notes_of(path: Path) -> list[tuple[str, str]]:
    """Return (word, process id) of each note."""
    lines = path.read_text().split() if path.exists() else []
    return [(word, pid) for word, _, pid in (line.partition(":") for line in lines)]


def words_of(path: Path) -> list[str]:
    return [word for word, _ in notes_of(path)]


def opened_and_closed(path: Path) -> set[str]:
    """Return the processes that opened once and closed once; fail for any other."""
    notes = notes_of(path)
    pids = {pid for _, pid in notes}
    for pid in pids:
        assert [word for word, each in notes if each == pid] == ["open", "close"], notes
    return pids


def teardowns(result: Any) -> list[str]:
    return [
        event.message
        for event in result.all_events
        if event.message.startswith("Teardown of resources")
    ]


class Pool:
    """SQLite connections to one file, handed out and taken back; each may be used by the thread
    that made it.
    """

    def __init__(self, file: str) -> None:
        self.connections = [sqlite3.connect(file) for _ in range(2)]
        self.thread = threading.get_ident()

    def insert(self, value: int) -> int:
        connection = self.connections.pop()
        try:
            with connection:
                connection.execute(
                    "INSERT INTO seen (value, pid) VALUES (?, ?)", (value, os.getpid())
                )
            (count,) = connection.execute(
                "SELECT COUNT(*) FROM seen WHERE pid = ?", (os.getpid(),)
            ).fetchone()
            return int(count)
        finally:
            self.connections.append(connection)

    def close(self) -> None:
        for connection in self.connections:
            connection.close()


def pool_of(directory: Path, scope: str) -> tuple[ResourceDefinition, Path, Path]:
    """Return a pool as a resource, its database, and the file for its notes."""
    file, notes = directory / "seen.db", directory / "notes"
    with sqlite3.connect(file) as connection:
        connection.execute("CREATE TABLE seen (value INTEGER, pid INTEGER)")
    connection.close()
    note, name = noting(notes), str(file)

    @resource(scope=scope)
    def pool() -> Iterator[Pool]:
        opened = Pool(name)
        note("open")
        yield opened
        opened.close()  # raises in another thread than that which opened it
        note("close")

    return pool, file, notes


def inserting(pool: ResourceDefinition, steps: int) -> Any:
    @op(required_resource_keys={"pool"})
    def insert(context: Any) -> int:
        return int(context.resources.pool.insert(1))

    @job(resource_defs={"pool": pool})
    def filling() -> None:
        for _ in range(steps):
            insert()

    return filling


def until(holds: Callable[[], bool]) -> None:
    ends = time.monotonic() + 120
    while not holds():
        assert time.monotonic() < ends, "it never came to hold"
        time.sleep(0.01)
