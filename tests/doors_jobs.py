"""Jobs whose runs are of all kinds; beside the file, ``marks`` has files that ops wait for."""

import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

from rayexec import (
    AssetMaterialization,
    DynamicOut,
    DynamicOutput,
    MetadataValue,
    OpExecutionContext,
    Out,
    Output,
    RetryPolicy,
    job,
    op,
)

MARKS = Path(__file__).with_name("marks")
HERE: dict[str, Any] = {"execution": {"config": {"in_process": {}}}}
LIMITS = [{"key": "database", "value": "redshift", "limit": 1}]
AT_ONCE: dict[str, Any] = {"max_concurrent": 4, "tag_concurrency_limits": LIMITS}
ON_RAY: dict[str, Any] = {"execution": {"config": {"ray": AT_ONCE}}}
# The cluster that a test names, where a driver is to attach to one.
THERE = {"address": os.environ["DOORS_RAY"]} if "DOORS_RAY" in os.environ else {}


@op(out={"low": Out(int), "high": Out(int, is_required=False)})
def ends(context: OpExecutionContext) -> Any:
    """Find both ends."""
    print("seeking <b>ends</b>")
    context.log.info("line \x1b[31mred\x1b[0m")
    context.log_event(
        AssetMaterialization(
            ["<script>alert(1)</script>", "table"],
            "written & read",
            {
                "rows": 3,
                "where": MetadataValue.path("/tmp/<x>"),
                "more": MetadataValue.json({"a": 1}),
                "docs": MetadataValue.url("https://example.com/"),
                "notes": MetadataValue.md("# <i>"),
            },
            partition="2026-11-30",
            tags={"team": "<b>"},
        )
    )
    context.add_output_metadata({"seen": 5}, output_name="low")
    yield Output(1, "low")


@op
def low_of(low: int, other: int) -> int:
    return low + other


@op
def high_of(high: int) -> int:
    return high


@op
def five() -> int:
    return 5


@job(config=HERE, description="Skips a step.")
def skipped() -> None:
    low, high = ends()
    low_of(low, five())
    high_of(high)


@op(out=DynamicOut(int))
def split() -> Any:
    for number in range(6):
        yield DynamicOutput(number, str(number))


@op(retry_policy=RetryPolicy(max_retries=1), tags={"database": "redshift"})
def load(context: OpExecutionContext, number: int) -> int:
    print("loading", number, file=sys.stderr)
    time.sleep(0.02)
    if number == 3:
        raise ValueError("<script>part 3</script> is \x1b[31mbad\x1b[0m") from KeyError("cause")
    return number


@op(retry_policy=RetryPolicy(max_retries=1), tags={"database": "redshift"})
def hold(context: OpExecutionContext, number: int) -> int:
    time.sleep(0.15)
    if number == 2 and context.retry_number == 0:
        raise ConnectionError("too many connections")
    return number


@op
def total(numbers: list[int]) -> int:
    return sum(numbers)


@job(config=HERE)
def failed() -> None:
    total(split().map(load).collect())


@job(config=ON_RAY)
def limited() -> None:
    total(split().map(hold).collect())


@op(cache=True, code_version="1")
def kept() -> bytes:
    return bytes(70_000)


@op
def size(data: bytes) -> int:
    if not (MARKS / "kept").exists():
        raise RuntimeError("not yet")
    return len(data)


@job(config=HERE)
def cached() -> None:
    size(kept())


@op
def end_by_signal(number: int) -> int:
    os.kill(os.getpid(), getattr(signal, os.environ["DOORS_SIGNAL"]))
    time.sleep(60)
    return number


@job(config=HERE)
def ended() -> None:
    end_by_signal(five())


@op(tags={"database": "redshift"})
def wait_for_mark(number: int) -> int:
    time.sleep(0.2)
    while not (MARKS / "end").exists():
        time.sleep(0.05)
    return number


@op(pool="single")
def keep_pool() -> int:
    number: int = wait_for_mark(0)
    return number


@job(config={"execution": {"config": {"ray": {**AT_ONCE, **THERE}}}})
def lasting() -> None:
    total(split().map(wait_for_mark).collect())
    keep_pool()
