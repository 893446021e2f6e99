"""A run is resumed once at a time, and not again after success, unless somebody insists."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from pyarrow import fs

from rayexec import InvariantError, ReexecutionOptions, StoreError, job, op
from rayexec.execute import resume_claim
from rayexec.execute.resume_claim import ResumeClaim, check_not_resumed
from rayexec.run.process_identity import ProcessIdentity
from rayexec.store import DirectoryRunStore, MemoryRunStore, RunRecord, RunStore
from rayexec.store.resumes import ResumeNote

IN_PROCESS: dict[str, Any] = {"execution": {"config": {"in_process": {}}}}
MENDED: list[bool] = []


@op
def step() -> int:
    if not MENDED:
        raise ValueError("not yet")
    return 1


@job(config=IN_PROCESS)
def failing() -> None:
    step()


@pytest.fixture(params=["memory", "path", "segments"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> RunStore:
    """A store with a failed run, whose op works from now on."""
    made: RunStore = MemoryRunStore()
    if request.param == "path":
        made = DirectoryRunStore(tmp_path)
    elif request.param == "segments":
        made = DirectoryRunStore("bucket", fs._MockFileSystem())
    MENDED.clear()
    assert not failing.execute(store=made, run_id="r").success
    return made


def resume(store: RunStore, run_id: str, *, is_forced: bool = False, **more: Any) -> Any:
    options = ReexecutionOptions.from_failure("r", is_forced=is_forced)
    return failing.execute(store=store, run_id=run_id, reexecution_options=options, **more)


def test_after_success_it_is_resumed_again_by_force_alone(
    store: RunStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    MENDED.append(True)
    assert resume(store, "a").success
    with pytest.raises(
        InvariantError, match=r"run r was resumed with success by run a\. .*--force"
    ):
        resume(store, "b")
    assert {record.run_id for record in store.list()} == {"r", "a"}
    assert resume(store, "b", is_forced=True).success
    assert [note.run_id for note in store.resumes("r")] == ["a", "b"]
    monkeypatch.setattr(resume_claim, "_RECORD_WITHIN_S", 0.0)  # a minute later
    store.delete("a")
    with pytest.raises(InvariantError, match="by run b"):
        resume(store, "c")
    store.delete("b")
    assert resume(store, "c").success


def test_after_a_failed_one_it_is_resumed_again(store: RunStore) -> None:
    assert not resume(store, "a").success
    assert not resume(store, "b").success
    MENDED.append(True)
    assert resume(store, "c").success


def test_steps_by_selection_run_as_often_as_one_wants(store: RunStore) -> None:
    MENDED.append(True)
    for run_id in ("a", "b"):
        options = ReexecutionOptions("r", ("step",))
        assert failing.execute(store=store, run_id=run_id, reexecution_options=options).success


def begun(store: RunStore, run_id: str, driver: ProcessIdentity | None) -> None:
    """Record a run that is not over, and note that it resumes the failed one."""
    store.create(RunRecord(run_id, "failing", driver=driver, start_time=time.time())).close()
    note = ResumeNote(1, run_id, driver or ProcessIdentity.here(), time.time())
    assert store.add_resume("r", note)


@pytest.mark.parametrize("host", [socket.gethostname(), "elsewhere.invalid"])
def test_while_another_run_resumes_it_it_is_refused(store: RunStore, host: str) -> None:
    begun(store, "a", ProcessIdentity(host, os.getpid()))
    with pytest.raises(InvariantError, match=f"is being resumed by run a .*on {host}"):
        resume(store, "b")
    MENDED.append(True)
    assert resume(store, "b", is_forced=True).success


def gone() -> ProcessIdentity:
    """Return the identity of a process that has ended."""
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        return ProcessIdentity.of(process.pid)


def test_after_the_death_of_its_driver_it_is_resumed_again(store: RunStore) -> None:
    begun(store, "a", gone())
    MENDED.append(True)
    assert resume(store, "b").success


def test_a_claim_counts_until_its_run_must_have_begun(store: RunStore) -> None:
    here, now = ProcessIdentity.here(), time.time()
    assert store.add_resume("r", ResumeNote(1, "a", here, now))
    with pytest.raises(InvariantError, match="is being resumed by run a"):
        check_not_resumed(store, "r")
    store.remove_resume("r", ResumeNote(1, "a", here, now))
    assert store.add_resume("r", ResumeNote(1, "a", here, now - 120))  # its record was removed
    assert store.add_resume("r", ResumeNote(2, "b", gone(), now))
    assert store.add_resume("r", ResumeNote(3, "c", gone(), now, is_recorded=False))
    check_not_resumed(store, "r")
    assert store.add_resume("r", ResumeNote(4, "d", here, now - 120, is_recorded=False))
    with pytest.raises(InvariantError, match="is being resumed by run d"):
        check_not_resumed(store, "r")


def test_a_run_that_could_not_begin_leaves_no_claim(store: RunStore) -> None:
    store.create(RunRecord("taken", "failing")).close()
    with pytest.raises(StoreError, match="already"):
        resume(store, "taken")
    assert list(store.resumes("r")) == []
    MENDED.append(True)
    assert resume(store, "a").success


def test_a_run_without_a_record_claims_while_it_lasts(tmp_path: Path) -> None:
    store = DirectoryRunStore(tmp_path)
    MENDED.clear()
    assert not failing.execute(store=store, run_id="r").success
    MENDED.append(True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAYEXEC_HOME", str(tmp_path))
        patch.setenv("RAYEXEC_RECORD", "0")
        assert resume(None, "a").success  # type: ignore[arg-type]  # the default one
    assert list(store.resumes("r")) == []
    assert resume(store, "b").success


def test_of_many_at_once_one_gets_it(store: RunStore) -> None:
    def claim(index: int) -> bool:
        try:
            ResumeClaim(store, "r", f"n-{index}", is_recorded=True, is_forced=False)
        except InvariantError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        claims = sum(pool.map(claim, range(24)))
    # Without exclusive names it may happen that of two at once neither gets it.
    is_exclusive = not (isinstance(store, DirectoryRunStore) and store._filesystem is not None)
    assert claims == 1 if is_exclusive else claims <= 1


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"ordinal": 1}', b"\xff"])
def test_an_odd_note_keeps_nobody_from_resuming(tmp_path: Path, content: bytes) -> None:
    store = DirectoryRunStore(tmp_path)
    MENDED.clear()
    assert not failing.execute(store=store, run_id="r").success
    (tmp_path / "runs/r/resumes").mkdir()
    (tmp_path / "runs/r/resumes/000001.json").write_bytes(content)
    os.mkfifo(tmp_path / "runs/r/resumes/000002.json")
    (tmp_path / "runs/r/resumes/note.txt").touch()
    MENDED.append(True)
    assert resume(store, "a").success
    assert [note.run_id for note in store.resumes("r")] == ["", "a"]


WAITING = """
import sys, time
from pathlib import Path
from rayexec import job, op

