"""Resources of worker scope: open from batch to batch in a worker process, closed when their run is
over.

A worker that opens the first for a run connects to that run's driver and stays connected. When the
run is over, the driver ends its side of each connection, and the worker closes and answers with
what that brought up. A driver that dies ends the connections as well, so that nobody has to look
for what it left.
"""

from __future__ import annotations

import atexit
import contextlib
import hmac
import logging
import os
import pickle
import secrets
import selectors
import signal
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any

from rayexec.engine.ray.protocol.capture import Capture
from rayexec.engine.ray.protocol.journal import journal_path
from rayexec.errors import WorkerCrashedError
from rayexec.events import ResourceRecord, describe_error
from rayexec.steps.resources import OpenResources

__all__ = ["IN_BATCH", "Keepers", "KeptAddress", "kept_at"]

# Where the driver of a run listens, and the secret that lets a worker in.
KeptAddress = tuple[tuple[str, int], bytes]

_SEAL = 32  # bytes
_HELLO, _ANSWER = b"hello", b"answer"
_PATIENCE = 5.0  # seconds that either side waits for the other
_MAIN_PATIENCE = (
    2.0  # seconds in which the main thread may close what it opened before another thread does
)
_KNOCK = 0.05  # seconds between signals to the main thread
# Python runs signal handlers in the main thread, and Ray's worker looks for signals even while it
# is idle. This one means nothing to a process without a terminal, and is ignored where no handler
# is left.
_SIGNAL = signal.SIGWINCH
_logger = logging.getLogger("rayexec")


class Keepers:
    """The workers that keep resources open for one run, as its driver sees them; ``names`` are
    those resources'.

    It needs no thread: connections wait in the socket's backlog until ``accept`` or ``close`` looks
    at them.
    """

    def __init__(self, host: str, names: Sequence[str]) -> None:
        self._socket = socket.create_server((host, 0), backlog=4096)
        self._socket.setblocking(False)
        self._key = secrets.token_bytes(32)
        self._names = ", ".join(names)
        self._connections: list[socket.socket] = []
        self._records: list[ResourceRecord] = []
        self.address: KeptAddress = self._socket.getsockname()[:2], self._key

    def accept(self) -> None:
        """Take in the workers that have connected; returns at once."""
        with contextlib.suppress(OSError):
            while True:
                connection = self._socket.accept()[0]
                connection.setblocking(False)
                self._connections.append(connection)

    def close(self) -> None:
        """Tell every worker that the run is over, and wait some seconds until all have closed their
        resources.
        """
        self.accept()
        self._socket.close()
        heard = dict.fromkeys(self._connections, b"")
        open_ones = set(heard)
        started = time.time()
        ends = time.monotonic() + _PATIENCE
        try:
            with selectors.DefaultSelector() as selector:
                for connection in self._connections:
                    selector.register(connection, selectors.EVENT_READ)
                    with contextlib.suppress(OSError):
                        connection.shutdown(
                            socket.SHUT_WR
                        )  # also where a child that was forked holds a copy
                while open_ones and (left := ends - time.monotonic()) > 0:
                    for ready, _ in selector.select(left):
                        connection = ready.fileobj  # type: ignore[assignment]  # what was registered
                        data = b""
                        with contextlib.suppress(OSError):
                            data = connection.recv(65536)
                        heard[connection] += data
                        if not data:
                            selector.unregister(connection)
                            open_ones.discard(connection)
        finally:
            for connection in self._connections:
                connection.close()
            self._connections = []
        for connection, data in heard.items():
            self._note(data, connection in open_ones, started)

    def _note(self, data: bytes, is_late: bool, started: float) -> None:
        hello, rest = _unseal(self._key, _HELLO, data)
        if hello is None:  # a stranger
            return
        answer, _ = _unseal(self._key, _ANSWER, rest)
        if answer is not None:
            records, stdout, stderr = pickle.loads(answer)
            if stdout or stderr:
                now = time.time()
                self._records.append(
                    ResourceRecord(self._names, started, now, None, True, stdout, stderr)
                )
            self._records += records
            return
        pid, host = pickle.loads(hello)
        why = (
            f"took longer than {_PATIENCE:g} s to close it"
            if is_late
            else "ended before it could close it"
        )
        error = describe_error(WorkerCrashedError(f"the worker process {pid} on {host} {why}"))
        self._records.append(ResourceRecord(self._names, started, time.time(), error, closing=True))

    def take_records(self) -> tuple[ResourceRecord, ...]:
        """Return what went wrong in closing, or was printed, since the last call."""
        taken, self._records = tuple(self._records), []
        return taken


def _seal(key: bytes, kind: bytes, body: bytes) -> bytes:
    return len(body).to_bytes(8, "little") + hmac.digest(key, kind + body, "sha256") + body


def _unseal(key: bytes, kind: bytes, data: bytes) -> tuple[bytes | None, bytes]:
    """Return the first message of ``data`` and what is behind it; None where that is not one of
    this kind and key.
    """
    size = int.from_bytes(data[:8], "little")
    seal, body, rest = (
        data[8 : 8 + _SEAL],
        data[8 + _SEAL : 8 + _SEAL + size],
        data[8 + _SEAL + size :],
    )
    is_whole = len(body) == size and hmac.compare_digest(
        seal, hmac.digest(key, kind + body, "sha256")
    )
    return (body if is_whole else None), rest


