"""Measurements of ``rayexec bench``: jobs run by ``execute_job``, and figures about them.

They use the Ray of this process. Times come from this process's clock, or are differences on one
worker's clock, so that clocks on a cluster may disagree.
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
    NAP_S,
    WORD_BYTES,
    chain_job,
    fan_out_job,
    naps_job,
    transfer_job,
)
from rayexec.definitions.graphs.job_definition import JobDefinition
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

HIGHEST_DEFAULT_LIMIT = 128
WARM_UP_LIMIT_S = 20.0
ENOUGH_RUNS_S = 3.0  # at one max_concurrent
FEWEST_NAPS = 64


@dataclass(frozen=True, slots=True)
class StepFigures:
    """Jobs of no-op steps: seconds of the ``first`` run, which compiles, and of later ones."""

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
    """Seconds from the end of a step to the start of the next, in another Ray task."""

    hops: tuple[float, ...]

    @property
    def median(self) -> float:
        """The median of all hops."""
        return statistics.median(self.hops)

    @property
    def slow(self) -> float:
        """The limit of 19 in 20 hops."""
        return statistics.quantiles(self.hops, n=20, method="inclusive")[-1]


@dataclass(frozen=True, slots=True)
class TransferFigures:
    """An Arrow buffer of ``size`` bytes in the object store: seconds of each store and read."""

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
    """Seconds of each run at one ``max_concurrent``; ``ideal`` is the least of any schedule."""

    max_concurrent: int
    ideal: float
    runs: tuple[float, ...]

    @property
    def seconds(self) -> float:
        """The median makespan."""
        return statistics.median(self.runs)


@dataclass(frozen=True, slots=True)
class MakespanFigures:
    """A job of ``naps`` naps of ``nap`` seconds, under several values of ``max_concurrent``."""

    naps: int
    nap: float
    limits: tuple[LimitFigures, ...]


class _Stamps(Observer):
    """Keeps the attempts of a run with the times of their answers in this process."""

    def __init__(self) -> None:
        self.answers: list[tuple[float, Attempt]] = []

    def run_started(self, spec: RunSpec, log: RunLog, waiting: Callable[[], Waiting]) -> None:
        """Remember the log, to read records by."""
        self._log = log

    def recorded(self, record: Record) -> None:
        """Keep the attempts of a record."""
        now = time.perf_counter()
        self.answers += [(now, row) for row in self._log.attempts_of(record)]


def _run(
    job: JobDefinition, *, max_concurrent: int | None = None, batches: bool = True
) -> tuple[float, Sequence[tuple[float, Attempt]]]:
    """Run a job; return its seconds and its answers.

    Raises EngineError for a failed run, and KeyboardInterrupt for an interrupted one.
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
    """Return powers of two, at least 1, 2 and 4.

    They go up to twice the CPUs of a single node, or to the CPUs of several nodes.
    """
    # On several nodes a step asks for a whole CPU, so that no more steps than CPUs run at once.
    most = int(capacity.cpus) * (2 if len(capacity.nodes) == 1 else 1)
    most = max(4, min(most, HIGHEST_DEFAULT_LIMIT))
    return tuple(2**power for power in range(most.bit_length()))


def warm_up(capacity: Capacity, max_concurrent: int) -> None:
    """Run naps until Ray has a worker for each of so many steps at once, for 20 seconds at most."""
    workers = (
        max_concurrent if len(capacity.nodes) == 1 else min(max_concurrent, int(capacity.cpus))
    )
    job = naps_job(4 * workers)
    deadline = time.monotonic() + WARM_UP_LIMIT_S
    while time.monotonic() < deadline:
        _, answers = _run(job, max_concurrent=max_concurrent)
        if len({attempt.pid for _, attempt in answers}) >= workers:
            return


def measure_steps(shape: str, steps: int, repeats: int) -> StepFigures:
    """Run a ``"fan-out"`` or a ``"chain"`` of no-op steps once, and ``repeats`` times more."""
    job = {"fan-out": fan_out_job, "chain": chain_job}[shape](steps)
    first, _ = _run(job)
    return StepFigures(shape, steps, first, tuple(_run(job)[0] for _ in range(repeats)))


def measure_hops(steps: int, repeats: int) -> HopFigures:
    """Run a chain of no-op steps without batches, once to warm up and then ``repeats`` times.

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
    """Return the times between answers, less the duration of the step in between."""
    return [
        moment - before - (attempt.ended - attempt.started)
        for (before, _), (moment, attempt) in itertools.pairwise(answers)
    ]


def measure_transfer(size: int, repeats: int) -> TransferFigures:
    """Store and read a value of about ``size`` bytes, twice to warm up and ``repeats`` times more.

    A store lasts from the end of the op to the answer of its step. A read lasts from there to the
    answer of the next step, on any node. Both include a hop.
    """
    word_count = math.ceil(size / WORD_BYTES)
    job = transfer_job(word_count)
    stores, reads = [], []
    # New memory of the store is slow the first time, and the value of the run before may still be
    # there.
    for run_index in range(-2, repeats):
        _, answers = _run(job, batches=False)
        stored, _ = _gaps(answers)
        (made, _), (done, _) = answers[1:]
        if run_index >= 0:
            stores.append(stored)
            reads.append(done - made)
    return TransferFigures(word_count * WORD_BYTES, tuple(stores), tuple(reads))


def measure_makespans(capacity: Capacity, limits: Sequence[int], repeats: int) -> MakespanFigures:
    """Run the same naps under each ``max_concurrent``, ``repeats`` times or for three seconds."""
    naps = max(FEWEST_NAPS, 2 * max(limits))
    job = naps_job(naps)
    figures = []
    for limit in limits:
        warm_up(capacity, limit)
        runs: list[float] = []
        while len(runs) < repeats and sum(runs) < ENOUGH_RUNS_S:
            runs.append(_run(job, max_concurrent=limit)[0])
        figures.append(LimitFigures(limit, math.ceil(naps / limit) * NAP_S, tuple(runs)))
    return MakespanFigures(naps, NAP_S, tuple(figures))
