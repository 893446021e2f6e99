"""Costs and effects of limits: throughput, busy slots, steps at once.

Run it from the repository: ``python -m benchmarks.limits``; ``--many`` also starts 150 workers at
once, with some 10 GB of memory.
"""

from __future__ import annotations

import logging
import os
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import ray

from benchmarks.measure import REPEATS, median, print_machine, print_table, seconds
from rayexec import JobDefinition, RunResult, job, op

AT_ONCE = 4
POOL = {"pool:four": float(AT_ONCE)}
# How long a step naps (seconds), and how many there are.
NAPS = {0.0: 10_000, 0.005: 600, 0.05: 80, 0.3: 16}
TAG = {"key": "kind", "limit": AT_ONCE}
# What holds four steps at once beside the four CPUs: the execution config, and the op's options.
HELD: Mapping[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "CPUs alone": ({}, {}),
    "max_concurrent": ({"max_concurrent": AT_ONCE}, {}),
    "a tag limit": ({"tag_concurrency_limits": [TAG]}, {}),
    "a declared pool": ({}, {"pool": "four"}),
    "all of them": ({"max_concurrent": AT_ONCE, "tag_concurrency_limits": [TAG]}, {"pool": "four"}),
}


def naps(
    length: float, count: int, execution: dict[str, Any], options: dict[str, Any]
) -> JobDefinition:
    """Return a job of independent naps."""

    @op(tags={"kind": "x"}, **options)
    def nap() -> None:
        if length:
            time.sleep(length)

    @job(config={"execution": {"config": {"ray": execution}}})
    def side_by_side() -> None:
        for _ in range(count):
            nap()

    return side_by_side


def throughput(title: str) -> None:
    """Measure each way to hold four steps at once, and print the table."""
    rows = []
    for length, count in NAPS.items():
        jobs = {name: naps(length, count, *how) for name, how in HELD.items()}
        times: dict[str, list[float]] = {name: [] for name in jobs}
        for napping in jobs.values():
            napping.execute()
        for turn in range(REPEATS):
            names = list(jobs)
            # Each is once the first, which may find workers gone that idled while another ran.
            for name in names[turn % len(names) :] + names[: turn % len(names)]:
                execute = jobs[name].execute
                times[name].append(seconds(partial(execute, keep_outputs="none")))
        base = times["CPUs alone"]
        for name, took in times.items():
            ratio = median([one / other for one, other in zip(took, base, strict=True)])
            ideal = length * count / AT_ONCE
            rows.append(
                [
                    f"{count:,} of {length * 1000:g} ms",
                    name,
                    f"{median(took):.3f}",
                    f"{ratio:.3f}",
                    f"{ideal / median(took):.3f}" if ideal else "",
                    f"{min(took):.3f}-{max(took):.3f}",
                ]
            )
    print_table(title, ["steps", "held by", "s", "to CPUs alone", "slots busy", "least-most"], rows)


def on_a_cluster(measure: Callable[[], None]) -> None:
    """Measure on a cluster of one node; the driver holds the limits of a run."""
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": AT_ONCE, "resources": POOL})
    try:
        ray.init(address=cluster.address, log_to_driver=False, logging_level=logging.ERROR)
        measure()
    finally:
        ray.shutdown()
        cluster.shutdown()


def here(cpus: int, measure: Callable[[], None]) -> None:
    """Measure on a Ray of this process; Ray holds the limits."""
    ray.init(
        address="local",
        num_cpus=cpus,
        resources=POOL,
        include_dashboard=False,
        log_to_driver=False,
        logging_level=logging.ERROR,
    )
    try:
        measure()
    finally:
        ray.shutdown()


def mixed_queues() -> None:
    """Print the busy share of four slots under a long limited queue and a long free one."""

    @op(tags={"kind": "x"})
    def limited() -> None:
        time.sleep(0.05)

    @op
    def free() -> None:
        time.sleep(0.05)

    limits = {"max_concurrent": AT_ONCE, "tag_concurrency_limits": [{"key": "kind", "limit": 1}]}

    @job(config={"execution": {"config": {"ray": limits}}})
    def queues() -> None:
        for _ in range(150):
            limited()
        for _ in range(600):
            free()

    queues.execute()
    shares = [_busy(queues.execute()) for _ in range(REPEATS)]
    row = [
        "150 limited to one, 600 free, of 50 ms",
        f"{median(shares):.3f}",
        f"{min(shares):.3f}-{max(shares):.3f}",
    ]
    print_table(
        "Four slots while both queues are long", ["steps", "slots busy", "least-most"], [row]
    )


def _busy(result: RunResult) -> float:
    """Return the busy share of the slots, from the first start to the last but few."""
    kinds = ("STEP_START", "STEP_SUCCESS")
    moments: dict[str, list[float]] = {}
    for event in result.all_events:
        if event.event_type_value in kinds:
            moments.setdefault(str(event.step_key), []).append(event.timestamp)
    began = min(start for start, _ in moments.values())
    until = sorted(start for key, (start, _) in moments.items() if key.startswith("free"))[-AT_ONCE]
    spent = sum(max(0.0, min(end, until) - start) for start, end in moments.values())
    return spent / AT_ONCE / (until - began)


def crowd(limit: int, folder: str) -> JobDefinition:
    """Return a job of more steps than ``limit``; each returns the most files in ``folder``."""

    @op(tags={"kind": "x"})
    def stay(context: Any) -> int:
        path = Path(folder, context.op_handle.name)
        path.touch()
        end, most = time.monotonic() + 150, 0
        while most < limit and time.monotonic() < end:
            most = max(most, len(os.listdir(folder)))
            time.sleep(0.1)
        time.sleep(1)
        most = max(most, len(os.listdir(folder)))
        path.unlink()
        return most

    limits = [{"key": "kind", "limit": limit}]

    @job(
        config={
            "execution": {
                "config": {"ray": {"max_concurrent": 160, "tag_concurrency_limits": limits}}
            }
        }
    )
    def made() -> None:
        for index in range(limit + 40):
            stay.alias(f"s{index}")()

    return made


def many_at_once() -> None:
    """Print the most steps at once under limits of 150, 99 and 50, as the ops count them."""
    rows = []
    for limit in (150, 99, 50):
        with tempfile.TemporaryDirectory() as folder:
            result = crowd(limit, folder).execute()
            seen = [result.output_for_node(f"s{index}") for index in range(limit + 40)]
        held = result.all_events[0].event_specific_data["limits"][1]["held_by"]
        rows.append(
            [f"{limit}", f"{limit + 40}", {"token": "Ray"}.get(held, "the driver"), f"{max(seen)}"]
        )
    print_table(
        "At once, counted inside the ops", ["limit", "steps", "held by", "most at once"], rows
    )


def main() -> None:
    """Print the tables."""
    print_machine("rayexec", "ray")
    here(AT_ONCE, lambda: throughput("A Ray of this process: it holds the limits"))
    on_a_cluster(lambda: throughput("Attached to a cluster: the driver holds what is not declared"))
    here(AT_ONCE, mixed_queues)
    if "--many" in sys.argv[1:]:
        here(2, many_at_once)


if __name__ == "__main__":
    main()
