"""Cost of a mapped step on Ray, beside static jobs, hand-written Ray and Dagster.

Run it from the repository: ``python -m benchmarks.dynamic`` (``--quick`` without 100,000 steps and
Dagster).
"""

from __future__ import annotations

import gc
import importlib
import importlib.util
import logging
import os
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import rayexec
from benchmarks.core import SILENT
from benchmarks.fine import SLOTS
from benchmarks.jobs import make_job, make_mapped_job, make_nested_job
from benchmarks.measure import REPEATS, median, print_machine, print_table, seconds
from rayexec.names import mapping_keys, node_path
from rayexec.plan import compile_job

SIZES = (1_000, 10_000, 100_000)
BY_HAND = 10_000
OF_DAGSTER = 1_000
OUTER, INNER = 300, 30
MAKERS: dict[str, Callable[[int], Any]] = {
    "mapped": partial(make_mapped_job, rayexec),
    "static": lambda size: make_job(rayexec, "join", size + 2),
}


def peak() -> int:
    """Return the most memory that this process had so far, in bytes."""
    # What getrusage says begins with what the process had that started this one.
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


def print_memory(name: str, size: int) -> None:
    """Print the growth of this process's peak by a job, its plan and a run, for each step."""
    start_ray()
    MAKERS[name](1_000).execute(raise_on_error=True).close()
    gc.collect()
    before = peak()
    result = MAKERS[name](size).execute(raise_on_error=True)
    print(f"bytes {(peak() - before) / size:.0f}", result.status)


def memory(name: str, size: int) -> str:
    """Return the memory of a step, measured in a new process."""
    command = [sys.executable, "-m", "benchmarks.dynamic", "--memory", name, str(size)]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return f"{int(printed.partition('bytes ')[2].split()[0]):,}"


def fan_out_rows(sizes: tuple[int, ...], dagster: Any) -> list[list[str]]:
    """Return the rows of mapped and collected no-op steps; jobs of one size take turns."""
    rows: list[list[str]] = []
    least: dict[str, float] = {}
    for size in sizes:
        kinds: dict[str, Callable[[], Any]] = {}
        for name, make in MAKERS.items():
            job = make(size)
            compile_job(job)
            assert job.execute(raise_on_error=True).output_for_node("add_up") == size
            kinds[name] = partial(job.execute, raise_on_error=True)
        if size == BY_HAND:
            kinds["Ray by hand"] = partial(by_hand(), size)
        times = take_turns(kinds)
        if dagster is not None and size == OF_DAGSTER:
            # Not in turns: it takes so long that Ray lets go of its workers.
            job = make_mapped_job(dagster, size)
            times |= take_turns(
                {"Dagster, in-process": partial(job.execute_in_process, run_config=SILENT)}
            )
        for name, taken in times.items():
            took = median(taken)
            if size == sizes[0]:
                least[name] = took / size
            ratio = median([one / ours for one, ours in zip(taken, times["mapped"], strict=True)])
            rows.append(
                [
                    f"{size:,} steps, {name}",
                    f"{took:.3f}",
                    f"{took / size * 1e6:,.1f}",
                    f"{ratio:.2f}",
                    f"{took / size / least[name]:.2f}" if name in least else "",
                    memory(name, size) if name in MAKERS and size > sizes[0] else "",
                    f"{min(taken):.3f}-{max(taken):.3f}",
                ]
            )
    return rows


def take_turns(kinds: dict[str, Callable[[], Any]]) -> dict[str, list[float]]:
    """Return the seconds of each kind, run by run."""
    times: dict[str, list[float]] = {name: [] for name in kinds}
    for _ in range(REPEATS):
        for name, work in kinds.items():
            times[name].append(seconds(work))
    return times


def by_hand() -> Callable[[int], None]:
    """Return the mapped job as Ray tasks: get the values, run a task for each, get the results."""
    import ray

    @ray.remote
    def fan(size: int) -> list[int]:
        return [1] * size

    @ray.remote
    def follow(value: int) -> int:
        return value

    @ray.remote
    def add_up(*values: int) -> int:
        return sum(values)

    def run(size: int) -> None:
        values = ray.get(fan.remote(size))
        assert ray.get(add_up.remote(*[follow.remote(value) for value in values])) == size

    run(100)
    return run


