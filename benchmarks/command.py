"""Times of the command line on the three-op job, beside a bare Ray script for the same.

Run it from the repository: ``python -m benchmarks.command``. Each figure is the wall
time of a whole process. The commands take turns, so other work of the machine affects all of them.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.measure import REPEATS, median, print_machine, print_table, spread, verdict

JOB_FILE = Path(__file__).parent.parent / "docs" / "examples" / "my_job.py"
GOAL = 1.0

BARE = """
import ray

ray.init({options})


@ray.remote
def return_one():
    return 1


@ray.remote
def add_two(i):
    return i + 2


@ray.remote
def multi_three(i):
    return i * 3


assert ray.get(multi_three.remote(add_two.remote(return_one.remote()))) == 9
"""
SAME_OPTIONS = 'address="local", include_dashboard=False, log_to_driver=False'


def whole_process(command: list[str], directory: str) -> float:
    """Return the wall time of a command; raises CalledProcessError with its output."""
    environment = {
        key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"
    }
    started = time.perf_counter()
    subprocess.run(
        command,
        cwd=directory,
        env=environment,
        check=True,
        capture_output=True,
        stdin=subprocess.DEVNULL,
    )
    return time.perf_counter() - started


def main() -> None:
    """Print the table."""
    print_machine("rayexec", "ray")
    with tempfile.TemporaryDirectory() as directory:
        bare, same = Path(directory, "bare.py"), Path(directory, "same.py")
        bare.write_text(BARE.format(options=""))
        same.write_text(BARE.format(options=SAME_OPTIONS))
        rayexec = str(Path(sys.executable).with_name("rayexec"))
        execute = [rayexec, "job", "execute", "-f", str(JOB_FILE)]
        kinds = {
            "ray.init() and three tasks": [sys.executable, str(bare)],
            "the same, no dashboard": [sys.executable, str(same)],
            "rayexec job execute": execute,
            "rayexec job execute, in_process": [*execute, "-c", "in_process.yaml"],
            "rayexec --help": [rayexec, "--help"],
        }
        Path(directory, "in_process.yaml").write_text("execution:\n  config:\n    in_process:\n")
        times: dict[str, list[float]] = {kind: [] for kind in kinds}
        for round_ in range(REPEATS + 1):
            for kind, command in kinds.items():
                took = whole_process(command, directory)
                if round_:  # the first round fills the caches of files
                    times[kind].append(took)
    bare_times = times["ray.init() and three tasks"]
    more = {
        kind: [one - other for one, other in zip(each, bare_times, strict=True)]
        for kind, each in times.items()
    }
    rows = [
        [
            kind,
            f"{median(each):.2f}",
            spread(each),
            f"{median(more[kind]):+.2f}",
            f"{median(each) / median(bare_times):.2f}",
        ]
        for kind, each in times.items()
    ]
    print_table(
        "Whole processes on the three-op job",
        ["command", "s", "least-most", "more, by round", "ratio"],
        rows,
    )
    extra = median(more["rayexec job execute"])
    print(
        f"\nmore than the bare script: {extra:+.2f} s; within the goal of {GOAL:.0f} s: "
        f"{verdict(extra, GOAL)}"
    )


if __name__ == "__main__":
    main()