@op
def wait() -> None:
    with open(Path(__file__).with_name("ran"), "a") as file:
        file.write("x")
    if not Path(__file__).with_name("first").exists():
        Path(__file__).with_name("first").touch()
        raise ValueError("the first time")
    while not Path(__file__).with_name("go").exists():
        time.sleep(0.01)

@job(config={"execution": {"config": {"in_process": {}}}})
def waiting():
    wait()
"""


@pytest.mark.long("commands as processes of their own")
def test_the_second_of_two_commands_is_refused_and_goes_on_after_the_first_one_died(
    tmp_path: Path,
) -> None:
    (tmp_path / "jobs.py").write_text(WAITING)
    environment = {**os.environ, "RAYEXEC_HOME": str(tmp_path / "home")}

    def command(*arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "rayexec", *arguments],
            cwd=tmp_path,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    with command("job", "execute", "-f", "jobs.py", "--run-id", "r") as first:
        first.communicate(timeout=120)
    both = [command("run", "resume", "r", "--run-id", run_id) for run_id in ("a", "b")]
    deadline = time.monotonic() + 120
    while all(each.poll() is None for each in both):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    [refused] = [each for each in both if each.poll() is not None]
    [winner] = [each for each in both if each.poll() is None]
    _, message = refused.communicate()
    assert refused.returncode == 2, message
    assert "run r is being resumed by run" in message or "begins to resume run r" in message
    while (tmp_path / "ran").read_text() != "xx":
        assert time.monotonic() < deadline
        time.sleep(0.05)
    winner.send_signal(signal.SIGKILL)
    winner.communicate()
    (tmp_path / "go").touch()
    with command("run", "resume", "r", "--run-id", "c") as third:
        _, message = third.communicate(timeout=120)
    assert third.returncode == 0, message
    with command("run", "resume", "r", "--run-id", "d") as fourth:
        _, message = fourth.communicate(timeout=120)
    assert fourth.returncode == 2
    assert "run r was resumed with success by run c" in message
    assert len(json.loads((tmp_path / "home/runs/r/resumes/000002.json").read_text())) == 5
