"""Run store of files, on this machine or in an object store.

    <root>/runs/<run id>/run.json                record of the run
    <root>/runs/<run id>/events/00000000.log     its log (see ``store.frames``)
    <root>/runs/<run id>/cancel.json             request to cancel it, if there is one
    <root>/runs/<run id>/watched, now.json       sign of a reader, and the state for it
    <root>/runs/<run id>/resumes/                notes of the runs that resume it
    <root>/runs/<run id>/values/*.values         stored values of its steps (see ``store.values``)
    <root>/cache/                                outputs of cached ops (see ``store.cache``)

On a file system that cannot append, each append makes a further, numbered file of events.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from rayexec.errors import RunNotFoundError, StoreError
from rayexec.names import RUN_ID
from rayexec.run.file_modes import withdraw_access
from rayexec.store.base import check_new_id, newest_first, only_match
from rayexec.store.cache import StepCache
from rayexec.store.cache_storage import FilesCache, LocalCache
from rayexec.store.file_errors import as_store_error, is_full
from rayexec.store.files import ArrowFiles, Files, LocalFiles
from rayexec.store.index import StoreIndex
from rayexec.store.record import RunRecord
from rayexec.store.request import CancelRequest
from rayexec.store.resumes import ResumeNote
from rayexec.store.run_index import ListedRun, RunIndex
from rayexec.store.values import FileValues
from rayexec.store.watching import NowFiles

if TYPE_CHECKING:
    from pyarrow.fs import FileSystem

__all__ = ["DirectoryRunStore"]

# Between two appends: one is a write on a local file system, and a file in an object store.
_LOCAL_INTERVAL_S, _REMOTE_INTERVAL_S = 0.5, 5.0
_WATCHED_INTERVAL_S = 0.1  # while somebody watches the run
# Between two looks for a request: one is a system call locally, and a request over the network.
_LOCAL_POLL_S, _REMOTE_POLL_S = 0.2, 5.0
_REQUEST, _RESUMES = "cancel.json", "resumes"
_NUMBER_DIGITS = 6  # of a note in _RESUMES
# A file beside run.json that keeps room for the last record, which has counts and errors besides.
_ROOM, _ROOM_BYTES = ".room", 16 * 1024
_SHORT_CHARACTERS = 500  # of a text in a record that must fit into that room


class DirectoryRunStore:
    """Stores runs below ``root``, a path or a URI of ``pyarrow.fs`` (``s3://…``, ``gs://…``).

    With ``filesystem``, of ``pyarrow.fs``, ``root`` is a path in there. The first run makes the
    directory. Raises StoreError for a URI of an unknown scheme.
    """

    def __init__(self, root: str | os.PathLike[str], filesystem: FileSystem | None = None) -> None:
        self.root = os.fspath(root)
        if filesystem is None and "://" not in self.root:
            local: str | None = os.path.abspath(os.path.expanduser(self.root))
        else:
            given = _at(self.root) if filesystem is None else (filesystem, self.root)
            below, base = _beneath(*given)
            local = base if below.type_name == "local" else None
        self._files: Files
        if local is not None:
            base = local.replace(os.sep, "/").rstrip("/")
            self._filesystem: FileSystem | None = None  # that of this machine
            self._files = LocalFiles(base)
            self._identity = f"file://{os.path.realpath(local)}"
            self._index: StoreIndex | None = StoreIndex(self._identity, base)
        else:
            base = base.replace(os.sep, "/").rstrip("/")
            self._filesystem, self._files = below, ArrowFiles(below)
            self._identity = (
                self.root.rstrip("/")
                if filesystem is None
                # Two objects may be the same file system; nothing tells that for sure.
                else f"{below.type_name}-{id(below)}://{base}"
            )
            self._index = StoreIndex(self._identity, None) if filesystem is None else None
        self._remembered: Mapping[str, tuple[str, RunRecord]] = {}  # for the next list
        self._runs, self._cache = [
            "/".join(filter(None, (base, each))) for each in ("runs", "cache")
        ]

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
        check_new_id(record.run_id)
        directory = f"{self._runs}/{record.run_id}"
        with as_store_error(f"the run store {self.root} cannot be written"):
            if self._files.exists(f"{directory}/run.json"):
                raise StoreError(
                    f"the run store {self.root} has a run {record.run_id!r} already: give another "
                    f"run id, or remove it by: rayexec run delete {record.run_id}"
                )
            self._files.make_directory(f"{directory}/events")
            if self._filesystem is None:
                for path in (self._runs, self._cache):
                    withdraw_access(path)
            writer = _FileWriter(self._files, directory, self.root)
            writer.begin(record)
        return writer

    def open(self, run_id: str) -> _FileReader:
        """Return a reader of a run; raises RunNotFoundError."""
        whole_id = self._find(run_id)
        return self._reader(whole_id)

    def list(self) -> Sequence[RunRecord]:
        """Return all runs, the newest first; UNREADABLE ones have the reason as their ``note``."""
        if self._index is None:
            return newest_first((run_id, self._reader(run_id).record) for run_id in self._ids())
        is_remote = self._filesystem is not None
        runs = RunIndex(
            self._index,
            lambda run_id: self._reader(run_id).content(),
            is_remote=is_remote,
            remembered=self._remembered,
        )
        records = runs.records([self._listed(run_id) for run_id in self._ids()])
        self._remembered = runs.remembered
        return records

    def _listed(self, run_id: str) -> ListedRun:
        if self._filesystem is None:
            with contextlib.suppress(OSError):  # The reader of the file says what is wrong.
                return ListedRun.of_file(run_id, f"{self._runs}/{run_id}/run.json")
        return ListedRun(run_id, "")

    def _reader(self, run_id: str) -> _FileReader:
        return _FileReader(self._files, f"{self._runs}/{run_id}", run_id)

    def values(self, run_id: str) -> FileValues:
        """Return the storage for values of a run, by its whole id; it may be empty."""
        check_new_id(run_id)
        directory = f"{self._runs}/{run_id}/values"
        return FileValues(self._filesystem, directory, appends=self._files.appends)

    def ask(self, run_id: str, request: CancelRequest) -> None:
        """Leave a request for the writer of a run; raises RunNotFoundError and StoreError."""
        whole_id = self._find(run_id)
        with as_store_error(f"run {whole_id} cannot be asked for anything in {self.root}"):
            self._files.replace(f"{self._runs}/{whole_id}", _REQUEST, request.encode())

    def watch(self, run_id: str) -> None:
        """Ask the driver of a run for its state; raises RunNotFoundError and StoreError."""
        self._now_files(run_id).watch()

    def now(self, run_id: str) -> bytes | None:
        """Return the last state of a run; raises RunNotFoundError and StoreError."""
        return self._now_files(run_id).read()

    def _now_files(self, run_id: str) -> NowFiles:
        return NowFiles(self._files, f"{self._runs}/{self._find(run_id)}")

    def resumes(self, run_id: str) -> Sequence[ResumeNote]:
        """Return the notes of runs that resume a run, in order; raises RunNotFoundError."""
        directory = f"{self._runs}/{self._find(run_id)}/{_RESUMES}"
        notes = []
        with as_store_error(f"the resumptions of run {run_id} cannot be read"):
            for file in self._files.files(directory):
                digits = file.name[:_NUMBER_DIGITS]
                if digits.isascii() and digits.isdigit():
                    with contextlib.suppress(FileNotFoundError):  # It has just been removed.
                        data = self._files.read(f"{directory}/{file.name}")
                        notes.append(ResumeNote.decode(data, int(digits)))
        return notes

    def add_resume(self, run_id: str, note: ResumeNote) -> bool:
        """Add a note beside a run; return False if another one has its number, or may get it."""
        directory = f"{self._runs}/{self._find(run_id)}/{_RESUMES}"
        with as_store_error(f"run {run_id} cannot be resumed in {self.root}"):
            self._files.make_directory(directory)
            return self._files.create(
                directory, _numbered(note), f"-{note.run_id}.json", note.encode()
            )

    def remove_resume(self, run_id: str, note: ResumeNote) -> None:
        """Remove a note, if it still exists; raises StoreError."""
        check_new_id(run_id)
        directory = f"{self._runs}/{run_id}/{_RESUMES}"
        with as_store_error(f"the note of run {note.run_id} cannot be removed"):
            for file in self._files.files(directory):
                if file.name.startswith(_numbered(note)):
                    self._files.delete_file(f"{directory}/{file.name}")

    def delete(self, run_id: str) -> None:
        """Remove a run and its values; raises RunNotFoundError."""
        whole_id = self._find(run_id)
        directory = f"{self._runs}/{whole_id}"
        with as_store_error(f"run {whole_id} cannot be removed from {self.root}"):
            # A later run of this id must not find the request.
            self._files.delete_file(f"{directory}/{_REQUEST}")
            # A directory without run.json is no run, so an interrupted removal leaves none.
            self._files.delete_file(f"{directory}/run.json")
            self._files.delete_directory(directory)

    def cache(self) -> StepCache:
        """Return the cache of outputs, which all runs share."""
        if self._filesystem is None:
            return LocalCache(self._cache)
        return FilesCache(self._filesystem, self._cache, moves=False)

    def _find(self, run_id: str) -> str:
        if RUN_ID.match(run_id) and self._files.exists(f"{self._runs}/{run_id}/run.json"):
            return run_id
        return only_match(run_id, self._ids(), f"the run store {self.root}")

    def _ids(self) -> Sequence[str]:
        with as_store_error(f"the run store {self.root} cannot be read"):
            return [name for name in self._files.directories(self._runs) if RUN_ID.match(name)]


def _numbered(note: ResumeNote) -> str:
    """Return the beginning of the name of a note's file."""
    return f"{note.ordinal:0{_NUMBER_DIGITS}}"


def _at(address: str) -> tuple[FileSystem, str]:
    """Return the file system of a URI and the path in there; raises StoreError without one."""
    from pyarrow import fs

    try:
        filesystem, path = fs.FileSystem.from_uri(address)
    except (OSError, ValueError, NotImplementedError) as error:
        raise StoreError(f"{address} is no place for a run store: {error}") from None
    return filesystem, path


def _beneath(filesystem: FileSystem, path: str) -> tuple[FileSystem, str]:
    """Return the file system behind views of parts of it, and the path in there."""
    from pyarrow import fs

    while isinstance(filesystem, fs.SubTreeFileSystem):
        path = f"{filesystem.base_path.rstrip('/')}/{path}"
        filesystem = filesystem.base_fs
    return filesystem, path


class _FileWriter:
    def __init__(self, files: Files, directory: str, root: str) -> None:
        self._files = files
        self._directory = directory
        self._failed = f"run {directory.rpartition('/')[2]} cannot be recorded in {root}"
        self._room = f"{directory}/{_ROOM}"
        self._room_bytes = 0
        self._stream: Any = None
        self._stream_bytes = 0
        self._parts = 0
        self.interval = _LOCAL_INTERVAL_S if files.appends else _REMOTE_INTERVAL_S
        self.poll_interval = _LOCAL_POLL_S if files.appends else _REMOTE_POLL_S
        self.watched_interval = _WATCHED_INTERVAL_S if files.appends else _REMOTE_INTERVAL_S
        now_files = NowFiles(files, directory)
        self.is_watched = now_files.is_watched
        self.write_now, self.remove_now = now_files.write, now_files.remove

    def append(self, data: bytes) -> None:
        with as_store_error(self._failed):
            if self._stream is None:
                path = f"{self._directory}/events/{self._parts:08}.log"
                self._parts += 1
                self._stream = self._files.append(path)
            try:
                left = memoryview(data)
                while left:
                    left = left[self._stream.write(left) or len(left) :]
            except OSError:
                if self._files.appends:  # Half a frame would take room for nothing.
                    self._stream.truncate(self._stream_bytes)
                raise
            self._stream_bytes += len(data)
            if not self._files.appends:
                self.close()

    def begin(self, record: RunRecord) -> None:
        """Write the first record, and keep room for the last one; both or none of them."""
        data = record.encode()
        self._room_bytes = len(data) + _ROOM_BYTES
        try:
            self._files.reserve(self._room, self._room_bytes)
            self._files.replace(self._directory, "run.json", data)
        except BaseException:
            self._give_back_room()
            raise

    def update(self, record: RunRecord) -> None:
        with as_store_error(self._failed):
            data = record.encode()
            try:
                self._files.replace(self._directory, "run.json", data)
            except OSError as error:
                if not is_full(error):
                    raise
                if len(data) > self._room_bytes:
                    data = _shortened(record).encode()
                self._files.replace_within(self._directory, "run.json", data, self._room)

    def _give_back_room(self) -> None:
        if self._files.appends:
            with contextlib.suppress(OSError):
                self._files.delete_file(self._room)

    def asked(self) -> CancelRequest | None:
        with as_store_error(self._failed):
            try:
                return CancelRequest.decode(self._files.read(f"{self._directory}/{_REQUEST}"))
            except FileNotFoundError:
                return None

    def close(self) -> None:
        self._give_back_room()
        stream, self._stream = self._stream, None
        if stream is not None:
            with as_store_error(self._failed):
                stream.close()


def _shortened(record: RunRecord) -> RunRecord:
    """Return a record with short texts about its end."""
    note, error = record.note, record.error
    return replace(
        record,
        note=None if note is None else note[:_SHORT_CHARACTERS],
        error=None
        if error is None
        else {name: text[:_SHORT_CHARACTERS] for name, text in error.items()},
    )


class _FileReader:
    def __init__(self, files: Files, directory: str, run_id: str) -> None:
        self._files = files
        self._directory = directory
        self.run_id = run_id

    def record(self) -> RunRecord:
        return RunRecord.decode(self.content(), self.run_id)

    def content(self) -> bytes:
        """Return the content of ``run.json``."""
        with as_store_error(f"run {self.run_id} cannot be read"):
            try:
                data: bytes = self._files.read(f"{self._directory}/run.json")
            except FileNotFoundError:
                raise RunNotFoundError(f"run {self.run_id!r} is not there any more.") from None
        return data

    def log(self, start: int = 0) -> Iterator[bytes]:
        with as_store_error(f"the log of run {self.run_id} cannot be read"):
            events = f"{self._directory}/events"
            for part in self._files.files(events):
                if part.name.endswith(".log"):
                    if start < part.size:
                        yield self._files.read(f"{events}/{part.name}", start)
                    start = max(0, start - part.size)

    def log_part(self, start: int, length: int) -> bytes:
        """Return a part of the log that lies in one file."""
        with as_store_error(f"the log of run {self.run_id} cannot be read"):
            events = f"{self._directory}/events"
            for part in self._files.files(events):
                if part.name.endswith(".log"):
                    if start < part.size:
                        return self._files.read(f"{events}/{part.name}", start, length)
                    start -= part.size
        return b""

    def is_of_this_user(self) -> bool:
        return self._files.is_of_this_user(f"{self._directory}/run.json")
