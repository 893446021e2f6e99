"""Jobs from the shell: streams, exit codes, config, and messages on failures."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
import yaml
from cli_process import IN_PROCESS, Ended, imports_undone, run
from typer.testing import CliRunner

from rayexec.cli.main import app
from rayexec.config.yaml_files import deep_merge, read_run_config
from rayexec.errors import LoadError

JOBS = """
import os, signal, sys, threading, time
from rayexec import Config, RetryPolicy, job, op, resource

class Conf(Config):
    n: int = 1
    m: int = 2

@op
def one(context, config: Conf):
    print("printed by one")
    print("warned by one", file=sys.stderr)
    context.log.info("logged\\nin two lines")
    return config.n + config.m

@op
def double(n: int) -> int:
    os.system("echo printed by a child")
    return 2 * n

@op
def show(context, n: int):
    print("n is", n, "tags", dict(context.run.tags))

@job
def good():
    show(double(one()))

@op
def boom(n: int):
    raise ValueError("this went wrong")

@job
def bad():
    show(boom(one()))

@op(retry_policy=RetryPolicy(max_retries=1))
def stubborn():
    raise KeyError("again")

@job
def retried():
    stubborn()

@op
def leave():
    sys.exit(7)

@job
def leaving():
    leave()

@job
def many_bad():
    for number in range(12):
        boom.alias(f"boom_{number}")(one())

@resource
def database(context):
    raise ConnectionError("no database here")

@op(required_resource_keys={"db"})
def query():
    pass

@job(resource_defs={"db": database})
def unopened():
    query()

@op
def chatty():
    for number in range(20_000):
        print("line", number)
    with open("chatty.done", "w") as file:
        file.write("yes")

@job
def chat():
    chatty()

@op
def sleepy():
    open("asleep", "w").close()
    time.sleep(30)

@job
def sleeping():
    one()
    sleepy()

@op
def cling():
    try:
        open("asleep", "w").close()
        time.sleep(30)
    finally:
        open("closing", "w").close()
        time.sleep(30)

@job
def clinging():
    cling()

@op
def hang_up():
    os.kill(os.getpid(), signal.SIGHUP)

@job
def hung_up():
    hang_up()

@op
def fork():
    up, tell = os.pipe()
    child = os.fork()
    if not child:
        os.write(tell, b".")
        time.sleep(10)
        os._exit(0)
    os.read(up, 1)
    os.kill(child, signal.SIGTERM)
    print("ended by", -os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))

@job
def forks():
    fork()

class Odd(Exception):
    def __init__(self, first, second):
        super().__init__(f"{first} and {second}")
        self.lock = threading.Lock()

@op
def odd():
    raise Odd("this", "that")

@op
def dies():
    os._exit(3)

@op
def handle():
    return threading.Lock()

@op
def use(x):
    pass

@job
def troubled():
    odd()
    dies()
    use(handle())
    leave()
    show(one())
