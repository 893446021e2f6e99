"""Notes of the runs that resume a run, beside it: of two at once, one gets the next number."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

from rayexec.names import RUN_ID
from rayexec.run.process_identity import ProcessIdentity

__all__ = ["ResumeNote"]


@dataclass(frozen=True, slots=True)
class ResumeNote:
    """A run that resumes another; ``ordinal`` counts the resumptions of that run from 1."""

    ordinal: int
    run_id: str
    driver: ProcessIdentity
    #: Seconds since 1970.
    time: float
    #: The run has a record of its own, or soon will.
    is_recorded: bool = True

    def encode(self) -> bytes:
        """Return the content of the note's file."""
        return f"{json.dumps(asdict(self), indent=2)}\n".encode()

    @classmethod
    def decode(cls, data: bytes, ordinal: int) -> ResumeNote:
        """Return the note behind ``encode``'s result; other data is a note of no run."""
        nothing = cls(ordinal, "", ProcessIdentity("", 1), 0.0)
        try:
            document: Any = json.loads(data)
            driver = ProcessIdentity(**document.pop("driver"))
            note = cls(driver=driver, **document)
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            return nothing
        is_valid = (
            note.ordinal == ordinal
            and isinstance(note.run_id, str)
            and RUN_ID.match(note.run_id) is not None
            and isinstance(note.time, (int, float))
            and isinstance(driver.host, str)
            and isinstance(driver.pid, int)
            and 0 < driver.pid < 2**31
        )
        return note if is_valid else nothing
