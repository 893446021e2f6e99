"""Asking a cluster over and over about a run, which may go on while some questions are not
answered.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import TypeVar

from rayexec.errors import EngineError

__all__ = ["Patience"]

_LIMIT = 20.0  # seconds for which a dashboard may be busy, or start again

T = TypeVar("T")


class Patience:
    """How long a cluster may fail to tell of a run: some seconds, counted from the first failure
    after an answer.
    """

    def __init__(self, run_id: str) -> None:
        self._run_id = run_id
        self._since = 0.0
        self._failure: EngineError | None = None

    def ask(self, question: Callable[[], T]) -> T | None:
        """Return the answer; None where there is none yet.

        Raises EngineError once that has taken too long, and UnknownJobError, which is an answer, at
        once.
        """
        from rayexec.cluster.jobs_api import UnknownJobError

        try:
            answer = question()
        except UnknownJobError:
            raise
        except EngineError as error:
            if self._failure is None:
                self._since = time.monotonic()
                sys.stderr.write(f"{error}\nIt is asked again for {_LIMIT:.0f} s.\n")
                sys.stderr.flush()
            self._failure = error
            if time.monotonic() - self._since >= _LIMIT:
                self.give_up()
            return None
        self._failure = None
        return answer

    def give_up(self) -> None:
        """Raise EngineError where the last question was not answered."""
        if self._failure is not None:
            raise EngineError(
                f"{self._failure}\nThe run may go on. To wait for it again: rayexec run wait "
                f"{self._run_id}"
            ) from self._failure