"""


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / "jobs.py").write_text(JOBS)
    (tmp_path / "here.yaml").write_text(IN_PROCESS)
    return tmp_path


def _execute(directory: Path, job: str, *arguments: str, **how: Any) -> Ended:
    return run(
        "job",
        "execute",
        "-f",
        "jobs.py",
        "-c",
        "here.yaml",
        "-j",
        job,
        *arguments,
        cwd=directory,
        **how,
    )


def test_success_has_lines_on_stderr_and_prints_on_stdout(directory: Path) -> None:
    ended = _execute(directory, "good", "--tags", '{"team": "data"}')
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
    ended = _execute(directory, "bad")
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
    ended = _execute(directory, "bad", "--json")
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
    ended = _execute(directory, "good", "--json")
    assert ended.code == 0
    assert json.loads(ended.stdout)["status"] == "SUCCESS"
    assert "printed by a child" in ended.stderr


def test_retries_are_told(directory: Path) -> None:
    ended = _execute(directory, "retried")
    assert ended.code == 1
    assert "STEP_UP_FOR_RETRY" in ended.stderr
    assert 'Step "stubborn" failed in attempt 2: ' in ended.stderr
    assert ended.stderr.endswith("KeyError: 'again'\n")


def test_an_op_that_exits_fails_its_step(directory: Path) -> None:
    ended = _execute(directory, "leaving")
    assert ended.code == 1
    assert 'Step "leave" failed: SystemExit: 7' in ended.stderr


def test_a_resource_that_fails_to_open(directory: Path) -> None:
    ended = _execute(directory, "unopened", "--json")
    assert ended.code == 1
    assert "resource 'db' failed to open: ConnectionError: no database here" in ended.stderr
    assert "in database" in ended.stderr
    assert "rayexec/run" not in ended.stderr
    assert json.loads(ended.stdout)["error"]["error"] == "ResourceError"


def test_many_failures_are_cut_short(directory: Path) -> None:
    ended = _execute(directory, "many_bad")
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
    ended = _execute(directory, "good", "-c", "quiet.yaml")
    assert "STEP_START" not in ended.stderr
    assert " - INFO - logged" in ended.stderr


def test_lines_go_to_the_loggers_that_the_config_names(directory: Path) -> None:
    (directory / "jobs.py").write_text(f"{JOBS}\n{LOGGED}")
    loggers = "loggers: {to_file: {config: {path: log.txt}}}\n"
    (directory / "named.yaml").write_text(loggers)
    ended = _execute(directory, "logged", "-c", "named.yaml")
    assert ended.code == 0
    assert "hello" not in ended.stderr
    assert "STEP_START" in ended.stderr
    assert (directory / "log.txt").read_text() == "INFO hello\n"
    assert "hello" in _execute(directory, "logged").stderr


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
    ended = _execute(directory, "good", "-c", "n.yaml", "-o", "one, show", "--json")
    assert json.loads(ended.stdout)["steps"]["succeeded"] == 2
    ended = _execute(directory, "good", "-o", "one", "-o", "double", "--json")
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


def test_config_files_merge_key_by_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for index, text in enumerate(
        ["ops: {a: {config: {x: 1, y: [1]}}}", "ops: {a: {config: {y: [2]}}, b: {}}", ""]
    ):
        Path(f"{index}.yaml").write_text(text)
    merged = {"ops": {"a": {"config": {"x": 1, "y": [2]}}, "b": {}}}
    assert read_run_config(["0.yaml", "1.yaml", "2.yaml"]) == merged
    assert read_run_config(["?.yaml"]) == merged
    reversed_order = read_run_config(["1.yaml", "0.yaml"])
    assert reversed_order is not None
    assert reversed_order["ops"]["a"]["config"]["y"] == [1]
    assert read_run_config([]) is None
    assert deep_merge({"a": {"b": 1}}, {"a": 2}) == {"a": 2}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("ops:\n  one: [1, 2\n  two: 3\n", "line 3, column 6: not valid YAML: expected ',' or ']'"),
        (
            "ops:\n  one: {}\n  one: {}\n",
            "line 3, column 3: not valid YAML: the key 'one' is already in this mapping",
        ),
        ("a: 1\n\tb: 2\n", "line 2, column 1"),
        ("a: !!python/object:os.system {}\n", "line 1, column 4"),
        ("a: *nowhere\n", "line 1, column 4: not valid YAML: found undefined alias"),
        ("a: 2024-13-45\n", "not valid YAML: month must be in 1..12"),
    ],
)
def test_yaml_errors_name_the_place(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "run.yaml"
    file.write_text(text)
    with pytest.raises(LoadError) as caught:
        read_run_config([str(file)])
    assert message in str(caught.value)
    assert str(file) in str(caught.value)


def test_yaml_merge_keys_may_repeat(tmp_path: Path) -> None:
    file = tmp_path / "run.yaml"
    file.write_text("base: &b {x: 1}\na:\n  <<: *b\n  x: 2\n")
    assert read_run_config([str(file)]) == yaml.safe_load(file.read_text())


def test_an_interrupt_cancels_the_run(directory: Path) -> None:
    ended = _execute(directory, "sleeping", "--json", until=directory / "asleep")
    assert ended.code == 1
    outcome = json.loads(ended.stdout)
    assert outcome["status"] == "CANCELED"
    assert outcome["duration"] < 4  # well within the grace period: nothing is left to wait for
    assert "Press Ctrl-C again to force it" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert ended.stderr.rstrip().endswith("was canceled.")


@pytest.mark.parametrize("signal_number", [signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("before", ["", "signal.signal(signal.SIGINT, signal.SIG_IGN)"])
def test_signals_that_end_a_process_cancel_the_run(
    directory: Path, signal_number: int, before: str
) -> None:
    ended = _execute(
        directory,
        "sleeping",
        "--json",
        until=directory / "asleep",
        signal_number=signal_number,
        before=before,
    )
    assert ended.code == 1
    assert json.loads(ended.stdout)["status"] == "CANCELED"
    assert "Traceback" not in ended.stderr
    assert ended.stderr.rstrip().endswith("was canceled.")
    assert ended.left_over == []


def test_a_second_signal_forces(directory: Path) -> None:
    ended = _execute(
        directory,
        "clinging",
        "--json",
        until=directory / "asleep",
        again=directory / "closing",
        signal_number=signal.SIGTERM,
    )
    assert ended.code == 1
    assert json.loads(ended.stdout)["duration"] < 4
    assert ended.stderr.rstrip().endswith("was canceled.")
    assert ended.left_over == []


def test_a_signal_that_is_ignored_stays_so(directory: Path) -> None:
    under_nohup = "signal.signal(signal.SIGHUP, signal.SIG_IGN)"
    assert _execute(directory, "hung_up", before=under_nohup).code == 0
    assert _execute(directory, "hung_up").code == 1


def test_processes_that_an_op_forks_end_by_signals_as_ever(directory: Path) -> None:
    ended = _execute(directory, "forks")
    assert ended.code == 0
    assert ended.stdout == "ended by 15\n"
    assert "Interrupt" not in ended.stderr


@pytest.mark.parametrize("job", ["good", "bad"])
def test_the_handlers_of_signals_are_put_back(directory: Path, job: str) -> None:
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = [signal.getsignal(signal_number) for signal_number in numbers]
    with imports_undone(directory):
        CliRunner().invoke(app, ["job", "execute", "-f", "jobs.py", "-c", "here.yaml", "-j", job])
    assert [signal.getsignal(signal_number) for signal_number in numbers] == before


def test_outside_of_the_main_thread_signals_are_left_alone(directory: Path) -> None:
    code: list[int] = []

    def execute() -> None:
        result = CliRunner().invoke(
            app, ["job", "execute", "-f", "jobs.py", "-c", "here.yaml", "-j", "good"]
        )
        code.append(result.exit_code)

    with imports_undone(directory):
        thread = threading.Thread(target=execute)
        thread.start()
        thread.join()
    assert code == [0]


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


def test_on_ray_an_interrupt_leaves_nothing_behind(directory: Path) -> None:
    (directory / "long.py").write_text(
        "import pathlib, time\nfrom rayexec import job, op\n"
        "@op\ndef nap():\n    pathlib.Path('asleep').touch()\n    try:\n        time.sleep(60)\n"
        "    finally:\n        pathlib.Path('closed').touch()\n"
        "@job\ndef naps():\n    nap()\n"
    )
    ended = run("job", "execute", "-f", "long.py", cwd=directory, until=directory / "asleep")
    assert ended.code == 1
    assert (directory / "closed").exists()  # it was woken, and not killed in its sleep
    assert "RUN_CANCELED" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert ended.stderr.rstrip().endswith("was canceled.")
    assert ended.left_over == []


def test_on_ray_a_second_signal_forces(directory: Path) -> None:
    (directory / "stubborn.py").write_text(
        "import pathlib, time\nfrom rayexec import job, op\n"
        "@op\ndef clings():\n    pathlib.Path('asleep').touch()\n    while True:\n        try:\n"
        "            time.sleep(60)\n        except KeyboardInterrupt:\n            "
        "pathlib.Path('asked').touch()\n"
        "@job\ndef stubborn():\n    clings()\n"
    )
    how: dict[str, Any] = {
        "until": directory / "asleep",
        "again": directory / "asked",
        "signal_number": signal.SIGTERM,
    }
    ended = run("job", "execute", "-f", "stubborn.py", "--json", cwd=directory, **how)
    assert ended.code == 1
    assert json.loads(ended.stdout)["status"] == "CANCELED"
    assert "interrupted again" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert ended.left_over == []
