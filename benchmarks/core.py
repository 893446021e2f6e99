"""Costs of a step in compiling and in runs in this process, without Ray.

Run it from the repository: ``python -m benchmarks.core``. An installed Dagster is
measured beside it.
"""

from __future__ import annotations

import cProfile
import gc
import importlib
import importlib.util
import pstats
from collections.abc import Callable
from functools import partial
from typing import Any

import rayexec
from benchmarks.jobs import SHAPES, make_job
from benchmarks.measure import REPEATS, median, print_machine, print_table, seconds, verdict
from rayexec.plan import compile_job

STEPS = 1_000
STEP_GOAL = 100e-6
COMPILE_SIZES = (1_000, 10_000, 100_000)
COMPILE_GOAL = 0.4
SILENT = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


def run_times(dagster: Any) -> None:
    """Time whole runs of new jobs, and the reading of their events."""
    rows = []
    for shape in SHAPES:
        first, again, events, theirs = [], [], [], []
        for _ in range(REPEATS):
            job = make_job(rayexec, shape, STEPS)
            first.append(seconds(job.execute_in_process) / STEPS)
            again.append(seconds(job.execute_in_process) / STEPS)
            result = job.execute_in_process()
            assert len(result.get_step_success_events()) == STEPS
            fresh = job.execute_in_process()
            events.append(seconds(partial(getattr, fresh, "all_events")) / STEPS)
            if dagster is not None:
                other = make_job(dagster, shape, STEPS)
                theirs.append(seconds(partial(other.execute_in_process, run_config=SILENT)) / STEPS)
        worst = median(first)
        rows.append(
            [
                shape,
                f"{worst * 1e6:.1f}",
                f"{median(again) * 1e6:.1f}",
                f"{median(events) * 1e6:.1f}",
                verdict(worst, STEP_GOAL),
                f"{median(theirs) * 1e6:,.0f}" if theirs else "not installed",
                f"{median(theirs) / worst:,.0f}" if theirs else "",
            ]
        )
        if worst > STEP_GOAL:
            profile(make_job(rayexec, shape, STEPS).execute_in_process)
    print_table(
        f"In-process, {STEPS:,} no-op steps: µs a step (goal: {STEP_GOAL * 1e6:.0f})",
        ["shape", "first run", "again", "reading events", "within goal", "Dagster", "ratio"],
        rows,
    )


def compile_times() -> None:
    """Time the compiling of new jobs, with and without Python's garbage collector."""
    rows = []
    for shape in SHAPES:
        steps: dict[int, float] = {}
        for size in COMPILE_SIZES:
            collected, uncollected = [], []
            for _ in range(REPEATS):
                job = make_job(rayexec, shape, size)
                collected.append(seconds(partial(compile_job, job)))
                job = make_job(rayexec, shape, size)
                uncollected.append(seconds(partial(without_collector, partial(compile_job, job))))
            took = median(collected)
            steps[size] = took / size
            limit = COMPILE_GOAL * size / 10_000
            rows.append(
                [
                    f"{shape}, {size:,} steps",
                    f"{took:.4f}",
                    f"{took / size * 1e6:.1f}",
                    f"{steps[size] / steps[COMPILE_SIZES[0]]:.2f}",
                    f"{median(uncollected) / size * 1e6:.1f}",
                    verdict(took, limit) if size == 10_000 else "",
                ]
            )
            if size == 10_000 and took > limit:
                profile(partial(compile_job, make_job(rayexec, shape, size)))
    print_table(
        f"Compiling (goal: 10,000 steps in {COMPILE_GOAL} s)",
        ["job", "s", "µs a step", "to 1,000 steps", "µs without collector", "within goal"],
        rows,
    )


def without_collector(work: Callable[[], object]) -> object:
    """Do ``work`` with Python's garbage collector off."""
    gc.disable()
    try:
        return work()
    finally:
        gc.enable()


def profile(work: Callable[[], object]) -> None:
    """Print a profile of ``work``."""
    profiler = cProfile.Profile()
    profiler.runcall(work)
    pstats.Stats(profiler).sort_stats("cumulative").print_stats(20)


def main() -> None:
    """Print both tables."""
    dagster = (
        importlib.import_module("dagster")
        if importlib.util.find_spec("dagster") is not None
        else None
    )
    print_machine("rayexec", "pydantic", *(["dagster"] if dagster is not None else []))
    make_job(rayexec, "chain", 2).execute_in_process()  # imports what the first run imports
    if dagster is not None:
        make_job(dagster, "chain", 2).execute_in_process(run_config=SILENT)
    compile_times()
    run_times(dagster)


if __name__ == "__main__":
    main()
