"""A job that fans out over many steps, and the times of its steps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rayexec import RunResult, job, op

Execute = Callable[..., RunResult]
MANY = 60


@op
def index_of(context: Any, start: int) -> int:
    return int(context.op_handle.name.rpartition("_")[2])


@op
def zero() -> int:
    return 0


@op
def collect(values: list[int]) -> list[int]:
    return sorted(values)


def fan_out(*links: Any) -> Any:
    """Return a job of MANY chains of ``links``, with their results collected."""

    @job(config={"execution": {"config": {"multiprocess": {"max_concurrent": 2}}}})
    def fanned() -> None:
        start, ends = zero(), []
        for index in range(MANY):
            value = index_of.alias(f"number_{index}")(start)
            for link in links:
                value = link.alias(f"{link.name}_{index}")(value)
            ends.append(value)
        collect(ends)

    return fanned


def warmed_up(execute: Execute) -> Execute:
    """Run a job once, so that workers are up and later batches hold many steps."""
    assert execute(fan_out()).success
    return execute


def spans(result: RunResult) -> dict[str, tuple[float, float]]:
    stamps: dict[str, list[float]] = {}
    for event in result.all_node_events:
        if event.event_type_value in ("STEP_START", "STEP_RESTARTED", "STEP_SUCCESS"):
            stamps.setdefault(event.step_key or "", []).append(event.timestamp)
    return {key: (times[-2], times[-1]) for key, times in stamps.items()}


@op
def after(value: int) -> int:
    return value
