"""A run whose steps eat memory until Ray's memory monitor kills them: run as a script, on a Ray of
its own.

    python eat_memory.py PLACE

It writes one JSON object to PLACE/outcome.json: the run's status, what each try had asked for, and
what was said.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import time
from pathlib import Path

from rayexec import RetryPolicy, execute_job, job, op

PLACE = Path(sys.argv[1] if len(sys.argv) > 1 else ".")
ROOM = (
    2 * 1024**3
)  # bytes beyond what the machine uses now; Ray takes a quarter of that, and others may come and go
BLOCK = 50 * 1024**2


def asked() -> float:
    import ray

    return float(ray.get_runtime_context().get_assigned_resources().get("memory", 0))


def eat() -> None:
    """Take memory until somebody minds."""
    blocks = []
    while True:
        blocks.append(bytearray(b"x") * BLOCK)
        time.sleep(0.01)


def note(name: str) -> None:
    with open(PLACE / "tries", "a") as file:
        file.write(f"{name} {asked():.0f}\n")


@op
def start() -> int:
    note("start")
    return 1


@op(retry_policy=RetryPolicy(max_retries=2, memory_factor=2))
def greedy(_begun: int) -> int:
    note("greedy")
    if asked():
        return 7
    eat()
    return 0


@op(retry_policy=RetryPolicy(max_retries=3, memory_factor=3), ray_options={"memory": 100 * 1024**2})
def frugal(_begun: int) -> int:
    note("frugal")
    if asked() > 500 * 1024**2:
        return 8
    eat()
    return 0


@op(retry_policy=RetryPolicy(max_retries=1))
def stubborn(_begun: int) -> None:
    note("stubborn")
    eat()


@job
def hungry() -> None:
    # One after the other, since the monitor may kill more than one.
    stubborn(frugal(greedy(start())))


def used_and_whole() -> tuple[int, int]:
    lines = Path("/proc/meminfo").read_text().splitlines()
    known = {line.split(":")[0]: int(line.split()[1]) * 1024 for line in lines}
    return known["MemTotal"] - known["MemAvailable"], known["MemTotal"]


def main() -> None:
    used, whole = used_and_whole()
    os.environ["RAY_memory_monitor_refresh_ms"] = "50"  # noqa: SIM112  # as Ray spells it
    os.environ["RAY_memory_usage_threshold"] = str((used + ROOM) / whole)  # noqa: SIM112
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    import ray

    ray.init(
        address="local",
        num_cpus=2,
        object_store_memory=80 * 1024**2,
        include_dashboard=False,
        log_to_driver=False,
        logging_level=logging.ERROR,
    )
    result = execute_job(hungry, raise_on_error=False)
    outcome = {
        "failed": sorted(result.get_failed_step_keys()),
        "greedy": result.output_for_node("greedy"),
        "frugal": result.output_for_node("frugal"),
        "said": [
            event.message
            for event in result.all_events
            if event.event_type_value in ("STEP_UP_FOR_RETRY", "STEP_FAILURE")
        ],
        "most": max(node["Resources"].get("memory", 0) for node in ray.nodes()),
    }
    (PLACE / "outcome.json").write_text(json.dumps(outcome))
    ray.shutdown()


if __name__ == "__main__":
    main()
