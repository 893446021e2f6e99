"""Nothing hides behind a long step: a batch over its budget gives back the calls that it has not
started.
"""

from __future__ import annotations

import contextlib
import hmac
import itertools
import os
import pickle
import secrets
import socket
import struct
import threading
import time
from collections.abc import Callable
from typing import Any

from rayexec.definitions.contexts import StepLog
from rayexec.engine.ray.protocol.answer import Entries
from rayexec.events import LiveLines

__all__ = ["Address", "Mailbox", "Teller", "Watched", "mailbox_at", "watch"]

# Where reports go, the secret that lets them in, and the number of the box that they are for:
# ((host, port), key, box).
Address = tuple[tuple[str, int], bytes, int]

_SEAL = 32  # bytes
_BOX = struct.Struct("<Q")
_PATIENCE = 5.0  # seconds that either side waits for the other
_GATHER = 0.02  # seconds for which what a step yields is gathered between two messages


class Watched:
    """A batch while it runs: which of its calls may still start, shared by the worker's main thread
    and the watch.
    """

    def __init__(self, batch_id: int, calls: int, address: Address | None) -> None:
        self.batch_id = batch_id
        self._address = address
        self._lock = threading.Lock()
        self._end = calls
        self._current = -1
        self._calls = calls
        self._skipped: list[int] = []
        self.entries = Entries()
        self.is_over = False
        # Since when (monotonic seconds) the call at ``current`` runs, and the log of a call that
        # has one, by position.
        self.since = float("inf")
        self.log: tuple[int, StepLog] | None = None
        self._is_reported = False

    def may_start(self, position: int) -> bool:
        """Claim the call at ``position``; False once it was given back."""
        with self._lock:
            if position >= self._end:
                return False
            self._current = position
            return True

    @property
    def current(self) -> int:
        """The position of the call that was started last."""
        return self._current

    def send_live(self, lines: LiveLines) -> None:
        """Tell the driver what the running call has logged and printed; its step is given by
        position.
        """
        if self._address is not None and not send(
            self._address, pickle.dumps((self.batch_id, os.getpid(), lines, None))
        ):
            self._address = None

    def announce(self) -> None:
        """Tell the driver that the batch has begun, from a thread of its own: no step shall wait
        for that.
        """
        if self._address is not None:
            message = pickle.dumps((self.batch_id, os.getpid(), None, []))
            threading.Thread(
                target=send, args=(self._address, message), name="rayexec-begun", daemon=True
            ).start()

    def skip(self, position: int) -> None:
        """Leave the call at ``position`` to the driver: what it follows did not come out as it
        needs.
        """
        with self._lock:
            self._skipped.append(position)

    def report(self) -> None:
        """Give back what has not started, and tell the driver what is done and what came back."""
        with self._lock:
            self._end = min(self._end, self._current + 1)
            returned = [*self._skipped, *range(self._end, self._calls)]
            if self.is_over or self._is_reported:
                return
            self._is_reported = True
        self._send(returned)

    def tell(self) -> None:
        """Tell the driver what is done, and go on."""
        self._send([])

    def _send(self, returned: list[int]) -> None:
        done = self.entries.so_far()
        if self._address is not None and (done or returned):
            message = pickle.dumps((self.batch_id, os.getpid(), done, returned))
            if not send(self._address, message):
                self._address = None  # not to wait for it again


