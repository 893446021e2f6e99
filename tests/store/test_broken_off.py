"""Logs of runs whose driver was killed, whose disk filled up, or that are still going on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from rayexec import StoreError, job, op
from rayexec.events import Attempt
from rayexec.execute import recording
from rayexec.run.process_identity import ProcessIdentity
from rayexec.store import (
    CancelRequest,
    DirectoryRunStore,
    MemoryRunStore,
    RunRecord,
    RunWriter,
    settled,
)
from rayexec.store.frames import frame, whole_frames
from rayexec.store.reading import StoredLog

IN_PROCESS: dict[str, Any] = {"execution": {"config": {"in_process": {}}}}

ENDLESS = """
import sys, time
from rayexec import job, op

@op
def step(context, value: int = 0) -> int:
    if value % 10 == 0:
        context.log.info("a line")
    time.sleep(0.001)
    return value + 1

@job
def endless():
    value = step()
    for _ in range(20_000):
        value = step(value)

IN_PROCESS = {"execution": {"config": {"in_process": {}}}}
endless.execute(IN_PROCESS, store=sys.argv[1], run_id="r", **eval(sys.argv[2]))
"""


def start(tmp_path: Path, options: str = "{}") -> subprocess.Popen[bytes]:
    """Start a driver whose run does not end by itself."""
    script = tmp_path / "endless.py"
    script.write_text(ENDLESS)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.Popen(
        [sys.executable, str(script), str(tmp_path), options],
        env=environment,
        stderr=subprocess.PIPE,
    )


def until_recorded(store: DirectoryRunStore, attempts: int) -> StoredLog:
    """Return the log of a run once so many attempts are in it."""
    deadline = time.monotonic() + 180
    while time.monotonic() < deadline:
        if store.list():
            log = StoredLog(store.open("r"))
            if sum(1 for _ in log.attempts()) >= attempts:
                return log
        time.sleep(0.05)
    raise AssertionError("nothing was recorded")


def check_whole(log: StoredLog) -> int:
    """Hold a log to a chain of steps that all ended, from the first on; return how many."""
    attempts = list(log.attempts())
    assert [each.step for each in attempts] == list(range(len(attempts)))
    assert all(
        log.keys[each.step] == ("step" if not each.step else f"step_{each.step + 1}")
        for each in attempts
    )
    assert all(bool(each.logs) == (each.step % 10 == 0) for each in attempts)
    return len(attempts)


def test_a_run_is_read_while_it_goes_on_and_after_its_driver_was_killed(tmp_path: Path) -> None:
    store = DirectoryRunStore(tmp_path)
    with start(tmp_path) as driver:
        seen = check_whole(until_recorded(store, 200))
        record = store.open("r").record()
        assert (settled(record).status, record.driver and record.driver.pid) == (
            "STARTED",
            driver.pid,
        )
        check_whole(until_recorded(store, seen + 1))
        driver.send_signal(signal.SIGKILL)
    assert check_whole(StoredLog(store.open("r"))) > seen
    died = settled(store.open("r").record())
    assert (died.status, died.note) == ("FAILURE", "driver died")
    assert len(StoredLog(store.open("r")).keys) == 20_001


def test_a_log_that_is_cut_anywhere_reads_to_its_last_whole_frame(tmp_path: Path) -> None:
    store = DirectoryRunStore(tmp_path)

    @op
    def one() -> int:
        return 1

    @job
    def small() -> None:
        for _ in range(3):
            one()

    run_id = small.execute(IN_PROCESS, store=store).run_id
    [file] = (tmp_path / "runs" / run_id / "events").iterdir()
    whole = file.read_bytes()
    ends, place = [0], 0
    for body in whole_frames([whole]):
        place += 16 + len(body)
        ends.append(place)
    assert place == len(whole)
    for length in range(len(whole)):
        read = list(whole_frames([whole[:length]]))
        assert len(read) == sum(end <= length for end in ends) - 1
    file.write_bytes(whole[:-1])
    assert sum(isinstance(each, Attempt) for each in StoredLog(store.open(run_id)).entries()) == 0
    damaged = bytearray(whole)
    damaged[ends[1] + 40] ^= 1
    assert len(list(whole_frames([bytes(damaged)]))) == 1
    assert list(whole_frames([frame(b"one"), frame(b"two") + b"\0" * 30])) == [b"one", b"two"]


def test_a_log_that_a_newer_rayexec_wrote_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    from rayexec.store import columns

    store = MemoryRunStore()
    monkeypatch.setattr(columns, "SCHEMA_VERSION", 7)
    columns._schemas.cache_clear()
    writer = store.create(RunRecord("r", "j"))
    writer.append(
        columns.steps_frame(
            [0], ["one"], [0], [()], [(0, columns.StepSignature("one", (), ("result",)))]
        )
    )
    columns._schemas.cache_clear()
    with pytest.raises(StoreError, match=r"written by a newer rayexec \(schema version 7"):
        StoredLog(store.open("r"))


def test_the_driver_of_another_host_is_not_taken_for_dead() -> None:
    alive = RunRecord("r", "j", driver=ProcessIdentity.here())
    assert settled(alive) == alive
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    assert (
        settled(
            RunRecord("r", "j", driver=ProcessIdentity(ProcessIdentity.here().host, gone.pid))
        ).status
        == "FAILURE"
    )
    elsewhere = RunRecord("r", "j", driver=ProcessIdentity("elsewhere.invalid", gone.pid))
    assert settled(elsewhere) == elsewhere
    reused = RunRecord(
        "r", "j", driver=ProcessIdentity(ProcessIdentity.here().host, os.getpid(), "another boot:1")
    )
    assert settled(reused).note == "driver died"


LIMITED = """
import os, resource, signal, sys, time
from pathlib import Path
from rayexec import StoreError, job, op

