"""Format of the journal of a batch: finished calls, and the running one.

journal  := running printed record* zero*
running  := 4 bytes                   one more than the position of the call that started last; 0
                                      once an "F" ends that call, unchanged by a "P"
printed  := stdout stderr             8 bytes each: where the running call's prints begin in the
                                      captured files
record   := seal tag length payload   seal: 16 bytes, keyed hash of the rest of the record
                                      tag: 1 byte, length: 4 bytes
tag      := "P" a plain success       payload: position, start, end, then the output
          | "F" any other call        payload: its entry, pickled
          | "W" the worker            payload: its WorkerFacts, pickled

Numbers are little-endian. The key of the seals comes from the run's key and the journal's name.
Nothing is unpickled from a record without its seal.
"""

from __future__ import annotations

import hmac
import pickle
import struct
from hashlib import blake2b
from typing import NamedTuple

from rayexec.engine.ray.protocol.entries import PlainEntry
from rayexec.engine.ray.protocol.framing import seal_of
from rayexec.engine.ray.protocol.worker_facts import WorkerFacts

__all__ = [
    "HEAD",
    "PLAIN",
    "PLAIN_HEAD_BYTES",
    "PRINTED",
    "RECORD",
    "RUNNING",
    "SEAL_BYTES",
    "ParsedJournal",
    "Sealer",
    "journal_key",
    "parse_journal",
    "printed_in",
    "seal_record",
]

SEAL_BYTES = 16
HEAD = struct.Struct("<IQQ")
RUNNING = struct.Struct("<I")
PRINTED = struct.Struct("<QQ")  # behind RUNNING
RECORD = struct.Struct("<cI")
PLAIN = struct.Struct("<cIIdd")
PLAIN_HEAD_BYTES = PLAIN.size - RECORD.size  # of a plain record's payload, before the output
_LEAST_BYTES = {b"P": PLAIN_HEAD_BYTES, b"F": 1, b"W": 1}  # of a whole payload


class ParsedJournal(NamedTuple):
    """A journal's content: finished calls, the position of a running one, and the worker."""

    entries: list[bytes | PlainEntry]
    running: int | None
    worker: WorkerFacts | None


def journal_key(key: bytes, name: str) -> bytes:
    """Return the key for the records of the journal with a name, from the key of its run."""
    return seal_of(key, f"journal {name}".encode())


class Sealer:
    """Seals records with one key.

    A step pays for this: keyed BLAKE2 takes a third of the time of an HMAC, and a copy of the state
    behind the key three quarters of the time of a new one.
    """

    __slots__ = ("_keyed",)

    def __init__(self, key: bytes) -> None:
        self._keyed = blake2b(key=key, digest_size=SEAL_BYTES)

    def seal(self, record: bytes) -> bytes:
        """Return a record with its seal in front."""
        state = self._keyed.copy()
        state.update(record)
        return state.digest() + record


def seal_record(key: bytes, record: bytes) -> bytes:
    """Return a record with its seal in front, by ``key``."""
    return Sealer(key).seal(record)


def printed_in(data: bytes) -> tuple[int, int]:
    """Return where the running call's prints begin in the captured files of a journal."""
    if len(data) < HEAD.size:
        return 0, 0
    stdout, stderr = PRINTED.unpack_from(data, RUNNING.size)
    return stdout, stderr


def parse_journal(data: bytes, key: bytes) -> ParsedJournal:
    """Return the content of a journal, up to the first record without its seal.

    The writer's death may have cut that one short.
    """
    entries: list[bytes | PlainEntry] = []
    worker: WorkerFacts | None = None
    sealer = Sealer(key)
    last = -1
    running = RUNNING.unpack_from(data)[0] if len(data) >= RUNNING.size else 0
    start = HEAD.size
    while (body := start + SEAL_BYTES + RECORD.size) <= len(data):
        tag, length = RECORD.unpack_from(data, start + SEAL_BYTES)
        end = body + length
        if end > len(data) or length < _LEAST_BYTES.get(tag, length + 1):
            break
        sealed = data[start:end]
        if not hmac.compare_digest(sealed, sealer.seal(sealed[SEAL_BYTES:])):
            break
        payload = data[body:end]
        if tag == b"P":
            _, _, last, began, ended = PLAIN.unpack_from(data, start + SEAL_BYTES)
            entries.append(PlainEntry(last, began, ended, payload[PLAIN_HEAD_BYTES:]))
        elif tag == b"W":
            worker = pickle.loads(payload)
        else:
            entries.append(payload)
        start = end
    return ParsedJournal(entries, running - 1 if running > last + 1 else None, worker)
