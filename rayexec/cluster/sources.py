"""The local code that a job needs on nodes without a file system in common: which files, read and
packed.

That is all Python files below the directories from which the job's own modules are imported, and
what this process has imported from other local places; with small other files inside packages. What
is installed does not travel.
"""

from __future__ import annotations

import hashlib
import itertools
import os
import stat
import sys
import zlib
from collections.abc import Iterable, Iterator
from typing import TypeAlias

from rayexec.cluster.ignore_files import Pattern, is_ignored, read_patterns
from rayexec.cluster.packing import IGNORE_FILES, NEVER, is_environment, megabytes
from rayexec.definitions.local_modules import (
    COMPILED,
    MAIN,
    LocalModule,
    is_compiled,
    local_modules,
)
from rayexec.definitions.sources import SourceFile, SourceRoot, Sources, content_digest

__all__ = ["gather_sources"]

_MOST_ENTRIES = 20_000  # files and directories that are looked through below one directory
_MOST_BYTES = 16 << 20  # of all files of one directory
_MOST_DATA = 256 * 1024  # bytes of a file inside a package that is no Python file
_SHOWN = 5
_NO_DATA = (".pyc", ".pyo", *COMPILED)
_LEVEL = 3  # of compression: sources shrink to a quarter, and more would take longer than it saves

# A directory, whether all of it travels, what does of files, and what does not.
_Look: TypeAlias = tuple[str, bool, tuple[tuple[str, os.stat_result], ...], tuple[str, ...]]

# What was packed last, by what the files looked like: a process that runs a job again reads nothing
# again.
_last: tuple[object, Sources] | None = None


class _TooLarge(Exception):
    """What is below a directory is too much to travel; the argument says why, in words."""


def gather_sources(modules: Iterable[str], near: Iterable[str]) -> tuple[Sources | None, list[str]]:
    """Return the local code that ``modules``, by their names, need; and in words what is too large
    to travel.

    None where nothing is local. ``near`` are the ids of the nodes that have these files.
    """
    global _last
    notes: list[str] = []
    found: dict[str, dict[str, os.stat_result]] = {}
    left: dict[str, list[str]] = {}
    modules = set(modules)
    local = local_modules(without=MAIN - modules)
    homes = _homes([local[name] for name in modules if name in local])
    if "__main__" in modules and getattr(sys.modules["__main__"], "__file__", None) is None:
        homes |= {os.getcwd()} & _path()  # a notebook's, or a prompt's
    whole, large = set(), set()
    for root in sorted(homes):
        try:
            found[root] = dict(_below(root, left.setdefault(root, [])))
            whole.add(root)
        except _TooLarge as error:
            large.add(root)
            left[root] = []
            notes.append(
                f"of {root}, only what is imported already is sent to other nodes: {error}. Put "
                "the job in a directory of its own, or name what it does not need in "
                f"{os.path.join(root, IGNORE_FILES[-1])}."
            )
    packages: dict[tuple[str, str], dict[str, os.stat_result] | None] = {}
    for each in local.values():
        key = (each.root, each.top)
        if each.root not in whole and key not in packages:
            packages[key] = _package(
                each, left.setdefault(each.root, []), [] if each.root in large else notes
            )
            found.setdefault(each.root, {}).update(packages[key] or {})
        if each.root in whole or packages[key] is not None:
            _add(found[each.root], each)  # also where an ignore file names it, since it is needed
    if not any(found.values()):
        return None, notes
    looks = tuple(
        (root, root in whole, tuple(sorted(files.items())), tuple(sorted(left[root])))
        for root, files in sorted(found.items())
        if files
    )
    seen = tuple(
        (*root, [(name, _look(status)) for name, status in files], out)
        for *root, files, out in looks
    )
    if _last is None or _last[0] != seen:
        _last = seen, _read(looks)
    return _last[1]._replace(near=frozenset(near)), notes


def _homes(modules: Iterable[LocalModule]) -> set[str]:
    """Return the directories on Python's path from which modules are imported, which may be called
    by links.
    """
    path, homes = _path(), set()
    for each in modules:
        if each.root in path:
            homes.add(each.root)
            continue
        real = {os.path.realpath(each.root)}
        if os.path.join(each.root, each.top) == each.file:
            real.add(
                os.path.dirname(os.path.realpath(each.file))
            )  # Python has that on its path for a script
        homes |= {name for name in path if os.path.realpath(name) in real}
    return homes


def _path() -> set[str]:
    return {os.path.abspath(each) for each in sys.path}


def _look(status: os.stat_result) -> tuple[int, int, int]:
    return status.st_size, status.st_mtime_ns, status.st_ino


def _add(files: dict[str, os.stat_result], each: LocalModule) -> None:
    name = os.path.relpath(each.file, each.root)
    if name not in files:
        files[name] = os.stat(each.file)


