"""Values of steps in files: written by whoever made them, whole or not at all, and read again piece
by piece.

A file is frames one behind the other. A frame is ``RXVL``, the CRC-32 and the length of its head
(little-endian), the head in JSON, which spaces pad so that what follows begins at a multiple of 64
bytes, and then the values that the head tells of, each one's pickle and buffers padded likewise, so
that arrays can be mapped where they lie. Two kinds:

    value   one value of an attempt whose commit is still to come
    commit  an attempt that succeeded: what it yielded, and its values as far as none came before

A commit whose frame is cut short did not happen. Where files cannot be added to, each frame is a
file.
"""

from __future__ import annotations

import functools
import json
import mmap
import os
import socket
import struct
import time
import uuid
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rayexec.errors import StoreError
from rayexec.events import OutputRecord
from rayexec.former_names import load_stored
from rayexec.run.previous_run import FinishedStep, StoredValue
from rayexec.store.encoding import outputs_text, read_outputs
from rayexec.store.file_errors import told

if TYPE_CHECKING:
    from pyarrow.fs import FileSystem

__all__ = ["FileValue", "FileValues"]

_PREFIX = struct.Struct("<4sII")
_MAGIC = b"RXVL"
_ALIGN = 64
_SUFFIX = ".values"
_TOGETHER = 1024 * 1024  # bytes that are put together to be written by one system call


@dataclass(frozen=True, slots=True)
class FileValue:
    """A value in a file: its place, the bytes of its pickle and of each buffer, and their sum."""

    place: _Place
    offset: int
    lengths: tuple[int, ...]
    check: int

    @property
    def size(self) -> int:
        """The bytes of it all."""
        return sum(self.lengths)

    @property
    def is_local(self) -> bool:
        """Whether it is certain to be reached from this machine only."""
        return self.place.filesystem is None

    def load(self) -> Any:
        """Return the value, its arrays mapped from the file where that is on this machine; raises
        StoreError.
        """
        main, *buffers = self.parts()
        return load_stored(main, buffers)

    def parts(self) -> list[memoryview]:
        """Return its pickle and the buffers that this refers to; raises StoreError."""
        parts = self.place.read(self.offset, self.lengths)
        check = 0
        for part in parts:
            check = zlib.crc32(part, check)
        if check != self.check:
            raise StoreError(f"a value in {self.place} is damaged")
        return parts


@dataclass(frozen=True, slots=True)
class _Place:
    """A file of a file system; None stands for that of this machine."""

    filesystem: FileSystem | None
    path: str

    def __str__(self) -> str:
        return self.path

    def read(self, offset: int, lengths: Sequence[int]) -> list[memoryview]:
        """Return pieces of the file that lie one behind the other, each at the next multiple of 64
        bytes.
        """
        with told(f"a value in {self.path} cannot be read"):
            view, size = self.open()
            parts = []
            for length in lengths:
                if offset + length > size:
                    raise StoreError(f"a value in {self.path} is cut short")
                parts.append(view(offset, length))
                offset = _aligned(offset + length)
            return parts

    def open(self) -> tuple[Any, int]:
        """Return a function from offset and length to a view of so much of the file, and the size
        of the file.
        """
        if self.filesystem is None:
            whole = _mapped(self.path, os.stat(self.path).st_size)
            return (lambda offset, length: whole[offset : offset + length]), len(whole)
        stream = self.filesystem.open_input_file(self.path)

        def view(offset: int, length: int) -> memoryview:
            stream.seek(offset)
            return memoryview(stream.read(length))

        return view, stream.size()


