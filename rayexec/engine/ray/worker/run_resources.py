"""Resources of worker scope: open from batch to batch in a worker, until their run is over.

A worker that opens the first one for a run connects to the run's driver and stays connected. When
the driver ends its side, or dies, the worker closes the resources, and answers with failures and
output of that.
"""

from __future__ import annotations

import atexit
import contextlib
import logging
import os
import signal
import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Any

from rayexec.engine.ray.protocol.batch_files import JOURNAL_PREFIX, capture_path
from rayexec.engine.ray.protocol.framing import (
    ACCEPTED,
    CONNECT_TIMEOUT_S,
    Address,
    frame,
)
from rayexec.engine.ray.protocol.worker_messages import ResourcesClosed, WorkerConnected, encode
from rayexec.engine.ray.worker.capture import Capture
from rayexec.steps.resources import OpenResources

__all__ = ["IN_BATCH", "resources_of_run"]

_MAIN_THREAD_TIMEOUT_S = 2.0  # after which another thread closes the main thread's resources
_SIGNAL_PERIOD_S = 0.05
# Python runs signal handlers in the main thread, and Ray's worker looks for signals even while it
# is idle. This one means nothing to a process without a terminal, and is ignored without a handler.
_SIGNAL = signal.SIGWINCH
_logger = logging.getLogger("rayexec")


class _InBatch:
    """Knows whether the main thread runs a batch; a context manager around each one.

    It closes due resources before and after.
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


class _RunResources:
    """Open resources of one run in this process, and the thread that waits for the run's end."""

    def __init__(
        self, connection: socket.socket, address: Address, resources: OpenResources
    ) -> None:
        self.resources = resources
        self.pid = os.getpid()
        self._connection = connection
        self._address = address
        self._claim = threading.Lock()
        self._closed = threading.Event()
        threading.Thread(target=self._wait, name="rayexec-resources", daemon=True).start()

    def _wait(self) -> None:
        with contextlib.suppress(OSError):
            # The driver sends nothing: this returns when the run is over, or the driver gone.
            self._connection.recv(1)
        # Many things close in their own thread only, such as SQLite's connections.
        _DUE.append(self)
        deadline = time.monotonic() + (_MAIN_THREAD_TIMEOUT_S if _has_handler else 0.0)
        while not self._closed.is_set() and time.monotonic() < deadline:
            if not IN_BATCH.is_running:
                signal.pthread_kill(threading.main_thread().ident or 0, _SIGNAL)
            self._closed.wait(_SIGNAL_PERIOD_S)
        with contextlib.suppress(ValueError):
            _DUE.remove(self)
        self.close()

    def close(self) -> None:
        """Close the resources and answer the driver, unless another thread does."""
        if not self._claim.acquire(blocking=False):
            return
        _OPEN.pop(self._address, None)
        stdout, stderr = self._close_resources()
        message = ResourcesClosed(self.resources.take_records(), stdout, stderr)
        with contextlib.suppress(OSError):
            # A driver in the middle of its run reads nothing yet.
            self._connection.settimeout(CONNECT_TIMEOUT_S)
            self._connection.sendall(frame(self._address, encode(message)))
            self._connection.shutdown(socket.SHUT_RDWR)
        self._connection.close()
        self._closed.set()

    def _close_resources(self) -> tuple[str, str]:
        """Close them; return the output, unless a step may be printing now."""
        with contextlib.ExitStack() as around, contextlib.suppress(KeyboardInterrupt):
            capture = None
            if threading.current_thread() is threading.main_thread() and not IN_BATCH.is_running:
                with contextlib.suppress(OSError):  # a full disk keeps nothing open
                    name = f"{JOURNAL_PREFIX}{os.getpid()}-resources-{self._address.port}"
                    capture = around.enter_context(Capture(capture_path(name)))
            self.resources.__exit__(None, None, None)
            if capture is not None:
                return capture.drain()
        return "", ""


# State of this process: open resources by run, those for the main thread to close, and runs whose
# driver cannot be reached.
_OPEN: dict[Address, _RunResources] = {}
_DUE: deque[_RunResources] = deque()
_UNREACHABLE: set[Address] = set()
IN_BATCH = _InBatch()


def resources_of_run(address: Address, make: Callable[[], OpenResources]) -> OpenResources | None:
    """Return this process's resources for the run whose driver listens at ``address``.

    The first call makes them. None where the driver cannot be reached, since nothing would say when
    to close them.
    """
    open_already = _OPEN.get(address)
    if open_already is not None:
        return open_already.resources
    if address in _UNREACHABLE:
        return None
    hello = frame(address, encode(WorkerConnected(os.getpid(), socket.gethostname())))
    try:
        connection = _accepted(address, hello)
    except OSError as error:
        _UNREACHABLE.add(address)
        _logger.warning(
            "resources of worker scope are closed after each batch: no way to the run's driver "
            "(%s)",
            error,
        )
        return None
    connection.settimeout(None)
    # Without it, nothing would say that the driver's machine is gone.
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    _handle_signal()
    run = _OPEN[address] = _RunResources(connection, address, make())
    return run.resources


def _accepted(address: Address, hello: bytes) -> socket.socket:
    """Return a connection that the driver keeps; raises OSError."""
    connection = socket.create_connection((address.host, address.port), timeout=CONNECT_TIMEOUT_S)
    try:
        connection.sendall(hello)
        if connection.recv(1) != ACCEPTED:
            raise ConnectionError("it accepts no more workers")
    except OSError:
        connection.close()
        raise
    return connection


_has_handler = False


def _handle_signal() -> None:
    """Have the idle main thread close due resources, and a process in good order all of them."""
    global _has_handler
    if _has_handler or threading.current_thread() is not threading.main_thread():
        return
    _has_handler = True
    atexit.register(_close_all)
    before = signal.getsignal(_SIGNAL)

    def signaled(signum: int, frame: Any) -> None:
        if callable(before):
            before(signum, frame)
        _close_due_if_idle()

    signal.signal(_SIGNAL, signaled)


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
    for run in list(_OPEN.values()):
        if run.pid == os.getpid():  # a forked child leaves those of its parent alone
            run.close()
