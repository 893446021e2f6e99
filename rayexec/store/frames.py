"""Frames of a log.

A log is a sequence of frames, in one file or in several. A frame is a header of 16 bytes (``RXLG``,
CRC-32 and length of the body, little-endian) and a body, an Arrow IPC stream of its own. A writer
only appends frames, so a reader needs no lock. The reader stops at the first frame that is
incomplete or has another CRC-32: a writer was killed there, or is writing there.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Iterator
from typing import Any

__all__ = ["HEADER_BYTES", "FrameReader", "frame", "whole_frames"]

_HEADER = struct.Struct("<4sIQ")
HEADER_BYTES = _HEADER.size
_MAGIC = b"RXLG"


def frame(body: Any) -> bytes:
    """Return a frame around ``body``, bytes or a buffer."""
    view = memoryview(body)
    return _HEADER.pack(_MAGIC, zlib.crc32(view), view.nbytes) + view


def whole_frames(parts: Iterable[bytes | memoryview]) -> Iterator[memoryview]:
    """Yield the bodies of frames, up to the first incomplete one; ``parts`` are a log in order."""
    return iter(FrameReader(parts))


class FrameReader:
    """Frames of a log, up to the first incomplete one, and facts about the bytes behind."""

    def __init__(self, parts: Iterable[bytes | memoryview]) -> None:
        self._parts = iter(parts)
        #: Bytes of the frames that were read, with their headers.
        self.read_bytes = 0
        #: Bytes behind them.
        self.unread_bytes = 0
        #: Whether these bytes are no beginning of one frame, as a killed writer leaves it.
        self.is_damaged = False

    def __iter__(self) -> Iterator[memoryview]:
        """Yield the bodies of the frames; the facts count after the last one."""
        for part in self._parts:
            view, offset = memoryview(part), 0
            while offset < len(view):
                body = _body_at(view, offset)
                if body is None:
                    self._measure(view[offset:])
                    return
                offset += HEADER_BYTES + len(body)
                self.read_bytes += HEADER_BYTES + len(body)
                yield body

    def _measure(self, rest: memoryview) -> None:
        behind = sum(map(len, self._parts))
        self.unread_bytes = len(rest) + behind
        self.is_damaged = behind > 0 or not _is_beginning(rest)


def _body_at(view: memoryview, offset: int) -> memoryview | None:
    """Return the body of the frame at ``offset``; None for an incomplete or damaged one."""
    if len(view) - offset < HEADER_BYTES:
        return None
    magic, check, length = _HEADER.unpack_from(view, offset)
    body = view[offset + HEADER_BYTES : offset + HEADER_BYTES + length]
    if magic != _MAGIC or len(body) < length or zlib.crc32(body) != check:
        return None
    return body


def _is_beginning(rest: memoryview) -> bool:
    """Tell whether bytes without a whole frame at their start may be the beginning of one.

    After a crash of the machine a file system may show zeros for bytes that were on their way.
    """
    content = bytes(rest)
    if not content.strip(b"\0"):
        return True
    if content[: len(_MAGIC)] != _MAGIC[: len(content)]:
        return False
    if len(content) < HEADER_BYTES:
        return True
    length = _HEADER.unpack_from(content)[2]
    if length <= len(content) - HEADER_BYTES:  # It is complete, with another CRC-32.
        return False
    # A length that is damaged itself hides the frames behind.
    start = content.find(_MAGIC, 1)
    while start > 0:
        if _body_at(rest, start) is not None:
            return False
        start = content.find(_MAGIC, start + 1)
    return True
