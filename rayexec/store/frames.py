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

__all__ = ["HEADER_BYTES", "frame", "whole_frames"]

_HEADER = struct.Struct("<4sIQ")
HEADER_BYTES = _HEADER.size
_MAGIC = b"RXLG"


def frame(body: Any) -> bytes:
    """Return a frame around ``body``, bytes or a buffer."""
    view = memoryview(body)
    return _HEADER.pack(_MAGIC, zlib.crc32(view), view.nbytes) + view


def whole_frames(parts: Iterable[bytes | memoryview]) -> Iterator[memoryview]:
    """Yield the bodies of frames, up to the first incomplete one; ``parts`` are a log in order."""
    for part in parts:
        view, offset = memoryview(part), 0
        while offset < len(view):
            if len(view) - offset < _HEADER.size:
                return
            magic, check, length = _HEADER.unpack_from(view, offset)
            offset += _HEADER.size
            body = view[offset : offset + length]
            if magic != _MAGIC or len(body) < length or zlib.crc32(body) != check:
                return
            yield body
            offset += length
