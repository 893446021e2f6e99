"""Values of a run in files, for runs to resume from it.

A file is a sequence of frames. A frame is ``RXVL``, the CRC-32 and the length of its head
(little-endian), the head in JSON, and the pickles and buffers of its values. Spaces or zero bytes
pad each part to a multiple of 64 bytes, so that arrays can be mapped. Two kinds of frames:

    value   one value of an attempt; a commit follows later
    commit  an attempt that succeeded: its outputs, and its values without a frame of their own

A commit with an incomplete frame did not happen. Where files cannot be appended to, each frame is a
file. Every process that makes values writes files of its own.
"""

from __future__ import annotations

import contextlib
import functools
import json
import mmap
import os
import socket
import struct
import time
import uuid
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from rayexec.config.file_owners import Owners, trusted_owners
from rayexec.errors import StoreError
from rayexec.events import OutputRecord
from rayexec.former_names import load_stored
from rayexec.run.file_modes import inherit, new_file
from rayexec.run.previous_run import FinishedStep, StoredValue
from rayexec.store.encoding import outputs_text, read_outputs
from rayexec.store.file_errors import as_store_error

if TYPE_CHECKING:
    from pyarrow.fs import FileSystem

__all__ = ["FileValue", "FileValues"]

_PREFIX = struct.Struct("<4sII")
_MAGIC = b"RXVL"
_ALIGNMENT_BYTES = 64
_SUFFIX = ".values"
_LEVELS = 4  # directories above a file: values, those of the run and of all runs, the store's
_JOINED_BYTES = 1024 * 1024  # at most; a frame of up to so many is one system call


@dataclass(frozen=True, slots=True)
class FileValue:
    """Value in a file."""

    file: _ValueFile
    offset: int
    #: Bytes of the pickle, and of each buffer.
    lengths: tuple[int, ...]
    #: CRC-32 of pickle and buffers.
    check: int

    @property
    def size(self) -> int:
        """Bytes of pickle and buffers."""
        return sum(self.lengths)

    @property
    def is_local(self) -> bool:
        """Whether certainly no other machine reaches the file."""
        return self.file.filesystem is None

    def load(self) -> Any:
        """Return the value; raises StoreError. Arrays of a local file are mapped from it."""
        main, *buffers = self.parts()
        return load_stored(main, buffers)

    def parts(self) -> list[memoryview]:
        """Return the pickle and its buffers; raises StoreError."""
        parts = self.file.read(self.offset, self.lengths)
        check = 0
        for part in parts:
            check = zlib.crc32(part, check)
        if check != self.check:
            raise StoreError(f"a value in {self.file} is damaged")
        return parts


@dataclass(frozen=True, slots=True)
class _ValueFile:
    """File with values; its file system is None for that of this machine."""

    filesystem: FileSystem | None
    path: str
    owners: Owners

    def __str__(self) -> str:
        return self.path

    def read(self, offset: int, lengths: Sequence[int]) -> list[memoryview]:
        """Return parts of the file; each part begins at the next multiple of 64 bytes."""
        with as_store_error(f"a value in {self.path} cannot be read"):
            view, size = self.opened()
            parts = []
            for length in lengths:
                if offset + length > size:
                    raise StoreError(f"a value in {self.path} is cut short")
                parts.append(view(offset, length))
                offset = _aligned(offset + length)
            return parts

    def opened(self) -> _OpenedFile:
        """Open the file for reading."""
        if self.filesystem is None:
            status = os.lstat(self.path)
            # With another owner or mode it is looked at again.
            key = status.st_ino, status.st_uid, status.st_mode
            whole = _mapped(self.path, status.st_size, self.owners, key)
            return _OpenedFile(lambda offset, length: whole[offset : offset + length], len(whole))
        stream = self.filesystem.open_input_file(self.path)

        def view(offset: int, length: int) -> memoryview:
            stream.seek(offset)
            return memoryview(stream.read(length))

        return _OpenedFile(view, stream.size())


