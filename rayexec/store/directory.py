"""A run store of files: one directory a run, on this machine or in an object store.

    <root>/runs/<run id>/run.json                what the run was
    <root>/runs/<run id>/events/00000000.log     all that happened in it
    <root>/runs/<run id>/cancel.json             that somebody wants it to end, where somebody does
    <root>/runs/<run id>/values/*.values         values of its steps, as far as they are kept (``store.values``)
    <root>/cache/                                what cached ops yielded (see ``store.cache``)

A file system that cannot append gets a further, numbered file of events for each append.
"""

from __future__ import annotations

import contextlib
import os
import uuid
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from rayexec.errors import RunNotFoundError, StoreError
from rayexec.store.base import newest_first, only_match
from rayexec.store.cache import StepCache
from rayexec.store.cache_storage import FilesCache, LocalCache
from rayexec.store.file_errors import as_store_error
from rayexec.store.record import RunRecord
from rayexec.store.request import CancelRequest
from rayexec.store.values import FileValues

if TYPE_CHECKING:
    from pyarrow.fs import FileSystem

__all__ = ["DirectoryRunStore"]

_APPENDING = frozenset(
    {"local"}
)  # kinds of file systems whose files can be added to, and moved at once
_OFTEN, _SELDOM = (
    0.5,
    5.0,
)  # seconds between two appends where one is a write, and where it is a file
_POLL, _POLL_SELDOM = (
    0.2,
    5.0,
)  # seconds between two looks for a request: one system call, and a request over a network
_REQUEST = "cancel.json"


class DirectoryRunStore:
    """Keeps runs below ``root``: a path, or a URI that ``pyarrow.fs`` knows (``s3://…``,
    ``gs://…``, ``file://…``).

    With ``filesystem``, of ``pyarrow.fs``, ``root`` is a path in that. Nothing is made there before
    the first run. Raises StoreError for a root of no known kind.
    """

    def __init__(self, root: str | os.PathLike[str], filesystem: FileSystem | None = None) -> None:
        from pyarrow import fs

        self.root = os.fspath(root)
        if filesystem is not None:
            self._filesystem, base = filesystem, self.root
        elif "://" in self.root:
            try:
                self._filesystem, base = fs.FileSystem.from_uri(self.root)
            except (OSError, ValueError, NotImplementedError) as error:
                raise StoreError(f"{self.root} is no place for a run store: {error}") from None
        else:
            self._filesystem, base = (
                fs.LocalFileSystem(),
                os.path.abspath(os.path.expanduser(self.root)),
            )
        base = base.replace(os.sep, "/").rstrip("/")
        self._runs, self._cache = [
            "/".join(filter(None, (base, each))) for each in ("runs", "cache")
        ]
        beneath, path = self._filesystem, base
        while isinstance(beneath, fs.SubTreeFileSystem):
            path = f"{beneath.base_path.rstrip('/')}/{path}"
            beneath = beneath.base_fs
        self._appends = beneath.type_name in _APPENDING
        if isinstance(beneath, fs.LocalFileSystem):
            self._identity = f"file://{os.path.realpath(path)}"
        elif filesystem is None:
            self._identity = self.root.rstrip("/")
        else:  # Two objects may be the same file system; nothing tells that for sure.
            self._identity = f"{beneath.type_name}-{id(beneath)}://{path}"

    def __repr__(self) -> str:
        return f"<DirectoryRunStore {self.root}>"

    def __str__(self) -> str:
        return self.root

    @property
    def identity(self) -> str:
        """Text that tells the store from others: its file system and its absolute path."""
        return self._identity

    def create(self, record: RunRecord) -> _FileWriter:
        """Begin a run; raises StoreError where there is one of that id, or where the store cannot
        be written.
        """
        place = f"{self._runs}/{record.run_id}"
        with as_store_error(f"the run store {self.root} cannot be written"):
            if self._is_there(f"{place}/run.json"):
                raise StoreError(
                    f"the run store {self.root} has a run {record.run_id!r} already: give another "
                    f"run id, or remove "
                    f"it by: rayexec run delete {record.run_id}"
                )
            self._filesystem.create_dir(f"{place}/events", recursive=True)
            writer = _FileWriter(self._filesystem, place, self.root, appends=self._appends)
            writer.update(record)
        return writer

    def open(self, run_id: str) -> _FileReader:
        """Return a run by its id or the beginning of it; raises RunNotFoundError."""
        found = self._find(run_id)
        return _FileReader(self._filesystem, f"{self._runs}/{found}", found)

    def list(self) -> Sequence[RunRecord]:
        """Return all runs, the newest first; one that cannot be read is UNREADABLE, and its
        ``note`` tells why.
        """
        return newest_first(
            (run_id, _FileReader(self._filesystem, f"{self._runs}/{run_id}", run_id).record)
            for run_id in self._ids()
        )

    def values(self, run_id: str) -> FileValues:
        """Return where the values of a run, given by its whole id, are kept, whether or not there
        are any.
        """
        from pyarrow import fs

        filesystem = None if isinstance(self._filesystem, fs.LocalFileSystem) else self._filesystem
        return FileValues(filesystem, f"{self._runs}/{run_id}/values", appends=self._appends)

    def ask(self, run_id: str, request: CancelRequest) -> None:
        """Have the writer of a run told of a request; raises RunNotFoundError, and StoreError where
        it cannot be.
        """
        found = self._find(run_id)
        with as_store_error(f"run {found} cannot be asked for anything in {self.root}"):
            _replace(
                self._filesystem,
                f"{self._runs}/{found}",
                _REQUEST,
                request.encode(),
                appends=self._appends,
            )

    def delete(self, run_id: str) -> None:
        """Remove all that is kept of a run; raises RunNotFoundError."""
        found = self._find(run_id)
        with as_store_error(f"run {found} cannot be removed from {self.root}"):
            with contextlib.suppress(
                FileNotFoundError
            ):  # which a later run of this id must not find
                self._filesystem.delete_file(f"{self._runs}/{found}/{_REQUEST}")
            # First what makes it a run, so that what is left of a removal that was cut short is
            # none.
            with contextlib.suppress(FileNotFoundError):
                self._filesystem.delete_file(f"{self._runs}/{found}/run.json")
            self._filesystem.delete_dir(f"{self._runs}/{found}")

    def cache(self) -> StepCache:
        """Return where outputs of cached ops are kept, of all runs together."""
        from pyarrow import fs

        if isinstance(self._filesystem, fs.LocalFileSystem):
            return LocalCache(self._cache)
        return FilesCache(self._filesystem, self._cache, moves=self._appends)

    def _find(self, run_id: str) -> str:
        if run_id and "/" not in run_id and self._is_there(f"{self._runs}/{run_id}/run.json"):
            return run_id
        return only_match(run_id, self._ids(), f"the run store {self.root}")

    def _is_there(self, path: str) -> bool:
        from pyarrow import fs

        return bool(self._filesystem.get_file_info(path).type != fs.FileType.NotFound)

    def _ids(self) -> Sequence[str]:
        from pyarrow import fs

        with as_store_error(f"the run store {self.root} cannot be read"):
            found = self._filesystem.get_file_info(
                fs.FileSelector(self._runs, allow_not_found=True)
            )
        return [each.base_name for each in found if each.type == fs.FileType.Directory]


