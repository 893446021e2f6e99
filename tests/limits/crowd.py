"""Script with a job of steps that note each other, on a Ray of its own or attached to one.

    python crowd.py FOLDER '{"address": …, "execution": {…}, "steps": [STEP, …]}'

A STEP is ``{"tags": {…}, "pool": …, "seconds": …, "meets": {PART: COUNT, …}, "until": NAME}``. Each
step leaves a file in FOLDER while it runs, named ``RUN.STEP@tag=value,…``. It stays for its
seconds, until the file NAME is beside FOLDER, and until a step saw at least COUNT names with PART
at once, for each of ``meets``. So slow workers change no count. The script writes one JSON object
beside FOLDER, to ``RUN.json``: the run's status, and the node, the observations and the wait of
each step. It makes the file ``RUN.waits`` as soon as another run holds up a step.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

from rayexec import OpExecutionContext, Pool, job, op
from rayexec.execute import Observer

FOLDER = Path(sys.argv[1]) if len(sys.argv) > 1 else Path()
SPEC: dict[str, Any] = json.loads(sys.argv[2]) if len(sys.argv) > 2 else {}
PATIENCE_S = 120.0


def enter(folder: Path, name: str) -> list[str]:
    """Be there; return the names of all that are, this one included."""
    path = folder / name
    path.write_text(json.dumps({"pid": os.getpid(), "since": time.time()}))
    return sorted(os.listdir(folder))


def stay_on(folder: Path, seconds: float, meets: dict[str, int], until: str | None) -> list[str]:
    """Stay as long as a step shall; return the names of all that were there with it."""
    ends = time.monotonic() + PATIENCE_S
    met = folder.with_name("met")
    names: list[str] = []
    while meets and not met.exists() and time.monotonic() < ends:
        names = sorted(os.listdir(folder))
        if all(sum(part in name for name in names) >= most for part, most in meets.items()):
            met.touch()
            break
        time.sleep(0.01)
    while until and not folder.with_name(until).exists() and time.monotonic() < ends:
        time.sleep(0.01)
    time.sleep(seconds)
    return names


def make_step(index: int, spec: dict[str, Any], run: str) -> Any:
    tags = spec.get("tags", {})
    name = f"{run}.s{index}@" + ",".join(f"{key}={value}" for key, value in tags.items())
    pool, folder, seconds = spec.get("pool"), str(FOLDER), spec.get("seconds", 0.2)
    cpus, meets, until = spec.get("cpus"), spec.get("meets", {}), spec.get("until")

    @op(
        name=f"s{index}",
        tags=tags,
        pool=None if pool is None else Pool(*pool),
        ray_options={} if cpus is None else {"num_cpus": cpus},
    )
    def stay(context: OpExecutionContext) -> dict[str, Any]:
        import ray

        path = Path(folder, name)
        seen = [enter(Path(folder), name)]
        try:
            seen.append(stay_on(Path(folder), seconds, meets, until))
        finally:
            path.unlink(missing_ok=True)
        node = ray.get_runtime_context().get_node_id()
        return {"seen": seen, "pid": os.getpid(), "node": node}

    return stay


class Join:
    """A node that joins this process's Ray while the run goes on."""

    def __init__(self, spec: dict[str, Any]) -> None:
        self._spec = spec
        self._nodes = 1
        self._is_over = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        import ray

        address = ray.get_runtime_context().gcs_address
        command = [
            "ray",
            "start",
            f"--address={address}",
            f"--num-cpus={self._spec['num_cpus']}",
            "--block",
        ]
        ray_command = Path(sys.executable).with_name("ray")
        self._process = subprocess.Popen(
            [str(ray_command), *command[1:]], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        while not self._is_over.wait(0.05) and self._nodes == 1:
            self._nodes = sum(node["Alive"] for node in ray.nodes())
        if self._nodes > 1:
            FOLDER.with_name("joined").touch()

    def finish(self) -> int:
        """Let the node go; return how many nodes there were before the last step was over."""
        self._is_over.set()
        self._thread.join()
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        return self._nodes


class Waits(Observer):
    """Makes a file once a step waits for what another run holds."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def run_started(self, spec: Any, log: Any, waiting: Any) -> None:
        self._waiting = waiting

    def idle(self) -> float | None:
        if any(queue.others for queue in self._waiting().queues):
            self._file.write_text("{}")
        return 0.2


def main() -> None:
    run = SPEC.get("run", "r")
    steps = [make_step(index, each, run) for index, each in enumerate(SPEC["steps"])]

    @job
    def crowd() -> None:
        for each in steps:
            each()

    if SPEC.get("num_cpus"):
        import ray

        ray.init(
            address="local", num_cpus=SPEC["num_cpus"], include_dashboard=False, log_to_driver=False
        )
    join = Join(SPEC["join"]) if SPEC.get("join") else None
    execution = {"config": {"ray": SPEC.get("execution", {})}}
    result = crowd.execute(
        {"execution": execution},
        address=SPEC.get("address"),
        observer=Waits(FOLDER.with_name(f"{run}.waits")),
    )
    joined = join.finish() if join is not None else None
    succeeded = [event.step_key for event in result.get_step_success_events()]
    FOLDER.with_name(f"{run}.json").write_text(
        json.dumps(
            {
                "status": result.status,
                "nodes": joined,
                "steps": {key: result.output_for_node(str(key)) for key in succeeded},
                "limits": next(iter(result.all_events)).event_specific_data["limits"],
                "waits": {
                    each.step_key: [each.reason, list(each.held_by)] for each in result.waits
                },
                "blocked": [
                    event.message
                    for event in result.all_events
                    if event.event_type_value == "STEP_BLOCKED"
                ],
            }
        )
    )


if __name__ == "__main__":
    main()
