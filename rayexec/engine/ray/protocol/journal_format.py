"""Format of the journal of a batch: finished calls, and the running one.

journal  := running record* zero*     running: 4 bytes, one more than the position of the call
                                      that started last; 0 once an "F" ends that call, unchanged
                                      by a "P"
record   := tag length payload        tag: 1 byte, length: 4 bytes, little-endian
tag      := "P" a plain success       payload: position, start, end, then the output
          | "F" any other call        payload: its entry, pickled
          | "W" the worker            payload: its WorkerFacts, pickled
"""

from __future__ import annotations

import pickle
import struct
from typing import NamedTuple

from rayexec.engine.ray.protocol.entries import PlainEntry
from rayexec.engine.ray.protocol.worker_facts import WorkerFacts

__all__ = ["PLAIN", "PLAIN_HEAD_BYTES", "RECORD", "RUNNING", "ParsedJournal", "parse_journal"]

RECORD = struct.Struct("<cI")
RUNNING = struct.Struct("<I")
PLAIN = struct.Struct("<cIIdd")
PLAIN_HEAD_BYTES = PLAIN.size - RECORD.size  # of a plain record's payload, before the output
_LEAST_BYTES = {b"P": PLAIN_HEAD_BYTES, b"F": 1, b"W": 1}  # of a whole payload


class ParsedJournal(NamedTuple):
    """A journal's content: finished calls, the position of a running one, and the worker."""

    entries: list[bytes | PlainEntry]
    running: int | None
    worker: WorkerFacts | None


def parse_journal(data: bytes) -> ParsedJournal:
    """Return the content of a journal, without a record that the writer's death cut short."""
    entries: list[bytes | PlainEntry] = []
    worker: WorkerFacts | None = None
    last = -1
    running = RUNNING.unpack_from(data)[0] if len(data) >= RUNNING.size else 0
    start = RUNNING.size
    while start + RECORD.size <= len(data):
        tag, length = RECORD.unpack_from(data, start)
        body = start + RECORD.size
        payload = data[body : body + length]
        if len(payload) < max(length, _LEAST_BYTES.get(tag, len(data))):
            break
        if tag == b"P":
            _, _, last, began, ended = PLAIN.unpack_from(data, start)
            entries.append(PlainEntry(last, began, ended, payload[PLAIN_HEAD_BYTES:]))
        elif tag == b"W":
            worker = pickle.loads(payload)
        else:
            entries.append(payload)
        start = body + length
    return ParsedJournal(entries, running - 1 if running > last + 1 else None, worker)
