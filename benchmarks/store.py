"""Costs of recording a run in a store, and of reading it again.

Run it from the repository: ``python -m benchmarks.store``.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
import uuid
from array import array
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import ray

import rayexec
from benchmarks.jobs import make_job, make_mapped_job
from benchmarks.measure import REPEATS, median, print_machine, print_table, seconds, verdict
from rayexec import job, op
from rayexec.cli.render.attempts_parquet import write_parquet
from rayexec.cli.render.page import write_page
from rayexec.events import BatchFacts, RunStatus, StepBlockedData, Successes
from rayexec.plan import compile_job
from rayexec.store import DirectoryRunStore, RunRecord
from rayexec.store.reading import StoredLog
from rayexec.store.writing import LogWriter
from rayexec.views.run_report import report

STEPS = 20_000
IN_PROCESS: dict[str, Any] = {"execution": {"config": {"in_process": {}}}}
LIMITED = {
    "execution": {"config": {"ray": {"tag_concurrency_limits": [{"key": "kind", "limit": 4}]}}}
}
TURNS = 2 * REPEATS + 1
NO_OP, NAP = 1.15, 1.03  # goals: recorded to not recorded


def napping(count: int, length: float, **options: Any) -> Any:
    """Return a job of independent naps."""

    @op(**options)
    def nap() -> None:
        if length:
            time.sleep(length)

    @job
    def side_by_side() -> None:
        for _ in range(count):
            nap()

    return side_by_side


def talking(count: int) -> Any:
    """Return a job of steps that log a line each, so no step is a plain success."""

    @op
    def talk(context) -> None:  # type: ignore[no-untyped-def]
        context.log.debug("a line")

    @job
    def talks() -> None:
        for _ in range(count):
            talk()

    return talks


def recording(base: str) -> None:
    """Run each job recorded and not, in turns, and print the table."""
    cases: Mapping[str, tuple[Any, int, Mapping[str, Any], float | None]] = {
        "chain of no-ops": (make_job(rayexec, "chain", STEPS), STEPS, {}, NO_OP),
        "fan-out of no-ops": (make_job(rayexec, "fan-out", STEPS), STEPS, {}, NO_OP),
        "layered no-ops": (make_job(rayexec, "layered", STEPS), STEPS, {}, NO_OP),
        "mapped no-ops": (make_mapped_job(rayexec, STEPS), STEPS + 2, {}, NO_OP),
        "no-ops under a tag limit": (napping(STEPS, 0, tags={"kind": "x"}), STEPS, LIMITED, NO_OP),
        "no-ops that log a line": (talking(STEPS), STEPS, {}, None),
        "no-ops in this process": (make_job(rayexec, "layered", STEPS), STEPS, IN_PROCESS, NO_OP),
        "20 ms": (napping(400, 0.02), 400, {}, NAP),
    }
    rows = []
    for name, (measured, steps, config, goal) in cases.items():
        runs: Mapping[str, Callable[[], Any]] = {
            "without": partial(measured.execute, config, keep_outputs="none", store=False),
            "with": partial(measured.execute, config, keep_outputs="none", store=base),
        }
        measured.execute(config, store=False)
        took: dict[str, list[float]] = {"without": [], "with": []}
        for turn in range(TURNS):
            for way in ("without", "with") if turn % 2 else ("with", "without"):
                took[way].append(seconds(runs[way]))
        ratio = median(
            [one / other for one, other in zip(took["with"], took["without"], strict=True)]
        )
        latest = DirectoryRunStore(base).list()[0].run_id
        size = sum(file.stat().st_size for file in Path(base, "runs", latest, "events").iterdir())
        micro = [f"{median(took[way]) / steps * 1e6:,.1f}" for way in ("without", "with")]
        goals = [f"{goal:.2f}", verdict(ratio, goal)] if goal else ["", ""]
        rows.append([f"{steps:,} {name}", *micro, f"{ratio:.3f}", *goals, f"{size / steps:,.0f}"])
    print_table(
        "Recording a run: microseconds a step",
        ["job", "not recorded", "recorded", "ratio", "goal", "within goal", "bytes a step"],
        rows,
    )


def reading(base: str, steps: int) -> None:
    """Time the reading of a log of no-ops, and print it."""
    result = make_job(rayexec, "layered", steps).execute(keep_outputs="none", store=base)
    reader = DirectoryRunStore(base).open(result.run_id)
    opened = median([seconds(lambda: StoredLog(reader)) for _ in range(REPEATS)])
    log = StoredLog(reader)
    attempts = median([seconds(lambda: sum(1 for _ in log.attempts())) for _ in range(REPEATS)])
    events = median([seconds(lambda: sum(1 for _ in log.events())) for _ in range(REPEATS)])
    print_table(
        f"Reading the log of {steps:,} steps",
        ["what", "s", "µs a step"],
        [
            [name, f"{took:.3f}", f"{took / steps * 1e6:.1f}"]
            for name, took in (("opening", opened), ("attempts", attempts), ("events", events))
        ],
    )


def exporting(base: str, steps: int) -> None:
    """Time the views of a run of no-ops with a wait for a limit each, and print the table.

    The log is made by hand: a run records so many waits only if it takes minutes.
    """
    store = DirectoryRunStore(base)
    plan = compile_job(make_job(rayexec, "layered", steps))
    end = RunRecord("waits", "layered", RunStatus.SUCCESS, start_time=1.0, end_time=steps * 0.002)
    writer = store.create(end)
    log = LogWriter(plan, writer)
    count, a_batch = len(plan.steps), 100
    for batch, first in enumerate(range(0, count, a_batch)):
        indices = range(first, min(first + a_batch, count))
        started = array("d", [1.0 + index * 0.001 for index in indices])
        ended = array("d", [moment + 0.001 for moment in started])
        facts = BatchFacts(batch, "host", "node", 7, started[0], started[0], ended[-1], calls=1)
        log.add(facts)
        log.add(Successes(indices, [0] * len(indices), started, ended, 7, batch))
    holders = (plan.steps[0].key,)
    log.write({(step, 0): StepBlockedData("kind=x", 0.5, holders) for step in range(count)})
    writer.close()
    reader = store.open("waits")
    page, table = Path(base, "page.html"), Path(base, "attempts.parquet")
    views: Mapping[str, Callable[[], Any]] = {
        "run export --html": lambda: write_page(page, reader.record(), StoredLog(reader)),
        "run export --parquet": lambda: write_parquet(table, reader.record(), StoredLog(reader)),
        "run show": lambda: report(reader.record(), StoredLog(reader)),
        "run events": lambda: sum(1 for _ in StoredLog(reader).events()),
    }
    rows = []
    for name, view in views.items():
        took = median([seconds(view) for _ in range(REPEATS)])
        rows.append([name, f"{took:.2f}", f"{took / count * 1e6:.1f}"])
    print_table(f"A run of {count:,} steps with waits", ["command", "s", "µs a step"], rows)


def listing(base: str, runs: int) -> None:
    """Time commands on a store of many runs, each as a process, and print the table."""
    store = DirectoryRunStore(base)
    for number in range(runs):
        ended = time.time() - number
        record = RunRecord(
            str(uuid.uuid4()),
            f"job{number % 7}",
            RunStatus.SUCCESS,
            start_time=ended - 30,
            end_time=ended,
            run_config={"ops": {"load": {"config": {"days": list(range(40))}}}},
            steps={"succeeded": 3},
        )
        store.create(record).close()
    first = store.list()[0].run_id
    index = Path(base, "index")
    cases = {
        "run list, without an index": ("list",),
        "run list": ("list",),
        "run list --json": ("list", "--json"),
        "run list --limit 10": ("list", "--limit", "10"),
        "run show by the beginning of an id": ("show", first[:8]),
        "run delete ID": ("delete", first),
        "run delete --keep, of 1,000 runs": ("delete", "--keep", str(runs - 1_001)),
    }
    rows = []
    for name, arguments in cases.items():
        if "without" in name:
            shutil.rmtree(index)
        command = [sys.executable, "-m", "rayexec", "run", *arguments, "--store", base]
        took = seconds(partial(subprocess.run, command, check=True, stdout=subprocess.DEVNULL))
        rows.append([name, f"{took:.2f}"])
    print_table(f"Commands on a store of {runs:,} runs", ["command", "s"], rows)


def main() -> None:
    """Print the tables."""
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    print_machine("rayexec", "ray", "pyarrow")
    ray.init(address="local", num_cpus=4, include_dashboard=False, log_to_driver=False)
    with tempfile.TemporaryDirectory() as base:
        recording(base)
        reading(base, 100_000)
        exporting(base, 100_000)
    with tempfile.TemporaryDirectory() as base:
        listing(base, 5_000)


if __name__ == "__main__":
    main()
