"""Another machine that launches runs on a cluster; it shares the network and the token only."""

from __future__ import annotations

import json
import os
import subprocess
import time
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from user_machine import Machine

PATIENCE = 300.0  # seconds for what takes seconds on a machine with nothing else to do

JOBS = """
import pathlib, time
import beside
from package.inner import WORD
from rayexec import job, op

@op(config_schema={"place": str})
def first(context):
    context.log.info(f"in {context.op_config['place']}")
    print(beside.WORD, WORD)

@op
def breaks():
    raise ValueError("broken")

@op(config_schema={"place": str, "linger": float})
def sleeps(context):
    place = pathlib.Path(context.op_config["place"])
    (place / "asleep").touch()
    print("asleep now")
    try:
        while not (place / "go").exists():
            time.sleep(0.05)
    finally:
        (place / "closing").touch()
        time.sleep(context.op_config["linger"])
        (place / "closed").touch()

@op
def uses():
    import tiny_thing
    print("from", tiny_thing.WORD)

@job
def greets():
    first()

@job
def broken():
    breaks()

@job
def long():
    sleeps()

@job
def needy():
    uses()
"""


@dataclass(frozen=True)
class Laptop:
    """A user of ``cluster`` elsewhere, with a store of their own, and a project whose jobs are
    launched.
    """

    cluster: Machine
    home: Path
    directory: Path
    address: str
    begun: dict[str, subprocess.Popen[str]] = field(default_factory=dict)
    ends: dict[str, tuple[int, str, str]] = field(default_factory=dict)

    def elsewhere(self, name: str) -> Laptop:
        """Return a laptop that knows of no run."""
        return replace(self, home=self.home.with_name(name))

    def run(self, *arguments: str, **changed: str) -> tuple[int, str, str]:
        return self.cluster.run(*arguments, **{"RAYEXEC_HOME": str(self.home), **changed})

    def ok(self, *arguments: str, **changed: str) -> Any:
        code, stdout, stderr = self.run(*arguments, "--json", **changed)
        assert code == 0, stderr
        return json.loads(stdout)

    def options(self, run_id: str, *arguments: str, file: str = "jobs.py") -> tuple[str, ...]:
        where = ("-f", str(self.directory / file), "--address", self.address)
        return ("job", "launch", *where, "--run-id", run_id, *arguments)

    def begin(self, run_id: str, *arguments: str, file: str = "jobs.py") -> None:
        """Begin to launch a run, so that others may be launched at the same time."""
        self.begun[run_id] = self.cluster.begin(
            *self.options(run_id, *arguments, file=file), RAYEXEC_HOME=str(self.home)
        )

    def ended(self, run_id: str) -> tuple[int, str, str]:
        """Wait until a launch that was begun is over; return its exit code, and what it printed."""
        if run_id not in self.ends:
            stdout, stderr = self.begun[run_id].communicate(timeout=PATIENCE)
            self.ends[run_id] = self.begun[run_id].returncode, stdout, stderr
        return self.ends[run_id]

    def run_directory(self, run_id: str) -> Path:
        """Return where the op of the job ``long`` leaves word."""
        run_directory = self.directory.with_name("places") / run_id
        run_directory.mkdir(parents=True, exist_ok=True)
        return run_directory

    def config(self, run_id: str, linger: float = 0.0) -> str:
        """Write the config of a run of the job ``long``."""
        file = self.run_directory(run_id) / "run.yaml"
        file.write_text(
            "execution: {config: {ray: {cancel_grace: 600}}}\n"
            f"ops: {{sleeps: {{config: {{place: {self.run_directory(run_id)}, "
            f"linger: {linger}}}}}}}\n"
        )
        return str(file)

    def until(self, run_id: str, name: str) -> None:
        file = self.run_directory(run_id) / name
        until(file.exists, lambda: self.run("run", "logs", run_id)[1])

    def driver(self, run_id: str, store: Path | None = None) -> tuple[int, Path]:
        """Return the pid of the driver of a run, and the run's record."""
        record = (store or self.cluster.state.parent) / "runs" / run_id / "run.json"
        return int(json.loads(record.read_text())["driver"]["pid"]), record


def make_project(directory: Path) -> None:
    """Write jobs, their modules, and files that must stay here."""
    (directory / "package").mkdir(parents=True)
    (directory / "jobs.py").write_text(JOBS)
    (directory / "beside.py").write_text("WORD = 'beside'\n")
    (directory / "package/inner.py").write_text("WORD = 'inner'\n")
    (directory / "lacking.py").write_text("import there_is_no_such_thing\n")
    (directory / "ignored.bin").write_bytes(os.urandom(1 << 20))
    (directory / ".rayexecignore").write_text("*.bin\n")


def make_wheel(directory: Path) -> Path:
    """Write a package that pip installs without an index."""
    wheel = directory / "tiny_thing-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("tiny_thing.py", "WORD = 'tiny'\n")
        info = "tiny_thing-1.0.dist-info"
        archive.writestr(
            f"{info}/METADATA", "Metadata-Version: 2.1\nName: tiny-thing\nVersion: 1.0\n"
        )
        archive.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(f"{info}/RECORD", "")
    return wheel


def until(condition: Callable[[], bool], what: Callable[[], str] = str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, what()
        time.sleep(0.1)
