"""A run store with runs of all kinds, for tests that hold the command line against the pages."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from rayexec.cli.main import app
from rayexec.launch.job_file import JobSource, load_job
from rayexec.store import DirectoryRunStore
from rayexec.testing.recorded_runs import record_large_run

__all__ = ["KINDS", "DoorsStore", "doors_store", "empty_store", "printed", "printed_text", "until"]

#: The runs of the store that are over, by what is special about them.
KINDS = (
    "skipped",
    "failed",
    "limited",
    "large",
    "first",
    "resumed",
    "cached",
    "died",
    "canceled",
    "damaged",
    "unreadable",
)
_PATIENCE_S = 120.0
_DRIVE = """
import sys
from pathlib import Path
from rayexec.launch.job_file import JobSource, load_job
load_job(JobSource(Path(sys.argv[1]), job=sys.argv[2])).execute(raise_on_error=False)
"""


def printed(*arguments: str, code: int | None = 0) -> Any:
    """Return what a command printed as JSON, or as JSON lines."""
    result = CliRunner().invoke(app, [*arguments, "--json"])
    assert code is None or result.exit_code == code, result.output
    try:
        return json.loads(result.stdout)
    except ValueError:
        return [json.loads(line) for line in result.stdout.splitlines()]


def printed_text(*arguments: str) -> str:
    """Return what a command printed for people."""
    return CliRunner().invoke(app, [*arguments]).stdout


def until(ask: Callable[[], Any], is_right: Callable[[Any], bool] = bool) -> Any:
    """Return the first right answer; fail after a time that any machine keeps to."""
    deadline = time.monotonic() + _PATIENCE_S
    while not is_right(answer := ask()):
        assert time.monotonic() < deadline, answer
        time.sleep(0.1)
    return answer


@dataclass(frozen=True)
class DoorsStore:
    """The store that commands use meanwhile, its job file, and the ids of its runs by kind."""

    home: Path
    file: Path
    marks: Path
    runs: dict[str, str]

    @property
    def source(self) -> JobSource:
        """The file as doors take it."""
        return JobSource(self.file)

    def execute(self, kind: str, job: str, **options: Any) -> None:
        """Run a job in this process."""
        loaded = load_job(JobSource(self.file, job=job))
        self.runs[kind] = loaded.execute(raise_on_error=False, **options).run_id

    def driven(self, job: str, **environment: str) -> subprocess.Popen[bytes]:
        """Return the process of a driver."""
        return subprocess.Popen(
            [sys.executable, "-c", _DRIVE, str(self.file), job],
            env={**os.environ, **environment},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def note_new(self, kind: str) -> str | None:
        """Note the run that none of the kinds is, if it is there."""
        ids = {directory.name for directory in (self.home / "runs").glob("*")}
        for run_id in ids.difference(self.runs.values()):
            self.runs[kind] = run_id
        return self.runs.get(kind)

    @contextlib.contextmanager
    def lasting(self) -> Iterator[str]:
        """Have a run under way whose steps wait for each other; it ends with the block.

        A run of the same job comes before, so that the times of its ops are known.
        """
        import ray

        address, end = ray.get_runtime_context().gcs_address, self.marks / "end"
        end.touch()
        assert self.driven("lasting", DOORS_RAY=address).wait(_PATIENCE_S) == 0
        self.note_new("before lasting")
        end.unlink()
        driver = self.driven("lasting", DOORS_RAY=address)
        try:
            yield until(lambda: self.note_new("lasting"))
        finally:
            end.touch()
            assert driver.wait(_PATIENCE_S) == 0


@contextlib.contextmanager
def empty_store(directory: Path) -> Iterator[DoorsStore]:
    """Make a store without runs, and have commands use it."""
    store = DoorsStore(directory / "home", directory / "doors_jobs.py", directory / "marks", {})
    shutil.copyfile(Path(__file__).with_name("doors_jobs.py"), store.file)
    store.marks.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAYEXEC_HOME", str(store.home))
        yield store


@contextlib.contextmanager
def doors_store(directory: Path) -> Iterator[DoorsStore]:
    """Make a store with runs of all kinds; the session's Ray must be up."""
    with empty_store(directory) as store:
        _fill(store)
        assert set(store.runs) == set(KINDS)
        yield store


def _fill(store: DoorsStore) -> None:
    store.execute("skipped", "skipped", tags={"<b>team": 'a"&<i>'})
    store.execute("failed", "failed")
    store.execute("limited", "limited")
    # Waits, workers and nodes as a run on a cluster has them.
    store.runs["large"] = "aaaa1111"
    large = DirectoryRunStore(store.home)
    record_large_run(large, store.runs["large"], 60, failing=(7, 50), waiting=10)
    store.execute("first", "cached")
    (store.marks / "kept").touch()
    resumed = CliRunner().invoke(app, ["run", "resume", store.runs["first"], "-f", str(store.file)])
    assert resumed.exit_code == 0, resumed.output
    store.note_new("resumed")
    store.execute("cached", "cached")
    for kind, signal_name in (("died", "SIGKILL"), ("canceled", "SIGINT")):
        store.driven("ended", DOORS_SIGNAL=signal_name).wait(_PATIENCE_S)
        store.note_new(kind)
    store.execute("damaged", "skipped")
    (log,) = (store.home / "runs" / store.runs["damaged"] / "events").glob("*.log")
    log.write_bytes(log.read_bytes()[:-40] + bytes(40))
    store.execute("unreadable", "skipped")
    (store.home / "runs" / store.runs["unreadable"] / "run.json").write_text("{")
