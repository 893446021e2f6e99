"""Workers are killed at random moments of random runs: these come to the right end, and nobody pays
for a neighbour.
"""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from killed_runs import Killer, Node, below, make_job, random_nodes, read_lines, values_of

from rayexec import RetryPolicy, RunResult

pytestmark = pytest.mark.long("kills workers in a hundred random runs")

CHUNK = 5  # runs of a test


def events_of(result: RunResult, kind: str) -> Counter[str | None]:
    return Counter(event.step_key for event in result.all_events if event.event_type_value == kind)


def check_starts(result: RunResult, place: Path, nodes: list[Node], kills: int) -> None:
    """No step that was over ran again, and a kill costs an attempt of the step that ran, or
    nothing.
    """
    tried, again = events_of(result, "STEP_UP_FOR_RETRY"), 0
    lines = read_lines(place)
    for number, node in enumerate(nodes):
        key = f"n{number}"
        numbers = [line.number for line in lines if line.key == key]
        assert set(numbers) <= set(range(tried[key] + 1))
        # A worker that dies after a step with a large output, and before it has handed that over,
        # takes it along.
        assert node.is_large or numbers == sorted(set(numbers)), (key, numbers)
        again += max(tried[key], len(numbers) - 1)
    assert again <= kills, "more steps ran again than workers were killed"


@pytest.mark.parametrize("first", range(0, 100, CHUNK))
def test_runs_end_right_whatever_workers_are_killed(
    execute_on_ray: Any, nothing_left: Any, tmp_path: Path, first: int
) -> None:
    for seed in range(first, first + CHUNK):
        rng = random.Random(seed)
        nodes, place = random_nodes(rng), tmp_path / str(seed)
        kills = rng.choice([1, 1, 1, 2])
        with Killer(place, rng, kills, len(nodes)) as killer:
            result = execute_on_ray(make_job(nodes, place, RetryPolicy(max_retries=kills)))
        said = f"seed {seed}, {len(killer.killed)} killed"
        assert result.success, (said, result.get_failed_step_keys())
        got = [result.output_for_node(f"n{number}")[0] for number in range(len(nodes))]
        assert got == values_of(nodes), said
        assert events_of(result, "STEP_SUCCESS") == {
            f"n{number}": 1 for number in range(len(nodes))
        }, said
        check_starts(result, place, nodes, len(killer.killed))
        result.close()


def test_without_a_policy_the_culprits_alone_fail(
    execute_on_ray: Any, nothing_left: Any, tmp_path: Path
) -> None:
    failures = 0
    for seed in range(1000, 1000 + 2 * CHUNK):
        rng = random.Random(seed)
        nodes, place = random_nodes(rng), tmp_path / str(seed)
        with Killer(place, rng, rng.choice([1, 2]), len(nodes)) as killer:
            result = execute_on_ray(make_job(nodes, place, None))
        failed = {int(key[1:]) for key in result.get_failed_step_keys()}
        failures += len(failed)
        assert len(failed) <= len(killer.killed), seed
        pids = {line.key: line.pid for line in read_lines(place)}
        # A step may be killed before it writes.
        assert {pids[f"n{number}"] for number in failed if f"n{number}" in pids} <= set(
            killer.killed
        ), seed
        values = values_of(nodes)
        for number in range(len(nodes)):
            if number in below(nodes, failed):
                assert result.is_node_untouched(f"n{number}"), (seed, number)
            elif number not in failed:
                assert result.output_for_node(f"n{number}")[0] == values[number], (seed, number)
        check_starts(result, place, nodes, len(killer.killed))
        result.close()
    assert failures
