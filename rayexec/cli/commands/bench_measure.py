"""The measurements of ``rayexec bench``: each runs jobs by ``execute_job`` and returns its figures
as data.

They run on the Ray that this process is connected to. Times are taken by this process's clock, or
as differences of one worker's clock, so that clocks that disagree on a cluster do no harm.
"""

from __future__ import annotations

import gc
import itertools
import math
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from rayexec.cli.commands.bench_jobs import (
    NAP,
    WORD,
    chain_job,
    fan_out_job,
    naps_job,
    transfer_job,
)
from rayexec.definitions.job import JobDefinition
from rayexec.errors import EngineError
from rayexec.events import Attempt, RunStatus
from rayexec.execute import Observer, Record, RunLog, execute_job
from rayexec.placement.capacity import Capacity
from rayexec.run.spec import RunSpec
from rayexec.scheduler.wait_reasons import Waiting
from rayexec.views.failures import failure_text

__all__ = [
    "MB",
    "HopFigures",
    "LimitFigures",
    "MakespanFigures",
    "StepFigures",
    "TransferFigures",
    "default_limits",
    "measure_hops",
    "measure_makespans",
    "measure_steps",
    "measure_transfer",
    "warm_up",
]

MB = 1_000_000  # bytes

_MOST_BY_DEFAULT = 128  # the highest max_concurrent that is tried unasked
_WARM_UP = 20.0  # seconds that Ray gets to start workers
_ENOUGH = 3.0  # seconds of runs at one max_concurrent after which it is not run again
_FEWEST_NAPS = 64


@dataclass(frozen=True, slots=True)
class StepFigures:
    """Jobs of no-op steps: the seconds of each run, and of the first of all, in which the job was
    also compiled.
    """

    shape: str
    steps: int
    first: float
    runs: tuple[float, ...]

    @property
    def seconds(self) -> float:
        """The median of the runs after the first."""
        return statistics.median(self.runs)


@dataclass(frozen=True, slots=True)
class HopFigures:
    """The seconds from the end of a step to the start of the next where each is a Ray task of its
    own.
    """

    hops: tuple[float, ...]

    @property
    def median(self) -> float:
        """The median of all hops."""
        return statistics.median(self.hops)

    @property
    def slow(self) -> float:
        """What 19 of 20 hops stay below."""
        return statistics.quantiles(self.hops, n=20, method="inclusive")[-1]


@dataclass(frozen=True, slots=True)
class TransferFigures:
    """An Arrow buffer of ``size`` bytes through the object store: the seconds of each time it was
    stored and read.
    """

    size: int
    stores: tuple[float, ...]
    reads: tuple[float, ...]

    @property
    def store(self) -> float:
        """The median seconds of storing."""
        return statistics.median(self.stores)

    @property
    def read(self) -> float:
        """The median seconds of reading."""
        return statistics.median(self.reads)


@dataclass(frozen=True, slots=True)
class LimitFigures:
    """The seconds of each run at one ``max_concurrent``; ``ideal`` is what no schedule can beat."""

    max_concurrent: int
    ideal: float
    runs: tuple[float, ...]

    @property
    def seconds(self) -> float:
        """The median makespan."""
        return statistics.median(self.runs)


@dataclass(frozen=True, slots=True)
class MakespanFigures:
    """A job of ``naps`` naps of ``nap`` seconds each, under one ``max_concurrent`` after another."""

    naps: int
    nap: float
    limits: tuple[LimitFigures, ...]


class _Stamps(Observer):
    """Keeps the attempts of a run, each with the moment at which this process had its answer."""

    def __init__(self) -> None:
        self.answers: list[tuple[float, Attempt]] = []

    def run_started(self, spec: RunSpec, log: RunLog, waiting: Callable[[], Waiting]) -> None:
        """Remember the log, which knows what a record stands for."""
        self._log = log

    def recorded(self, record: Record) -> None:
        """Keep attempts; what they printed is nobody's concern here."""
        now = time.perf_counter()
        self.answers += [(now, row) for row in self._log.attempts_of(record)]


