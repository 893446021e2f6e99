"""Watch over the head of a Ray cluster (its GCS), whose death Ray itself notices after a minute.

Ray then ends the process from C++. So a thread looks for signs of life, and tells each run within
some seconds.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable

__all__ = ["GcsWatch", "answers", "held_connection"]

#: Between two looks.
LOOK_INTERVAL_S = 1.0
ANSWER_TIMEOUT_S = 3.0
#: Silence that counts as death; some clusters put another head in the place of a dead one.
SILENCE_S = 5.0
# Ray's own patience. A user who sets it has a head that comes back.
_PATIENCE = "RAY_gcs_rpc_server_reconnect_timeout_s"
_RAY_ENDS_BEFORE_S = 10.0
# Beginning of HTTP/2, with empty settings. A server answers it with its own, whoever asks.
_GREETING = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])


def answers(address: str, timeout_s: float | None = None) -> bool:
    """Whether a server of any kind lives at HOST:PORT; another form of address counts as alive."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit():
        return True
    try:
        timeout_s = ANSWER_TIMEOUT_S if timeout_s is None else timeout_s
        with socket.create_connection((host.strip("[]"), int(port)), timeout_s) as connection:
            connection.sendall(_GREETING)
            connection.recv(1)
    except ConnectionResetError:  # it wants TLS, say
        return True
    except OSError:
        return False
    return True


def held_connection(address: str) -> socket.socket | None:
    """Return a connection to the server at HOST:PORT that ends when it dies; None without one."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit():
        return None
    try:
        connection = socket.create_connection((host.strip("[]"), int(port)), ANSWER_TIMEOUT_S)
        connection.sendall(_GREETING)
    except OSError:
        return None
    return connection


def silence_allowed() -> float:
    """Return the seconds of silence that count as death."""
    try:
        return max(SILENCE_S, float(os.environ[_PATIENCE]) - _RAY_ENDS_BEFORE_S)
    except (KeyError, ValueError):
        return SILENCE_S


class _Watched:
    """A run to tell once. Without ``tell``, it is told, or over: nothing of it stays here."""

    def __init__(self, address: str, tell: Callable[[float], None]) -> None:
        self.address = address
        self.tell: Callable[[float], None] | None = tell


class GcsWatch:
    """Tells runs of this process, once each, that the head of their cluster has died.

    One thread serves all of them, and looks only while there are some.
    """

    def __init__(self) -> None:
        self._process = os.getpid()
        self._changed = threading.Condition()
        self._watched: list[_Watched] = []
        self._silent_since: dict[str, float] = {}
        self._thread: threading.Thread | None = None

    def watch(self, address: str, tell: Callable[[float], None]) -> Callable[[], bool]:
        """Call ``tell`` with the seconds of silence if the head at ``address`` dies.

        That happens in the watch's thread. The returned function ends it, and returns True where
        the head is dead and no other run is watched there.
        """
        entry = _Watched(address, tell)
        with self._changed:
            self._watched.append(entry)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="rayexec-gcs", daemon=True)
                self._thread.start()
            self._changed.notify()
        return lambda: self._end(entry)

    def _end(self, entry: _Watched) -> bool:
        # The thread may hold the entry until there is another run, and so all that ``tell`` has.
        entry.tell = None
        with self._changed:
            if entry in self._watched:
                self._watched.remove(entry)
            return self.is_dead(entry.address) and all(
                other.address != entry.address for other in self._watched
            )

    def await_sign(self, address: str) -> bool:
        """Wait while the head at ``address`` is silent; return False once that counts as death."""
        began = time.monotonic()
        while not answers(address):
            if self.is_dead(address) or time.monotonic() - began >= silence_allowed():
                return False
            time.sleep(LOOK_INTERVAL_S)
        return True

    def is_dead(self, address: str) -> bool:
        """Whether the head at ``address`` was silent for too long at the last look."""
        since = self._silent_since.get(address)
        return since is not None and time.monotonic() - since >= silence_allowed()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._watched)
                watched = list(self._watched)
            for address in {entry.address for entry in watched}:
                self._look(address)
            for entry in watched:
                self._inform(entry)
            time.sleep(LOOK_INTERVAL_S)

    def _inform(self, entry: _Watched) -> None:
        tell = entry.tell
        if tell is not None and self.is_dead(entry.address):
            entry.tell = None
            tell(time.monotonic() - self._silent_since[entry.address])

    def _look(self, address: str) -> None:
        began = time.monotonic()
        if answers(address):
            self._silent_since.pop(address, None)
        else:
            self._silent_since.setdefault(address, began)
