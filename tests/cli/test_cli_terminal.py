"""The live view, on a terminal of its own."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from cli_process import IN_PROCESS, run_on_terminal, screen

JOBS = """
import os, time
from rayexec import job, op

@op
def talk(context):
    print("printed by talk")
    os.system("echo printed by a child")
    context.log.warning("logged by talk")
    time.sleep(0.6)
    print("printed at the end")
    return 1

@op
def nap(n):
    time.sleep(0.6)
    print("without an end", end="")

@op
def boom(n):
    raise ValueError("went wrong")

@op
def noop(n):
    pass

@job
def good():
    nap(talk())

@job
def bad():
    boom(talk())

@op
def one():
    return 1

@job
def fan():
    n = one()
    for index in range(40):
        noop.alias(f"noop_{index}")(n)

@op
def sleep_long():
    print("asleep")
    time.sleep(600)

@job
def sleeping():
    sleep_long()

if not os.path.exists("began"):  # in the driver, which loads this file first
    open("began", "w").close()

@op(tags={"database": "redshift"})
def query():
    # For a good part of the time in which Ray and its workers started, however slow they were.
    time.sleep(max(1.5, (time.time() - os.stat("began").st_mtime) / 2))

DATABASE = {"key": "database", "value": "redshift", "limit": 2}
LIMITS = {"max_concurrent": 4, "tag_concurrency_limits": [DATABASE]}

@job(config={"execution": {"config": {"multiprocess": LIMITS}}})
def queries():
    for name in ("load_a", "load_b", "load_c", "load_d"):
        query.alias(name)()
    one()
"""


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / "jobs.py").write_text(JOBS)
    (tmp_path / "here.yaml").write_text(IN_PROCESS)
    return tmp_path


def _arguments(job: str, *more: str) -> tuple[str, ...]:
    return ("job", "execute", "-f", "jobs.py", "-c", "here.yaml", "-j", job, *more)


def test_the_view_shows_progress_and_leaves_what_ops_print_intact(directory: Path) -> None:
    ended = run_on_terminal(*_arguments("good"), cwd=directory)
    assert ended.code == 0
    plain = re.sub(r"\x1b\[[?0-9;]*[A-Za-z]", "", ended.stdout)
    assert "0 of 2 steps done" in plain
    assert "1 of 2 steps done" in plain
    assert re.search(r"1 running · 1 waiting\s+talk  +[\d.]+ m?s", plain)
    assert re.search(r"1 running · 0 waiting\s+nap  +[\d.]+ m?s", plain)
    lines = [line for line in screen(ended.stdout) if line]
    assert lines[:2] == ["printed by talk", "printed by a child"]
    assert sorted(re.sub(r"^[\d:]+ ", "", line) for line in lines[2:4]) == [
        "printed at the end",
        "talk: logged by talk",
    ]
    assert lines.pop(4) == "without an end"
    assert [line.split() for line in lines[4:7]] == [
        ["step", "status", "duration", "attempts"],
        ["talk", "succeeded", *lines[5].split()[2:4], "1"],
        ["nap", "succeeded", *lines[6].split()[2:4], "1"],
    ]
    assert re.fullmatch(r"Run \S+ succeeded in \d+\.\d s \(steps: 2 succeeded\)\.", lines[7])
    assert len(lines) == 8
    assert ended.stdout.rindex("\x1b[?25h") > ended.stdout.rindex("\x1b[?25l")


def test_a_failure_ends_on_the_traceback(directory: Path) -> None:
    ended = run_on_terminal(*_arguments("bad"), cwd=directory)
    assert ended.code == 1
    lines = screen(ended.stdout)
    assert any('Execution of step "boom" failed: ValueError: went wrong' in line for line in lines)
    assert [line.split()[:2] for line in lines if line.startswith(("talk ", "boom "))] == [
        ["talk", "succeeded"],
        ["boom", "failed"],
    ]
    assert [line for line in lines if line][-1] == "ValueError: went wrong"


def test_many_steps_are_summed_up(directory: Path) -> None:
    ended = run_on_terminal(*_arguments("fan"), cwd=directory)
    lines = [line.split() for line in screen(ended.stdout) if line]
    assert ["op", "status", "steps", "mean", "longest", "attempts"] in lines
    assert [line[:3] for line in lines if line[0] == "noop"] == [["noop", "succeeded", "40"]]


def test_stdout_elsewhere_gets_what_ops_print(directory: Path) -> None:
    ended = run_on_terminal(*_arguments("good"), cwd=directory, stdout=directory / "out.txt")
    assert sorted((directory / "out.txt").read_text().splitlines()) == [
        "printed at the end",
        "printed by a child",
        "printed by talk",
        "without an end",
    ]
    assert "printed by" not in ended.stdout


def test_json_with_a_live_view(directory: Path) -> None:
    ended = run_on_terminal(
        *_arguments("good", "--json"), cwd=directory, stdout=directory / "out.txt"
    )
    assert json.loads((directory / "out.txt").read_text())["status"] == "SUCCESS"
    assert "1 of 2 steps done" in ended.stdout
    assert "printed by talk" in screen(ended.stdout)


@pytest.mark.long("steps of some seconds on Ray, below a terminal")
def test_the_view_says_what_waits_for_which_limit_and_who_holds_it(directory: Path) -> None:
    ended = run_on_terminal("job", "execute", "-f", "jobs.py", "-j", "queries", cwd=directory)
    assert ended.code == 0
    plain = re.sub(r"\x1b\[[?0-9;]*[A-Za-z]", "", ended.stdout)
    assert re.search(
        r"waiting: database=redshift 2/2, held by load_a, load_b · 2: load_c, load_d", plain
    )
    summary = [line for line in screen(ended.stdout) if line.startswith("load_")]
    assert sum("s for database=redshift" in line for line in summary) == 2


def test_ctrl_c_cancels_and_gives_the_terminal_back(directory: Path) -> None:
    ended = run_on_terminal(*_arguments("sleeping"), cwd=directory, until="asleep")
    assert ended.code == 1
    lines = [line for line in screen(ended.stdout.replace("^C", "")) if line]
    assert lines[0] == "asleep"
    assert (
        lines[1] == "Canceling the run: its steps are asked to end. Press Ctrl-C again to force it."
    )
    assert re.fullmatch(r"Run \S+ was canceled in .* \(steps: 1 not run\)\.", lines[-1])
    assert "Traceback" not in ended.stdout
    assert ended.stdout.rindex("\x1b[?25h") > ended.stdout.rindex("\x1b[?25l")
    assert ended.left_over == []


def test_a_terminal_that_is_closed_cancels_the_run(directory: Path) -> None:
    ended = run_on_terminal(
        *_arguments("sleeping", "--json"),
        cwd=directory,
        until="1 running",
        keys=b"",
        stdout=directory / "out",
    )
    assert ended.code == 1
    assert json.loads((directory / "out").read_text())["status"] == "CANCELED"
    assert ended.left_over == []
