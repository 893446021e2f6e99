"""Workers that keep resources of worker scope open for a run, seen from its driver.

A worker connects when it opens the first one, and stays connected. At the end of the run the driver
ends its side of each connection; the worker closes its resources and answers. The death of a driver
ends the connections as well.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import threading
import time
from collections.abc import Sequence

from rayexec.engine.ray.driver.mailbox import Mailbox, Peer, share_of_files
from rayexec.engine.ray.protocol.framing import CONNECT_TIMEOUT_S, FrameError
from rayexec.engine.ray.protocol.worker_messages import (
    Message,
    ResourcesClosed,
    WorkerConnected,
    decode,
)
from rayexec.errors import WorkerCrashedError
from rayexec.events import ResourceRecord, describe_error

__all__ = ["ResourceWorkers"]

_CLOSE_TIMEOUT_S = CONNECT_TIMEOUT_S
_MOST_WORKERS = 20_000


class _Connection:
    """Connection of one worker, with its messages so far."""

    def __init__(self, peer: Peer, hello: Message) -> None:
        self.peer = peer
        self.messages = [hello]
        self.is_open = True

    def receive(self) -> None:
        """Receive what is there."""
        frames = None
        with contextlib.suppress(FrameError):
            frames = self.peer.receive()
        self.is_open = frames is not None
        self.messages += [decode(frame.body) for frame in frames or ()]


class ResourceWorkers:
    """Connections of workers with open resources of one run.

    ``names`` are the keys of these resources. The mailbox hands over the connections of workers
    alone, once it has their first message.
    """

    def __init__(self, mailbox: Mailbox, names: Sequence[str]) -> None:
        self._names = ", ".join(names)
        self._connections: list[_Connection] = []
        self._records: list[ResourceRecord] = []
        self._lock = threading.Lock()
        self._is_open = True
        self._most = share_of_files(2, _MOST_WORKERS)
        self._mailbox = mailbox
        self.address = mailbox.open_adopting_channel(self._adopt)

    def _adopt(self, peer: Peer, body: bytes) -> bool:
        with self._lock:
            # A worker that is refused closes its resources after each batch.
            if not self._is_open or len(self._connections) >= self._most:
                return False
            self._connections.append(_Connection(peer, decode(body)))
        peer.accept()
        return True

    def close(self) -> None:
        """Have every worker close its resources, and wait some seconds for the answers."""
        with self._lock:
            self._is_open = False
            connections, self._connections = self._connections, []
        started = time.time()
        deadline = time.monotonic() + _CLOSE_TIMEOUT_S
        try:
            with selectors.DefaultSelector() as selector:
                for connection in connections:
                    selector.register(connection.peer.socket, selectors.EVENT_READ, connection)
                    with contextlib.suppress(OSError):
                        # A plain close would not end it where a forked child holds a copy.
                        connection.peer.socket.shutdown(socket.SHUT_WR)
                while selector.get_map() and (left := deadline - time.monotonic()) > 0:
                    for key, _ in selector.select(left):
                        connection = key.data
                        connection.receive()
                        if not connection.is_open:
                            selector.unregister(connection.peer.socket)
        finally:
            for connection in connections:
                connection.peer.socket.close()
            self._mailbox.close_channel(self.address)  # it admits the answers until here
        for connection in connections:
            self._record(connection, started)

    def _record(self, connection: _Connection, started: float) -> None:
        match connection.messages:
            case [WorkerConnected(), ResourcesClosed(records, stdout, stderr), *_]:
                if stdout or stderr:
                    now = time.time()
                    self._records.append(
                        ResourceRecord(self._names, started, now, None, True, stdout, stderr)
                    )
                self._records += records
            case [WorkerConnected(pid, host), *_]:
                why = (
                    f"took longer than {_CLOSE_TIMEOUT_S:g} s to close it"
                    if connection.is_open
                    else "ended before it could close it"
                )
                error = WorkerCrashedError(f"the worker process {pid} on {host} {why}")
                self._records.append(
                    ResourceRecord(
                        self._names, started, time.time(), describe_error(error), closing=True
                    )
                )

    def take_records(self) -> tuple[ResourceRecord, ...]:
        """Return failures and output of closing since the last call."""
        taken, self._records = tuple(self._records), []
        return taken