class _InBatch:
    """Whether the main thread runs a batch; a context manager around each, which closes what is due
    first.
    """

    def __init__(self) -> None:
        self.is_running = False

    def __enter__(self) -> None:
        if _DUE:
            _close_due()
        self.is_running = True

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.is_running = False
        if _DUE:
            _close_due()


class _Kept:
    """The resources that this process keeps open for one run, and the thread that waits for the
    run's end.
    """

    def __init__(
        self, connection: socket.socket, address: KeptAddress, resources: OpenResources
    ) -> None:
        self.resources = resources
        self.pid = os.getpid()
        self._connection = connection
        self._address = address
        self._claim = threading.Lock()
        self._closed = threading.Event()
        threading.Thread(target=self._wait, name="rayexec-kept", daemon=True).start()

    def _wait(self) -> None:
        with contextlib.suppress(OSError):
            self._connection.recv(
                1
            )  # nothing is sent: this returns when the run is over, or its driver gone
        # Many things may only be closed in the thread that opened them, such as SQLite's
        # connections.
        _DUE.append(self)
        ends = time.monotonic() + (_MAIN_PATIENCE if _has_handler() else 0.0)
        while not self._closed.is_set() and time.monotonic() < ends:
            if not IN_BATCH.is_running:
                signal.pthread_kill(threading.main_thread().ident or 0, _SIGNAL)
            self._closed.wait(_KNOCK)
        with contextlib.suppress(ValueError):
            _DUE.remove(self)
        self.close()

    def close(self) -> None:
        """Close the resources and tell the driver how that went, unless another thread does."""
        if not self._claim.acquire(blocking=False):
            return
        _KEPT.pop(self._address, None)
        printed = self._close_resources()
        answer = pickle.dumps((self.resources.take_records(), *printed))
        with contextlib.suppress(OSError):
            self._connection.settimeout(
                _PATIENCE
            )  # a driver in the middle of its run reads nothing yet
            self._connection.sendall(_seal(self._address[1], _ANSWER, answer))
            self._connection.shutdown(socket.SHUT_RDWR)
        self._connection.close()
        self._closed.set()

    def _close_resources(self) -> tuple[str, str]:
        """Close, and return what that printed, where nobody else can be printing now."""
        with contextlib.ExitStack() as around, contextlib.suppress(KeyboardInterrupt):
            capture = None
            if threading.current_thread() is threading.main_thread() and not IN_BATCH.is_running:
                with contextlib.suppress(OSError):  # a full disk keeps nothing open
                    capture = around.enter_context(
                        Capture(journal_path("kept", self._address[0][1]))
                    )
            self.resources.__exit__(None, None, None)
            if capture is not None:
                return capture.take()
        return "", ""


# Of this process: what it keeps, by run; what the main thread is to close; runs whose driver is out
# of reach.
_KEPT: dict[KeptAddress, _Kept] = {}
_DUE: deque[_Kept] = deque()
_OUT_OF_REACH: set[KeptAddress] = set()
IN_BATCH = _InBatch()


def kept_at(address: KeptAddress, make: Callable[[], OpenResources]) -> OpenResources | None:
    """Return what this process keeps open for the run whose driver listens at ``address``, made on
    the first call.

    None where the driver cannot be reached: nobody would say when to close.
    """
    known = _KEPT.get(address)
    if known is not None:
        return known.resources
    if address in _OUT_OF_REACH:
        return None
    place, key = address
    try:
        connection = socket.create_connection(place, timeout=_PATIENCE)
        connection.sendall(_seal(key, _HELLO, pickle.dumps((os.getpid(), socket.gethostname()))))
    except OSError as error:
        _OUT_OF_REACH.add(address)
        _logger.warning(
            "resources of worker scope are closed after each batch: no way to the run's driver "
            "(%s)",
            error,
        )
        return None
    connection.settimeout(None)
    connection.setsockopt(
        socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1
    )  # to hear of a machine that is gone
    _listen_to_signal()
    kept = _KEPT[address] = _Kept(connection, address, make())
    return kept.resources


_is_ready = False


def _listen_to_signal() -> None:
    """Have the main thread close what is due when it is idle, and the process when Ray ends it in
    good order.
    """
    global _is_ready
    if _is_ready or threading.current_thread() is not threading.main_thread():
        return
    _is_ready = True
    atexit.register(_close_all)
    before = signal.getsignal(_SIGNAL)

    def knocked(number: int, frame: Any) -> None:
        if callable(before):
            before(number, frame)
        _close_due_if_idle()

    signal.signal(_SIGNAL, knocked)


def _has_handler() -> bool:
    return _is_ready


def _close_due_if_idle() -> None:
    import ray

    # A task of the user's own must not find a resource closed in the middle of it either.
    if not IN_BATCH.is_running and ray.get_runtime_context().get_task_id() is None:
        _close_due()


def _close_due() -> None:
    with contextlib.suppress(IndexError):
        while True:
            _DUE.popleft().close()


def _close_all() -> None:
    for kept in list(_KEPT.values()):
        if kept.pid == os.getpid():  # a child that was forked has its parent's, to leave alone
            kept.close()
