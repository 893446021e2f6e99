"""``rayexec cache``, and cached ops on the command line."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
from cli_process import run, run_on_terminal, screen
from typer.testing import CliRunner

from rayexec.cli.main import app
from rayexec.run.cached_outputs import CachedOutput, CacheOrigin
from rayexec.store import DirectoryRunStore

JOBS = """
import time

from rayexec import job, op

@op(cache=True, code_version="7")
def load() -> bytes:
    print("load runs")
    return bytes(1_500_000)

@op(cache=True, code_version="1")
def size(data: bytes) -> int:
    print("size runs")
    return len(data)

@op
def show(n: int) -> None:
    print("show runs")

@job(config={"execution": {"config": {"in_process": {}}}})
def sizes():
    show(size(load()))
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty store, which is the one that commands and runs use, and a file of a job."""
    (tmp_path / "jobs.py").write_text(JOBS)
    monkeypatch.setenv("RAYEXEC_HOME", str(tmp_path / "home"))
    return tmp_path


def invoke(*arguments: str) -> tuple[int, str, str]:
    """Run a command in this process; return its exit code and what it printed."""
    result = CliRunner().invoke(app, [*arguments])
    return result.exit_code, result.stdout, result.stderr


def read(*arguments: str) -> Any:
    """Return what a command printed as JSON."""
    code, out, err = invoke(*arguments, "--json")
    assert (code, err) == (0, "")
    return json.loads(out)


def fill(home: Path, created: dict[str, float]) -> None:
    """Keep an entry of each op, made at the given time."""
    cache = DirectoryRunStore(home / "home").cache()
    for index, (op, moment) in enumerate(created.items()):
        filling = cache.begin(f"{index:064x}", CacheOrigin("run", "step", op, "1", moment))
        filling.add(CachedOutput("result", op, None, None))
        filling.commit()


def test_reuse_is_reported_and_no_cache_runs_all(home: Path) -> None:
    first = run("job", "execute", "-f", "jobs.py", cwd=home)
    assert first.stdout == "load runs\nsize runs\nshow runs\n"
    again = run("job", "execute", "-f", "jobs.py", "--json", cwd=home)
    document = json.loads(again.stdout)
    assert document["reused"] == 2
    assert again.stderr.count("Reused the outputs of step") == 2
    assert "show runs" in again.stderr
    assert "size runs" not in again.stderr
    run_id = document["run_id"]
    shown = read("run", "show", run_id)
    assert (shown["steps"]["succeeded"], shown["steps"]["reused"]) == (1, 2)
    assert {name: each["reused"] for name, each in shown["ops"].items()} == {
        "load": 1,
        "size": 1,
        "show": 0,
    }
    _, out, _ = invoke("run", "show", run_id)
    assert "1 succeeded, 2 reused" in out
    assert re.search(r"^op +succeeded +reused +attempts", out, re.MULTILINE)
    _, out, _ = invoke("run", "events", run_id, "--step", "size", "--type", "ENGINE_EVENT")
    first_id = next(each["run_id"] for each in read("run", "list") if each["run_id"] != run_id)
    assert out.rstrip().endswith(f'Reused the outputs of step "size" of run {first_id}.')

    anew = run("job", "execute", "-f", "jobs.py", "--no-cache", cwd=home)
    assert anew.stdout == "load runs\nsize runs\nshow runs\n"
    newest = {each["run_id"] for each in read("cache", "list")}
    assert newest == {read("run", "list", "--limit", "1")[0]["run_id"]}


def test_the_summary_on_a_terminal_tells_what_was_reused(home: Path) -> None:
    run("job", "execute", "-f", "jobs.py", cwd=home)
    ended = run_on_terminal("job", "execute", "-f", "jobs.py", cwd=home)
    assert ended.code == 0
    shown = "\n".join(screen(ended.stdout))
    assert re.search(r"^load +reused", shown, re.MULTILINE)
    assert re.search(r"^show +succeeded", shown, re.MULTILINE)
    assert "(steps: 1 succeeded, 2 reused)" in shown


def test_entries_are_listed_with_op_version_size_and_origin(home: Path) -> None:
    run("job", "execute", "-f", "jobs.py", cwd=home)
    (record,) = read("run", "list")
    newest, oldest = read("cache", "list")
    assert (newest["op"], newest["code_version"], newest["step_key"]) == ("size", "1", "size")
    assert (oldest["op"], oldest["code_version"], oldest["run_id"]) == (
        "load",
        "7",
        record["run_id"],
    )
    assert 1_500_000 < oldest["size"] < 1_501_000
    assert record["start_time"][:10] == oldest["created"][:10]
    code, out, _ = invoke("cache", "list")
    assert code == 0
    assert re.search(
        rf"^{oldest['key'][:12]} +load +7 +1\.4 MiB +0 +\d{{4}}-.* UTC +{record['run_id']} +load",
        out,
        re.M,
    )
    assert out.endswith("\n2 entries, 1.4 MiB\n")
    assert [each["op"] for each in read("cache", "list", "--op", "size")] == ["size"]
    assert invoke("cache", "list", "--op", "nope")[1].startswith(
        "Nothing of op 'nope' is cached in "
    )


def test_entries_are_removed_by_op_and_age_or_all(home: Path) -> None:
    now = 4_000_000_000.0  # in the future
    fill(home, {"old": 1.0, "older": 0.0, "new": now})
    assert len(read("cache", "delete", "--op", "new", "--older-than", "1")["deleted"]) == 0
    assert len(read("cache", "delete", "--op", "older", "--older-than", "1")["deleted"]) == 1
    code, out, _ = invoke("cache", "delete", "--older-than", "30")
    assert code == 0
    assert re.fullmatch(r"Removed 1 entry, \d+ B\.\n", out)
    assert [each["op"] for each in read("cache", "list")] == ["new"]
    assert invoke("cache", "delete", "--op", "old")[1] == "Nothing of that kind is cached.\n"
    assert len(read("cache", "delete", "--all")["deleted"]) == 1
    assert read("cache", "list") == []


def test_entries_that_cannot_be_read_are_listed_with_why_and_go_with_all(home: Path) -> None:
    fill(home, {"good": 1.0, "bad": 2.0})
    bad = home / "home" / "cache" / "00" / f"{1:064x}"
    bad.write_bytes(b"nothing of ours, but long enough to look at")
    good, broken = read("cache", "list")
    assert good["op"] == "good"
    assert "damaged" in broken["note"]
    assert "damaged" in invoke("cache", "list")[1]
    read("cache", "delete", "--op", "bad")
    read("cache", "delete", "--older-than", "0")
    assert bad.exists()
    read("cache", "delete", "--all")
    assert not bad.exists()


def test_remains_of_killed_writers_go_once_nobody_can_write_them(home: Path) -> None:
    fill(home, {"load": 1.0})
    left, written = [home / "home" / "cache" / "00" / name for name in (".left", ".written")]
    for file in (left, written):
        file.write_bytes(b"half")
    os.utime(left, (1.0, 1.0))
    read("cache", "delete", "--op", "load")
    assert not left.exists()
    assert written.exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "say what to remove"),
        (("--all", "--op", "load"), "--all removes everything"),
    ],
)
def test_delete_needs_a_choice(home: Path, arguments: tuple[str, ...], message: str) -> None:
    fill(home, {"load": 1.0})
    code, out, err = invoke("cache", "delete", *arguments)
    assert (code, out) == (2, "")
    assert message in err
    assert len(read("cache", "list")) == 1
