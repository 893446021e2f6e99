"""Durable runs whose drivers are killed at any moment: resumed, they run no step again that was
over.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from durable_run import make_job

from rayexec import ReexecutionOptions, execute_job
from rayexec.store import DirectoryRunStore

pytestmark = pytest.mark.long("kills drivers, and resumes their runs in new processes")

SCRIPT = Path(__file__).with_name("durable_run.py")
WORKERS = 4  # each of which may be between a step's return and its commit


def lines(notes: Path) -> list[str]:
    return notes.read_text().splitlines() if notes.exists() else []


@pytest.mark.parametrize("seed", range(20))
def test_resuming_a_run_whose_driver_was_killed_runs_no_step_again_that_was_over(
    ray_session: None, tmp_path: Path, seed: int
) -> None:
    import ray

    notes, store = tmp_path / "notes", DirectoryRunStore(tmp_path / "store")
    chance = random.Random(seed)
    job = make_job(seed, str(notes))
    steps = len(job.graph.nodes) + 5
    enough = chance.randrange(1, steps)
    address = ray.get_runtime_context().gcs_address
    given = [address, store.root, "first", str(seed), str(notes)]
    with subprocess.Popen(
        [sys.executable, str(SCRIPT), *given], stderr=subprocess.PIPE, text=True
    ) as driver:
        deadline = time.monotonic() + 180
        while (
            sum(line.startswith("end ") for line in lines(notes)) < enough and driver.poll() is None
        ):
            assert time.monotonic() < deadline, "the run makes no headway"
            time.sleep(0.002)
        time.sleep(chance.random() * 0.02)  # any moment
        os.kill(driver.pid, signal.SIGKILL)
        assert driver.stderr is not None
        told = driver.stderr.read()
    _wait_for_ray()
    before = lines(notes)
    committed = store.values("first").committed()
    ended = {line.removeprefix("end ") for line in before if line.startswith("end ")}
    assert len(ended) >= enough, told
    assert len(ended - committed.keys()) <= WORKERS, "what was over is stored"
    status = store.open("first").record().status
    if status == "SUCCESS":  # it was quicker than its death
        return
    assert status == "STARTED"
    notes.unlink(missing_ok=True)
    with execute_job(
        job,
        store=store,
        run_id="second",
        durable=True,
        reexecution_options=ReexecutionOptions.from_failure("first"),
    ) as result:
        assert result.success, result.get_run_failure_event().message
        again = [line.removeprefix("begin ") for line in lines(notes) if line.startswith("begin ")]
        assert not committed.keys() & set(again), "no step runs again that was over"
        assert max(Counter(again).values(), default=1) == 1
        assert set(again) | committed.keys() >= {f"piece[k{key}]" for key in range(6)} | {
            "gather",
            "split",
        }
        value: Any = result.output_for_node("gather")
    with job.execute_in_process() as whole:
        assert whole.output_for_node("gather") == value


def _wait_for_ray() -> None:
    """Wait until Ray has ended the workers of a driver that was killed."""
    import ray

    deadline = time.monotonic() + 120
    while ray.available_resources().get("CPU", 0) < ray.cluster_resources()["CPU"]:
        assert time.monotonic() < deadline, "the workers of the killed driver stay"
        time.sleep(0.05)
