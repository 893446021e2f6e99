"""Times of commands on a cluster that stays up, for runs and for mistakes.

Run it from the repository: ``python -m benchmarks.cluster``. It starts a cluster of two nodes on
this machine, with a home and a token of its own. Each figure is the wall time
of a whole process; the commands take turns.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from benchmarks.command import BARE, JOB_FILE
from benchmarks.measure import REPEATS, median, print_machine, print_table, spread, verdict

GOAL, GOAL_OF_MESSAGES = 2.0, 10.0
LARGE = 101 << 20  # bytes, more than Ray's Jobs API takes


def seconds(command: list[str], environment: Mapping[str, str], *, fails: bool = False) -> float:
    """Return the wall time of a command; raises RuntimeError with its output for a wrong end."""
    started = time.perf_counter()
    done = subprocess.run(
        command,
        cwd=environment["HOME"],
        env=environment,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    took = time.perf_counter() - started
    if (done.returncode != 0) != fails:
        raise RuntimeError(f"{command} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return took


def _runs(rayexec: str, dashboard: str, directory: Path) -> dict[str, list[str]]:
    bare = directory / "bare.py"
    bare.write_text(BARE.format(options='address="auto", log_to_driver=False'))
    return {
        'ray.init("auto") and three tasks': [sys.executable, str(bare)],
        "rayexec job execute --address auto": [
            rayexec,
            "job",
            "execute",
            "-f",
            str(JOB_FILE),
            "--address",
            "auto",
        ],
        "rayexec job launch --wait": [
            rayexec,
            "job",
            "launch",
            "-f",
            str(JOB_FILE),
            "--address",
            dashboard,
            "--wait",
        ],
    }


def _mistakes(
    rayexec: str, address: str, dashboard: str, directory: Path
) -> dict[str, tuple[list[str], str | None]]:
    """Return the command of each mistake, with its token if that is a wrong one."""
    lacking = directory / "lacking"
    lacking.mkdir()
    (lacking / "job.py").write_text("import there_is_no_such_thing\n")
    large = directory / "large"
    large.mkdir()
    (large / "job.py").write_text(JOB_FILE.read_text())
    (large / "data.bin").write_bytes(os.urandom(LARGE))
    execute = [rayexec, "job", "execute", "-f", str(JOB_FILE), "--address"]
    launch = [rayexec, "job", "launch", "-f", str(JOB_FILE), "--address"]
    wrong = "0" * 64
    return {
        "execute: nothing answers": ([*execute, "127.0.0.1:1"], None),
        "execute: a wrong token": ([*execute, address], wrong),
        "launch: nothing answers": ([*launch, "http://127.0.0.1:1"], None),
        "launch: a wrong token": ([*launch, dashboard], wrong),
        "launch: 101 MiB to send": (
            [rayexec, "job", "launch", "-f", str(large / "job.py"), "--address", dashboard],
            None,
        ),
        "launch --wait: a module that the cluster lacks": (
            [
                rayexec,
                "job",
                "launch",
                "-f",
                str(lacking / "job.py"),
                "--address",
                dashboard,
                "--wait",
            ],
            None,
        ),
    }


def main() -> None:
    """Print the tables."""
    print_machine("rayexec", "ray")
    rayexec = str(Path(sys.executable).with_name("rayexec"))
    with tempfile.TemporaryDirectory(prefix="rx-", dir="/tmp", ignore_cleanup_errors=True) as name:
        directory = Path(name)
        others = {
            key: value for key, value in os.environ.items() if not key.startswith(("RAY", "PYTHON"))
        }
        environment = {
            **others,
            "HOME": name,
            "RAYEXEC_HOME": str(directory / "home"),
            "RAY_TMPDIR": name,
        }
        up = [rayexec, "cluster", "up", "--nodes", "2", "--num-cpus", "1", "--dashboard", "--json"]
        started = subprocess.run(up, env=environment, check=True, capture_output=True, text=True)
        try:
            cluster = json.loads(started.stdout)
            auto = {**environment, "RAY_AUTH_MODE": "token", "RAY_ADDRESS": cluster["address"]}
            auto["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = (
                "0"  # lets Ray reach services on 127.0.0.1 alone
            )
            runs = _runs(rayexec, cluster["dashboard"], directory)
            times: dict[str, list[float]] = {kind: [] for kind in runs}
            for round_ in range(REPEATS + 1):
                for kind, command in runs.items():
                    took = seconds(command, auto if command[0] == sys.executable else environment)
                    if round_:  # the first round fills the caches of files
                        times[kind].append(took)
            base = median(next(iter(times.values())))
            rows = [
                [kind, f"{median(each):.2f}", spread(each), f"{median(each) / base:.2f}"]
                for kind, each in times.items()
            ]
            print_table(
                "The three-op job on a cluster that is up",
                ["command", "s", "least-most", "ratio"],
                rows,
            )
            second = median(times["rayexec job execute --address auto"])
            print(
                f"\na second job execute: {second:.2f} s; within the goal of {GOAL:.0f} s: "
                f"{verdict(second, GOAL)}"
            )
            mistakes = _mistakes(rayexec, cluster["address"], cluster["dashboard"], directory)
            delays: dict[str, list[float]] = {kind: [] for kind in mistakes}
            for _ in range(REPEATS):
                for kind, (command, token) in mistakes.items():
                    shown = (
                        environment if token is None else {**environment, "RAY_AUTH_TOKEN": token}
                    )
                    delays[kind].append(seconds(command, shown, fails=True))
        finally:
            subprocess.run(
                [rayexec, "cluster", "down"], env=environment, check=False, capture_output=True
            )
    rows = [
        [kind, f"{median(each):.2f}", spread(each), verdict(max(each), GOAL_OF_MESSAGES)]
        for kind, each in delays.items()
    ]
    print_table(
        "Time until a mistake is reported", ["mistake", "s", "least-most", "within 10 s"], rows
    )


if __name__ == "__main__":
    main()
