"""Refusals of a worker: reasons of its node's for running no batch of a run."""

from __future__ import annotations

__all__ = ["VERSION_REFUSED", "NotUnpackedError"]

# First argument of the error that a worker raises without a matching rayexec.
VERSION_REFUSED = "rayexec-refused"


class NotUnpackedError(Exception):
    """The node cannot unpack the job's code; the argument says why."""
