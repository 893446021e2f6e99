"""Mailbox of a driver: one socket for reports of running batches, with a channel for each run."""

from __future__ import annotations

import contextlib
import itertools
import os
import socket
import threading
from collections.abc import Callable
from typing import Any

from rayexec.engine.ray.protocol.framing import (
    CONNECT_TIMEOUT_S,
    Address,
    FrameError,
    FrameReader,
    make_key,
)

__all__ = ["Mailbox", "mailbox_at"]


class Mailbox:
    """Receives messages in a thread of its own and hands each to its channel.

    A connection carries one message and ends. The mailbox drops messages without its seal, messages
    for a closed channel, and silent connections.
    """

    def __init__(self, host: str) -> None:
        self._socket = socket.create_server((host, 0))
        self._key = make_key()
        self._channels: dict[int, Callable[[bytes], Any]] = {}
        self._next_channel = itertools.count()
        self._closed = False
        self._host, self._port = self._socket.getsockname()[:2]
        threading.Thread(target=self._run, name="rayexec-mailbox", daemon=True).start()

    def open_channel(self, deliver: Callable[[bytes], Any]) -> Address:
        """Return the address of a new channel.

        ``deliver`` gets the body of each message to it, in the mailbox's thread.
        """
        channel = next(self._next_channel)
        self._channels[channel] = deliver
        return Address(self._host, self._port, self._key, channel)

    def close_channel(self, address: Address) -> None:
        """Drop all further messages of a channel."""
        self._channels.pop(address.channel, None)

    def _run(self) -> None:
        while not self._closed:
            with (
                contextlib.suppress(OSError, FrameError),
                self._socket.accept()[0] as connection,
            ):
                self._receive(connection)
        self._socket.close()

    def _receive(self, connection: socket.socket) -> None:
        connection.settimeout(CONNECT_TIMEOUT_S)
        reader = FrameReader(self._key)
        while data := connection.recv(65536):
            for channel, body in reader.feed(data):
                deliver = self._channels.get(channel)
                if deliver is not None:
                    deliver(body)

    def close(self) -> None:
        """Receive nothing more."""
        self._closed = True
        # The thread waits in ``accept``, and closing the socket does not end that. A last visitor
        # does, whether let in or not.
        with contextlib.suppress(OSError):
            socket.create_connection((self._host, self._port), timeout=1).close()


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