def _package(
    each: LocalModule, left: list[str], notes: list[str]
) -> dict[str, os.stat_result] | None:
    """Return the files of a package beside those of imported modules; None where it has compiled
    parts.
    """
    if os.path.join(each.root, each.top) == each.file:
        return {}
    try:
        return dict(
            _below(os.path.join(each.root, each.top), left, f"{each.top}/", refuse_compiled=True)
        )
    except _TooLarge as error:
        if is_compiled(each.top):
            return None
        left.append(each.top)
        notes.append(
            f"of package {each.top!r} of {each.root}, only what is imported already is sent to "
            f"other nodes: {error}."
        )
    except _Compiled:
        return None
    return {}


class _Compiled(Exception):
    """A package has parts that were compiled for this machine."""


def _below(
    root: str, left: list[str], base: str = "", *, refuse_compiled: bool = False
) -> Iterator[tuple[str, os.stat_result]]:
    """Yield what travels of the files below a directory, by their paths with ``base`` in front;
    raises _TooLarge.

    What does not, of Python files and packages, goes into ``left``.
    """
    pending: list[tuple[str, str, tuple[Pattern, ...], bool]] = [(root, base, (), bool(base))]
    seen = {os.path.realpath(root)}
    entries = 0
    taken: list[tuple[str, os.stat_result]] = []
    while pending:
        directory, base, patterns, is_package = pending.pop()
        try:
            with os.scandir(directory) as found:
                listed = sorted(
                    itertools.islice(found, _MOST_ENTRIES + 1), key=lambda entry: entry.name
                )
        except OSError:  # it may not be read, or has just gone
            continue
        entries += len(listed)
        if entries > _MOST_ENTRIES:
            raise _TooLarge(f"it has more than {_MOST_ENTRIES:,} files{_largest(taken)}")
        names = {entry.name for entry in listed}
        patterns += _patterns(directory, base, names)
        is_package = is_package or "__init__.py" in names
        for entry in listed:
            path = f"{base}{entry.name}"
            try:
                is_directory = entry.is_dir()
                if not is_directory and refuse_compiled and entry.name.endswith(COMPILED):
                    raise _Compiled
                is_source = not is_directory and entry.name.endswith(".py")
                if is_package and entry.name.endswith(COMPILED):
                    left.append(path)
                if not (
                    is_directory or is_source or (is_package and not entry.name.endswith(_NO_DATA))
                ):
                    continue
                if entry.name.startswith(".") or entry.name in NEVER:
                    continue
                if is_ignored(path, patterns, is_directory=is_directory):
                    left.append(path)
                    continue
                if is_directory:
                    _descend(entry, (path, patterns, is_package), pending, seen)
                    continue
                status = entry.stat()
            except OSError:  # a link that leads nowhere, or a file that has just gone
                continue
            if stat.S_ISREG(status.st_mode):
                if is_source or status.st_size <= _MOST_DATA:
                    taken.append((path, status))
                else:
                    left.append(path)
    if sum(status.st_size for _, status in taken) > _MOST_BYTES:
        size = sum(status.st_size for _, status in taken)
        raise _TooLarge(
            f"its sources have {megabytes(size)}, more than "
            f"{megabytes(_MOST_BYTES)}{_largest(taken)}"
        )
    yield from taken


def _descend(
    entry: os.DirEntry[str],
    below: tuple[str, tuple[Pattern, ...], bool],
    pending: list[tuple[str, str, tuple[Pattern, ...], bool]],
    seen: set[str],
) -> None:
    if is_environment(entry.path):
        return
    if entry.is_symlink():
        target = os.path.realpath(entry.path)
        if target in seen or any(each.startswith(os.path.join(target, "")) for each in seen):
            return
        seen.add(target)
    path, patterns, is_package = below
    pending.append((entry.path, f"{path}/", patterns, is_package))


def _patterns(directory: str, base: str, names: set[str]) -> tuple[Pattern, ...]:
    found: list[Pattern] = []
    for name in IGNORE_FILES:
        if name in names:
            try:
                with open(
                    os.path.join(directory, name), encoding="utf-8", errors="surrogateescape"
                ) as file:
                    found += read_patterns(file.read().split("\n"), base)
            except OSError:  # a directory of that name, or one that may not be read
                continue
    return tuple(found)


def _largest(taken: list[tuple[str, os.stat_result]]) -> str:
    largest = sorted(taken, key=lambda item: -item[1].st_size)[:_SHOWN]
    listed = ", ".join(f"{path} ({megabytes(status.st_size)})" for path, status in largest)
    return f"; the largest sources are {listed}" if listed else ""


def _read(looks: Iterable[_Look]) -> Sources:
    roots, contents, digest = [], [], hashlib.sha256()
    for root, is_whole, files, left in looks:
        read = {}
        for path, status in files:
            try:
                with open(os.path.join(root, path), "rb") as file:
                    content = file.read()
            except OSError:  # it may not be read, or has just gone
                continue
            read[path] = SourceFile(len(content), status.st_mtime_ns, content_digest(content))
            contents.append(content)
        roots.append(SourceRoot(root, is_whole, read, left))
        digest.update(
            repr(
                (root, is_whole, left, [(path, file.digest) for path, file in read.items()])
            ).encode()
        )
    return Sources(
        tuple(roots), zlib.compress(b"".join(contents), _LEVEL), frozenset(), digest.hexdigest()
    )
