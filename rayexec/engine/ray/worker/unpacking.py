"""Local code on a node that lacks it: unpacked once into a directory of the node's own, and
imported from there.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import tempfile
import time
import uuid
import zlib
from collections.abc import Sequence
from typing import Any

from rayexec.definitions.code import move
from rayexec.definitions.sources import SourceFile, SourceRoot, Sources, content_digest
from rayexec.events import show_as

__all__ = ["NotUnpackedError", "importable_paths"]

_PREFIX = "rayexec-code"
_KEPT = 30 * 86400.0  # seconds, more than a run takes that imports from there
_PAUSE = 1.0  # seconds
_MOST_LINKS = (
    20_000  # to what one directory has; as many files are looked through where it is sent from
)


class NotUnpackedError(Exception):
    """Sources cannot be unpacked on a node, for reasons that are the node's; the argument says so
    in words.
    """


def importable_paths(paths: Sequence[str], sources: Sources, contents: Any) -> tuple[str, ...]:
    """Return the driver's ``paths`` with unpacked sources in place of directories whose files are
    not all here.

    ``contents`` are those of the sources, or a reference of them. Raises NotUnpackedError.
    """
    import ray

    lacking = _lacking(sources)
    if not lacking:
        return tuple(paths)
    try:
        unpacked = _unpacked(sources, contents, _parent())
    except (OSError, ray.exceptions.RayError) as error:
        time.sleep(
            _PAUSE
            # so that nodes where it goes well get the next batches, not this one that is free at
            # once
        )
        where = f"{socket.gethostname()} ({ray.util.get_node_ip_address()})"
        raise NotUnpackedError(
            f"the job's code cannot be unpacked on node {where}: {error}"
        ) from None
    made = list(paths)
    for root, place in [
        (sources.roots[number], os.path.join(unpacked, str(number))) for number in lacking
    ]:
        move(root.path, place)
        show_as(place, root.path)
        if root.path not in made:
            made.insert(0, place)
        elif root.is_whole:
            made[made.index(root.path)] = place
        else:
            made.insert(made.index(root.path), place)
    return tuple(made)


def _lacking(sources: Sources) -> list[int]:
    import ray

    if ray.get_runtime_context().get_node_id() in sources.near:
        return []
    return [number for number, root in enumerate(sources.roots) if not _is_here(root, root.path)]


def _is_here(root: SourceRoot, directory: str) -> bool:
    return all(_is_same(os.path.join(directory, path), file) for path, file in root.files.items())


def _is_same(path: str, file: SourceFile) -> bool:
    try:
        status = os.stat(path)
        if status.st_size != file.size:
            return False
        # Whole seconds may have been set, as images and archives do, whatever is in the file.
        if status.st_mtime_ns == file.changed and file.changed % 1_000_000_000:
            return True
        with open(path, "rb") as opened:
            return content_digest(opened.read()) == file.digest
    except OSError:
        return False


def _unpacked(sources: Sources, contents: Any, parent: str) -> str:
    """Return the directory with a directory for each root, by its number; all workers of the node
    share it.
    """
    directory = os.path.join(parent, sources.digest)
    if _is_whole(sources, directory):
        os.utime(directory)
        return directory
    _sweep(parent)
    made = tempfile.mkdtemp(prefix="making-", dir=parent)
    try:
        _write(sources, contents, made)
        for number, root in enumerate(sources.roots):
            _link_beside(root, os.path.join(made, str(number)))
        return _put_in_place(sources, made, directory)
    finally:
        shutil.rmtree(made, ignore_errors=True)


def _put_in_place(sources: Sources, made: str, directory: str) -> str:
    try:
        os.rename(made, directory)
    except OSError:  # another worker was first, or somebody has removed files of it since
        if not _is_whole(sources, directory):
            directory += f"-{uuid.uuid4().hex}"
            os.rename(made, directory)
    return directory


def _sweep(parent: str) -> None:
    """Remove what no worker has begun to use for long."""
    for entry in os.scandir(parent):
        with contextlib.suppress(OSError):  # another worker was first
            if entry.stat().st_mtime < time.time() - _KEPT:
                shutil.rmtree(entry.path)


def _is_whole(sources: Sources, directory: str) -> bool:
    return all(
        _is_here(root, os.path.join(directory, str(number)))
        for number, root in enumerate(sources.roots)
    )


def _write(sources: Sources, contents: Any, directory: str) -> None:
    import ray

    if not isinstance(contents, bytes):
        contents = ray.get(contents)
    text, at = memoryview(zlib.decompress(contents)), 0
    for number, path, file in sources.files():
        target = os.path.join(directory, str(number), path)
        os.makedirs(os.path.dirname(target), exist_ok=True)
        with open(target, "wb") as opened:
            opened.write(text[at : at + file.size])
        os.utime(target, ns=(file.changed, file.changed))  # by which it is known without being read
        at += file.size


def _link_beside(root: SourceRoot, place: str) -> None:
    """Have what does not travel be found beside what did, where this node has it: what is left out,
    and data.

    All else that this node has here and that did not come is old.
    """
    links = list(root.left)
    directories = {os.path.dirname(path) for path in root.files}
    packages = tuple(
        f"{each}/"
        for each in directories
        if each and os.path.join(each, "__init__.py") in root.files
    )
    for directory in sorted(directories | {""}) if root.is_whole else ():
        if not f"{directory}/".startswith(packages):
            with (
                contextlib.suppress(OSError),
                os.scandir(os.path.join(root.path, directory)) as entries,
            ):
                links += [
                    os.path.join(directory, entry.name) for entry in entries if _is_data(entry)
                ]
    for path in links[:_MOST_LINKS]:
        _link(root.path, place, path)


def _is_data(entry: os.DirEntry[str]) -> bool:
    try:
        names = os.listdir(entry.path) if entry.is_dir() else [entry.name]
    except OSError:  # it may not be read
        return False
    return entry.name != "__pycache__" and not any(name.endswith((".py", ".pyc")) for name in names)


def _link(root: str, place: str, path: str) -> None:
    """Link what is at a path below ``root`` into ``place``, but for what is there already."""
    source, target = os.path.join(root, path), os.path.join(place, path)
    with contextlib.suppress(OSError):  # there is something else in its place
        if os.path.isdir(source) and os.path.isdir(target):
            for name in os.listdir(source):
                if name != "__pycache__":
                    _link(root, place, os.path.join(path, name))
        elif os.path.exists(source) and not os.path.lexists(target):
            os.makedirs(os.path.dirname(target), exist_ok=True)
            os.symlink(source, target)


def _parent() -> str:
    """Return a directory of this user's: in Ray's own of the session, which goes with the
    cluster's, or else temporary.

    Code is imported from it, so it is not shared with who else may write to a temporary directory.
    """
    from ray._private import worker

    base = tempfile.gettempdir()
    node: Any = getattr(worker, "_global_node", None)  # private, and so it may be gone
    if hasattr(node, "get_session_dir_path"):
        base = node.get_session_dir_path()
    parent = os.path.join(base, f"{_PREFIX}-{os.getuid()}")
    with contextlib.suppress(FileExistsError):
        os.mkdir(parent, 0o700)
    status = os.lstat(parent)
    is_ours = status.st_uid == os.getuid() and os.path.isdir(parent) and not os.path.islink(parent)
    return (
        parent if is_ours and not status.st_mode & 0o022 else tempfile.mkdtemp(prefix=f"{_PREFIX}-")
    )
