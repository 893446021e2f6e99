"""Mailbox of a driver: one socket for all that its workers report, with a channel for each run.

Anybody who reaches the port may connect. So the thread reads the head of a frame at most before it
has checked the seal, waits for no single peer, and bounds the time and the count of connections.
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import resource
import selectors
import socket
import threading
import time
from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

from rayexec.engine.ray.protocol.framing import (
    ACCEPTED,
    Address,
    Frame,
    FrameError,
    FrameReader,
    Origin,
    ReplayGuard,
    make_key,
)

__all__ = ["Adopt", "Mailbox", "Peer", "mailbox_at", "share_of_files"]

HEAD_TIMEOUT_S = 5.0  # from the connection to an authentic head
MESSAGE_TIMEOUT_S = 60.0  # from there to the end of the message
MOST_CONNECTIONS = 256
_BACKLOG = 4096
_ACCEPTED_AT_ONCE = 64
_CHUNK_BYTES = 256 * 1024
_PAUSE_S = 0.2  # after which a process without free files tries again
_NO_FILES = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}


class Peer:
    """Connection of a peer, and the frames that it has sent so far."""

    def __init__(self, connection: socket.socket, reader: FrameReader) -> None:
        self.socket = connection
        self.reader = reader
        #: When the mailbox gives up on it, in monotonic seconds.
        self.deadline = 0.0

    def receive(self) -> list[Frame] | None:
        """Return the frames that have come, without waiting; None once the peer has ended.

        Raises FrameError for bytes that are no frame of ours.
        """
        try:
            data = self.socket.recv(min(self.reader.missing or 1, _CHUNK_BYTES))
        except BlockingIOError:
            return []
        except OSError:
            return None
        return self.reader.feed(data) if data else None

    def accept(self) -> None:
        """Tell the peer that its message is here."""
        with contextlib.suppress(OSError):  # it may not wait for that
            self.socket.send(ACCEPTED)


# Adopts a connection with its first message, from the mailbox's thread; False to refuse it.
Adopt: TypeAlias = Callable[[Peer, bytes], bool]


class _Channel(NamedTuple):
    adopt: Adopt
    guard: ReplayGuard


class Mailbox:
    """Receives messages in a thread of its own and hands each to its channel.

    A connection carries one message and ends, unless its channel adopts it. The mailbox drops
    messages without its seal or played again, and those for a closed channel. Of peers that have
    not shown a seal, the oldest one goes when there are too many.
    """

    def __init__(self, host: str) -> None:
        self._listener = socket.create_server((host, 0), backlog=_BACKLOG)
        self._listener.setblocking(False)
        self._wakened, self._waker = socket.socketpair()
        self._key = make_key()
        self._channels: dict[int, _Channel] = {}
        self._next_channel = itertools.count()
        self._closed = False
        self._host, self._port = self._listener.getsockname()[:2]
        self._most = share_of_files(8, MOST_CONNECTIONS)
        self._selector = selectors.DefaultSelector()
        # By the order of their deadlines: peers without an authentic head, and with one.
        self._strangers: dict[Peer, None] = {}
        self._senders: dict[Peer, None] = {}
        self._accepts_from = 0.0  # in monotonic seconds
        self._thread = threading.Thread(target=self._run, name="rayexec-mailbox", daemon=True)
        self._thread.start()

    def open_channel(self, deliver: Callable[[bytes], Any]) -> Address:
        """Return the address of a new channel.

        ``deliver`` gets the body of each message to it, in the mailbox's thread.
        """

        def adopt(peer: Peer, body: bytes) -> bool:
            deliver(body)
            peer.accept()
            return False

        return self.open_adopting_channel(adopt)

    def open_adopting_channel(self, adopt: Adopt) -> Address:
        """Return the address of a new channel whose connections outlive their first message."""
        channel = next(self._next_channel)
        self._channels[channel] = _Channel(adopt, ReplayGuard())
        return Address(self._host, self._port, self._key, channel)

    def close_channel(self, address: Address) -> None:
        """Drop all further messages of a channel."""
        self._channels.pop(address.channel, None)

    def close(self) -> None:
        """Receive nothing more."""
        self._closed = True
        with contextlib.suppress(OSError):  # closed before
            self._waker.send(b"c")
        if threading.current_thread() is not self._thread:
            self._thread.join()

    def _run(self) -> None:
        selector = self._selector
        with selector, self._listener, self._wakened, self._waker:
            selector.register(self._wakened, selectors.EVENT_READ)
            self._listen()
            while not self._closed:
                for key, _ in selector.select(self._timeout()):
                    if key.fileobj is self._listener:
                        self._accept()
                    elif key.data in self._strangers or key.data in self._senders:
                        self._receive(key.data)
                now = time.monotonic()
                self._drop_late(now)
                if self._accepts_from <= now:
                    self._listen()
            for peer in [*self._strangers, *self._senders]:
                peer.socket.close()

    def _timeout(self) -> float | None:
        """Return the seconds until something is due."""
        due = [peers.deadline for peers in map(_first, (self._strangers, self._senders)) if peers]
        now = time.monotonic()
        if self._accepts_from > now:
            due.append(self._accepts_from)
        return max(0.0, min(due) - now) if due else None

    def _listen(self) -> None:
        is_full = len(self._senders) >= self._most
        if is_full == (self._listener in self._selector.get_map()):
            if is_full:
                self._selector.unregister(self._listener)
            else:
                self._selector.register(self._listener, selectors.EVENT_READ)

    def _accept(self) -> None:
        for _ in range(_ACCEPTED_AT_ONCE):
            try:
                connection = self._listener.accept()[0]
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno not in _NO_FILES:
                    continue  # the peer has gone
                # The listener stays readable: without a pause the thread would ask for ever.
                for peer in list(self._strangers):
                    self._drop(peer)
                self._selector.unregister(self._listener)
                self._accepts_from = time.monotonic() + _PAUSE_S
                return
            connection.setblocking(False)
            peer = Peer(connection, FrameReader(self._key, self._admits))
            peer.deadline = time.monotonic() + HEAD_TIMEOUT_S
            self._strangers[peer] = None
            self._selector.register(connection, selectors.EVENT_READ, peer)
            # A worker's message often is here already. Then no crowd of strangers gets it dropped.
            self._receive(peer)
            if len(self._strangers) + len(self._senders) > self._most:
                oldest = _first(self._strangers)
                if oldest is None:
                    return
                self._drop(oldest)

    def _admits(self, origin: Origin) -> bool:
        channel = self._channels.get(origin.channel)
        return channel is not None and channel.guard.admit(origin)

    def _receive(self, peer: Peer) -> None:
        try:
            frames = peer.receive()
            if not frames and frames is not None and peer.reader.is_authentic:
                # A short message has come whole by now; a long one comes with the next events.
                frames = peer.receive()
        except FrameError:
            frames = None
        if frames is None:
            self._drop(peer)
        elif frames:
            self._deliver(peer, *frames[:1])
        elif peer in self._strangers and peer.reader.is_authentic:
            del self._strangers[peer]
            self._senders[peer] = None
            peer.deadline = time.monotonic() + MESSAGE_TIMEOUT_S

    def _deliver(self, peer: Peer, frame: Frame) -> None:
        channel = self._channels.get(frame.channel)
        self._selector.unregister(peer.socket)
        self._strangers.pop(peer, None)
        self._senders.pop(peer, None)
        if channel is None or not channel.adopt(peer, frame.body):
            peer.socket.close()

    def _drop(self, peer: Peer) -> None:
        self._selector.unregister(peer.socket)
        self._strangers.pop(peer, None)
        self._senders.pop(peer, None)
        peer.socket.close()

    def _drop_late(self, now: float) -> None:
        for peers in (self._strangers, self._senders):
            while (peer := _first(peers)) is not None and peer.deadline <= now:
                self._drop(peer)


def _first(peers: dict[Peer, None]) -> Peer | None:
    return next(iter(peers), None)


def share_of_files(part: int, most: int) -> int:
    """Return how many connections may be open: a ``part`` of this process's files, or ``most``."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return most if soft == resource.RLIM_INFINITY else min(most, max(4, soft // part))


# By process and host: a thread and a socket serve all runs of a driver. A forked child has no such
# thread, so that it opens its own.
_MAILBOXES: dict[tuple[int, str], Mailbox] = {}
_LOCK = threading.Lock()


def mailbox_at(host: str) -> Mailbox:
    """Return this process's mailbox at an address of this machine, opened on the first call."""
    with _LOCK:
        key = (os.getpid(), host)
        if key not in _MAILBOXES:
            _MAILBOXES[key] = Mailbox(host)
        return _MAILBOXES[key]
