"""What ``rayexec bench`` runs: ops that do as little as can be, and jobs of them.

The ops stand at the top of a module, so that workers import them from where rayexec is installed.
"""

from __future__ import annotations

import time

import pyarrow as pa
import pyarrow.compute as pc

from rayexec import Config, JobDefinition, job, op

__all__ = ["NAP", "WORD", "chain_job", "fan_out_job", "naps_job", "transfer_job"]

NAP = 0.02  # seconds
WORD = 8  # bytes


class Extent(Config):
    """How much data to make: ``words`` of 8 bytes."""

    words: int


@op
def first() -> int:
    """Begin a job."""
    return 1


@op
def follow(value: int) -> int:
    """Pass a value on."""
    return value


@op
def join(values: list[int]) -> int:
    """Wait for all."""
    return len(values)


@op
def nap() -> None:
    """Take a known time without taking a processor."""
    time.sleep(NAP)


@op
def make(before: int, config: Extent) -> pa.Buffer:
    """Return an Arrow buffer of ones, as 64-bit integers."""
    # Written, not only reserved: memory that was never written is no memory yet, and copies faster
    # than any.
    return pa.py_buffer(before.to_bytes(WORD, "little") * config.words)


@op
def read(data: pa.Buffer) -> int:
    """Return the sum of the integers in a buffer, which reads each byte of it."""
    array = pa.Array.from_buffers(pa.int64(), data.size // WORD, [None, data])
    total: int = pc.sum(array).as_py()
    return total


def fan_out_job(steps: int) -> JobDefinition:
    """Return a job of ``steps`` steps, at least 3: one, all others behind it, and one that takes
    from all of those.
    """

    @job
    def fan_out() -> None:
        value = first()
        join([follow(value) for _ in range(steps - 2)])

    return fan_out


def chain_job(steps: int) -> JobDefinition:
    """Return a job of ``steps`` steps, one after another."""

    @job
    def chain() -> None:
        value = first()
        for _ in range(steps - 1):
            value = follow(value)

    return chain


def naps_job(count: int) -> JobDefinition:
    """Return a job of ``count`` naps that do not depend on each other."""

    @job
    def naps() -> None:
        for _ in range(count):
            nap()

    return naps


def transfer_job(words: int) -> JobDefinition:
    """Return a job of three steps: one that only begins, one that makes ``words`` words, one that
    reads them.
    """

    @job(config={"ops": {"make": {"config": {"words": words}}}})
    def transfer() -> None:
        read(make(first()))

    return transfer