class _OpenedFile(NamedTuple):
    """Bytes of a file, by offset and length, and the file's size."""

    view: Callable[[int, int], memoryview]
    size: int


class FileValues:
    """Values of one run below a directory; the file system is None for that of this machine.

    Raises StoreError for a bad list of trusted owners.
    """

    is_shared = True

    def __init__(self, filesystem: FileSystem | None, directory: str, *, appends: bool) -> None:
        self._filesystem = filesystem
        self._directory = directory
        self._appends = appends
        self._owners = trusted_owners()  # here, since a worker may have no list of them

    def writer(self) -> _FileValueWriter:
        """Return a new writer; several may write at once."""
        return _FileValueWriter(self._filesystem, self._directory, appends=self._appends)

    def committed(self) -> dict[str, FinishedStep]:
        """Return the committed steps by their keys; of several commits of a step, the last."""
        before_commit: dict[tuple[str, str, int], dict[str, FileValue]] = {}
        committed: dict[str, FinishedStep] = {}
        merged: dict[str, StoredValue]
        outputs_of: dict[str, tuple[OutputRecord, ...]] = {}  # many steps share a text
        with as_store_error(f"the values in {self._directory} cannot be read"):
            for path in self._files():
                writer = os.path.basename(path).partition(".")[0].rpartition("-")[0]
                for head, values in _frames(_ValueFile(self._filesystem, path, self._owners)):
                    attempt = (writer, head["step"], head["attempt"])
                    if head["kind"] == "value":
                        before_commit.setdefault(attempt, {}).update(values)
                        continue
                    merged = {**before_commit.pop(attempt, {}), **values}
                    text = head["outputs"]
                    outputs = outputs_of[text] = outputs_of.get(text) or read_outputs(text)
                    before = committed.get(head["step"])
                    if before is not None and before.outputs == outputs:
                        merged = {**before.values, **merged}
                    committed[head["step"]] = FinishedStep(outputs, merged)
        return committed

    def _files(self) -> list[str]:
        """Return the paths of the files, by their times of creation."""
        if self._filesystem is None:
            try:
                names = os.listdir(self._directory)
            except FileNotFoundError:
                return []
            return sorted(
                os.path.join(self._directory, name) for name in names if name.endswith(_SUFFIX)
            )
        from pyarrow import fs

        files = self._filesystem.get_file_info(
            fs.FileSelector(self._directory, allow_not_found=True)
        )
        return sorted(each.path for each in files if each.base_name.endswith(_SUFFIX))


@functools.lru_cache(maxsize=16)
def _mapped(path: str, size: int, owners: Owners, _key: tuple[int, ...]) -> memoryview:
    """Return a file of this machine as mapped memory, at its present size.

    Raises StrangerError if others than ``owners`` could have written it. The cache is sound, since
    a file only grows and no two files have the same name.
    """
    with owners.open(path, _LEVELS) as file:
        return memoryview(mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ) if size else b"")