def depth_rows() -> list[list[str]]:
    """Return the most unfinished keys at once in each run of chains of three mapped ops."""
    rows = []
    for size, naps in ((100, 0.02), (1_000, 0.0), (10_000, 0.0)):
        job = make_mapped_job(rayexec, size, chain=3, nap=naps)
        alive = []
        for _ in range(REPEATS):
            result = job.execute(raise_on_error=True)
            alive.append(most_alive(result))
        what = f"{size:,} keys, {'naps of 20 ms' if naps else 'no-ops'}"
        rows.append([what, f"{median(alive):,.0f}", f"{max(alive):,}", f"{size:,}"])
    return rows


def most_alive(result: Any) -> int:
    """Return the most keys at once between the ends of their first and last steps."""
    ended = []
    plan = compile_job(result.job_def)
    first, last = plan.mapped_nodes[0].key, plan.mapped_nodes[-1].key
    for event in result.get_step_success_events():
        if mapping_keys(event.step_key):
            ended.append((event.timestamp, node_path(event.step_key)))
    ended.sort()
    now = most = 0
    for _, node in ended:
        now += (node == first) - (node == last)
        most = max(most, now)
    return most


def nested_rows() -> list[list[str]]:
    """Return the rows of nested maps with nested collects, beside a static job."""
    mapped = make_nested_job(rayexec, OUTER, INNER)
    steps = 2 + 2 * OUTER + OUTER * INNER
    static = make_job(rayexec, "join", steps)
    kinds: dict[str, Callable[[], Any]] = {}
    for name, job in (
        ("300 by 30, collected by level", mapped),
        ("one fan-out of as many steps, static", static),
    ):
        result = job.execute(raise_on_error=True)
        assert sum(result.counts().values()) == steps
        kinds[name] = partial(job.execute, raise_on_error=True)
    times = take_turns(kinds)
    ours = next(iter(times.values()))
    rows = []
    for name, taken in times.items():
        ratio = median([one / mine for one, mine in zip(taken, ours, strict=True)])
        took = median(taken)
        figures = [
            f"{took:.3f}",
            f"{took / steps * 1e6:.1f}",
            f"{ratio:.2f}",
            f"{min(taken):.3f}-{max(taken):.3f}",
        ]
        rows.append([name, f"{steps:,}", *figures])
    return rows


def start_ray() -> None:
    """Start the Ray for all runs here."""
    import ray

    ray.init(
        address="local",
        num_cpus=SLOTS,
        include_dashboard=False,
        log_to_driver=False,
        logging_level=logging.ERROR,
    )


def main() -> None:
    """Print the tables."""
    if "--memory" in sys.argv:
        print_memory(sys.argv[2], int(sys.argv[3]))
        return
    quick = "--quick" in sys.argv
    beside_dagster = not quick and importlib.util.find_spec("dagster") is not None
    dagster = importlib.import_module("dagster") if beside_dagster else None
    start_ray()
    print_machine("rayexec", "ray", *(["dagster"] if dagster is not None else []))
    print(f"load {os.getloadavg()[0]:.1f} at the start")
    make_mapped_job(rayexec, 1_000).execute()
    head = [
        "job",
        "s",
        "µs a step",
        "to mapped",
        "to 1,000 steps",
        "driver, bytes a step",
        "least-most",
    ]
    rows = fan_out_rows(SIZES[: 2 if quick else 3], dagster)
    print_table(f"One op, no-ops mapped over it, a collect; {SLOTS} slots", head, rows)
    head = ["chains of three below a map", "first outputs alive", "at most", "breadth-first"]
    print_table("Depth first", head, depth_rows())
    head = ["job", "steps", "s", "µs a step", "to nested", "least-most"]
    print_table("A map below a map", head, nested_rows())
    print(f"load {os.getloadavg()[0]:.1f} at the end")


if __name__ == "__main__":
    main()
