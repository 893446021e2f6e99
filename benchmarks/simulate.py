"""Scale on a simulated cluster: the real scheduler and loop, a virtual clock.

Run it from the repository: ``python -m benchmarks.simulate`` (``--quick`` for a tenth of the size).
The virtual figures rate the schedule. The driver's own time a step is real: the time of scheduler
and loop, without the simulation below them. On Ray each batch costs the driver 0.3 ms more.
"""

from __future__ import annotations

import random
import resource
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import rayexec
from benchmarks.measure import print_machine, print_table, seconds
from rayexec.events import SUCCESS, Attempt, ErrorInfo, OutputRecord, StepFailureData
from rayexec.execute.driver import run_to_end
from rayexec.execute.log import RunLog
from rayexec.execute.observer import Observer
from rayexec.execute.prepare import prepare
from rayexec.placement.choice import driver_placement
from rayexec.run.spec import Batch, RunSpec
from rayexec.scheduler.machine import Machine
from rayexec.scheduler.messages import BatchEnded, BatchLost, EngineReport, RunBatch, RunStarted
from rayexec.testing.simulated_engine import Costs, SimulatedEngine

NODES, SLOTS_A_NODE = 100, 100
STEPS = 1_000_000


class Timed(SimulatedEngine):
    """A simulated cluster that measures its own time apart from the driver's."""

    seconds_spent = 0.0
    batches = 0

    def submit(self, work: Batch) -> None:
        """Accept a batch, on the watch."""
        self.batches += 1
        began = time.perf_counter()
        super().submit(work)
        self.seconds_spent += time.perf_counter() - began

    def wait(self, timeout: float | None) -> list[EngineReport]:
        """Let virtual time pass, on the watch."""
        began = time.perf_counter()
        back = super().wait(timeout)
        self.seconds_spent += time.perf_counter() - began
        return back


@rayexec.op
def source() -> int:
    """Return the first value."""
    return 1


@rayexec.op
def follow(value: Any) -> int:
    """Pass a value on."""
    return 1


@rayexec.op
def join(values: list[int]) -> int:
    """Join values."""
    return 1


def fan_out(steps: int) -> RunSpec:
    """Return a run of one step, many behind it, and a join."""

    @rayexec.job
    def fanned() -> None:
        value = source()
        join([follow(value) for _ in range(steps - 2)])

    return prepare(fanned)


def branches(steps: int) -> RunSpec:
    """Return a run of chains of ten steps, side by side."""

    @rayexec.job
    def branched() -> None:
        for _ in range(steps // 10):
            value = source()
            for _ in range(9):
                value = follow(value)

    return prepare(branched)


def lengths(kind: str, steps: int) -> list[float]:
    """Return the seconds of each step."""
    rng = random.Random(1)
    if kind == "no-op":
        return [0.0] * steps
    if kind == "1 s":
        return [1.0] * steps
    return [rng.choice((0.001, 0.01, 0.1, 1.0)) * rng.uniform(0.5, 1.5) for _ in range(steps)]


def simulate(
    name: str, make: Callable[[int], RunSpec], kind: str, steps: int, nodes: int, slots: int
) -> list[str]:
    """Return the row of virtual makespan over the bound, and of the driver's real time a step."""
    spec = make(steps)
    steps = len(spec.plan.steps)
    times = lengths(kind, steps)
    engine = Timed(
        spec.plan, nodes=[slots] * nodes, seconds=lambda call: times[call.step], costs=Costs()
    )
    began = time.perf_counter()
    outcome, _ = run_to_end(spec, lambda: engine, RunLog(spec.plan), Observer(), clock=engine.now)
    took = time.perf_counter() - began - engine.seconds_spent
    assert outcome.status == "SUCCESS"
    least = bound(spec, times, nodes * slots)
    return [
        f"{name}, {kind}",
        f"{steps:,}",
        f"{nodes * slots:,}",
        f"{engine.now():.2f}",
        f"{engine.now() / least:.3f}" if least else "",
        f"{took / steps * 1e6:.1f}",
        f"{engine.batches:,}",
    ]


@rayexec.op
def after(value: int, opened: int) -> int:
    """Pass a value on once all are there."""
    return value


def reconstruct(count: int) -> list[str]:
    """Return the row of the driver's real time to repeat ``count`` steps lost at once."""

    @rayexec.job
    def fans() -> None:
        values = [source() for _ in range(count)]
        opened = join(values)
        for value in values:
            after(value, opened)

    plan = prepare(fans).plan
    machine = Machine(plan, driver_placement(plan, slots=1, max_concurrent=1))
    [run_batch] = machine.handle(RunStarted(), 0.0)
    for _ in range(count + 1):
        assert isinstance(run_batch, RunBatch)
        [call] = run_batch.batch.calls
        row = Attempt(call.step, 0, SUCCESS, 0.0, 0.0, (OutputRecord("result"),))
        *_, run_batch = machine.handle(BatchEnded(run_batch.batch.id, (row,)), 0.0)
    assert isinstance(run_batch, RunBatch)
    lost = tuple(step for step in range(len(plan.steps)) if not plan.steps[step].inputs)
    failure = StepFailureData(ErrorInfo("ObjectLostError", "gone", ""), ("ObjectLostError",))
    event = BatchLost(run_batch.batch.id, (), None, failure, 0.0, 0.0, inputs=lost)
    took = seconds(lambda: machine.handle(event, 0.0))
    return [f"{count:,}", f"{took * 1e3:,.1f}", f"{took / count * 1e6:.1f}"]


def bound(spec: RunSpec, seconds: Sequence[float], slots: int) -> float:
    """Return the lower bound in seconds: the critical path, or the work over the slots."""
    plan = spec.plan
    ends = [0.0] * len(plan.steps)
    for index in range(len(plan.steps) - 1, -1, -1):
        ends[index] = seconds[index] + max(
            (ends[each] for each in plan.successors[index]), default=0.0
        )
    return max(*ends, sum(seconds) / slots)


def main() -> None:
    """Print the table."""
    steps = STEPS // 10 if "--quick" in sys.argv else STEPS
    print_machine("rayexec")
    rows = [
        simulate("fan-out", fan_out, "no-op", size, 1, 4)
        for size in (steps // 100, steps // 10, steps)
    ]
    for kind in ("1 s", "1 ms to 1.5 s"):
        rows.append(simulate("fan-out", fan_out, kind, steps, NODES, SLOTS_A_NODE))
        rows.append(simulate("branches of 10", branches, kind, steps, NODES, SLOTS_A_NODE))
    head = ["job", "steps", "slots", "virtual s", "to bound", "driver, µs a step", "batches"]
    print_table("Simulated", head, rows)
    losses = [reconstruct(count) for count in (1_000, 4_000, 16_000)]
    print_table("Reconstruction", ["lost outputs", "driver, ms", "driver, µs an output"], losses)
    print(f"\npeak memory: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:,.0f} MB")


if __name__ == "__main__":
    main()
