"""Jobs for ``rayexec bench``, of ops with almost no work.

The ops are at the top of a module, so that workers import them from the installed package.
"""

from __future__ import annotations

import time

import pyarrow as pa
import pyarrow.compute as pc

from rayexec.definitions.config_models import Config
from rayexec.definitions.graphs.job_definition import JobDefinition
from rayexec.definitions.op import op
from rayexec.jobs import job

__all__ = ["NAP_S", "WORD_BYTES", "chain_job", "fan_out_job", "naps_job", "transfer_job"]

NAP_S = 0.02
WORD_BYTES = 8


class Extent(Config):
    """Size of the data: ``word_count`` words of 8 bytes."""

    word_count: int


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
    """Sleep for ``NAP_S``."""
    time.sleep(NAP_S)


@op
def make(before: int, config: Extent) -> pa.Buffer:
    """Return an Arrow buffer of ones, as 64-bit integers."""
    # Written, and not only reserved: the kernel maps unwritten memory to one page of zeros, which
    # copies too fast.
    return pa.py_buffer(before.to_bytes(WORD_BYTES, "little") * config.word_count)


@op
def read(data: pa.Buffer) -> int:
    """Return the sum of the integers in a buffer, by reading every byte."""
    array = pa.Array.from_buffers(pa.int64(), data.size // WORD_BYTES, [None, data])
    total: int = pc.sum(array).as_py()
    return total


def fan_out_job(steps: int) -> JobDefinition:
    """Return a job of ``steps`` steps, at least 3: one, many after it, and a join of those."""

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


def transfer_job(word_count: int) -> JobDefinition:
    """Return a job of three steps: the first begins, the second makes data, the third reads it."""

    @job(config={"ops": {"make": {"config": {"word_count": word_count}}}})
    def transfer() -> None:
        read(make(first()))

    return transfer