class Teller:
    """Tells a driver what a step yields while it runs, in the order in which it does; a context
    manager around it.

    Values are told by a thread of its own, some hundredths of a second after they came, so that the
    step waits for nothing. Those that could not be told come with the batch's answer.
    """

    def __init__(self, batch_id: int, address: Address | None) -> None:
        self._batch_id = batch_id
        self._address = address
        self._wake = threading.Condition()
        self._due: list[tuple[str, bytes | None]] = []
        self._is_over = False
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Teller:
        return self

    def __exit__(self, *_: object) -> None:
        with self._wake:
            self._is_over = True
            self._wake.notify()

    def tell(self, name: str, packed: bytes | None) -> None:
        """Have the driver told of a value, or (None) that a large one comes by another way."""
        with self._wake:
            self._due.append((name, packed))
            self._wake.notify()
        if self._thread is None and self._address is not None:
            self._thread = threading.Thread(target=self._run, name="rayexec-teller", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        while True:
            with self._wake:
                self._wake.wait_for(lambda: self._due or self._is_over)
                if self._is_over:  # the answer has it all
                    return
                due, self._due = self._due, []
            message = pickle.dumps((self._batch_id, os.getpid(), due, None))
            if self._address is None or not send(self._address, message):
                return
            with self._wake:
                self._wake.wait_for(lambda: self._is_over, timeout=_GATHER)


class _Watch:
    """The thread of a worker process that rings when a batch's budget is spent."""

    def __init__(self) -> None:
        self._wake = threading.Condition()
        self._work: Watched | None = None
        self._due = 0.0
        threading.Thread(target=self._run, name="rayexec-overrun", daemon=True).start()

    def arm(self, work: Watched, seconds: float) -> None:
        with self._wake:
            self._work, self._due = work, time.monotonic() + seconds
            self._wake.notify()

    def _run(self) -> None:
        while True:
            with self._wake:
                while self._work is None or self._work.is_over:
                    self._work = None
                    self._wake.wait()
                left = self._due - time.monotonic()
                if left > 0:
                    self._wake.wait(left)
                    continue
                work, self._work = self._work, None
            work.report()


_watch: _Watch | None = None


def watch(work: Watched, seconds: float) -> None:
    """Have ``work`` report in ``seconds``, unless it is over by then."""
    global _watch
    if _watch is None:
        _watch = _Watch()
    _watch.arm(work, seconds)


def send(address: Address, message: bytes) -> bool:
    """Send one message to a driver; False where that cannot be reached, which hears it all by the
    batch's answer.
    """
    place, key, box = address
    letter = _BOX.pack(box) + message
    try:
        with socket.create_connection(place, timeout=_PATIENCE) as connection:
            connection.sendall(hmac.digest(key, letter, "sha256") + letter)
    except OSError:
        return False
    return True


class Mailbox:
    """Where a driver hears from workers that are in the middle of a batch, in a box for each run.

    A connection carries one message behind its seal (HMAC-SHA256 under the mailbox's key) and ends.
    Messages without the right seal or for a box that was closed are dropped, and so are connections
    that stay silent.
    """

    def __init__(self, host: str) -> None:
        self._socket = socket.create_server((host, 0))
        self._key = secrets.token_bytes(32)
        self._boxes: dict[int, Callable[[bytes], Any]] = {}
        self._numbers = itertools.count()
        self._closed = False
        self._place = self._socket.getsockname()[:2]
        threading.Thread(target=self._run, name="rayexec-mailbox", daemon=True).start()

    def open_box(self, deliver: Callable[[bytes], Any]) -> Address:
        """Return an address; ``deliver`` gets the bytes of each message to it, in the mailbox's
        thread.
        """
        box = next(self._numbers)
        self._boxes[box] = deliver
        return self._place, self._key, box

    def close_box(self, address: Address) -> None:
        """Hear no more of one address."""
        self._boxes.pop(address[2], None)

    def _run(self) -> None:
        while not self._closed:
            with contextlib.suppress(OSError), self._socket.accept()[0] as connection:
                connection.settimeout(_PATIENCE)
                data = b"".join(iter(lambda: connection.recv(65536), b""))
                seal, letter = data[:_SEAL], data[_SEAL:]
                if hmac.compare_digest(seal, hmac.digest(self._key, letter, "sha256")):
                    deliver = self._boxes.get(_BOX.unpack_from(letter)[0])
                    if deliver is not None:
                        deliver(letter[_BOX.size :])
        self._socket.close()

    def close(self) -> None:
        """Hear no more."""
        self._closed = True
        # The thread waits in accept, which closing does not end; a last visitor does, who need not
        # be let in.
        with contextlib.suppress(OSError):
            socket.create_connection(self._place, timeout=1).close()


# By process and host: a thread and a socket serve all runs of a driver. A child that was forked has
# no such thread.
_MAILBOXES: dict[tuple[int, str], Mailbox] = {}
_LOCK = threading.Lock()


def mailbox_at(host: str) -> Mailbox:
    """Return this process's mailbox at an address of this machine, opened on the first call."""
    with _LOCK:
        key = (os.getpid(), host)
        if key not in _MAILBOXES:
            _MAILBOXES[key] = Mailbox(host)
        return _MAILBOXES[key]
