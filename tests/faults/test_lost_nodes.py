"""A node that is gone takes large outputs with it: what needs them has them made again."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.long("kills nodes, and Ray takes 15 s to give up an object")

SCRIPT = Path(__file__).with_name("lose_node.py")


def run(place: Path, keep: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, str(SCRIPT), str(place), keep],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    outcome: dict[str, Any] = json.loads((place / "outcome.json").read_text())
    return outcome


@pytest.mark.parametrize("keep", ["all", "leaves"])
def test_a_run_goes_on_after_a_node_took_the_only_copy_of_outputs_with_it(
    tmp_path: Path, keep: str
) -> None:
    outcome = run(tmp_path, keep)
    assert outcome["status"] == "SUCCESS", outcome
    assert outcome["listed"] == [2_000_000, 3_000_000, 4_000_000]
    if keep == "all":
        assert outcome["total"] == 2_000_000
    again = {key for key, count in outcome["starts"].items() if count > 1}
    # Where only leaves are kept, what the first of them takes is gone as well.
    assert again == {"large", "many", *(["start"] if keep == "leaves" else [])}
    # What was not needed again did not run again.
    assert outcome["starts"]["gate"] == 1
    assert any('The outputs of step "large" were lost' in each for each in outcome["said"])


def test_a_step_that_ran_on_a_node_that_died_runs_again_at_no_cost_to_its_retries(
    tmp_path: Path,
) -> None:
    script = SCRIPT.with_name("lose_running_node.py")
    done = subprocess.run(
        [sys.executable, str(script), str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    outcome = json.loads((tmp_path / "outcome.json").read_text())
    assert (outcome["status"], outcome["total"]) == ("SUCCESS", 10), outcome
    assert set(outcome["retries"].values()) == {0}
    # One of the two steps was on the node, and began twice; what ran elsewhere is not touched.
    [victim] = outcome["victims"]
    assert sorted(outcome["began"]) == sorted(["first", "second", victim])
    [said] = [each for each in outcome["said"] if "runs again" in each]
    assert said.startswith(
        f'Step "{victim}" runs again, at no cost to its retries (1 of 3 times): '
    )
    assert "the node that it was on died, or cannot be reached any more" in said
