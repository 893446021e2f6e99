"""Unpacking of local code on a node that lacks it, once into a directory of the node."""

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
from rayexec.engine.ray.protocol.refusals import NotUnpackedError
from rayexec.events import show_as
from rayexec.private_directory import out_of_reach, private_directory

__all__ = ["importable_paths"]

_PREFIX = "rayexec-code"
_UNUSED_AFTER_S = 30 * 86400.0  # more than any run lasts that imports from there
_FAILURE_PAUSE_S = 1.0
_MOST_LINKS = 20_000  # in one directory; the sender looks through as many files


def importable_paths(paths: Sequence[str], sources: Sources, contents: Any) -> tuple[str, ...]:
    """Return the driver's ``paths``, with unpacked sources for directories that lack files here.

    ``contents`` are those of the sources, or a reference to them. Raises NotUnpackedError.
    """
    import ray

    lacking = _lacking(sources)
    if not lacking:
        return tuple(paths)
    try:
        unpacked = _unpacked(sources, contents, _parent())
    except (OSError, ray.exceptions.RayError) as error:
        # A node that fails at once is free at once: without a pause it would get all batches.
        time.sleep(_FAILURE_PAUSE_S)
        node = f"{socket.gethostname()} ({ray.util.get_node_ip_address()})"
        raise NotUnpackedError(
            f"the job's code cannot be unpacked on node {node}: {error}"
        ) from None
    made = list(paths)
    for index in lacking:
        root, directory = sources.roots[index], os.path.join(unpacked, str(index))
        move(root.path, directory)
        show_as(directory, root.path)
        if root.path not in made:
            made.insert(0, directory)
        elif root.is_whole:
            made[made.index(root.path)] = directory
        else:
            made.insert(made.index(root.path), directory)
    return tuple(made)


def _lacking(sources: Sources) -> list[int]:
    import ray

    if ray.get_runtime_context().get_node_id() in sources.near:
        return []
    return [index for index, root in enumerate(sources.roots) if not _is_here(root, root.path)]


def _is_here(root: SourceRoot, directory: str) -> bool:
    return all(_is_same(os.path.join(directory, path), file) for path, file in root.files.items())


def _is_same(path: str, file: SourceFile) -> bool:
    try:
        status = os.stat(path)
        if status.st_size != file.size:
            return False
        # Images and archives set whole seconds, whatever the content.
        if status.st_mtime_ns == file.changed and file.changed % 1_000_000_000:
            return True
        with open(path, "rb") as opened:
            return content_digest(opened.read()) == file.digest
    except OSError:
        return False


def _unpacked(sources: Sources, contents: Any, parent: str) -> str:
    """Return the directory with the roots, by index; all workers of the node share it."""
    directory = os.path.join(parent, sources.digest)
    if _is_whole(sources, directory):
        os.utime(directory)
        return directory
    _sweep(parent)
    made = tempfile.mkdtemp(prefix="making-", dir=parent)
    try:
        _write(sources, contents, made)
        for index, root in enumerate(sources.roots):
            _link_beside(root, os.path.join(made, str(index)))
        return _put_in_place(sources, made, directory)
    finally:
        shutil.rmtree(made, ignore_errors=True)


def _put_in_place(sources: Sources, made: str, directory: str) -> str:
    try:
        os.rename(made, directory)
    except OSError:  # another worker was first, or files are gone since
        if not _is_whole(sources, directory):
            directory += f"-{uuid.uuid4().hex}"
            os.rename(made, directory)
    return directory


def _sweep(parent: str) -> None:
    """Remove directories that no worker has used for long."""
    for entry in os.scandir(parent):
        with contextlib.suppress(OSError):  # another worker was first
            if entry.stat().st_mtime < time.time() - _UNUSED_AFTER_S:
                shutil.rmtree(entry.path)


def _is_whole(sources: Sources, directory: str) -> bool:
    return all(
        _is_here(root, os.path.join(directory, str(index)))
        for index, root in enumerate(sources.roots)
    )


def _write(sources: Sources, contents: Any, directory: str) -> None:
    import ray

    if not isinstance(contents, bytes):
        contents = ray.get(contents)
    text, at = memoryview(zlib.decompress(contents)), 0
    for index, path, file in sources.files():
        target = os.path.join(directory, str(index), path)
        os.makedirs(os.path.dirname(target), exist_ok=True)
        with open(target, "wb") as opened:
            opened.write(text[at : at + file.size])
        os.utime(target, ns=(file.changed, file.changed))  # so that nobody needs to read it
        at += file.size


def _link_beside(root: SourceRoot, target: str) -> None:
    """Link files of this node that do not travel into ``target``: data, and large files.

    Any other file that this node has and the driver did not send is old.
    """
    links = list(root.left)
    directories = {os.path.dirname(path) for path in root.files}
    packages = tuple(
        f"{directory}/"
        for directory in directories
        if directory and os.path.join(directory, "__init__.py") in root.files
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
        _link(root.path, target, path)


def _is_data(entry: os.DirEntry[str]) -> bool:
    try:
        names = os.listdir(entry.path) if entry.is_dir() else [entry.name]
    except OSError:  # unreadable
        return False
    return entry.name != "__pycache__" and not any(name.endswith((".py", ".pyc")) for name in names)


def _link(root: str, directory: str, path: str) -> None:
    """Link a path below ``root`` into ``directory``, unless it exists there."""
    source, target = os.path.join(root, path), os.path.join(directory, path)
    with contextlib.suppress(OSError):  # something else has the name
        if os.path.isdir(source) and os.path.isdir(target):
            for name in os.listdir(source):
                if name != "__pycache__":
                    _link(root, directory, os.path.join(path, name))
        elif os.path.exists(source) and not os.path.lexists(target):
            os.makedirs(os.path.dirname(target), exist_ok=True)
            os.symlink(source, target)


def _parent() -> str:
    """Return a directory of this user's: in that of Ray's session, or else a temporary one.

    Code is imported from it, so that nobody else may write there, nor put another in its place:
    Ray makes its own directories writable for all users.
    """
    from ray._private import worker

    bases = [tempfile.gettempdir()]
    node: Any = getattr(worker, "_global_node", None)  # a private name of Ray's
    if hasattr(node, "get_session_dir_path"):
        bases.insert(0, node.get_session_dir_path())
    for base in bases:
        path = os.path.join(base, f"{_PREFIX}-{os.geteuid()}")
        with contextlib.suppress(OSError):  # a stranger has the name, or there is no room
            if out_of_reach(path):
                return str(private_directory(path))
    return tempfile.mkdtemp(prefix=f"{_PREFIX}-")