def _run(
    job: JobDefinition, *, max_concurrent: int | None = None, batches: bool = True
) -> tuple[float, Sequence[tuple[float, Attempt]]]:
    """Run a job; return its seconds and its answers.

    Raises EngineError for a run that failed, and KeyboardInterrupt for one that was interrupted.
    """
    stamps = _Stamps()
    config: dict[str, Any] = {
        "execution": {"config": {"ray": {"batches": batches}}},
        **(job.config or {}),
    }
    gc.collect()
    started = time.perf_counter()
    result = execute_job(
        job,
        config,
        max_concurrent=max_concurrent,
        keep_outputs="none",
        observer=stamps,
        store=False,
    )
    seconds = time.perf_counter() - started
    if result.status == RunStatus.CANCELED:
        raise KeyboardInterrupt
    if not result.success:
        raise EngineError(f"the benchmark's job {job.name!r} failed. {failure_text(result)}")
    return seconds, stamps.answers


def default_limits(capacity: Capacity) -> tuple[int, ...]:
    """Return the powers of two up to twice the CPUs of a single node, or the CPUs of several; at
    least 1, 2 and 4.
    """
    # On several nodes a step asks for a whole CPU, so more of them than CPUs do not run at once.
    most = int(capacity.cpus) * (2 if len(capacity.nodes) == 1 else 1)
    most = max(4, min(most, _MOST_BY_DEFAULT))
    return tuple(2**power for power in range(most.bit_length()))


def warm_up(capacity: Capacity, max_concurrent: int) -> None:
    """Have Ray start the workers for as many steps at once, and these import the ops; gives up
    after 20 seconds.
    """
    wanted = max_concurrent if len(capacity.nodes) == 1 else min(max_concurrent, int(capacity.cpus))
    job = naps_job(4 * wanted)
    deadline = time.monotonic() + _WARM_UP
    while time.monotonic() < deadline:
        _, answers = _run(job, max_concurrent=max_concurrent)
        if len({attempt.pid for _, attempt in answers}) >= wanted:
            return


def measure_steps(shape: str, steps: int, repeats: int) -> StepFigures:
    """Run a ``"fan-out"`` or a ``"chain"`` of so many no-op steps once and ``repeats`` times more."""
    job = {"fan-out": fan_out_job, "chain": chain_job}[shape](steps)
    first, _ = _run(job)
    return StepFigures(shape, steps, first, tuple(_run(job)[0] for _ in range(repeats)))


def measure_hops(steps: int, repeats: int) -> HopFigures:
    """Run a chain of so many no-op steps without batches ``repeats`` times, after once to warm up.

    A hop is the time between two answers less the time of the step in between.
    """
    job = chain_job(steps)
    _run(job, batches=False)
    hops: list[float] = []
    for _ in range(repeats):
        _, answers = _run(job, batches=False)
        hops += _gaps(answers)
    return HopFigures(tuple(hops))


def _gaps(answers: Sequence[tuple[float, Attempt]]) -> list[float]:
    """Return for each answer but the first the time since the one before, less the time that its
    step took.
    """
    return [
        moment - before - (attempt.ended - attempt.started)
        for (before, _), (moment, attempt) in itertools.pairwise(answers)
    ]


def measure_transfer(size: int, repeats: int) -> TransferFigures:
    """Store and read a value of about ``size`` bytes ``repeats`` times, after twice to warm up.

    Storing is from the end of the op that made the value to the answer that it is stored; reading
    is from there to the answer of the step that has read each byte, on whichever node that ran.
    Each has a hop in it.
    """
    words = math.ceil(size / WORD)
    job = transfer_job(words)
    stores, reads = [], []
    # Memory that the store never used is slow the first time, and the value of the run before may
    # lie beside this one.
    for number in range(-2, repeats):
        _, answers = _run(job, batches=False)
        stored, _ = _gaps(answers)
        (made, _), (done, _) = answers[1:]
        if number >= 0:
            stores.append(stored)
            reads.append(done - made)
    return TransferFigures(words * WORD, tuple(stores), tuple(reads))


def measure_makespans(capacity: Capacity, limits: Sequence[int], repeats: int) -> MakespanFigures:
    """Run the same naps under each ``max_concurrent``, ``repeats`` times or for three seconds,
    whichever is less.
    """
    naps = max(_FEWEST_NAPS, 2 * max(limits))
    job = naps_job(naps)
    figures = []
    for limit in limits:
        warm_up(capacity, limit)
        runs: list[float] = []
        while len(runs) < repeats and sum(runs) < _ENOUGH:
            runs.append(_run(job, max_concurrent=limit)[0])
        figures.append(LimitFigures(limit, math.ceil(naps / limit) * NAP, tuple(runs)))
    return MakespanFigures(naps, NAP, tuple(figures))
