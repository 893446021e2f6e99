"""Jobs from the shell: streams, exit codes, config, and messages on failures."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from cli_process import IN_PROCESS, imports_undone, run
from executed_jobs import JOBS, execute_job
from typer.testing import CliRunner

from rayexec.cli.main import app


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / "jobs.py").write_text(JOBS)
    (tmp_path / "here.yaml").write_text(IN_PROCESS)
    return tmp_path


def test_success_has_lines_on_stderr_and_prints_on_stdout(directory: Path) -> None:
    ended = execute_job(directory, "good", "--tags", '{"team": "data"}')
    assert ended.code == 0
    assert sorted(ended.stdout.splitlines()) == [
        "n is 6 tags {'team': 'data'}",
        "printed by a child",
        "printed by one",
    ]
    lines = ended.stderr.splitlines()
    assert "warned by one" in lines
    events = [line.split(" - ") for line in lines if " - " in line]
    assert all(event[1] == "good" and len(event[2]) == 8 for event in events)
    assert [event[3] for event in events if event[3].startswith("RUN")] == [
        "RUN_START",
        "RUN_SUCCESS",
    ]
    assert [event[3] for event in events if "STEP_START" in event] == ["one", "double", "show"]
    assert [event[5] for event in events if event[4] == "INFO"] == [r"logged\nin two lines"]
    assert events[0][0].endswith(" +0000")


def test_a_failure_ends_on_the_ops_traceback(directory: Path) -> None:
    ended = execute_job(directory, "bad")
    assert ended.code == 1
    line = 1 + JOBS.splitlines().index('    raise ValueError("this went wrong")')
    head, _, tail = ended.stderr.partition("Error: Run ")
    assert "STEP_FAILURE" in head
    assert " resulted in failure.\n\n" in tail
    assert tail.partition("\n\n")[2] == (
        'Step "boom" failed: ValueError: this went wrong\n\n'
        "Traceback (most recent call last):\n"
        f'  File "{directory}/jobs.py", line {line}, in boom\n'
        '    raise ValueError("this went wrong")\n'
        "ValueError: this went wrong\n"
    )


def test_json_keeps_stdout_pure(directory: Path) -> None:
    ended = execute_job(directory, "bad", "--json")
    assert ended.code == 1
    outcome = json.loads(ended.stdout)
    assert outcome["job"] == "bad"
    assert outcome["status"] == "FAILURE"
    assert outcome["steps"] == {"succeeded": 1, "failed": 1, "skipped": 0, "not run": 1}
    assert outcome["failed_steps"] == [
        {"step_key": "boom", "error": "ValueError", "message": "this went wrong"}
    ]
    assert outcome["start_time"] <= outcome["end_time"]
    assert outcome["duration"] >= 0
    assert "printed by one" in ended.stderr


def test_children_of_ops_do_not_print_into_json(directory: Path) -> None:
    ended = execute_job(directory, "good", "--json")
    assert ended.code == 0
    assert json.loads(ended.stdout)["status"] == "SUCCESS"
    assert "printed by a child" in ended.stderr


def test_retries_are_told(directory: Path) -> None:
    ended = execute_job(directory, "retried")
    assert ended.code == 1
    assert "STEP_UP_FOR_RETRY" in ended.stderr
    assert 'Step "stubborn" failed in attempt 2: ' in ended.stderr
    assert ended.stderr.endswith("KeyError: 'again'\n")


def test_an_op_that_exits_fails_its_step(directory: Path) -> None:
    ended = execute_job(directory, "leaving")
    assert ended.code == 1
    assert 'Step "leave" failed: SystemExit: 7' in ended.stderr


def test_a_resource_that_fails_to_open(directory: Path) -> None:
    ended = execute_job(directory, "unopened", "--json")
    assert ended.code == 1
    assert "resource 'db' failed to open: ConnectionError: no database here" in ended.stderr
    assert "in database" in ended.stderr
    assert "rayexec/run" not in ended.stderr
    assert json.loads(ended.stdout)["error"]["error"] == "ResourceError"


def test_many_failures_are_cut_short(directory: Path) -> None:
    ended = execute_job(directory, "many_bad")
    assert "12 steps failed; 10 are shown" in ended.stderr
    assert ended.stderr.endswith("\n\nAlso failed: boom_10, boom_11\n")
    assert ended.stderr.count('Step "boom_') == 10


def test_a_reader_that_leaves_does_not_end_the_run(directory: Path) -> None:
    (directory / "rayexec_main.py").write_text("from rayexec.cli.main import main\nmain()\n")
    with subprocess.Popen(
        [
            sys.executable,
            "-m",
            "rayexec_main",
            "job",
            "execute",
            "-f",
            "jobs.py",
            "-c",
            "here.yaml",
            "-j",
            "chat",
        ],
        cwd=directory,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == "line 0\n"
        process.stdout.close()
        said = process.stderr.read()
    assert process.returncode == 0
    assert "BrokenPipe" not in said
    assert "RUN_SUCCESS" in said
    assert (directory / "chatty.done").exists()


def test_log_level_of_the_config_holds(directory: Path) -> None:
    (directory / "quiet.yaml").write_text("loggers: {console: {config: {log_level: INFO}}}\n")
    ended = execute_job(directory, "good", "-c", "quiet.yaml")
    assert "STEP_START" not in ended.stderr
    assert " - INFO - logged" in ended.stderr


def test_lines_go_to_the_loggers_that_the_config_names(directory: Path) -> None:
    (directory / "jobs.py").write_text(f"{JOBS}\n{LOGGED}")
    loggers = "loggers: {to_file: {config: {path: log.txt}}}\n"
    (directory / "named.yaml").write_text(loggers)
    ended = execute_job(directory, "logged", "-c", "named.yaml")
    assert ended.code == 0
    assert "hello" not in ended.stderr
    assert "STEP_START" in ended.stderr
    assert (directory / "log.txt").read_text() == "INFO hello\n"
    assert "hello" in execute_job(directory, "logged").stderr


LOGGED = """
import logging
from rayexec import logger

