"""Executor keys: one declaration each, also from outside of the package."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from rayexec import ConfigError, DefinitionError, execute_job, job, launch_job, op, ray_executor
from rayexec.cli.execution_options import inherited_origin, inherited_overrides
from rayexec.config import execution_settings
from rayexec.config.execution import override_execution, resolve_execution
from rayexec.config.execution_settings import (
    EXECUTORS,
    CommandOption,
    ExecutionSettings,
    add_executor_key,
    executor_keys,
)
from rayexec.definitions.executor import default_executor

DECLARATION = """
from rayexec.config.execution_settings import CommandOption, add_executor_key

add_executor_key(
    "speed",
    int,
    3,
    bounds={"ge": 1},
    option=CommandOption("--speed", "How fast to run.", type=int, metavar="N", is_inherited=True),
)
add_executor_key(
    "quiet", bool, False, executors=("ray",), option=CommandOption("--quiet", "Say nothing.")
)
"""
JOBS = """
from rayexec import job, op

@op
def one():
    return 1

@job(config={"execution": {"config": {"in_process": {}}}})
def small():
    one()
"""


@pytest.fixture
def speed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(execution_settings, "_ADDED", {})
    exec(DECLARATION, {})


def resolved(executor: str, **given: Any) -> tuple[ExecutionSettings, list[str]]:
    settings, problems = resolve_execution(default_executor, {"config": {executor: given}})
    return settings, [str(problem) for problem in problems]


@pytest.mark.usefixtures("speed")
def test_run_config_has_an_added_key() -> None:
    for executor in EXECUTORS:
        assert resolved(executor)[0].added["speed"] == 3
        assert resolved(executor, speed=7)[0].added["speed"] == 7
        (problem,) = resolved(executor, speed=0)[1]
        assert f"execution:config:{executor}:speed" in problem
        assert "greater than or equal to 1" in problem
    assert resolved("ray", quiet=True)[0].added == {"speed": 3, "quiet": True}
    assert "unknown key" in resolved("in_process", quiet=True)[1][0]
    preset = ray_executor.configured({"speed": 5})
    assert resolve_execution(preset, None)[0].added["speed"] == 5


@pytest.mark.usefixtures("speed")
def test_the_caller_of_a_run_overrides_an_added_key() -> None:
    settings = resolved("ray", speed=7)[0]
    assert override_execution(settings, speed=9).added == {"speed": 9, "quiet": False}
    assert override_execution(settings, speed=None) == settings
    with pytest.raises(ConfigError, match="greater than or equal to 1"):
        override_execution(settings, speed=0)

    @op
    def one() -> int:
        return 1

    @job(config={"execution": {"config": {"in_process": {}}}})
    def small() -> None:
        one()

    for run in (small.execute, lambda **given: execute_job(small, **given)):
        result = run(speed=4, store=False)
        assert result.success
        assert result._spec.config.execution.added["speed"] == 4
        with pytest.raises(ConfigError, match="speed"):
            run(speed="fast", store=False)


def test_a_keyword_that_is_no_key_is_refused_as_python_does() -> None:
    with pytest.raises(TypeError, match=r"unexpected keyword argument 'max_concurent'.*concurrent"):
        execute_job(None, max_concurent=3)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="unexpected keyword argument 'batches'"):
        override_execution(ExecutionSettings(), batches=False)
    with pytest.raises(TypeError, match=r"launch_job\(\).*'keep_outputs'"):
        launch_job("jobs.py", keep_outputs="none")


@pytest.mark.usefixtures("speed")
def test_a_name_or_option_in_use_cannot_be_added() -> None:
    for name in ("durable", "speed", "slow motion"):
        with pytest.raises(DefinitionError, match=name):
            add_executor_key(name, bool, False)
    with pytest.raises(DefinitionError, match="--no-cache is there already"):
        add_executor_key("other", bool, False, option=CommandOption("--no-cache", "Not this one."))
    with pytest.raises(DefinitionError, match=r"no executor 'in_proces'.*in_process"):
        add_executor_key("other", bool, False, executors=("in_proces",))
    assert [key.name for key in executor_keys()][-2:] == ["speed", "quiet"]


@pytest.mark.usefixtures("speed")
def test_a_resumed_run_inherits_the_overrides_that_say_so() -> None:
    given = {"speed": 8, "durable": True, "cache": False, "address": "auto", "max_concurrent": 2}
    origin = inherited_origin(given)
    assert origin == {"speed": "8", "durable": "true", "address": "auto", "max_concurrent": "2"}
    assert inherited_overrides({"file": "jobs.py", **origin}) == {
        name: value for name, value in given.items() if name != "cache"
    }


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The command line as a process with the added keys, as are all processes below it."""
    (tmp_path / "jobs.py").write_text(JOBS)
    (tmp_path / "sitecustomize.py").write_text(DECLARATION)
    monkeypatch.setenv("RAYEXEC_HOME", str(tmp_path / "runs"))
    root = Path(execution_settings.__file__).parents[2]
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{root}")

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "rayexec", *arguments]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    return run


def origin(tmp_path: Path, run_id: str) -> dict[str, str]:
    (path,) = (tmp_path / "runs").rglob(f"{run_id}*/run.json")
    recorded: dict[str, str] = json.loads(path.read_text())["origin"]
    return recorded


def test_the_command_line_overrides_an_added_key(program: Any, tmp_path: Path) -> None:
    for command in ("execute", "launch"):
        shown = program("job", command, "--help").stdout
        assert "--speed" in shown
        assert "How fast to run." in shown
    ended = program("job", "execute", "-f", "jobs.py", "--speed", "0", "--quiet")
    assert (ended.returncode, "speed" in ended.stderr) == (2, True)
    ended = program("job", "execute", "-f", "jobs.py", "--speed", "8", "--run-id", "first")
    assert ended.returncode == 0, ended.stderr
    assert origin(tmp_path, "first")["speed"] == "8"


def test_a_launched_run_has_an_added_key(program: Any, tmp_path: Path) -> None:
    ended = program("job", "launch", "-f", "jobs.py", "--speed=6", "--wait", "--run-id", "launched")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert origin(tmp_path, "launched")["speed"] == "6"
