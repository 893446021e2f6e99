"""From the click on Launch to the recorded end of a job of three ops, on the Ray of the server.

    python -m benchmarks.web_launch

Beside it, the same run by a fresh process on that Ray, and by ``rayexec job execute`` with a Ray of
its own.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rayexec.launch import launch_job
from rayexec.launch.spare_driver import SpareDrivers
from rayexec.launch.warm_cluster import WarmCluster
from rayexec.store import default_store

__all__ = ["launch_figures"]

ROUNDS = 5
RUN_TIMEOUT_S = 120.0
JOB = """
from rayexec import job, op

@op
def one() -> int:
    return 1

@op
def two(number: int) -> int:
    return number + 1

@op
def three(number: int) -> int:
    return number + 1

@job
def chain():
    three(two(one()))
"""


def launch_figures(rounds: int = ROUNDS) -> dict[str, float]:
    """Return the medians of the seconds from a launch to its recorded end, by the way to run."""
    with tempfile.TemporaryDirectory() as directory:
        os.environ["RAYEXEC_HOME"] = str(Path(directory, "home"))
        os.environ["RAYEXEC_RECORD"] = "1"  # The end of a run is in its record.
        file = Path(directory, "chain.py")
        file.write_text(JOB)
        cluster = WarmCluster()
        begun = time.time()
        cluster.begin()
        cluster.wait()
        figures = {"Ray of the server is up": time.time() - begun}
        try:
            _await_spare(cluster)
            figures["and a spare driver waits"] = time.time() - begun
            spare, fresh = [], []
            for _ in range(rounds):
                _await_spare(cluster)
                spare.append(_seconds(file, cluster, cluster.spares))
                # The next spare prepares itself after the run, and shall not disturb this one.
                _await_spare(cluster)
                fresh.append(_seconds(file, cluster, None))
            figures["launch, by the spare driver"] = statistics.median(spare)
            figures["launch, by a fresh process on that Ray"] = statistics.median(fresh)
        finally:
            cluster.close()
        figures["job execute with a Ray of its own"] = statistics.median(
            _execute(file) for _ in range(rounds)
        )
        return figures


def _await_spare(cluster: WarmCluster) -> None:
    until = time.monotonic() + RUN_TIMEOUT_S
    while not (cluster.spares is not None and cluster.spares.is_ready):
        if time.monotonic() > until:
            raise TimeoutError("no spare driver came")
        time.sleep(0.05)
    time.sleep(1.0)  # for its worker to come to rest


def _seconds(file: Path, cluster: WarmCluster, spares: SpareDrivers | None) -> float:
    clicked = time.time()
    run = launch_job(file, attach=cluster.address, spares=spares)
    run.wait(RUN_TIMEOUT_S)
    end = run.record().end_time
    assert end is not None
    return end - clicked


def _execute(file: Path) -> float:
    clicked = time.time()
    subprocess.run(
        [sys.executable, "-m", "rayexec", "job", "execute", "-f", str(file)],
        check=True,
        capture_output=True,
    )
    end = max(record.end_time or 0.0 for record in default_store().list())
    return end - clicked


def main() -> None:
    """Print the figures."""
    for name, seconds in launch_figures().items():
        sys.stdout.write(f"{name:<42} {seconds:6.2f} s\n")


if __name__ == "__main__":
    main()
