"""Frames: pieces of a log that are whole or not there.

A log is frames one after another, in one file or in several. Each is a header of 16 bytes
(``RXLG``, CRC-32 and length of what follows, little-endian) and an Arrow IPC stream that needs
nothing before it. A writer adds whole frames and never changes what is there, so a reader needs no
lock: it stops at the first frame that is cut short or does not have its sum, which is where a
killed writer stopped, or where a living one is just now.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Iterator
from typing import Any

__all__ = ["HEAD", "frame", "whole_frames"]

_HEADER = struct.Struct("<4sIQ")
HEAD = _HEADER.size  # bytes of a frame before its body
_MAGIC = b"RXLG"


def frame(body: Any) -> bytes:
    """Return a frame around ``body``, which is bytes or a buffer."""
    view = memoryview(body)
    return _HEADER.pack(_MAGIC, zlib.crc32(view), view.nbytes) + view


def whole_frames(parts: Iterable[bytes]) -> Iterator[memoryview]:
    """Yield the bodies of the frames in the parts of a log, up to the first that is not whole."""
    for part in parts:
        view, place = memoryview(part), 0
        while place < len(view):
            if len(view) - place < _HEADER.size:
                return
            magic, check, length = _HEADER.unpack_from(view, place)
            place += _HEADER.size
            body = view[place : place + length]
            if magic != _MAGIC or len(body) < length or zlib.crc32(body) != check:
                return
            yield body
            place += length
