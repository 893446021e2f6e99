"""Package of a directory for a cluster: its files, their sizes, and the archive."""

from __future__ import annotations

import itertools
import os
import stat
import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from rayexec.cluster.ignore_files import (
    Pattern,
    is_ignored,
    is_taken_back,
    names_hidden,
    read_patterns,
)
from rayexec.errors import LoadError

__all__ = [
    "IGNORE_FILES",
    "NEVER",
    "Packing",
    "PackingLimit",
    "is_environment",
    "megabytes",
    "pack",
    "survey",
]

# Ray itself reads the first two.
IGNORE_FILES = (".gitignore", ".rayignore", ".rayexecignore")
# No run needs these, whether or not an ignore file names them.
NEVER = frozenset(
    {
        *(".git", ".hg", ".svn", ".venv", "venv", "__pycache__", "node_modules"),
        *(
            ".mypy_cache",
            ".pytest_cache",
            ".ruff_cache",
            ".hypothesis",
            ".tox",
            ".nox",
            ".ipynb_checkpoints",
        ),
    }
)
_MOST_ENTRIES = 100_000  # files and directories in a search, which takes a second
_SHOWN = 10
# The first time that an archive can hold: the same files make the same archive, which Ray sends
# only once.
_ENTRY_TIME = (1980, 1, 1, 0, 0, 0)


class PackingLimit(LoadError):
    """An archive is too large for the cluster."""


@dataclass(frozen=True, slots=True)
class Packing:
    """Files below ``root`` for a package: their sizes in bytes by path."""

    root: Path
    sizes: Mapping[str, int]

    @property
    def size(self) -> int:
        """Bytes of all files without compression."""
        return sum(self.sizes.values())

    def largest(self) -> list[tuple[str, int]]:
        """Return the ten largest files, the largest first."""
        return sorted(self.sizes.items(), key=lambda item: (-item[1], item[0]))[:_SHOWN]


class _Rules(NamedTuple):
    """Patterns of ignore files so far, and those of our own with hidden names."""

    all: tuple[Pattern, ...] = ()
    hidden: tuple[Pattern, ...] = ()

    def leave_out(self, path: str, name: str, *, is_directory: bool) -> bool:
        if name in NEVER or is_ignored(path, self.all, is_directory=is_directory):
            return True
        # Keys, tokens and passwords are in hidden files, and must not leave this machine.
        return name.startswith(".") and not is_taken_back(
            path, self.hidden, is_directory=is_directory
        )


def survey(root: Path) -> Packing:
    """Return the files of a directory, without hidden, ignored and useless ones.

    A line of .rayexecignore such as ``!.name`` adds a hidden file. Links count as their targets.
    Raises LoadError for an unreadable directory, and for too many entries.
    """
    counts: Counter[str] = Counter()
    return Packing(root, dict(sorted(_files(root, root, "", _Rules(), frozenset(), counts))))


def _files(
    root: Path,
    directory: Path,
    base: str,
    rules: _Rules,
    above: frozenset[tuple[int, int]],
    counts: Counter[str],
) -> Iterator[tuple[str, int]]:
    """Yield files with their sizes; ``counts`` has the entries so far by top directory."""
    try:
        identity = directory.stat()
        with os.scandir(directory) as listing:
            entries = sorted(
                itertools.islice(listing, _MOST_ENTRIES + 1), key=lambda entry: entry.name
            )
        for name in IGNORE_FILES:
            file = directory / name
            if file.is_file():
                lines = file.read_text(encoding="utf-8", errors="surrogateescape").split("\n")
                hidden = filter(names_hidden, lines) if name == IGNORE_FILES[-1] else ()
                rules = _Rules(
                    (*rules.all, *read_patterns(lines, base)),
                    (*rules.hidden, *read_patterns(hidden, base)),
                )
    except OSError as error:
        way_out = (
            f" Where the job does not need it, write /{base} into {root / IGNORE_FILES[-1]}."
            if base
            else ""
        )
        raise LoadError(
            f"cannot read {error.filename or directory}: {error.strerror}.{way_out}"
        ) from None
    counts[base.partition("/")[0]] += len(entries)
    if counts.total() > _MOST_ENTRIES:
        raise LoadError(_too_many(root, counts))
    above |= {(identity.st_dev, identity.st_ino)}
    for entry in entries:
        path = f"{base}{entry.name}"
        try:
            status = entry.stat()
        except OSError:  # a link to nowhere, or a file that has just gone
            continue
        is_directory = stat.S_ISDIR(status.st_mode)
        if rules.leave_out(path, entry.name, is_directory=is_directory):
            continue
        if stat.S_ISREG(status.st_mode):
            yield path, status.st_size
        elif (
            is_directory
            and (status.st_dev, status.st_ino) not in above
            and not is_environment(entry.path)
        ):
            yield from _files(root, Path(entry.path), f"{path}/", rules, above, counts)


