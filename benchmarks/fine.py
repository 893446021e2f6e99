"""Fine-grained jobs on Ray in turns with hand-written Ray tasks, against their goals.

Run it from the repository: ``python -m benchmarks.fine`` (``--quick`` for 20 random graphs instead
of 200, ``--no-ops`` or ``--naps`` for one table of the two). The hand-written side is one task a
step, references passed straight on, and one ``ray.get`` at the end.
"""

from __future__ import annotations

import heapq
import logging
import random
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import rayexec
from benchmarks.jobs import make_job
from benchmarks.measure import REPEATS, median, print_machine, print_table, seconds
from rayexec.plan import compile_job

SLOTS = 4

# (seconds, earlier steps with inputs for it)
Dag = Sequence[tuple[float, Sequence[int]]]


@rayexec.op
def nap(context: Any, values: Any) -> int:
    """Sleep for the seconds of the step's config."""
    time.sleep(context.op_config)
    return 1


def no_op_rows() -> list[list[str]]:
    """Return the rows of no-op steps."""
    import ray

    @ray.remote
    def source() -> int:
        return 1

    @ray.remote
    def follow(value: int) -> int:
        return value

    @ray.remote
    def join(*values: int) -> int:
        return sum(values)

    def fan_out(steps: int) -> None:
        value = source.remote()
        assert ray.get(join.remote(*[follow.remote(value) for _ in range(steps - 2)])) == steps - 2

    def chain(steps: int) -> None:
        value = source.remote()
        for _ in range(steps - 1):
            value = follow.remote(value)
        ray.get(value)

    def make(shape: str, steps: int) -> Callable[[bool], Any]:
        """Return a function for a new job, compiled on demand."""

        def made(compiled: bool) -> Any:
            job = make_job(rayexec, shape, steps)
            if compiled:
                compile_job(job)
            return job

        return made

    fan_out(100)
    rows = []
    for shape, title, steps, by_hand, goal, first_goal in (
        ("join", "fan-out and join", 10_000, fan_out, 30, 15),
        ("chain", "chain", 1_000, chain, 100, None),
    ):
        compiled_job = make(shape, steps)(True)
        # Every worker of Ray loads the code of the job before it counts.
        with ThreadPoolExecutor(SLOTS) as several:
            list(several.map(lambda run: run(), [compiled_job.execute] * 3 * SLOTS))
        again = partial(_ran, partial(_same, compiled_job))
        rows.append(_row(f"{title}, {steps:,} no-ops", steps, again, partial(by_hand, steps), goal))
        first = partial(_ran, partial(make(shape, steps), True))
        rows.append(
            _row(f"{title}, the job's first run", steps, first, partial(by_hand, steps), None)
        )
        counted = partial(_ran, partial(make(shape, steps), False))
        rows.append(
            _row(f"{title}, compiling counted", steps, counted, partial(by_hand, steps), first_goal)
        )
    return rows


def _same(job: Any) -> Any:
    return job


def _ran(prepare: Callable[[], Any]) -> float:
    """Return the seconds of one run of a prepared job."""
    return seconds(prepare().execute)


def _row(
    name: str, steps: int, ours: Callable[[], float], theirs: Callable[[], Any], goal: float | None
) -> list[str]:
    mine, hand = [], []
    for _ in range(REPEATS):
        mine.append(ours() / steps * 1e6)
        hand.append(seconds(theirs) / steps * 1e6)
    ratio = median([one / other for one, other in zip(hand, mine, strict=True)])
    wanted = ["", ""] if goal is None else [f"{goal:.0f}", "yes" if ratio >= goal else "NO"]
    return [name, f"{ratio:.1f}", *wanted, f"{median(mine):.1f}", f"{median(hand):.0f}"]


def layered_dag(rng: random.Random, steps: int, longest: float) -> Dag:
    """Return a random layered graph of steps with up to ``longest`` seconds each."""
    width = steps // rng.choice([2, 5, 10, 20])
    dag: list[tuple[float, list[int]]] = []
    for index in range(steps):
        layer = index // width
        above = range((layer - 1) * width, layer * width) if layer else range(0)
        dag.append((rng.uniform(0, longest), rng.sample(above, min(len(above), rng.randint(1, 3)))))
    return dag


def bound(dag: Dag, slots: int) -> float:
    """Return the lower bound in seconds: the critical path, or the work over the slots."""
    ends: list[float] = []
    for length, before in dag:
        ends.append(length + max((ends[each] for each in before), default=0.0))
    return max(*ends, sum(length for length, _ in dag) / slots)


