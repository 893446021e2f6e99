"""Fine-grained jobs on Ray beside the same graphs as hand-written Ray tasks, in turns in one run.

Run it from the repository: ``python -m benchmarks.fine``. The hand-written side is one task a step, references passed
straight on, and one ``ray.get`` at the end.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import rayexec
from benchmarks.jobs import make_job
from benchmarks.measure import REPEATS, median, print_machine, print_table, seconds
from rayexec.plan import compile_job

SLOTS = 4

# (seconds, the earlier steps it takes from)
Dag = Sequence[tuple[float, Sequence[int]]]


@rayexec.op
def nap(context: Any, values: Any) -> int:
    """Sleep for the seconds that the step's config says."""
    time.sleep(context.op_config)
    return 1


def no_op_rows() -> list[list[str]]:
    """Return the rows of no-op steps: the plan compiled before, everything recorded."""
    import ray

    @ray.remote
    def source() -> int:
        return 1

    @ray.remote
    def follow(value: int) -> int:
        return value

    def fan_out(steps: int) -> None:
        value = source.remote()
        ray.get([follow.remote(value) for _ in range(steps - 1)])

    def chain(steps: int) -> None:
        value = source.remote()
        for _ in range(steps - 1):
            value = follow.remote(value)
        ray.get(value)

    rows = []
    for shape, steps, by_hand in (("fan-out", 10_000, fan_out), ("chain", 1_000, chain)):
        job = make_job(rayexec, shape, steps)
        compile_job(job)
        job.execute()
        fan_out(100)
        rows.append(_row(f"{shape}, {steps:,} no-ops", steps, job.execute, partial(by_hand, steps)))
    return rows


def _row(name: str, steps: int, ours: Callable[[], Any], theirs: Callable[[], Any]) -> list[str]:
    mine, hand = [], []
    for _ in range(REPEATS):
        mine.append(seconds(ours) / steps * 1e6)
        hand.append(seconds(theirs) / steps * 1e6)
    ratio = median([one / other for one, other in zip(hand, mine, strict=True)])
    return [name, f"{ratio:.1f}", f"{median(mine):.1f}", f"{median(hand):.0f}"]


def layered_dag(rng: random.Random, steps: int, longest: float) -> Dag:
    """Return a random layered graph whose steps take up to ``longest`` seconds each."""
    width = steps // rng.choice([2, 5, 10, 20])
    dag: list[tuple[float, list[int]]] = []
    for number in range(steps):
        layer = number // width
        above = range((layer - 1) * width, layer * width) if layer else range(0)
        dag.append((rng.uniform(0, longest), rng.sample(above, min(len(above), rng.randint(1, 3)))))
    return dag


def bound(dag: Dag, slots: int) -> float:
    """Return the seconds that no schedule can beat: the critical path, or the work over the slots."""
    ends: list[float] = []
    for length, before in dag:
        ends.append(length + max((ends[each] for each in before), default=0.0))
    return max(*ends, sum(length for length, _ in dag) / slots)


def job_of(dag: Dag) -> tuple[Any, dict[str, Any]]:
    """Return a job that naps along ``dag``, and its run config."""

    @rayexec.job
    def napping() -> None:
        made: list[Any] = []
        for number, (_, before) in enumerate(dag):
            made.append(nap.alias(f"s{number}")([made[each] for each in before]))

    ops = {f"s{number}": {"config": length} for number, (length, _) in enumerate(dag)}
    return napping, {"ops": ops, "execution": {"config": {"ray": {"max_concurrent": SLOTS}}}}


def makespans(dags: Sequence[Dag]) -> list[str]:
    """Return the median makespans of ``dags`` over their bounds, ours and by hand, and the worst ratio of the two."""
    import ray

    @ray.remote
    def nap_by_hand(length: float, *_values: int) -> int:
        time.sleep(length)
        return 1

    def by_hand(dag: Dag) -> None:
        made: list[Any] = []
        for length, before in dag:
            made.append(nap_by_hand.remote(length, *[made[each] for each in before]))
        ray.get(made)

    by_hand(dags[0])
    ours, theirs = [], []
    for dag in dags:
        job, run_config = job_of(dag)
        compile_job(job)
        least = bound(dag, SLOTS)
        ours.append(seconds(partial(job.execute, run_config)) / least)
        theirs.append(seconds(partial(by_hand, dag)) / least)
    worst = max(mine / hand for mine, hand in zip(ours, theirs, strict=True))
    return [f"{median(ours):.3f}", f"{median(theirs):.3f}", f"{worst:.3f}"]


def main() -> None:
    """Print the tables."""
    import ray

    ray.init(address="local", num_cpus=SLOTS, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
    print_machine("rayexec", "ray")
    head = ["job", "by hand to rayexec", "rayexec, µs a step", "by hand, µs a step"]
    print_table(f"No-op steps, {SLOTS} slots", head, no_op_rows())
    rng = random.Random(1)
    long_among_short = [0.001] * 2_000
    for place in rng.sample(range(2_000), 4):
        long_among_short[place] = 2.0
    rows = [
        ["20 random layered graphs, 500 naps of 0-20 ms", *makespans([layered_dag(rng, 500, 0.02) for _ in range(20)])],
        ["100 naps of 100 ms", *makespans([[(0.1, [])] * 100] * REPEATS)],
        ["4 naps of 2 s among 2,000 of 1 ms", *makespans([[(each, []) for each in long_among_short]] * 3)],
    ]
    head = ["job", "rayexec to bound", "by hand to bound", "worst rayexec to by hand"]
    print_table(f"Makespan to what no schedule can beat, {SLOTS} slots", head, rows)


if __name__ == "__main__":
    main()
