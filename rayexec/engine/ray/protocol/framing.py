"""Framing of the socket between driver and workers: sealed, length-prefixed, bounded.

    frame := head body
    head  := size channel sender sequence digest seal
             size, channel, sequence: 8 bytes each, little-endian
             sender: 8 random bytes of a process
             digest: SHA-256 of the body, 32 bytes; seal: HMAC-SHA256 of all before, 32 bytes

A reader trusts no size before it has checked the seal, so that a stranger makes it hold no more
than one head. ``ReplayGuard`` refuses a head that came before. Every byte from a worker passes
through ``FrameReader``: rules about authentic senders belong there.
"""

from __future__ import annotations

import hashlib
import hmac
import itertools
import os
import secrets
import struct
from collections.abc import Callable, Iterator
from typing import NamedTuple

__all__ = [
    "ACCEPTED",
    "CONNECT_TIMEOUT_S",
    "MAX_BODY_BYTES",
    "SEAL_BYTES",
    "Address",
    "Frame",
    "FrameError",
    "FrameReader",
    "Origin",
    "ReplayGuard",
    "frame",
    "has_seal",
    "make_key",
    "seal_of",
]

CONNECT_TIMEOUT_S = 5.0
MAX_BODY_BYTES = 256 * 1024 * 1024
SEAL_BYTES = 32
ACCEPTED = b"\x06"  # the driver's answer to a message

_HEAD = struct.Struct("<QQ8sQ32s")
_SIZE = struct.Struct("<Q")
_SEALED_HEAD_BYTES = _HEAD.size + SEAL_BYTES
_WINDOW = 4096  # frames of one process; threads of it may send out of order


class Address(NamedTuple):
    """Socket of a driver, with the key of its frames and the channel of one run."""

    host: str
    port: int
    key: bytes
    channel: int = 0


class Origin(NamedTuple):
    """Origin of one frame: its channel, the process that sent it, and its count there."""

    channel: int
    sender: bytes
    sequence: int


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


def _check_size(size: int) -> None:
    if size > MAX_BODY_BYTES:
        raise FrameError(f"a message of {size:,} bytes is over the bound")


# Of this process, for all its frames; a forked child makes its own.
_own: tuple[int, bytes, Iterator[int]] = (0, b"", iter(()))


def _next_origin(channel: int) -> Origin:
    global _own
    if _own[0] != os.getpid():
        _own = os.getpid(), secrets.token_bytes(8), itertools.count()
    _, sender, sequence = _own
    return Origin(channel, sender, next(sequence))


def frame(address: Address, body: bytes) -> bytes:
    """Return a body as the bytes to send, once; raises FrameError for one over the bound."""
    _check_size(len(body))
    digest = hashlib.sha256(body).digest()
    head = _HEAD.pack(len(body), *_next_origin(address.channel), digest)
    return head + seal_of(address.key, head) + body


class ReplayGuard:
    """Admits each frame of a channel once, whichever connection brings it.

    It keeps a number for each process, and a bit for each of its last 4,096 frames. An older frame
    counts as played again.
    """

    def __init__(self) -> None:
        self._seen: dict[bytes, tuple[int, int]] = {}

    def admit(self, origin: Origin) -> bool:
        """Tell whether a frame is new; the next call with it says no."""
        _, sender, sequence = origin
        newest, bits = self._seen.get(sender, (-1, 0))
        if sequence > newest:
            ahead = sequence - newest
            bits = (bits << ahead | 1) & (1 << _WINDOW) - 1 if ahead < _WINDOW else 1
            newest = sequence
        else:
            bit = 1 << min(newest - sequence, _WINDOW)
            if bit >> _WINDOW or bits & bit:
                return False
            bits |= bit
        self._seen[sender] = newest, bits
        return True


class _Head(NamedTuple):
    size: int
    channel: int
    digest: bytes


class FrameReader:
    """Reads the frames of one connection, and lets in authentic ones only.

    ``admit`` may refuse the origin of an authentic head, before any byte of its body.
    """

    def __init__(self, key: bytes, admit: Callable[[Origin], bool] | None = None) -> None:
        self._key = key
        self._admit = admit
        self._data = bytearray()
        self._head: _Head | None = None

    @property
    def is_authentic(self) -> bool:
        """True once the head of the present frame has its seal."""
        return self._head is not None

    @property
    def missing(self) -> int:
        """Bytes that the present head or body lacks: a reader that asks for no more holds no byte
        of a stranger beyond one head.
        """
        whole = _SEALED_HEAD_BYTES if self._head is None else self._head.size
        return whole - len(self._data)

    def feed(self, data: bytes) -> list[Frame]:
        """Return the frames that ``data`` completes; raises FrameError."""
        self._data += data
        frames: list[Frame] = []
        while self.missing <= 0:
            if self._head is None:
                self._head = self._read_head(self._cut(_SEALED_HEAD_BYTES))
                continue
            size, channel, digest = self._head
            body = self._cut(size)
            if hashlib.sha256(body).digest() != digest:
                raise FrameError("a message is not the one that its head has sealed")
            self._head = None
            frames.append(Frame(channel, body))
        if self._head is None and len(self._data) >= _SIZE.size:
            _check_size(*_SIZE.unpack_from(self._data))
        return frames

    def _cut(self, size: int) -> bytes:
        cut = bytes(memoryview(self._data)[:size])
        del self._data[:size]
        return cut

    def _read_head(self, sealed: bytes) -> _Head:
        head = sealed[: _HEAD.size]
        if not has_seal(self._key, head, sealed[_HEAD.size :]):
            raise FrameError("a message has another key's seal")
        size, channel, sender, sequence, digest = _HEAD.unpack(head)
        _check_size(size)
        if self._admit is not None and not self._admit(Origin(channel, sender, sequence)):
            raise FrameError("a message was played again, or is for a closed channel")
        return _Head(size, channel, digest)
