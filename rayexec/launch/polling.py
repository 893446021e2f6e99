"""Repeated questions to a cluster, with some tolerance for failures."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from rayexec.errors import EngineError

__all__ = ["ClusterPoll", "deadline_after"]

_ENDLESS_S = 1e12  # 30,000 years, and whole numbers beyond any float
RETRY_LIMIT_S = 20.0  # a dashboard may be busy, or start again

T = TypeVar("T")


def deadline_after(timeout: float | None) -> float | None:
    """Return the time of the monotonic clock in ``timeout`` seconds, None for no end.

    Raises ValueError for NaN, and TypeError for anything but a number.
    """
    if timeout is None:
        return None
    if isinstance(timeout, bool) or not isinstance(timeout, (int, float)):
        raise TypeError(f"timeout must be a number of seconds, got {timeout!r}")
    if timeout != timeout:
        raise ValueError("timeout must be a number of seconds, got nan")
    return None if timeout > _ENDLESS_S else time.monotonic() + timeout


class ClusterPoll:
    """Asks a cluster about a run, and accepts failures for ``RETRY_LIMIT_S`` in a row.

    ``say`` gets a line at the first failure of a row.
    """

    def __init__(self, run_id: str, say: Callable[[str], object] | None = None) -> None:
        self._run_id = run_id
        self._say = say
        self._failing_since = 0.0
        self._failure: EngineError | None = None

    def ask(self, question: Callable[[], T]) -> T | None:
        """Return the answer, or None after a failure.

        Raises EngineError once the failures last too long. UnknownJobError is an answer, and passes
        through at once.
        """
        from rayexec.cluster.jobs_api import UnknownJobError

        try:
            answer = question()
        except UnknownJobError:
            raise
        except EngineError as error:
            if self._failure is None:
                self._failing_since = time.monotonic()
                if self._say is not None:
                    self._say(f"{error}\nIt is asked again for {RETRY_LIMIT_S:.0f} s.")
            self._failure = error
            if time.monotonic() - self._failing_since >= RETRY_LIMIT_S:
                self.raise_failure()
            return None
        self._failure = None
        return answer

    def raise_failure(self) -> None:
        """Raise EngineError if the last question failed."""
        if self._failure is not None:
            raise EngineError(
                f"{self._failure}\nThe run may continue. To wait for it again: rayexec run wait "
                f"{self._run_id}"
            ) from self._failure
