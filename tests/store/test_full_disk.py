"""Full disks: the end of a run is recorded all the same, and the cause is named."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from strangers import in_namespaces

JOBS = """
import errno, os
from rayexec import job, op

IN_PROCESS = {"execution": {"config": {"in_process": {}}}}
DURABLE = {"execution": {"config": {"in_process": {}, "durable": True}}}

@op
def fill() -> None:
    "Leave no byte on the disk."
    with open(os.environ["FILLER"], "wb", buffering=0) as file:
        for size in (65536, 4096, 1):
            try:
                while file.write(bytes(size)):
                    pass
            except OSError as error:
                assert error.errno == errno.ENOSPC

@op
def talk(context, start) -> None:
    for number in range(3000):
        context.log.info(f"a line that compresses badly: {os.urandom(20).hex()}")

@op
def large() -> bytes:
    return os.urandom(3_000_000)

@op
def boom(data) -> None:
    raise ValueError("boom")

@op
def small(data) -> int:
    return 1

@job(config=IN_PROCESS)
def filling():
    talk(fill())

@job(config=IN_PROCESS)
def failing():
    boom(large())

@job(config={"execution": {"config": {"in_process": {"durable": True}}}})
def durable():
    small(large())
"""

_LONG = pytest.mark.long("a command, and three more that look at its run, on a disk of their own")

# Runs the command of the arguments, and prints what lists and files say of it, as JSON.
LOOK = """
import json, os, subprocess, sys
from pathlib import Path
command = [sys.executable, "-m", "rayexec"]
ended = subprocess.run(command + sys.argv[2:], capture_output=True, text=True)
home = Path(sys.argv[1])
def look(*arguments):
    seen = subprocess.run(command + ["run", *arguments], capture_output=True, text=True)
    assert seen.returncode == 0, seen.stderr
    return json.loads(seen.stdout)
