"""Messages from workers to their driver, one class a kind.

Reports of a running batch go to the run's channel of the mailbox, one connection each. The other
two kinds pass on the connection of a worker that keeps resources open for a run.
"""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from rayexec.engine.ray.protocol.entries import Columns
from rayexec.events import LiveLines, ResourceRecord

__all__ = [
    "BatchBegun",
    "CallsFinished",
    "LinesLogged",
    "Message",
    "Report",
    "ResourcesClosed",
    "ValuesYielded",
    "WorkerConnected",
    "YieldedValue",
    "decode",
    "encode",
]


@dataclass(frozen=True, slots=True)
class BatchBegun:
    """A batch has left Ray's queue."""

    batch_id: int


@dataclass(frozen=True, slots=True)
class CallsFinished:
    """Calls of a batch are over; others come back without having started.

    ``entries`` repeats earlier reports. ``returned`` are positions in the batch.
    """

    batch_id: int
    pid: int
    entries: Sequence[bytes | Columns]
    returned: Sequence[int] = ()


class YieldedValue(NamedTuple):
    """Value of a dynamic output, pickled; None for a large one, an item of Ray's stream."""

    name: str
    packed: bytes | None


@dataclass(frozen=True, slots=True)
class ValuesYielded:
    """The running step of a batch has yielded values."""

    batch_id: int
    values: Sequence[YieldedValue]


@dataclass(frozen=True, slots=True)
class LinesLogged:
    """The running step of a batch has logged or printed; ``lines.step`` is a position there."""

    batch_id: int
    lines: LiveLines


@dataclass(frozen=True, slots=True)
class WorkerConnected:
    """A worker keeps resources open for the run from now on."""

    pid: int
    host: str


@dataclass(frozen=True, slots=True)
class ResourcesClosed:
    """A worker has closed the run's resources; the last message of its connection."""

    records: tuple[ResourceRecord, ...]
    stdout: str
    stderr: str


Report: TypeAlias = BatchBegun | CallsFinished | ValuesYielded | LinesLogged
Message: TypeAlias = Report | WorkerConnected | ResourcesClosed


def encode(message: Message) -> bytes:
    """Return a message as the body of a frame."""
    return pickle.dumps(message, protocol=5)


def decode(body: bytes) -> Message:
    """Return the message in the body of an authentic frame."""
    message: Message = pickle.loads(body)
    return message
