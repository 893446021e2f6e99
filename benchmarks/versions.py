"""Two installations of rayexec in turns: what a change costs.

Run it from the repository: ``python -m benchmarks.versions BEFORE AFTER``, with the Python
interpreters of two environments, each with a version of rayexec installed. A round is a process of
each, so other work of the machine affects both. ``--rounds N`` sets the number of rounds (6).
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.measure import median, print_table

# Runs in both environments, so it uses public names and the compiler only.
ROUND = """
import gc, importlib, json, sys, time

sys.path.insert(0, sys.argv[1])
import rayexec
from rayexec.plan import compile_job

jobs = importlib.import_module("shapes")
STEPS, COMPILED, REPEATS = 1_000, 10_000, 3
FEW, RUNS = 3, 10
QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


def least(work):
    times = []
    for _ in range(REPEATS):
        gc.collect()
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return min(times)


found = {}
for shape in ("fan-out", "chain", "layered"):
    job = jobs.make_job(rayexec, shape, STEPS)
    job.execute_in_process()
    name = f"in-process, {shape}, µs a step"
    found[name] = least(job.execute_in_process) / STEPS * 1e6
    made = [jobs.make_job(rayexec, shape, COMPILED) for _ in range(REPEATS)]
    found[f"compile, {shape}, µs a step"] = least(lambda: compile_job(made.pop())) / COMPILED * 1e6
for shape in ("fan-out", "chain", "layered"):
    job = jobs.make_job(rayexec, shape, STEPS)
    job.execute(QUIET).close()
    name = f"on Ray, {shape}, µs a step"
    found[name] = least(lambda: job.execute(QUIET).close()) / STEPS * 1e6
job = jobs.make_job(rayexec, "chain", FEW)
for _ in range(3 * RUNS):
    job.execute(QUIET).close()
found[f"on Ray, a run of {FEW} steps, ms"] = least(lambda: job.execute(QUIET).close()) * 1e3
# Other work of the machine hardly changes this one.
started = time.thread_time()
for _ in range(RUNS):
    job.execute(QUIET).close()
spent = time.thread_time() - started
found[f"on Ray, a run of {FEW} steps, driver's CPU ms"] = spent / RUNS * 1e3
print(json.dumps(found))
"""


def environment() -> dict[str, str]:
    """Return the variables of a round: nothing recorded, and no other path to rayexec."""
    dropped = ("PYTHONPATH", "PYTHONDONTWRITEBYTECODE")
    variables = {name: value for name, value in os.environ.items() if name not in dropped}
    return {**variables, "RAYEXEC_RECORD": "0"}


def one_round(python: str, shapes: Path, directory: str) -> dict[str, float]:
    """Return the figures of one environment, by name."""
    script = Path(directory) / "one_round.py"
    script.write_text(ROUND)
    done = subprocess.run(
        [python, str(script), str(shapes)],
        cwd=directory,
        env=environment(),
        check=True,
        capture_output=True,
        text=True,
    )
    figures: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    for command in (["--help"], ["job", "execute", "--help"]):
        started = time.perf_counter()
        subprocess.run(
            [python, "-m", "rayexec", *command],
            cwd=directory,
            env=environment(),
            check=True,
            capture_output=True,
        )
        figures[f"rayexec {' '.join(command)}, ms"] = (time.perf_counter() - started) * 1e3
    return figures


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("before")
    parser.add_argument("after")
    parser.add_argument("--rounds", type=int, default=6)
    options = parser.parse_args()
    sides: dict[str, list[dict[str, float]]] = {options.before: [], options.after: []}
    with tempfile.TemporaryDirectory() as directory:
        shapes = Path(directory) / "shapes"
        shapes.mkdir()
        source = Path(__file__).with_name("jobs.py").read_text(encoding="utf-8")
        (shapes / "shapes.py").write_text(source)
        for index in range(options.rounds):
            # The first of a round takes turns too.
            for python in sorted(sides, reverse=bool(index % 2)):
                sides[python].append(one_round(python, shapes, directory))
            print(f"round {index + 1} of {options.rounds}", file=sys.stderr, flush=True)
    before, after = sides[options.before], sides[options.after]
    rows = []
    for name in before[0]:
        former = [figures[name] for figures in before]
        latter = [figures[name] for figures in after]
        ratio = median([new / old for old, new in zip(former, latter, strict=True)])
        row = [name, *(f"{median(side):.1f} ({min(side):.1f})" for side in (former, latter))]
        rows.append([*row, f"{ratio:.2f}"])
    print_table(
        f"Two versions in {options.rounds} turns: median (least), and the median ratio",
        ["figure", "before", "after", "ratio"],
        rows,
    )


if __name__ == "__main__":
    main()