def _replace(filesystem: FileSystem, place: str, name: str, data: bytes, *, appends: bool) -> None:
    """Write a file in the place of the one before, at once or not at all."""
    if not appends:  # object stores show a file once it is whole
        with filesystem.open_output_stream(f"{place}/{name}") as stream:
            stream.write(data)
        return
    written = f"{place}/.{uuid.uuid4().hex}.json"
    try:
        with filesystem.open_output_stream(written) as stream:
            stream.write(data)
        filesystem.move(written, f"{place}/{name}")
    except BaseException:
        with contextlib.suppress(OSError):  # not even begun
            filesystem.delete_file(written)
        raise


class _FileWriter:
    def __init__(self, filesystem: FileSystem, place: str, root: str, *, appends: bool) -> None:
        self._filesystem = filesystem
        self._place = place
        self._appends = appends
        self._failed = f"run {place.rpartition('/')[2]} cannot be recorded in {root}"
        self._stream: Any = None
        self._parts = 0
        self.interval = _OFTEN if appends else _SELDOM
        self.poll_interval = _POLL if appends else _POLL_SELDOM

    def append(self, data: bytes) -> None:
        with as_store_error(self._failed):
            if not self._appends:
                with self._filesystem.open_output_stream(self._next()) as stream:
                    stream.write(data)
                return
            if self._stream is None:
                self._stream = self._filesystem.open_append_stream(self._next())
            self._stream.write(data)  # which is a system call, so that others see it at once

    def _next(self) -> str:
        self._parts += 1
        return f"{self._place}/events/{self._parts - 1:08}.log"

    def update(self, record: RunRecord) -> None:
        with as_store_error(self._failed):
            _replace(
                self._filesystem, self._place, "run.json", record.encode(), appends=self._appends
            )

    def asked(self) -> CancelRequest | None:
        from pyarrow import fs

        path = f"{self._place}/{_REQUEST}"
        with as_store_error(self._failed):
            if self._filesystem.get_file_info(path).type == fs.FileType.NotFound:
                return None
            try:
                with self._filesystem.open_input_file(path) as stream:
                    return CancelRequest.decode(stream.read())
            except FileNotFoundError:  # the run was removed in this moment
                return None

    def close(self) -> None:
        stream, self._stream = self._stream, None
        if stream is not None:
            with as_store_error(self._failed):
                stream.close()


class _FileReader:
    def __init__(self, filesystem: FileSystem, place: str, run_id: str) -> None:
        self._filesystem = filesystem
        self._place = place
        self.run_id = run_id

    def record(self) -> RunRecord:
        with as_store_error(f"run {self.run_id} cannot be read"):
            try:
                with self._filesystem.open_input_file(f"{self._place}/run.json") as stream:
                    data = stream.read()
            except FileNotFoundError:
                raise RunNotFoundError(f"run {self.run_id!r} is not there any more.") from None
        return RunRecord.decode(data, self.run_id)

    def log(self, start: int = 0) -> Iterator[bytes]:
        from pyarrow import fs

        with as_store_error(f"the log of run {self.run_id} cannot be read"):
            parts = self._filesystem.get_file_info(
                fs.FileSelector(f"{self._place}/events", allow_not_found=True)
            )
            for each in sorted(parts, key=lambda part: part.base_name):
                if each.base_name.endswith(".log"):
                    if start < each.size:
                        with self._filesystem.open_input_file(each.path) as stream:
                            stream.seek(start)
                            yield stream.read()
                    start = max(0, start - each.size)
