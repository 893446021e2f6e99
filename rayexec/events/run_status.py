"""Statuses of a run."""

from __future__ import annotations

import enum

__all__ = ["RunStatus"]


class RunStatus(str, enum.Enum):
    """Status of a run; each member equals its own name as a string.

    A run has ``STARTED`` until it ends. ``UNREADABLE`` replaces the status of a run with a record
    that cannot be read.
    """

    STARTED = "STARTED"
    SUCCESS = "SUCCESS"
    FAILURE = "FAILURE"
    CANCELED = "CANCELED"
    UNREADABLE = "UNREADABLE"

    # Since Python 3.12 a formatted member would otherwise show its class too. In a list a member
    # shows as the string that it equals.
    __str__ = str.__str__
    __repr__ = str.__repr__

    def __format__(self, format_spec: str) -> str:
        return str.__format__(self, format_spec)