[run] = look("list", "--json")
print(json.dumps({
    "code": ended.returncode, "stderr": ended.stderr, "run": run,
    "shown": look("show", run["run_id"], "--json"),
    "values": [path.stat().st_size for path in home.glob("runs/*/values/*")],
    "names": sorted(path.name for path in home.glob("runs/*/*")),
    "free": os.statvfs(home).f_bavail * os.statvfs(home).f_frsize,
}))
"""


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    (tmp_path / "jobs.py").write_text(JOBS)
    (tmp_path / "disk").mkdir()
    return tmp_path / "disk"


def execute(disk: Path, job: str, *, is_default: bool, options: str = "size=2m") -> Any:
    """Run a job with its store on a small disk of its own."""
    places = {"HOME": str(disk)} if is_default else {"RAYEXEC_HOME": str(disk / "home")}
    environment = {
        **{name: value for name, value in os.environ.items() if name != "RAYEXEC_HOME"},
        **places,
        "FILLER": str(disk / "filler"),
        "XDG_CACHE_HOME": str(disk.parent / "cache"),
    }
    store = disk / (".rayexec" if is_default else "home")
    command = ["job", "execute", "-f", str(disk.parent / "jobs.py"), "-j", job]
    ended = subprocess.run(
        [
            *in_namespaces("--mount", setup=f"mount -t tmpfs -o {options} tmpfs {disk}"),
            *(sys.executable, "-c", LOOK, str(store), *command),
        ],
        cwd=disk.parent,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout)


FULL = "the store is full (No space left on device)"


@_LONG
def test_a_run_that_succeeds_on_a_full_disk_is_listed_as_a_success(disk: Path) -> None:
    seen = execute(disk, "filling", is_default=True)
    assert seen["code"] == 0, seen["stderr"]
    assert seen["run"]["status"] == "SUCCESS"
    assert FULL in seen["run"]["note"]
    assert seen["run"]["note"].startswith("recorded in part: run ")
    assert f"{FULL}. The run continues, and is recorded no further." in seen["stderr"]
    assert seen["run"]["end_time"] is not None
    assert seen["run"]["error"] is None
    assert "Ctrl-C" not in seen["stderr"]
    assert ".room" not in seen["names"]


@_LONG
def test_a_run_that_must_be_recorded_ends_as_a_failure_with_its_cause(disk: Path) -> None:
    seen = execute(disk, "filling", is_default=False)
    assert seen["code"] == 1
    assert (seen["run"]["status"], seen["run"]["error"]["error"]) == ("FAILURE", "StoreError")
    assert FULL in seen["run"]["error"]["message"]
    assert seen["run"]["end_time"] is not None
    assert FULL in seen["stderr"]
    assert "Ctrl-C again" not in seen["stderr"]
    assert "driver died" not in json.dumps(seen)


@_LONG
def test_a_disk_without_room_for_one_more_file_takes_the_end_of_a_run(disk: Path) -> None:
    seen = execute(disk, "durable", is_default=False, options="size=9m,nr_inodes=9")
    assert seen["run"]["status"] == "FAILURE"
    assert seen["run"]["end_time"] is not None
    assert FULL in seen["shown"]["failed_steps"][0]["message"]
    assert "driver died" not in json.dumps(seen)


@_LONG
@pytest.mark.parametrize("is_default", [True, False])
def test_a_value_that_does_not_fit_leaves_its_room_to_the_record(
    disk: Path, is_default: bool
) -> None:
    seen = execute(disk, "failing", is_default=is_default)
    assert seen["code"] == 1
    assert (seen["run"]["status"], seen["run"]["error"]) == ("FAILURE", None)
    assert seen["shown"]["failed_steps"][0]["message"] == "boom"
    assert seen["run"]["note"] is None
    assert "Values are not stored for a resumed run" in seen["stderr"]
    assert FULL in seen["stderr"]
    assert seen["values"] == []
    assert seen["free"] > 1_000_000


@_LONG
def test_a_durable_output_that_does_not_fit_fails_its_step_and_names_the_cause(disk: Path) -> None:
    seen = execute(disk, "durable", is_default=False)
    assert seen["code"] == 1
    assert seen["run"]["status"] == "FAILURE"
    assert FULL in json.dumps([seen["shown"]["failed_steps"], seen["run"]["error"]])
    assert seen["values"] == []
    assert seen["free"] > 1_000_000


_END = """
import os, sys
from dataclasses import replace
from rayexec.errors import StoreError
from rayexec.events import RunStatus
from rayexec.store import DirectoryRunStore, RunRecord
store = DirectoryRunStore(sys.argv[1] + "/store")
writer = store.create(RunRecord("r", "j", run_config={"a": "x" * 10_000}))
writer.append(b"first")
with open(sys.argv[1] + "/filler", "wb", buffering=0) as file:
    try:
        while file.write(bytes(4096)): pass
    except OSError: pass
for _ in range(2):
    try:
        writer.append(bytes(300_000))
    except StoreError as error:
        print(error)
text = "\\N{SNOWMAN}" * 100_000
end = replace(store.open("r").record(), status=RunStatus.FAILURE, note=text,
              error={"error": "E", "message": text}, steps={"succeeded": 3})
writer.update(end)
writer.close()
[listed] = store.list()
assert listed == replace(end, note=text[:500], error={"error": "E", "message": text[:500]})
assert b"".join(store.open("r").log()) == b"first"
assert sorted(os.listdir(sys.argv[1] + "/store/runs/r")) == ["events", "run.json"]
try:
    store.create(RunRecord("s", "j"))
except StoreError as error:
    print(error)
assert [each.run_id for each in store.list()] == ["r"]
"""


def test_the_last_record_fits_whatever_it_says(disk: Path) -> None:
    ended = subprocess.run(
        [
            *in_namespaces("--mount", setup=f"mount -t tmpfs -o size=2m tmpfs {disk}"),
            *(sys.executable, "-c", _END, str(disk)),
        ],
        env={**os.environ, "XDG_CACHE_HOME": str(disk.parent / "cache")},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.splitlines() == [
        f"run r cannot be recorded in {disk}/store: {FULL}",
        f"run r cannot be recorded in {disk}/store: {FULL}",
        f"the run store {disk}/store cannot be written: {FULL}",
    ]