def _aligned(offset: int) -> int:
    return -(-offset // _ALIGNMENT_BYTES) * _ALIGNMENT_BYTES


class _Frame(NamedTuple):
    head: dict[str, Any]
    values: dict[str, FileValue]


def _frames(file: _ValueFile) -> Iterator[_Frame]:
    """Yield the complete frames of a file, with values by name."""
    view, size = file.opened()
    offset = 0
    while offset + _PREFIX.size <= size:
        magic, check, length = _PREFIX.unpack(view(offset, _PREFIX.size))
        start = offset + _PREFIX.size
        if magic != _MAGIC or start + length > size:
            return
        head = bytes(view(start, length))
        if zlib.crc32(head) != check:
            return
        document = json.loads(head)
        offset = start + length
        values = {}
        for name, lengths, total in document["values"]:
            values[name] = FileValue(file, offset, tuple(lengths), total)
            for part_length in lengths:
                end = offset + part_length
                offset = _aligned(end)
            if end > size:
                return
        yield _Frame(document, values)


class _FileValueWriter:
    def __init__(self, filesystem: FileSystem | None, directory: str, *, appends: bool) -> None:
        self._filesystem = filesystem
        self._appends = appends
        # Readers take files in the order of their names, so that a step's last commit counts.
        self._start = f"{directory}/{int(time.time() * 1e6):016}-{uuid.uuid4().hex[:12]}"
        self._directory = directory
        self._failed = f"values cannot be stored in {directory}"
        self._parts = 0
        self._path = ""
        self._file: Any = None
        self._offset = 0

    def add(self, key: str, attempt_number: int, name: str, value: Any) -> None:
        self._write({"kind": "value", "step": key, "attempt": attempt_number}, {name: value})

    def commit(
        self,
        key: str,
        attempt_number: int,
        outputs: tuple[OutputRecord, ...],
        values: Mapping[str, Any],
    ) -> None:
        head = {
            "kind": "commit",
            "step": key,
            "attempt": attempt_number,
            "outputs": outputs_text(outputs),
        }
        self._write(head, values)

    def _write(self, head: dict[str, Any], values: Mapping[str, Any]) -> None:
        with as_store_error(self._failed):
            self._open()
            try:
                self._write_frame(head, values)
            except BaseException:
                self._drop_rest()
                raise
            if not self._appends:
                self.close()

    def _drop_rest(self) -> None:
        """Close the file without its incomplete frame, which would take room for nothing.

        Readers stop at such a frame, so nothing may follow it in any case.
        """
        if self._filesystem is None:
            with contextlib.suppress(OSError):
                os.ftruncate(self._file.fileno(), self._offset)
            if not self._offset:
                with contextlib.suppress(OSError):
                    os.unlink(self._path)
        self.close()

    def _write_frame(self, head: dict[str, Any], values: Mapping[str, Any]) -> None:
        listed, parts = [], []
        for name, value in values.items():
            pieces = [value] if isinstance(value, bytes) else [value.main, *value.buffers]
            views = [memoryview(piece).cast("B") for piece in pieces]
            check = 0
            for view in views:
                check = zlib.crc32(view, check)
            listed.append((name, [view.nbytes for view in views], check))
            parts += views
        text = json.dumps({**head, "values": listed}).encode()
        begin = self._offset + _PREFIX.size
        text += b" " * (_aligned(begin + len(text)) - begin - len(text))
        written: list[bytes | memoryview] = [
            _PREFIX.pack(_MAGIC, zlib.crc32(text), len(text)),
            text,
        ]
        for part in parts:
            written += [part, bytes(_aligned(part.nbytes) - part.nbytes)]
        total = sum(map(len, written))
        for chunk in (b"".join(written),) if total <= _JOINED_BYTES else written:
            left = memoryview(chunk)
            while left:
                count = self._file.write(left)
                left = left[count:] if count is not None else left[len(left) :]
        self._offset += total

    def _open(self) -> None:
        if self._file is not None:
            return
        path = self._path = f"{self._start}-{self._parts:06}{_SUFFIX}"
        self._parts += 1
        self._offset = 0
        if self._filesystem is None:
            self._enter_run()
            self._file = os.fdopen(new_file(path), "wb", buffering=0)  # open for the next frame
        else:
            self._filesystem.create_dir(self._directory, recursive=True)
            self._file = self._filesystem.open_output_stream(path)

    def _enter_run(self) -> None:
        """Make the directory of values in the run's directory, which only the driver makes.

        On a node without that directory a worker's values would be lost.
        """
        try:
            os.mkdir(self._directory, 0o700)
            inherit(self._directory)
        except FileExistsError:
            pass
        except FileNotFoundError:
            run = os.path.dirname(self._directory)
            raise StoreError(
                f"{self._failed}: {run} is not there on node {socket.gethostname()}. What is to "
                "outlive the driver needs a place that all nodes reach: have RAYEXEC_HOME name a "
                "shared directory, or a URI (s3://BUCKET)"
            ) from None

    def close(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            with as_store_error(self._failed):
                file.close()
