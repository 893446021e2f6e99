"""Framing of the sockets between driver and workers: sealed, length-prefixed, bounded.

    frame := size channel seal body     size: bytes of the body, 8 bytes, little-endian
                                        channel: 8 bytes, little-endian
                                        seal: HMAC-SHA256 of channel and body, 32 bytes

Every byte from a worker passes through ``FrameReader``: rules about authentic senders belong there.
"""

from __future__ import annotations

import hmac
import secrets
import struct
from typing import NamedTuple

__all__ = [
    "CONNECT_TIMEOUT_S",
    "MAX_BODY_BYTES",
    "SEAL_BYTES",
    "Address",
    "Frame",
    "FrameError",
    "FrameReader",
    "frame",
    "has_seal",
    "make_key",
    "seal_of",
]

CONNECT_TIMEOUT_S = 5.0  # also the longest silence in the middle of a frame
MAX_BODY_BYTES = 256 * 1024 * 1024
SEAL_BYTES = 32

_HEAD = struct.Struct("<QQ32s")
_CHANNEL = struct.Struct("<Q")


class Address(NamedTuple):
    """Socket of a driver, with the key of its frames and the channel of one run."""

    host: str
    port: int
    key: bytes
    channel: int = 0


class Frame(NamedTuple):
    """One authentic message: its channel, and its body."""

    channel: int
    body: bytes


class FrameError(Exception):
    """Bytes that are no frame of ours: too long, or sealed with another key."""


def make_key() -> bytes:
    """Return a new secret for one socket."""
    return secrets.token_bytes(32)


def seal_of(key: bytes, data: bytes) -> bytes:
    """Return the seal of ``data``, SEAL_BYTES long: nobody makes it without the key."""
    return hmac.digest(key, data, "sha256")


def has_seal(key: bytes, data: bytes, seal: bytes) -> bool:
    """Tell whether ``seal`` is that of ``data``; takes as long for a wrong one."""
    return hmac.compare_digest(seal, seal_of(key, data))


def frame(address: Address, body: bytes) -> bytes:
    """Return a body as the bytes to send; raises FrameError for one over the bound."""
    if len(body) > MAX_BODY_BYTES:
        raise FrameError(f"a message of {len(body):,} bytes is over the bound")
    seal = _seal_of(address.key, address.channel, body)
    return _HEAD.pack(len(body), address.channel, seal) + body


def _seal_of(key: bytes, channel: int, body: bytes) -> bytes:
    return seal_of(key, _CHANNEL.pack(channel) + body)


class FrameReader:
    """Reads the frames of one connection, and lets in authentic ones only."""

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._data = bytearray()

    def feed(self, data: bytes) -> list[Frame]:
        """Return the frames that ``data`` completes; raises FrameError."""
        self._data += data
        frames: list[Frame] = []
        while len(self._data) >= _HEAD.size:
            size, channel, seal = _HEAD.unpack_from(self._data)
            if size > MAX_BODY_BYTES:
                raise FrameError(f"a message of {size:,} bytes is over the bound")
            end = _HEAD.size + size
            if len(self._data) < end:
                break
            body = bytes(memoryview(self._data)[_HEAD.size : end])
            if not hmac.compare_digest(seal, _seal_of(self._key, channel, body)):
                raise FrameError("a message has another key's seal")
            del self._data[:end]
            frames.append(Frame(channel, body))
        return frames
