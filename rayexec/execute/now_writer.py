"""Writer of a run's state for those who watch it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from rayexec.store.background import BackgroundWriter
from rayexec.strict_json import json_text

__all__ = ["NowWriter"]

# The part of the time that making the state may take from a run with very many steps or slots.
_MOST_SHARE = 0.0015
_PATIENCE_S = 0.1  # for a write that is under way at the end of the run


class NowWriter:
    """Writes the state while somebody watches, and has the log written more often.

    One thread calls ``look`` again and again. No error gets out of it: nobody needs the state to
    run. ``make`` returns the state, None before the run has one.
    """

    def __init__(self, writer: BackgroundWriter, make: Callable[[], dict[str, Any] | None]) -> None:
        self._writer = writer
        self._watched = writer.watched
        self._make = make
        self._usual_interval = writer.interval
        self._lock = threading.Lock()
        self._has_written = False
        self._is_over = False
        self._next_at = 0.0

    def look(self) -> None:
        """Write the state if somebody watches and it is due; remove it if nobody does."""
        watched = self._watched
        if watched is None:
            return
        try:
            with self._lock:
                if self._is_over:
                    return
                if watched.is_watched():
                    self._writer.interval = min(self._usual_interval, watched.watched_interval)
                    self._write()
                elif self._has_written:
                    self._writer.interval = self._usual_interval
                    self._remove()
            if self._is_over:  # The run did not wait for a slow store.
                self._remove()
        except Exception:  # A full disk, a store out of reach, or a change that came between.
            return

    def _write(self) -> None:
        now = time.monotonic()
        if now < self._next_at or self._watched is None:
            return
        began = time.thread_time()
        document = self._make()
        if document is None:
            return
        text = json_text(document, separators=(",", ":"))
        self._watched.write_now(text.encode("utf-8", "backslashreplace"))
        self._has_written = True
        self._next_at = now + (time.thread_time() - began) / _MOST_SHARE

    def _remove(self) -> None:
        if self._has_written and self._watched is not None:
            self._has_written = False
            self._watched.remove_now()

    def close(self) -> None:
        """End with the run, and remove the state."""
        self._is_over = True
        if self._watched is None or not self._lock.acquire(timeout=_PATIENCE_S):
            return
        try:
            self._remove()
        except Exception:
            return
        finally:
            self._lock.release()
