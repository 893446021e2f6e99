"""Records that a newer version, a full disk or a stranger left odd: each shows as UNREADABLE."""

from __future__ import annotations

import json
import math
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from rayexec import StoreError
from rayexec.cli.main import app
from rayexec.run.process_identity import ProcessIdentity
from rayexec.store import DirectoryRunStore, RunRecord

WHOLE = json.loads(
    RunRecord(
        "odd", "j", start_time=1.0, driver=ProcessIdentity("elsewhere.invalid", 12, "boot:1")
    ).encode()
)


def field(name: str, value: Any) -> bytes:
    return json.dumps(WHOLE | {name: value}).encode()


def without(name: str) -> bytes:
    return json.dumps({key: value for key, value in WHOLE.items() if key != name}).encode()


def driver(**changed: Any) -> bytes:
    return field("driver", WHOLE["driver"] | changed)


DAMAGED: dict[str, bytes] = {
    "empty": b"",
    "cut short": json.dumps(WHOLE).encode()[:40],
    "random bytes": b"\xff\x00{\x80",
    "a list": b"[]",
    "a number": b"3",
    "null": b"null",
    "a text": b'"run"',
    "nested too deep": b'{"schema_version": 2, "x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "a number of many digits": b'{"schema_version": ' + b"9" * 10_000 + b"}",
    "schema_version null": field("schema_version", None),
    "schema_version text": field("schema_version", "two"),
    "schema_version true": field("schema_version", True),
    "schema_version negative": field("schema_version", -1),
    "no schema_version": without("schema_version"),
    "no run_id": without("run_id"),
    "run_id null": field("run_id", None),
    "run_id of another run": field("run_id", "good"),
    "run_id a path": field("run_id", "../good"),
    "no job_name": without("job_name"),
    "job_name null": field("job_name", None),
    "job_name a number": field("job_name", 3),
    "status unknown": field("status", "ODD"),
    "status an object": field("status", {"a": 1}),
    "status null": field("status", None),
    "start_time a text": field("start_time", "yesterday"),
    "start_time null": field("start_time", None),
    "start_time true": field("start_time", True),
    "start_time beyond dates": field("start_time", 1e300),
    "start_time a huge integer": field("start_time", 10**400),
    "start_time NaN": field("start_time", math.nan),
    "start_time infinite": field("start_time", -math.inf),
    "end_time a text": field("end_time", "now"),
    "end_time NaN": field("end_time", math.nan),
    "tags a list": field("tags", ["a"]),
    "tags of numbers": field("tags", {"a": 1}),
    "run_config a list": field("run_config", []),
    "op_selection a text": field("op_selection", "load"),
    "op_selection of numbers": field("op_selection", [1]),
    "versions null": field("versions", None),
    "parent_run_id a number": field("parent_run_id", 3),
    "root_run_id a list": field("root_run_id", []),
    "origin a text": field("origin", "/x.py"),
    "origin of numbers": field("origin", {"file": 3}),
    "driver a text": field("driver", "me"),
    "driver a list": field("driver", []),
    "driver.pid a text": driver(pid="x"),
    "driver.pid huge": driver(pid=10**20),
    "driver.pid negative": driver(pid=-1),
    "driver.pid zero": driver(pid=0),
    "driver.pid true": driver(pid=True),
    "driver.host null": driver(host=None),
    "driver.started a number": driver(started=3),
    "driver of more": driver(more=1),
    "steps a list": field("steps", [1]),
    "steps of texts": field("steps", {"succeeded": "all"}),
    "steps null": field("steps", None),
    "error a text": field("error", "boom"),
    "error of numbers": field("error", {"error": 1}),
    "note a number": field("note", 3),
}
SPECIAL: dict[str, Callable[[Path], object]] = {
    "a pipe": os.mkfifo,
    "a directory": os.mkdir,
    "a link into nothing": lambda path: os.symlink("/nowhere/run.json", path),
    "a link to a device": lambda path: os.symlink("/dev/zero", path),
    "a socket": lambda path: os.mknod(path, 0o600 | stat.S_IFSOCK),
}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The home of a store with a good run."""
    home = tmp_path / "h"
    monkeypatch.setenv("RAYEXEC_HOME", str(home))
    DirectoryRunStore(home).create(RunRecord("good", "j", start_time=1.0)).close()
    return home


def odd_run(home: Path, run_id: str) -> Path:
    """Return the path for the record of a run without one."""
    DirectoryRunStore(home).create(RunRecord(run_id, "j", start_time=1.0)).close()
    path = home / "runs" / run_id / "run.json"
    path.unlink()
    return path


def check_unreadable(store: DirectoryRunStore) -> None:
    assert {run.run_id: run.status for run in store.list()} == {
        "good": "STARTED",
        "odd": "UNREADABLE",
    }
    with pytest.raises(StoreError, match="odd"):
        store.open("odd").record()
    store.delete("odd")
    assert [run.run_id for run in store.list()] == ["good"]


@pytest.mark.parametrize("case", DAMAGED)
def test_a_damaged_record_is_unreadable(home: Path, case: str) -> None:
    odd_run(home, "odd").write_bytes(DAMAGED[case])
    check_unreadable(DirectoryRunStore(home))


@pytest.mark.parametrize("case", SPECIAL)
def test_what_is_no_file_is_an_unreadable_record(home: Path, case: str) -> None:
    SPECIAL[case](odd_run(home, "odd"))
    check_unreadable(DirectoryRunStore(home))


def invoke(*arguments: str) -> tuple[int, str, str]:
    ended = CliRunner().invoke(app, ["run", *arguments])
    assert ended.exception is None or isinstance(ended.exception, SystemExit), ended.exception
    return ended.exit_code, ended.stdout, ended.stderr


def test_no_command_stumbles_over_all_of_them_together(home: Path) -> None:
    contents = {f"odd-{number}": case for number, case in enumerate(DAMAGED.values())}
    for run_id, content in contents.items():
        odd_run(home, run_id).write_bytes(content)
    for number, make in enumerate(SPECIAL.values()):
        make(odd_run(home, f"special-{number}"))
    count = len(DAMAGED) + len(SPECIAL)
    code, listed, _ = invoke("list")
    assert (code, listed.count("UNREADABLE"), listed.count("good")) == (0, count, 1)
    code, listed, _ = invoke("list", "--json")
    statuses = [run["status"] for run in json.loads(listed)]
    assert (code, statuses.count("UNREADABLE"), statuses.count("STARTED")) == (0, count, 1)
    for verb in ("show", "resume", "cancel", "events", "logs", "wait", "export"):
        for odd in ("odd-7", "special-0"):
            to = ["--parquet", str(home / "x")] if verb == "export" else []
            code, _, message = invoke(verb, odd, *to)
            assert (code, message.startswith("Error: ")) == (1, True), (verb, code, message)
    assert invoke("show", "good")[0] == 0
    assert invoke("delete", "--force", "good")[:2] == (0, "Removed run good.\n")
    assert invoke("delete", "odd-3", "special-0", "special-1")[0] == 0
    assert len(DirectoryRunStore(home).list()) == count - 3


def test_the_fields_of_earlier_versions_are_enough(home: Path) -> None:
    least = {"schema_version": 1, "run_id": "odd", "job_name": "j"}
    odd_run(home, "odd").write_text(json.dumps(least))
    assert DirectoryRunStore(home).open("odd").record() == RunRecord("odd", "j", schema_version=1)


def test_an_odd_note_of_a_launch_does_not_hide_the_runs(home: Path) -> None:
    directory = home / "launched"
    directory.mkdir(mode=0o700)
    note = {"run_id": "n", "time": 1.0, "origin": {}, "driver": None}
    odd: dict[str, Any] = {
        "time": "yesterday",
        "origin": "x",
        "address": 3,
        "store": [],
        "ended": "x",
        "sent": None,
        "run_id": "../n",
        "driver": 3,
    }
    for name, value in odd.items():
        (directory / f"{name}.json").write_text(json.dumps(note | {name: value}))
    os.mkfifo(directory / "pipe.json")
    (directory / "deep.json").write_text("[" * 100_000)
    code, listed, _ = invoke("list")
    assert (code, "good" in listed) == (0, True)
