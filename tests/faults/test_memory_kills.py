"""Ray's memory monitor kills a step's worker: the next try asks for more memory, where the op's
policy says so.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.long("fills a node's memory until Ray's monitor kills")

SCRIPT = Path(__file__).with_name("eat_memory.py")


def test_tries_after_memory_kills_ask_for_more(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(SCRIPT), str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    outcome = json.loads((tmp_path / "outcome.json").read_text())
    assert outcome["failed"] == ["stubborn"], outcome
    assert (outcome["greedy"], outcome["frugal"]) == (7, 8)
    tries: dict[str, list[float]] = {}
    for line in (tmp_path / "tries").read_text().splitlines():
        name, amount = line.split()
        tries.setdefault(name, []).append(float(amount))
    # An op that asks for none: twice what its worker had, as Ray tells it to hundredths of GiB.
    first, second = tries["greedy"]
    assert first == 0
    told = re.search(r"it had (?:up to )?([0-9.]+) GiB; the next try asks for", outcome["said"][0])
    assert told is not None, outcome["said"]
    assert abs(second - 2 * float(told[1]) * 2**30) < 2**20
    # One that asks for some: that much more each time.
    assert [amount / (100 * 2**20) for amount in tries["frugal"]] == [1, 3, 9]
    # Without a factor it is an attempt as any other.
    assert tries["stubborn"] == [0, 0]
    assert tries["start"] == [0]
    assert all(
        "was killed because its node ran out of memory (" in each for each in outcome["said"]
    )
    assert "asks for" not in outcome["said"][-1]
