"""Run store of files, on this machine or in an object store.

    <root>/runs/<run id>/run.json                record of the run
    <root>/runs/<run id>/events/00000000.log     its log (see ``store.frames``)
    <root>/runs/<run id>/cancel.json             request to cancel it, if there is one
    <root>/runs/<run id>/values/*.values         stored values of its steps (see ``store.values``)
    <root>/cache/                                outputs of cached ops (see ``store.cache``)

On a file system that cannot append, each append makes a further, numbered file of events.
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
from rayexec.store.index import StoreIndex
from rayexec.store.record import RunRecord
from rayexec.store.request import CancelRequest
from rayexec.store.run_index import ListedRun, RunIndex
from rayexec.store.values import FileValues

if TYPE_CHECKING:
    from pyarrow.fs import FileSystem

__all__ = ["DirectoryRunStore"]

# Types of file systems that append to files, and move them atomically.
_APPENDING = frozenset({"local"})
# Between two appends: one is a write on a local file system, and a file in an object store.
_LOCAL_INTERVAL_S, _REMOTE_INTERVAL_S = 0.5, 5.0
# Between two looks for a request: one is a system call locally, and a request over the network.
_LOCAL_POLL_S, _REMOTE_POLL_S = 0.2, 5.0
_REQUEST = "cancel.json"


class DirectoryRunStore:
    """Stores runs below ``root``, a path or a URI of ``pyarrow.fs`` (``s3://…``, ``gs://…``).

    With ``filesystem``, of ``pyarrow.fs``, ``root`` is a path in there. The first run makes the
    directory. Raises StoreError for a URI of an unknown scheme.
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
        #: The store's directory on this machine, None for one elsewhere.
        self._directory: str | None = None
        self._index: StoreIndex | None = None
        if isinstance(beneath, fs.LocalFileSystem):
            self._directory = os.path.realpath(path)
            self._identity = f"file://{self._directory}"
            self._index = StoreIndex(self._identity, self._directory)
        elif filesystem is None:
            self._identity = self.root.rstrip("/")
            self._index = StoreIndex(self._identity, None)
        else:  # Two objects may be the same file system; nothing tells that for sure.
            self._identity = f"{beneath.type_name}-{id(beneath)}://{path}"

    def __repr__(self) -> str:
        return f"<DirectoryRunStore {self.root}>"

    def __str__(self) -> str:
        return self.root

    @property
    def identity(self) -> str:
        """File system and absolute path of the store."""
        return self._identity

    def create(self, record: RunRecord) -> _FileWriter:
        """Begin a run; raises StoreError for an id in use, or if the store is not writable."""
        directory = f"{self._runs}/{record.run_id}"
        with as_store_error(f"the run store {self.root} cannot be written"):
            if self._exists(f"{directory}/run.json"):
                raise StoreError(
                    f"the run store {self.root} has a run {record.run_id!r} already: give another "
                    f"run id, or remove it by: rayexec run delete {record.run_id}"
                )
            self._filesystem.create_dir(f"{directory}/events", recursive=True)
            writer = _FileWriter(self._filesystem, directory, self.root, appends=self._appends)
            writer.update(record)
        return writer

    def open(self, run_id: str) -> _FileReader:
        """Return a reader of a run; raises RunNotFoundError."""
        whole_id = self._find(run_id)
        return self._reader(whole_id)

    def list(self) -> Sequence[RunRecord]:
        """Return all runs, the newest first; UNREADABLE ones have the reason as their ``note``."""
        if self._index is None:
            return newest_first((run_id, self._reader(run_id).record) for run_id in self._ids())
        runs = RunIndex(
            self._index,
            lambda run_id: self._reader(run_id).content(),
            is_remote=self._directory is None,
        )
        return runs.records([self._listed(run_id) for run_id in self._ids()])

    def _listed(self, run_id: str) -> ListedRun:
        if self._directory is None:
            return ListedRun(run_id, "")
        with contextlib.suppress(OSError):  # The reader of the file tells what is wrong.
            status = os.stat(f"{self._directory}/runs/{run_id}/run.json")
            times = f"{status.st_mtime_ns} {status.st_ctime_ns}"
            return ListedRun(run_id, f"{status.st_ino} {status.st_size} {times}", status.st_mtime)
        return ListedRun(run_id, "")

    def _reader(self, run_id: str) -> _FileReader:
        return _FileReader(self._filesystem, f"{self._runs}/{run_id}", run_id)

    def values(self, run_id: str) -> FileValues:
        """Return the storage for values of a run, by its whole id; it may be empty."""
        from pyarrow import fs

        filesystem = None if isinstance(self._filesystem, fs.LocalFileSystem) else self._filesystem
        return FileValues(filesystem, f"{self._runs}/{run_id}/values", appends=self._appends)

    def ask(self, run_id: str, request: CancelRequest) -> None:
        """Leave a request for the writer of a run; raises RunNotFoundError and StoreError."""
        whole_id = self._find(run_id)
        with as_store_error(f"run {whole_id} cannot be asked for anything in {self.root}"):
            _replace(
                self._filesystem,
                f"{self._runs}/{whole_id}",
                _REQUEST,
                request.encode(),
                appends=self._appends,
            )

    def delete(self, run_id: str) -> None:
        """Remove a run and its values; raises RunNotFoundError."""
        whole_id = self._find(run_id)
        with as_store_error(f"run {whole_id} cannot be removed from {self.root}"):
            # A later run of this id must not find the request.
            with contextlib.suppress(FileNotFoundError):
                self._filesystem.delete_file(f"{self._runs}/{whole_id}/{_REQUEST}")
            # A directory without run.json is no run, so an interrupted removal leaves none.
            with contextlib.suppress(FileNotFoundError):
                self._filesystem.delete_file(f"{self._runs}/{whole_id}/run.json")
            self._filesystem.delete_dir(f"{self._runs}/{whole_id}")

    def cache(self) -> StepCache:
        """Return the cache of outputs, which all runs share."""
        from pyarrow import fs

        if isinstance(self._filesystem, fs.LocalFileSystem):
            return LocalCache(self._cache)
        return FilesCache(self._filesystem, self._cache, moves=self._appends)

    def _find(self, run_id: str) -> str:
        if run_id and "/" not in run_id and self._exists(f"{self._runs}/{run_id}/run.json"):
            return run_id
        return only_match(run_id, self._ids(), f"the run store {self.root}")

    def _exists(self, path: str) -> bool:
        from pyarrow import fs

        return bool(self._filesystem.get_file_info(path).type != fs.FileType.NotFound)

    def _ids(self) -> Sequence[str]:
        from pyarrow import fs

        with as_store_error(f"the run store {self.root} cannot be read"):
            if self._directory is not None:
                try:
                    with os.scandir(f"{self._directory}/runs") as directory:
                        return [each.name for each in directory if each.is_dir()]
                except FileNotFoundError:  # No run has begun yet.
                    return []
            entries = self._filesystem.get_file_info(
                fs.FileSelector(self._runs, allow_not_found=True)
            )
        return [each.base_name for each in entries if each.type == fs.FileType.Directory]


def _replace(
    filesystem: FileSystem, directory: str, name: str, data: bytes, *, appends: bool
) -> None:
    """Replace a file, completely or not at all."""
    if not appends:  # An object store shows a file once it is complete.
        with filesystem.open_output_stream(f"{directory}/{name}") as stream:
            stream.write(data)
        return
    temporary = f"{directory}/.{uuid.uuid4().hex}.json"
    try:
        with filesystem.open_output_stream(temporary) as stream:
            stream.write(data)
        filesystem.move(temporary, f"{directory}/{name}")
    except BaseException:
        with contextlib.suppress(OSError):  # There may be no temporary file yet.
            filesystem.delete_file(temporary)
        raise


class _FileWriter:
    def __init__(self, filesystem: FileSystem, directory: str, root: str, *, appends: bool) -> None:
        self._filesystem = filesystem
        self._directory = directory
        self._appends = appends
        self._failed = f"run {directory.rpartition('/')[2]} cannot be recorded in {root}"
        self._stream: Any = None
        self._parts = 0
        self.interval = _LOCAL_INTERVAL_S if appends else _REMOTE_INTERVAL_S
        self.poll_interval = _LOCAL_POLL_S if appends else _REMOTE_POLL_S

    def append(self, data: bytes) -> None:
        with as_store_error(self._failed):
            if not self._appends:
                with self._filesystem.open_output_stream(self._next()) as stream:
                    stream.write(data)
                return
            if self._stream is None:
                self._stream = self._filesystem.open_append_stream(self._next())
            self._stream.write(data)  # A system call without a buffer: readers see it at once.

    def _next(self) -> str:
        self._parts += 1
        return f"{self._directory}/events/{self._parts - 1:08}.log"

    def update(self, record: RunRecord) -> None:
        with as_store_error(self._failed):
            _replace(
                self._filesystem,
                self._directory,
                "run.json",
                record.encode(),
                appends=self._appends,
            )

    def asked(self) -> CancelRequest | None:
        from pyarrow import fs

        path = f"{self._directory}/{_REQUEST}"
        with as_store_error(self._failed):
            if self._filesystem.get_file_info(path).type == fs.FileType.NotFound:
                return None
            try:
                with self._filesystem.open_input_file(path) as stream:
                    return CancelRequest.decode(stream.read())
            except FileNotFoundError:  # Somebody has just removed the run.
                return None

    def close(self) -> None:
        stream, self._stream = self._stream, None
        if stream is not None:
            with as_store_error(self._failed):
                stream.close()


class _FileReader:
    def __init__(self, filesystem: FileSystem, directory: str, run_id: str) -> None:
        self._filesystem = filesystem
        self._directory = directory
        self.run_id = run_id

    def record(self) -> RunRecord:
        return RunRecord.decode(self.content(), self.run_id)

    def content(self) -> bytes:
        """Return the content of ``run.json``."""
        with as_store_error(f"run {self.run_id} cannot be read"):
            try:
                with self._filesystem.open_input_file(f"{self._directory}/run.json") as stream:
                    data: bytes = stream.read()
            except FileNotFoundError:
                raise RunNotFoundError(f"run {self.run_id!r} is not there any more.") from None
        return data

    def log(self, start: int = 0) -> Iterator[bytes]:
        from pyarrow import fs

        with as_store_error(f"the log of run {self.run_id} cannot be read"):
            parts = self._filesystem.get_file_info(
                fs.FileSelector(f"{self._directory}/events", allow_not_found=True)
            )
            for part in sorted(parts, key=lambda file: file.base_name):
                if part.base_name.endswith(".log"):
                    if start < part.size:
                        with self._filesystem.open_input_file(part.path) as stream:
                            stream.seek(start)
                            yield stream.read()
                    start = max(0, start - part.size)