class FileValues:
    """The values of one run, below a directory of a file system (None: that of this machine)."""

    is_shared = True

    def __init__(self, filesystem: FileSystem | None, directory: str, *, appends: bool) -> None:
        self._filesystem = filesystem
        self._directory = directory
        self._appends = appends

    def writer(self) -> _FileValueWriter:
        """Return a writer of its own, for whoever asks."""
        return _FileValueWriter(self._filesystem, self._directory, appends=self._appends)

    def committed(self) -> dict[str, FinishedStep]:
        """Return what is stored, by step key; of a step that was committed more than once the last."""
        ahead: dict[tuple[str, str, int], dict[str, FileValue]] = {}
        found: dict[str, FinishedStep] = {}
        both: dict[str, StoredValue]
        told_already: dict[str, tuple[OutputRecord, ...]] = {}
        with told(f"the values in {self._directory} cannot be read"):
            for path in self._files():
                writer = os.path.basename(path).partition(".")[0].rpartition("-")[0]
                for head, values in _frames(_Place(self._filesystem, path)):
                    known = (writer, head["step"], head["attempt"])
                    if head["kind"] == "value":
                        ahead.setdefault(known, {}).update(values)
                    else:
                        both = {**ahead.pop(known, {}), **values}
                        text = head["outputs"]  # mostly the same for many steps
                        outputs = told_already[text] = told_already.get(text) or read_outputs(text)
                        before = found.get(head["step"])
                        if before is not None and before.outputs == outputs:
                            both = {**before.values, **both}
                        found[head["step"]] = FinishedStep(outputs, both)
        return found

    def _files(self) -> list[str]:
        """Return the files in the order in which they were begun."""
        if self._filesystem is None:
            try:
                names = os.listdir(self._directory)
            except FileNotFoundError:
                return []
            return sorted(
                os.path.join(self._directory, name) for name in names if name.endswith(_SUFFIX)
            )
        from pyarrow import fs

        found = self._filesystem.get_file_info(
            fs.FileSelector(self._directory, allow_not_found=True)
        )
        return sorted(each.path for each in found if each.base_name.endswith(_SUFFIX))


@functools.lru_cache(maxsize=16)
def _mapped(path: str, size: int) -> memoryview:
    """Return a file of this machine, which is ``size`` bytes long by now, as memory; a name never
    comes twice.
    """
    with open(path, "rb") as file:
        return memoryview(mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ) if size else b"")


def _aligned(offset: int) -> int:
    return -(-offset // _ALIGN) * _ALIGN


def _frames(place: _Place) -> Iterator[tuple[dict[str, Any], dict[str, FileValue]]]:
    """Yield the heads of the whole frames of a file, each with the values in it by name."""
    view, size = place.open()
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
            values[name] = FileValue(place, offset, tuple(lengths), total)
            for each in lengths:
                end = offset + each
                offset = _aligned(end)
            if end > size:
                return
        yield document, values


class _FileValueWriter:
    def __init__(self, filesystem: FileSystem | None, directory: str, *, appends: bool) -> None:
        self._filesystem = filesystem
        self._appends = appends
        # Files sort by when they were begun, so that of two commits of a step the later is read
        # last.
        self._start = f"{directory}/{int(time.time() * 1e6):016}-{uuid.uuid4().hex[:12]}"
        self._directory = directory
        self._failed = f"values cannot be stored in {directory}"
        self._parts = 0
        self._file: Any = None
        self._offset = 0

    def add(self, key: str, number: int, name: str, value: Any) -> None:
        self._write({"kind": "value", "step": key, "attempt": number}, {name: value})

    def commit(
        self, key: str, number: int, outputs: tuple[OutputRecord, ...], values: Mapping[str, Any]
    ) -> None:
        head = {"kind": "commit", "step": key, "attempt": number, "outputs": outputs_text(outputs)}
        self._write(head, values)

    def _write(self, head: dict[str, Any], values: Mapping[str, Any]) -> None:
        with told(self._failed):
            self._open()
            try:
                self._write_frame(head, values)
            except BaseException:
                self.close()  # what was begun is cut short, and nothing behind it would be read
                raise
            if not self._appends:
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
        for each in (b"".join(written),) if total <= _TOGETHER else written:
            left = memoryview(each)
            while left:
                count = self._file.write(left)
                left = left[count:] if count is not None else left[len(left) :]
        self._offset += total

    def _open(self) -> None:
        if self._file is not None:
            return
        path = f"{self._start}-{self._parts:06}{_SUFFIX}"
        self._parts += 1
        self._offset = 0
        if self._filesystem is None:
            self._enter_run()
            self._file = open(path, "xb", buffering=0)  # noqa: SIM115  # it stays open for the next frame
        else:
            self._filesystem.create_dir(self._directory, recursive=True)
            self._file = self._filesystem.open_output_stream(path)

    def _enter_run(self) -> None:
        """Make the directory of values, in that of the run, which only its driver makes: elsewhere
        nobody looks.
        """
        try:
            os.mkdir(self._directory)
        except FileExistsError:
            pass
        except FileNotFoundError:
            run = os.path.dirname(self._directory)
            raise StoreError(
                f"{self._failed}: {run} is not there on node {socket.gethostname()}. What is to "
                f"outlive the driver "
                "needs a place that all nodes reach: have RAYEXEC_HOME name a shared directory, "
                "or a URI (s3://BUCKET)"
            ) from None

    def close(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            with told(self._failed):
                file.close()