def _too_many(root: Path, counts: Counter[str]) -> str:
    most, count = counts.most_common(1)[0]
    where = f"; of those seen, {count:,} are below {most}/" if most else ""
    return (
        f"{root} has more than {_MOST_ENTRIES:,} files and directories, too many to send to a "
        f"cluster{where}. Put the job in a directory of its own, give a smaller one with "
        f"--working-dir DIR, or name what the job does not need in {root / IGNORE_FILES[-1]}, one "
        "pattern a line as in .gitignore."
    )


def is_environment(directory: str) -> bool:
    """Whether a directory is a Python environment of venv or conda."""
    return any(
        os.path.exists(os.path.join(directory, name)) for name in ("pyvenv.cfg", "conda-meta")
    )


def pack(
    packing: Packing, archive: Path, *, limit: int, added: Mapping[str, bytes] | None = None
) -> int:
    """Write the files, and ``added`` contents by path, into a zip file; return its bytes.

    Raises PackingLimit with the largest files once it has over ``limit`` bytes, and LoadError for
    an unreadable file.
    """
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as written:
        for path in packing.sizes:
            source = packing.root / path
            try:
                entry = zipfile.ZipInfo(path, _ENTRY_TIME)
                entry.external_attr = (
                    stat.S_IFREG | (0o755 if os.access(source, os.X_OK) else 0o644)
                ) << 16
                entry.compress_type = zipfile.ZIP_DEFLATED
                with (
                    source.open("rb") as file,
                    written.open(entry, "w", force_zip64=True) as target,
                ):
                    while block := file.read(1 << 20):
                        target.write(block)
                        if archive.stat().st_size > limit:
                            raise PackingLimit(_too_large(packing, limit))
            except OSError as error:
                raise LoadError(f"cannot pack {source}: {error.strerror or error}.") from None
        for path, content in (added or {}).items():
            entry = zipfile.ZipInfo(path, _ENTRY_TIME)
            entry.external_attr = (stat.S_IFREG | 0o600) << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            written.writestr(entry, content)
    size = archive.stat().st_size
    if size > limit:
        raise PackingLimit(_too_large(packing, limit))
    return size


def _too_large(packing: Packing, limit: int) -> str:
    largest = packing.largest()
    width = max((len(megabytes(size)) for _, size in largest), default=0)
    listed = "\n".join(f"  {megabytes(size):>{width}}  {path}" for path, size in largest)
    return (
        f"{packing.root} makes a package of more than {megabytes(limit)}, which is as much as "
        f"Ray's Jobs API takes: {len(packing.sizes):,} files of {megabytes(packing.size)} in all. "
        f"The largest are:\n{listed}\n"
        f"Name what the job does not need in {packing.root / IGNORE_FILES[-1]}, one pattern a "
        "line as in .gitignore, and keep data where the cluster can read it; or give a smaller "
        "directory with --working-dir."
    )


def megabytes(size: int) -> str:
    """Return a size in bytes as text."""
    if size < 1 << 20:
        return f"{size / 1024:.1f} KiB"
    return f"{size / (1 << 20):.1f} MiB"
