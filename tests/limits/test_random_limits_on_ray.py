"""Random jobs under overlapping limits on the session's Ray, counted inside their ops."""

from __future__ import annotations

import os
import random
import time
from pathlib import Path
from typing import Any

import pytest

from rayexec import job, op

pytestmark = pytest.mark.long("many random runs on Ray")

KEYS, VALUES = ("db", "team"), ("x", "y")


def random_job(seed: int, folder: Path) -> tuple[Any, list[tuple[int, list[str]]]]:
    """Return a job of steps that note who is there, and its limits as (most, tags of which a step
    has one).
    """
    chance = random.Random(seed)
    rules: dict[tuple[str, Any], dict[str, Any]] = {}
    limits: list[tuple[int, list[str]]] = []
    for _ in range(chance.randint(1, 4)):
        key, most = chance.choice(KEYS), chance.choice([1, 2, 3, 7])
        value: Any = chance.choice([None, "x", "y", "each"])
        if (key, value) in rules:
            continue
        rules[key, value] = {"key": key, "limit": most}
        if value == "each":
            rules[key, value]["value"] = {"applyLimitPerUniqueValue": True}
            limits += [(most, [f"{key}={each}"]) for each in VALUES]
        elif value is None:
            limits.append((most, [f"{key}={each}" for each in VALUES]))
        else:
            rules[key, value]["value"] = value
            limits.append((most, [f"{key}={value}"]))
    max_concurrent = chance.choice([1, 2, 3, 4, 7, 10])
    limits.append((max_concurrent, [""]))
    config = {"max_concurrent": max_concurrent, "tag_concurrency_limits": list(rules.values())}
    where = str(folder)
    naps = {index: chance.choice([0.0, 0.001, 0.02, 0.06]) for index in range(40)}

    @op
    def stay(context: Any, before: list[Any]) -> list[str]:
        index = int(context.op_handle.name[1:])
        path = Path(
            where, f"{index}@" + ",".join(f"{key}={context.op_tags.get(key)}" for key in KEYS)
        )
        path.touch()
        seen = os.listdir(where)
        time.sleep(naps[index])
        path.unlink()
        return seen

    @job(config={"execution": {"config": {"ray": config}}})
    def crowd() -> None:
        made: list[Any] = []
        for index in range(40):
            tags = {key: chance.choice(VALUES) for key in KEYS if chance.random() < 0.6}
            before = [made[chance.randrange(index)]] if index and chance.random() < 0.4 else []
            made.append(stay.tag(tags).alias(f"s{index}")(before))

    return crowd, limits


@pytest.mark.parametrize("seed", range(20))
def test_no_limit_is_ever_exceeded(execute_on_ray: Any, tmp_path: Path, seed: int) -> None:
    crowd, limits = random_job(seed, tmp_path)
    result = execute_on_ray(crowd)
    assert result.success, [event.message for event in result.get_step_failure_events()]
    seen = [result.output_for_node(f"s{index}") for index in range(40)]
    for most, tags in limits:
        at_once = max(sum(any(tag in name for tag in tags) for name in names) for names in seen)
        assert at_once <= most, (most, tags)


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 10])
def test_a_limit_is_reached_and_not_exceeded(
    execute_on_ray: Any, tmp_path: Path, limit: int
) -> None:
    folder = str(tmp_path)

    @op(tags={"db": "x"})
    def stay(context: Any) -> int:
        path = Path(folder, context.op_handle.name)
        path.touch()
        end = time.monotonic() + 120
        # Stay until as many are there as may be, so that a slow start of workers is not taken for a
        # limit.
        most = 0
        while most < limit and time.monotonic() < end:
            most = max(most, len(os.listdir(folder)))
            time.sleep(0.01)
        time.sleep(0.05)
        most = max(most, len(os.listdir(folder)))
        path.unlink()
        return most

    config = {"max_concurrent": 12, "tag_concurrency_limits": [{"key": "db", "limit": limit}]}

    @job(config={"execution": {"config": {"ray": config}}})
    def crowd() -> None:
        for index in range(limit * 2):
            stay.alias(f"s{index}")()

    result = execute_on_ray(crowd)
    assert max(result.output_for_node(f"s{index}") for index in range(limit * 2)) == limit
