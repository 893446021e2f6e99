"""Workers that keep resources of worker scope open for a run, seen from its driver.

A worker connects when it opens the first one, and stays connected. At the end of the run the driver
ends its side of each connection; the worker closes its resources and answers. The death of a driver
ends the connections as well.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import time
from collections.abc import Sequence

from rayexec.engine.ray.protocol.framing import (
    CONNECT_TIMEOUT_S,
    Address,
    FrameError,
    FrameReader,
    make_key,
)
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


class _Connection:
    """Connection of one worker, with its messages so far."""

    def __init__(self, connection: socket.socket, key: bytes) -> None:
        self.socket = connection
        self.messages: list[Message] = []
        self.is_open = True
        self._reader = FrameReader(key)

    def receive(self) -> None:
        """Receive what is there; a stranger's connection counts as ended."""
        data = b""
        with contextlib.suppress(OSError):
            data = self.socket.recv(65536)
        try:
            self.messages += [decode(frame.body) for frame in self._reader.feed(data)]
        except FrameError:
            data = b""
        self.is_open = bool(data)


class ResourceWorkers:
    """Connections of workers with open resources of one run.

    ``names`` are the keys of these resources. There is no thread: connections wait in the socket's
    backlog for ``accept`` or ``close``.
    """

    def __init__(self, host: str, names: Sequence[str]) -> None:
        self._socket = socket.create_server((host, 0), backlog=4096)
        self._socket.setblocking(False)
        self._names = ", ".join(names)
        self._connections: list[_Connection] = []
        self._records: list[ResourceRecord] = []
        address, port = self._socket.getsockname()[:2]
        self.address = Address(address, port, make_key())

    def accept(self) -> None:
        """Accept the workers in the backlog; returns at once."""
        with contextlib.suppress(OSError):
            while True:
                connection = self._socket.accept()[0]
                connection.setblocking(False)
                self._connections.append(_Connection(connection, self.address.key))

    def close(self) -> None:
        """Have every worker close its resources, and wait some seconds for the answers."""
        self.accept()
        self._socket.close()
        connections, self._connections = self._connections, []
        started = time.time()
        deadline = time.monotonic() + _CLOSE_TIMEOUT_S
        try:
            with selectors.DefaultSelector() as selector:
                for connection in connections:
                    selector.register(connection.socket, selectors.EVENT_READ, connection)
                    with contextlib.suppress(OSError):
                        # A plain close would not end it where a forked child holds a copy.
                        connection.socket.shutdown(socket.SHUT_WR)
                while selector.get_map() and (left := deadline - time.monotonic()) > 0:
                    for key, _ in selector.select(left):
                        connection = key.data
                        connection.receive()
                        if not connection.is_open:
                            selector.unregister(connection.socket)
        finally:
            for connection in connections:
                connection.socket.close()
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
