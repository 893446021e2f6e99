"""Records the store: ``python -m recorded.record DIRECTORY``, from the directory above this one.

It ran once, with the commit before packages moved, as a user and on a host called ``recorder``.
An empty directory gets ``store`` (runs, values, the cache, files of an IO manager) and
``expected.json``.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rayexec import FilesystemIOManager, ReexecutionOptions, cancel_run, execute_job
from recorded import recorded_jobs, step_notes
from recorded.facts import facts_of

LARGE = 8_400
IN_PROCESS: dict[str, Any] = {"in_process": {}}
# With words of the old version, because a resumed run gets this config from its record.
ON_RAY: dict[str, Any] = {
    "ray": {
        "slices": False,
        "max_concurrent": 2,
        "tag_concurrency_limits": [{"key": "database", "value": "redshift", "limit": 1}],
    }
}


class Recorder:
    """Runs jobs into a store, and waits for steps that note that they began."""

    def __init__(self, directory: Path, scratch: Path) -> None:
        self.store = directory / "store"
        self.scratch = scratch

    def run(
        self,
        name: str,
        job: Any,
        status: str,
        execution: dict[str, Any],
        size: int = 8,
        **options: Any,
    ) -> None:
        directory = self.scratch / name
        directory.mkdir()
        given: dict[str, Any] = {"notes": step_notes.Notes(directory=str(directory))}
        if "files" in job.resource_defs:
            base_dir = options.pop("base_dir", str(self.store / "files"))
            given["files"] = FilesystemIOManager(base_dir=base_dir)
        config: dict[str, Any] | None = None
        if "reexecution_options" not in options:
            config = {
                "ops": {"load": {"config": {"size": size}}},
                "execution": {"config": execution},
            }
        tags = {"recorded": "yes"}
        result = execute_job(
            job, config, run_id=name, store=self.store, resources=given, tags=tags, **options
        )
        assert result.status == status, (
            name,
            result.status,
            result.error,
            result.get_failed_step_keys(),
        )
        result.close()

    def cancel(self, name: str, execution: dict[str, Any], **options: Any) -> None:
        def ask() -> None:
            self.await_step(self.scratch / name, "wait")
            cancel_run(name, store=self.store)

        thread = threading.Thread(target=ask)
        thread.start()
        self.run(name, recorded_jobs.waiting, "CANCELED", execution, **options)
        thread.join()

    def kill(self, name: str) -> None:
        """Kill the driver of a durable run."""
        directory = self.scratch / name
        directory.mkdir()
        config = {
            "execution": {"config": {"ray": {"durable": True}}},
            "resources": {"notes": {"config": {"directory": str(directory)}}},
        }
        (directory / "config.yaml").write_text(json.dumps(config))
        arguments = [
            "-m",
            "recorded.recorded_jobs",
            "-j",
            "waiting",
            "-c",
            str(directory / "config.yaml"),
        ]
        command = [sys.executable, "-m", "rayexec", "job", "execute", *arguments, "--run-id", name]
        with subprocess.Popen(
            command, env={**os.environ, "RAYEXEC_HOME": str(self.store)}
        ) as driver:
            self.await_step(directory, "wait")
            time.sleep(4.0)  # A step that has run for 2 s has its lines recorded while it runs.
            driver.send_signal(signal.SIGKILL)

    def await_step(self, directory: Path, key: str) -> None:
        _await(
            lambda: (
                (directory / "ran").exists() and key in (directory / "ran").read_text().splitlines()
            )
        )


def _await(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def _scrub(store: Path) -> None:
    """Give drivers another host, so that their end is unknown, and remove a temporary directory."""
    for path in sorted(store.glob("runs/*/run.json")):
        document = json.loads(path.read_text())
        document["driver"] |= {"host": "another-host", "started": None}
        notes = document["run_config"].get("resources", {}).get("notes")
        if notes is not None:
            notes["config"]["directory"] = ""
        path.write_text(f"{json.dumps(document, indent=2)}\n")


def main(directory: Path) -> None:
    """Record all runs, and what the commands print of them."""
    with tempfile.TemporaryDirectory() as scratch:
        recorder = Recorder(directory, Path(scratch))
        recorder.store.mkdir()
        os.chdir(
            recorder.store
        )  # The relative directory of an IO manager is a part of a cached step's key.
        for engine, execution in (("in-process", IN_PROCESS), ("ray", ON_RAY)):
            is_ray = engine == "ray"
            recorder.run(f"flow-{engine}", recorded_jobs.flow, "SUCCESS", execution, durable=True)
            recorder.run(
                f"failing-{engine}",
                recorded_jobs.failing,
                "FAILURE",
                execution,
                LARGE if is_ray else 8,
            )
            recorder.cancel(f"canceled-{engine}", execution, durable=is_ray)
            recorder.run(
                f"caching-{engine}",
                recorded_jobs.caching,
                "SUCCESS",
                execution,
                LARGE if is_ray else 8,
            )
        recorder.run("caching-again", recorded_jobs.caching, "SUCCESS", IN_PROCESS)
        recorder.run(
            "caching-files", recorded_jobs.caching_files, "SUCCESS", IN_PROCESS, base_dir="files"
        )
        options = ReexecutionOptions.from_failure("failing-ray")
        recorder.run(
            "failing-again", recorded_jobs.failing, "FAILURE", {}, reexecution_options=options
        )
        recorder.kill("killed-ray")
        _scrub(recorder.store)
        names = sorted(path.name for path in (recorder.store / "runs").iterdir())
        expected = {name: facts_of(recorder.store, name, Path(scratch)) for name in names}
    lines = (
        f"{json.dumps(name)}: {json.dumps(facts, separators=(',', ':'))}"
        for name, facts in expected.items()
    )
    (directory / "expected.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
