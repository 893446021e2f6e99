"""Envelope of a batch's answer: entries of its calls, the end of its resources, its facts."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from typing import NamedTuple

from rayexec.engine.ray.protocol.entries import Columns
from rayexec.engine.ray.protocol.worker_facts import WorkerFacts
from rayexec.events import ResourceRecord

__all__ = ["Closing", "Envelope", "pack_envelope", "unpack_envelope"]


class Closing(NamedTuple):
    """Outcome of closing the resources of a batch: records, and output."""

    records: tuple[ResourceRecord, ...]
    stdout: str
    stderr: str


class Envelope(NamedTuple):
    """First return of a batch's task; its large outputs are the others."""

    entries: Sequence[bytes | Columns]
    #: None where closing neither failed nor printed.
    closing: Closing | None
    facts: WorkerFacts


def pack_envelope(envelope: Envelope) -> bytes:
    """Return an envelope as bytes; plain tuples, since pickle is slow with classes."""
    entries, closing, facts = envelope
    plain = entries, None if closing is None else tuple(closing), tuple(facts)
    return pickle.dumps(plain, protocol=5)


def unpack_envelope(packed: bytes) -> Envelope:
    """Return the envelope in the first return of a task."""
    entries, closing, facts = pickle.loads(packed)
    return Envelope(entries, None if closing is None else Closing(*closing), WorkerFacts(*facts))
