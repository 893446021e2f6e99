"""A job whose op awaits the step of each value before it yields the next."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from rayexec import DynamicOutput, job, op

PATIENCE = 120.0  # seconds after which a step that was waited for is taken not to come


def wait_for(path: Path) -> None:
    """Wait for a file; raises TimeoutError."""
    ends = time.monotonic() + PATIENCE
    while not path.exists():
        if time.monotonic() > ends:
            raise TimeoutError(f"nobody made {path.name}")
        time.sleep(0.005)


def echo_job(folder: Path, values: list[Any], out: Any, **settings: Any) -> Any:
    """Return a job with a producer that awaits the step of each value before the next."""

    @op(out=out, **settings)
    def produce() -> Iterator[Any]:
        for index, value in enumerate(values):
            yield DynamicOutput(value, f"k{index}")
            wait_for(folder / f"k{index}")

    @op
    def take(context: Any, value: Any) -> int:
        (folder / str(context.get_mapping_key())).touch()
        return int(np.sum(value))

    @op
    def total(values: list[int]) -> int:
        return sum(values)

    @job
    def echo() -> None:
        total(produce().map(take).collect())

    return echo
