"""Costs of durable outputs, and of resuming a run.

Run it from the repository: ``python -m benchmarks.resume``.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import ray

import rayexec
from benchmarks.jobs import make_job
from benchmarks.measure import REPEATS, median, print_machine, print_table, seconds
from rayexec import DynamicOut, DynamicOutput, ReexecutionOptions, job, op

STEPS = 5_000
TURNS = REPEATS


def napping(count: int, length: float) -> Any:
    """Return a job of independent naps."""

    @op
    def nap() -> int:
        time.sleep(length)
        return 1

    @job
    def side_by_side() -> None:
        for _ in range(count):
            nap()

    return side_by_side


def large(count: int, megabytes: int) -> Any:
    """Return a job of steps that each pass an array to a step of its own."""

    @op
    def make() -> Any:
        return np.ones(megabytes << 17)

    @op
    def use(array: Any) -> float:
        return float(array[0])

    @job
    def arrays() -> None:
        for _ in range(count):
            use(make())

    return arrays


def durable(base: str) -> None:
    """Run each job durable and not, in turns, both recorded, and print the table."""
    cases = {
        f"{STEPS:,} no-ops in a chain": (make_job(rayexec, "chain", STEPS), STEPS),
        f"{STEPS:,} no-ops side by side": (make_job(rayexec, "fan-out", STEPS), STEPS),
        "200 of 20 ms": (napping(200, 0.02), 200),
        "8 arrays of 100 MB": (large(8, 100), 16),
    }
    rows = []
    for name, (measured, steps) in cases.items():
        runs: dict[str, Callable[[], Any]] = {
            way: partial(
                measured.execute, keep_outputs="none", store=base, durable=way == "durable"
            )
            for way in ("not", "durable")
        }
        took: dict[str, list[float]] = {"not": [], "durable": []}
        for turn in range(TURNS + 1):
            for way in ("not", "durable") if turn % 2 else ("durable", "not"):
                spent = seconds(runs[way])
                if turn:  # the first warms up
                    took[way].append(spent)
        ratio = median(
            [one / other for one, other in zip(took["durable"], took["not"], strict=True)]
        )
        extra = (median(took["durable"]) - median(took["not"])) / steps * 1e6
        rows.append(
            [
                name,
                *(f"{median(took[way]):.3f}" for way in ("not", "durable")),
                f"{ratio:.2f}",
                f"{extra:,.0f}",
            ]
        )
    print_table("Durable outputs", ["job", "s", "s, durable", "ratio", "µs more a step"], rows)


def failing(base: str, count: int) -> tuple[Any, Path]:
    """Return a job of mapped steps and a collect that fails while a file exists."""
    trouble = Path(base, "trouble")

    @op(out=DynamicOut())
    def split() -> Iterator[Any]:
        for key in range(count):
            yield DynamicOutput(key, str(key))

    @op
    def inc(value: int) -> int:
        return value + 1

    @op
    def total(values: list[int]) -> int:
        if trouble.exists():
            raise ValueError("trouble")
        return sum(values)

    @job
    def wide() -> None:
        total(split().map(inc).collect())

    return wide, trouble


def resuming(base: str) -> None:
    """Resume growing runs that fail at their last step, and print the table."""
    rows = []
    for count in (1_000, 10_000, 100_000):
        wide, trouble = failing(base, count)
        trouble.touch()
        whole: list[float] = []
        rest: list[float] = []
        for _ in range(3):
            trouble.touch()
            began = time.perf_counter()
            failed = wide.execute(keep_outputs="none", store=base)
            whole.append(time.perf_counter() - began)
            trouble.unlink()
            options = ReexecutionOptions.from_failure(failed.run_id)
            began = time.perf_counter()
            resumed = wide.execute(keep_outputs="none", store=base, reexecution_options=options)
            rest.append(time.perf_counter() - began)
            assert resumed.success
            assert resumed.counts()["reused"] == count + 1
        rows.append(
            [
                f"{count:,}",
                f"{median(whole):.2f}",
                f"{median(rest):.2f}",
                f"{median(rest) / count * 1e6:.0f}",
            ]
        )
    print_table(
        "Resuming at the last step",
        ["mapped steps", "s, the whole run", "s, the rest", "µs a step reused"],
        rows,
    )


def main() -> None:
    """Print both tables."""
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    print_machine("rayexec", "ray", "pyarrow")
    ray.init(address="local", num_cpus=4, include_dashboard=False, log_to_driver=False)
    with tempfile.TemporaryDirectory() as base:
        durable(base)
        resuming(base)


if __name__ == "__main__":
    main()