@rayexec.op
def long_nap(context: Any, values: Any) -> int:
    """Sleep as ``nap`` does; an op of its own separates its steps from short ones."""
    time.sleep(context.op_config)
    return 1


def job_of(dag: Dag, *, long_op: bool = False) -> tuple[Any, dict[str, Any]]:
    """Return a job of naps along ``dag``, and its run config.

    With ``long_op`` the long naps are an op of their own.
    """

    @rayexec.job
    def napping() -> None:
        made: list[Any] = []
        for index, (length, before) in enumerate(dag):
            op = long_nap if long_op and length >= 1 else nap
            made.append(op.alias(f"s{index}")([made[each] for each in before]))

    ops = {f"s{index}": {"config": length} for index, (length, _) in enumerate(dag)}
    return napping, {"ops": ops, "execution": {"config": {"ray": {"max_concurrent": SLOTS}}}}


def list_schedule(lengths: Sequence[float], slots: int) -> float:
    """Return the makespan of independent steps in this order, each on the first free slot."""
    ends = [0.0] * slots
    for length in lengths:
        heapq.heappushpop(ends, ends[0] + length)
    return max(ends)


def makespans(
    name: str,
    dags: Sequence[Dag],
    goal: float,
    least: Callable[[Dag], float] | None = None,
    *,
    long_op: bool = False,
) -> list[str]:
    """Return the row of median makespans over ``least``, by default the bounds of ``dags``."""
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

    by_hand(dags[0][:100])
    ours, theirs = [], []
    for dag in dags:
        job, run_config = job_of(dag, long_op=long_op)
        compile_job(job)
        unit = bound(dag, SLOTS) if least is None else least(dag)
        ours.append(seconds(partial(job.execute, run_config)) / unit)
        theirs.append(seconds(partial(by_hand, dag)) / unit)
    ratios = [mine / hand for mine, hand in zip(ours, theirs, strict=True)]
    figures = [
        f"{median(ours):.3f}",
        f"{goal:.2f}",
        "yes" if median(ours) <= goal else "NO",
        f"{median(theirs):.3f}",
    ]
    return [name, *figures, f"{median(ratios):.3f}", f"{max(ratios):.3f}"]


def mixed() -> list[float]:
    """Return 10 lengths of 2 s among 5,000 of 1 ms, in random order."""
    lengths = [2.0] * 10 + [0.001] * 5_000
    random.Random(1).shuffle(lengths)
    return lengths


def main() -> None:
    """Print the tables."""
    import ray

    ray.init(
        address="local",
        num_cpus=SLOTS,
        include_dashboard=False,
        log_to_driver=False,
        logging_level=logging.ERROR,
    )
    print_machine("rayexec", "ray")
    if "--naps" not in sys.argv:
        head = [
            "job",
            "by hand to rayexec",
            "goal",
            "reached",
            "rayexec, µs a step",
            "by hand, µs a step",
        ]
        print_table(f"No-op steps, {SLOTS} slots", head, no_op_rows())
    if "--no-ops" in sys.argv:
        return
    count = 20 if "--quick" in sys.argv else 200
    rng = random.Random(1)
    random_dags = [layered_dag(rng, 500, 0.02) for _ in range(count)]
    lengths = mixed()
    best = list_schedule(sorted(lengths, reverse=True), SLOTS)
    in_order = list_schedule(lengths, SLOTS)
    mix: list[Dag] = [[(each, []) for each in lengths]] * REPEATS
    rows = [
        makespans("100 naps of 100 ms", [[(0.1, [])] * 100] * REPEATS, 1.03),
        makespans(
            "10 naps of 2 s, an op of their own, among 5,000 of 1 ms",
            mix,
            1.1,
            lambda _: best,
            long_op=True,
        ),
        makespans(
            "the same as one op, to the list schedule in the order given",
            mix,
            1.10,
            lambda _: in_order,
        ),
        makespans("the same as one op, to the best list schedule", mix, 1.10, lambda _: best),
        makespans(f"{count} random layered graphs, 500 naps of 0-20 ms", random_dags, 1.10),
    ]
    head = [
        "job",
        "to the bound",
        "goal",
        "reached",
        "by hand to it",
        "rayexec to by hand",
        "at worst",
    ]
    print_table(f"Makespan to the bound, {SLOTS} slots", head, rows)


if __name__ == "__main__":
    main()
