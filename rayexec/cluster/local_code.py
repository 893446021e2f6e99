"""Local code of a job for nodes without a common file system: its files, read and packed.

It has all Python files below the directories of the job's own modules, and the modules from other
local directories in this process, with small data files of packages. Installed packages stay here.
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
from rayexec.definitions.code import neighborhoods
from rayexec.definitions.local_modules import (
    COMPILED,
    MAIN,
    LocalModule,
    is_compiled,
    local_modules,
)
from rayexec.definitions.sources import SourceFile, SourceRoot, Sources, content_digest

__all__ = ["gather_sources"]

_MOST_ENTRIES = 20_000  # files and directories below one directory
_MOST_BYTES = 16 << 20  # of all files of one directory
_MOST_DATA_BYTES = 256 * 1024  # of a data file of a package
_SHOWN = 5
_NO_DATA = (".pyc", ".pyo", *COMPILED)
_LEVEL = 3  # of compression: to a quarter of the size; a higher one costs more than it saves

# A directory, True if all of it is packed, the packed files, and the others.
_Look: TypeAlias = tuple[str, bool, tuple[tuple[str, os.stat_result], ...], tuple[str, ...]]

# The last package by the state of its files, so that a second run of a job reads nothing.
_last: tuple[object, Sources] | None = None


class _TooLarge(Exception):
    """A directory is too large for a package; the argument is the reason."""


def gather_sources(modules: Iterable[str], near: Iterable[str]) -> tuple[Sources | None, list[str]]:
    """Return the local code of ``modules``, by name, and notes on code too large for it.

    The code is None if nothing is local. ``near`` are the ids of nodes with these files.
    """
    global _last
    notes: list[str] = []
    packed: dict[str, dict[str, os.stat_result]] = {}
    left: dict[str, list[str]] = {}
    modules = set(modules)
    local = local_modules(without=MAIN - modules)
    homes = _homes([local[name] for name in modules if name in local])
    if "__main__" in modules and getattr(sys.modules["__main__"], "__file__", None) is None:
        homes |= {os.getcwd()} & _path()  # of a notebook, or of a prompt
    whole, large = set(), set()
    for root in sorted(homes):
        try:
            packed[root] = dict(_below(root, left.setdefault(root, [])))
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
    for module in local.values():
        root, key = module.root, (module.root, module.top)
        if root not in whole and key not in packages:
            packages[key] = _package(
                module, left.setdefault(root, []), [] if root in large else notes
            )
            packed.setdefault(root, {}).update(packages[key] or {})
        if root in whole or packages[key] is not None:
            _add(packed[root], module)  # the job needs it, whatever an ignore file says
    if not any(packed.values()):
        return None, notes
    looks = tuple(
        (root, root in whole, tuple(sorted(files.items())), tuple(sorted(left[root])))
        for root, files in sorted(packed.items())
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
    """Return the directories of modules on Python's path, also by the names of links."""
    path, homes = _path(), set()
    for module in modules:
        is_on_path = module.root in path
        if is_on_path:
            homes.add(module.root)
        real = set() if is_on_path else {os.path.realpath(module.root)}
        if os.path.join(module.root, module.top) == module.file:
            # Of a script, and of a job file: the directory of a link's target.
            real |= set(map(os.path.realpath, neighborhoods(module.file)[is_on_path:]))
        if real:
            homes |= {name for name in path if os.path.realpath(name) in real}
    return homes


def _path() -> set[str]:
    return {os.path.abspath(directory) for directory in sys.path}


def _look(status: os.stat_result) -> tuple[int, int, int]:
    return status.st_size, status.st_mtime_ns, status.st_ino


def _add(files: dict[str, os.stat_result], module: LocalModule) -> None:
    name = os.path.relpath(module.file, module.root)
    if name not in files:
        files[name] = os.stat(module.file)


def _package(
    module: LocalModule, left: list[str], notes: list[str]
) -> dict[str, os.stat_result] | None:
    """Return the files of a package besides imported modules; None for one with compiled parts."""
    if os.path.join(module.root, module.top) == module.file:
        return {}
    try:
        return dict(
            _below(
                os.path.join(module.root, module.top), left, f"{module.top}/", refuse_compiled=True
            )
        )
    except _TooLarge as error:
        if is_compiled(module.top):
            return None
        left.append(module.top)
        notes.append(
            f"of package {module.top!r} of {module.root}, only what is imported already is sent "
            f"to other nodes: {error}."
        )
    except _Compiled:
        return None
    return {}


class _Compiled(Exception):
    """A package has parts compiled for this machine."""


def _below(
    root: str, left: list[str], base: str = "", *, refuse_compiled: bool = False
) -> Iterator[tuple[str, os.stat_result]]:
    """Yield the files for a package below a directory, by path after ``base``; raises _TooLarge.

    Other Python files, and files of packages, go into ``left``.
    """
    pending: list[tuple[str, str, tuple[Pattern, ...], bool]] = [(root, base, (), bool(base))]
    seen = {os.path.realpath(root)}
    entries = 0
    packed: list[tuple[str, os.stat_result]] = []
    while pending:
        directory, base, patterns, is_package = pending.pop()
        try:
            with os.scandir(directory) as listing:
                listed = sorted(
                    itertools.islice(listing, _MOST_ENTRIES + 1), key=lambda entry: entry.name
                )
        except OSError:  # unreadable, or just gone
            continue
        entries += len(listed)
        if entries > _MOST_ENTRIES:
            raise _TooLarge(f"it has more than {_MOST_ENTRIES:,} files{_largest(packed)}")
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
            except OSError:  # a link to nowhere, or a file that has just gone
                continue
            if stat.S_ISREG(status.st_mode):
                if is_source or status.st_size <= _MOST_DATA_BYTES:
                    packed.append((path, status))
                else:
                    left.append(path)
    if sum(status.st_size for _, status in packed) > _MOST_BYTES:
        size = sum(status.st_size for _, status in packed)
        raise _TooLarge(
            f"its sources have {megabytes(size)}, more than "
            f"{megabytes(_MOST_BYTES)}{_largest(packed)}"
        )
    yield from packed


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
        if target in seen or any(path.startswith(os.path.join(target, "")) for path in seen):
            return
        seen.add(target)
    path, patterns, is_package = below
    pending.append((entry.path, f"{path}/", patterns, is_package))


def _patterns(directory: str, base: str, names: set[str]) -> tuple[Pattern, ...]:
    patterns: list[Pattern] = []
    for name in IGNORE_FILES:
        if name in names:
            try:
                with open(
                    os.path.join(directory, name), encoding="utf-8", errors="surrogateescape"
                ) as file:
                    patterns += read_patterns(file.read().split("\n"), base)
            except OSError:  # a directory of that name, or an unreadable file
                continue
    return tuple(patterns)


def _largest(files: list[tuple[str, os.stat_result]]) -> str:
    largest = sorted(files, key=lambda item: -item[1].st_size)[:_SHOWN]
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
            except OSError:  # unreadable, or just gone
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