@op
def talk(context) -> None:
    context.log.info(os.urandom(10_000).hex())
    time.sleep(0.001)

@op
def after() -> None: ...

@job
def talks():
    for _ in range(1_500):
        talk()

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # a full disk, as far as this process is concerned
console = {"console": {"config": {"log_level": "CRITICAL"}}}
config = {"execution": {"config": {"in_process": {}}}, "loggers": console}
resource.setrlimit(resource.RLIMIT_FSIZE, (4_000_000, 4_000_000))
options = {} if sys.argv[1] == "default" else {"store": sys.argv[1]}
result = talks.execute(config, run_id="r", **options)
not_run = result.counts()["not run"] > 0
print(result.status, type(result.error).__name__, not_run, result.is_recorded)
print(result.error)
"""


def run_on_full_disk(tmp_path: Path, where: str, **environment: str) -> tuple[list[str], str]:
    """Run a job whose log does not fit; return what was printed on both streams."""
    script = tmp_path / "limited.py"
    script.write_text(LIMITED)
    kept = {key: value for key, value in os.environ.items() if key != "RAYEXEC_HOME"}
    done = subprocess.run(
        [sys.executable, str(script), where],
        env={**kept, "PYTHONPATH": os.pathsep.join(sys.path), **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines(), done.stderr


def test_a_full_disk_ends_the_run_with_an_error(tmp_path: Path) -> None:
    printed, _ = run_on_full_disk(tmp_path, str(tmp_path))
    assert printed[0] == "FAILURE StoreError True False"
    assert printed[1] == f"run r cannot be recorded in {tmp_path}: File too large"
    store = DirectoryRunStore(tmp_path)
    record = store.open("r").record()
    assert (record.status, (record.error or {})["error"]) == ("FAILURE", "StoreError")
    StoredLog(store.open("r"))


@pytest.mark.long("waits for processes for some seconds")
def test_a_full_disk_below_a_home_that_nobody_named_costs_a_warning(tmp_path: Path) -> None:
    printed, errors = run_on_full_disk(tmp_path, "default", HOME=str(tmp_path))
    assert printed[0] == "SUCCESS NoneType False False"
    assert errors.count("RuntimeWarning") == 1
    assert "File too large. The run continues, and is recorded no further." in errors
    record = DirectoryRunStore(tmp_path / ".rayexec").open("r").record()
    assert (record.status, record.error) == ("SUCCESS", None)
    assert (record.note or "").startswith(
        "recorded in part: run r cannot be recorded in ~/.rayexec"
    )


@op
def mark(context: object) -> None:
    (Path(os.environ["MARK"])).touch()


@job
def marks() -> None:
    mark()


def test_an_explicit_store_that_cannot_be_written_is_an_error_before_anything_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MARK", str(tmp_path / "mark"))
    (tmp_path / "taken").touch()
    with pytest.raises(StoreError, match="taken cannot be written"):
        marks.execute(IN_PROCESS, store=tmp_path / "taken")
    monkeypatch.setenv("RAYEXEC_HOME", str(tmp_path / "taken"))
    with pytest.raises(StoreError, match="taken cannot be written"):
        marks.execute(IN_PROCESS)
    assert not (tmp_path / "mark").exists()


def test_a_default_home_that_cannot_be_written_costs_one_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MARK", str(tmp_path / "mark"))
    monkeypatch.delenv("RAYEXEC_HOME")
    (tmp_path / ".rayexec").touch()
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(recording, "_warned", [])
    with pytest.warns(
        RuntimeWarning, match="The run is not recorded. Set RAYEXEC_HOME to a place that can be"
    ):
        result = marks.execute(IN_PROCESS)
    assert result.success
    assert not result.is_recorded
    assert marks.execute(IN_PROCESS).success  # a second warning would be an error


def test_the_file_of_a_run_is_json_that_says_its_version_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MARK", str(tmp_path / "mark"))
    run_id = marks.execute(IN_PROCESS, store=tmp_path).run_id
    document = json.loads((tmp_path / "runs" / run_id / "run.json").read_text())
    assert next(iter(document)) == "schema_version"
    assert document["steps"] == {"succeeded": 1, "failed": 0, "skipped": 0, "not run": 0}


class _FailingWriter:
    """A writer whose disk fills up after the first appends."""

    interval = 0.0
    poll_interval = 0.1

    def __init__(self, inner: RunWriter) -> None:
        self._inner = inner
        self._left = 4

    def append(self, data: bytes) -> None:
        if not self._left:
            raise StoreError("the disk is full")
        self._left -= 1
        self._inner.append(data)

    def update(self, record: RunRecord) -> None:
        self._inner.update(record)

    def asked(self) -> CancelRequest | None:
        return self._inner.asked()

    def close(self) -> None:
        self._inner.close()


class _FailingStore(MemoryRunStore):
    def create(self, record: RunRecord) -> Any:
        return _FailingWriter(super().create(record))


def test_a_store_that_fails_ends_the_steps_that_run_on_ray(ray_session: None) -> None:
    @op
    def nap(value: int = 0) -> int:
        time.sleep(0.3)
        return value

    @job
    def naps() -> None:
        for _ in range(6):
            value = nap()
            for _ in range(9):
                value = nap(value)

    store = _FailingStore()
    result = naps.execute(store=store)
    assert (result.status, str(result.error)) == ("FAILURE", "the disk is full")
    assert result.counts()["not run"] > 30
    with pytest.raises(StoreError, match="the disk is full"):
        naps.execute(store=_FailingStore(), raise_on_error=True)
    assert store.list()[0].status == "FAILURE"
    assert len(StoredLog(store.open(result.run_id)).keys) == 60