@logger(config_schema={"path": str})
def to_file(context):
    made = logging.Logger("to_file")
    handler = logging.FileHandler(context.logger_config["path"])
    handler.format = lambda record: f"{record.levelname} {record.dagster_meta['orig_message']}"
    made.addHandler(handler)
    return made

@op
def greet(context):
    context.log.info("hello")

@job(logger_defs={"to_file": to_file})
def logged():
    greet()
"""


def test_selection_by_commas_and_repeats(directory: Path) -> None:
    (directory / "n.yaml").write_text("ops: {show: {inputs: {n: {value: 3}}}}\n")
    ended = execute_job(directory, "good", "-c", "n.yaml", "-o", "one, show", "--json")
    assert json.loads(ended.stdout)["steps"]["succeeded"] == 2
    ended = execute_job(directory, "good", "-o", "one", "-o", "double", "--json")
    assert json.loads(ended.stdout)["steps"]["succeeded"] == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--tags", "{a"), "--tags is not JSON"),
        (("--tags", "[1]"), "--tags is a list, not an object"),
        (("-o", "on"), "Did you mean 'one'?"),
        (("-o", " , "), "-o names no op"),
        (("-c", "missing.yaml"), "there is no config file missing.yaml"),
        (("-c", "*.yml"), "no config file matches *.yml"),
        (("-c", "wrong.yaml"), "root:ops:onne: unknown op"),
        (("-c", "list.yaml"), "holds a list; run config is a mapping"),
        (("--address", "ray://10.0.0.1:10001"), "ray://10.0.0.1:10001"),
    ],
)
def test_mistakes_are_told_before_anything_runs(
    directory: Path, arguments: tuple[str, ...], message: str
) -> None:
    (directory / "wrong.yaml").write_text("ops: {onne: {}}\n")
    (directory / "list.yaml").write_text("- 1\n")
    with imports_undone(directory):
        result = CliRunner().invoke(
            app, ["job", "execute", "-f", "jobs.py", "-j", "good", *arguments]
        )
    assert result.exit_code == (1 if "--address" in arguments else 2)
    assert message in result.stderr
    assert "Traceback" not in result.output
    assert "RUN_START" not in result.output


def test_nothing_answers_at_the_address(directory: Path) -> None:
    ended = run(
        "job", "execute", "-f", "jobs.py", "-j", "good", "--address", "127.0.0.1:1", cwd=directory
    )
    assert ended.code == 1
    assert ended.stderr.startswith("Error: no Ray answers at 127.0.0.1:1")


@pytest.mark.long("starts a Ray of its own")
def test_on_ray_each_failure_is_clear_and_the_rest_runs(directory: Path) -> None:
    ended = run("job", "execute", "-f", "jobs.py", "-j", "troubled", cwd=directory)
    assert ended.code == 1
    assert "printed by one\nn is 3 tags {}\n" in ended.stdout
    assert "warned by one" in ended.stderr
    assert "(raylet)" not in ended.stdout + ended.stderr
    report = ended.stderr.partition("Error: Run ")[2]
    assert 'Step "odd" failed: Odd: this and that\n\nTraceback (most recent call last):\n' in report
    assert 'Step "dies" failed: WorkerCrashedError' in report
    assert 'output "result" of op "handle" cannot be pickled' in report
    assert 'Step "leave" failed: SystemExit: 7' in report
    assert "site-packages/ray" not in report
    assert ended.left_over == []
