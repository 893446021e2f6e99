"""``rayexec run delete`` by rule, and of one run among thousands."""

from __future__ import annotations

import json
import os
import shutil
import time
from pathlib import Path

import pytest
import typer
from cli_process import run, run_on_terminal
from typer.testing import CliRunner

from rayexec import ConfigError, execute_job, job, validate_run_config
from rayexec.cli.main import app
from rayexec.cli.shared_options import no_nan
from rayexec.events import RunStatus
from rayexec.launch.polling import deadline_after
from rayexec.run.process_identity import ProcessIdentity
from rayexec.store import DirectoryRunStore, RunRecord

DAY_S = 86_400.0


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home with runs of two jobs, a running one and the one that it was resumed from."""
    home = tmp_path / "home"
    monkeypatch.setenv("RAYEXEC_HOME", str(home))
    store, now = DirectoryRunStore(home), time.time()
    for age in range(1, 7):
        job = "daily" if age % 2 else "weekly"
        status = RunStatus.FAILURE if age > 3 else RunStatus.SUCCESS
        ended = now - age * DAY_S
        store.create(RunRecord(f"{job}-{age}", job, status, ended - 60, ended)).close()
    driver = ProcessIdentity.here()
    store.create(
        RunRecord("going", "daily", start_time=now, driver=driver, parent_run_id="daily-5")
    ).close()
    return home


def invoke(*arguments: str) -> tuple[int, str, str]:
    """Run ``rayexec run delete`` in this process; return its exit code and what it printed."""
    result = CliRunner().invoke(app, ["run", "delete", *arguments])
    return result.exit_code, result.stdout, result.stderr


def left(home: Path) -> str:
    return " ".join(record.run_id for record in DirectoryRunStore(home).list())


ALL = "going daily-1 weekly-2 daily-3 weekly-4 daily-5 weekly-6"


def test_runs_go_by_job_status_and_age_together(home: Path) -> None:
    code, out, err = invoke("--status", "failure", "--older-than", "3.5", "--keep", "1")
    assert code == 0
    assert out == f"Removed run weekly-6 (weekly, FAILURE).\nRemoved 1 run of {home}.\n"
    assert err == "1 run in use by a run that is not over: left.\n"
    assert left(home) == "going daily-1 weekly-2 daily-3 weekly-4 daily-5"
    code, out, err = invoke("--job", "weekly", "--json")
    assert (code, err) == (0, "")
    assert json.loads(out) == {"deleted": ["weekly-2", "weekly-4"]}
    assert left(home) == "going daily-1 daily-3 daily-5"


def test_running_runs_and_what_they_read_stay(home: Path) -> None:
    code, out, err = invoke("--keep", "0")
    assert code == 0
    assert out.endswith(f"Removed 5 runs of {home}.\n")
    assert err == "2 runs in use by a run that is not over: left.\n"
    assert left(home) == "going daily-5"
    assert invoke("--keep", "0")[1] == f"Removed 0 runs of {home}.\n"


def test_a_dry_run_shows_the_runs_and_removes_none(home: Path) -> None:
    code, out, _ = invoke("--older-than", "4.5", "--dry-run")
    assert code == 0
    assert out.splitlines()[0].split() == ["run", "job", "status", "started", "took", "steps"]
    assert out.splitlines()[1].startswith("weekly-6  weekly  FAILURE  ")
    assert out.splitlines()[2:] == ["Would remove 1 run."]
    code, out, _ = invoke("--older-than", "4.5", "--dry-run", "--json")
    assert json.loads(out) == {"would_delete": ["weekly-6"]}
    assert left(home) == ALL


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "say what to remove: ids of runs, or --job"),
        (("daily-1", "--keep", "3"), "give ids of runs, or say which by --job"),
        (("daily-1", "--dry-run"), "--dry-run shows what --job"),
        (("--status", "nope"), "there is no status 'nope': it is one of"),
        (("--status", "STARTED"), "is removed by its id alone, with --force"),
        (("--job", "daily", "--force"), "is removed by its id alone, with --force"),
        (("--keep", "-1"), "Invalid value for '--keep'"),
        (("--older-than", "-1"), "Invalid value for '--older-than'"),
    ],
)
def test_a_rule_that_cannot_be_meant_removes_nothing(
    home: Path, arguments: tuple[str, ...], message: str
) -> None:
    code, out, err = invoke(*arguments)
    assert (code, out) == (2, "")
    assert message in err
    assert left(home) == ALL


def test_a_terminal_is_asked_before_runs_go(home: Path) -> None:
    weekly = ("run", "delete", "--job", "weekly")
    refused = run_on_terminal(*weekly, cwd=home, until="[y/N]", keys=b"n\n")
    assert refused.code == 1
    assert "weekly-6" in refused.stdout
    assert "Remove 3 runs? [y/N]" in refused.stdout
    assert left(home) == ALL
    agreed = run_on_terminal(*weekly, cwd=home, until="[y/N]", keys=b"y\n")
    assert agreed.code == 0
    assert left(home) == "going daily-1 daily-3 daily-5"
    unasked = run_on_terminal("run", "delete", "--job", "daily", "--yes", cwd=home)
    assert (unasked.code, left(home)) == (0, "going daily-5")


def test_only_the_record_of_the_run_to_delete_is_read(home: Path) -> None:
    for other in ("daily-1", "going"):  # Whoever opens a pipe waits for its writer.
        file = home / "runs" / other / "run.json"
        file.unlink()
        os.mkfifo(file)
    ended = run("run", "delete", "weekly-2", "weekly-4", cwd=home)
    assert (ended.code, ended.stderr) == (0, "")
    assert ended.stdout == "Removed run weekly-2.\nRemoved run weekly-4.\n"
    ended = run("run", "show", "weekly-6", cwd=home)
    assert (ended.code, ended.stderr) == (0, "")


def test_a_list_of_thousands_of_runs_comes_within_seconds(home: Path) -> None:
    template = home / "runs/daily-1/run.json"
    text = template.read_text()
    for number in range(2_000):
        directory = home / f"runs/many-{number}"
        directory.mkdir()
        (directory / "run.json").write_text(text.replace("daily-1", directory.name))
    began = time.process_time()
    result = CliRunner().invoke(app, ["run", "list"])
    assert result.exit_code == 0
    assert len(result.stdout.splitlines()) == 2_008
    # A second of the processor is ten times what it takes; rich's tables took 3 ms a run.
    assert time.process_time() - began < 3
    shutil.rmtree(home / "index")
    assert CliRunner().invoke(app, ["run", "list"]).stdout == result.stdout


NAN, INFINITE, HUGE = float("nan"), float("inf"), 10**400


@pytest.mark.parametrize(
    "command",
    [
        ("run", "wait", "daily-1", "--timeout"),
        ("run", "cancel", "daily-1", "--timeout"),
        ("run", "delete", "--older-than"),
        ("cache", "delete", "--older-than"),
    ],
)
def test_nan_is_no_number_and_infinity_is_without_end(home: Path, command: tuple[str, ...]) -> None:
    for given in ("nan", "NaN", "-inf", "-1"):
        result = CliRunner().invoke(app, [*command, given])
        assert result.exit_code == 2
        assert "Invalid value" in result.stderr
    for given in ("inf", "1e300"):
        result = CliRunner().invoke(app, [*command, given])
        # A run that is over already cannot be canceled any more.
        assert result.exit_code == (1 if command[1] == "cancel" else 0), result.output
    assert left(home) == ALL


def test_nan_is_refused_by_any_typer() -> None:
    assert [no_nan(value) for value in (None, 0.0, INFINITE)] == [None, 0.0, INFINITE]
    with pytest.raises(typer.BadParameter, match="nan is not a number"):
        no_nan(NAN)


def test_a_deadline_is_a_number_of_seconds_away() -> None:
    now = time.monotonic()
    assert 0 <= (deadline_after(5) or 0) - now - 5 < 1
    assert deadline_after(None) is deadline_after(INFINITE) is deadline_after(HUGE) is None
    assert (deadline_after(-1) or now) < now
    with pytest.raises(ValueError, match="timeout must be a number of seconds, got nan"):
        deadline_after(NAN)
    for odd in ("5", True):
        with pytest.raises(TypeError, match="timeout must be a number of seconds, got"):
            deadline_after(odd)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *(("cancel_grace", value) for value in (NAN, INFINITE, HUGE, -1)),
        *(("max_concurrent", value) for value in (NAN, INFINITE, 1.5, -1)),
        *(("infrastructure_retries", value) for value in (NAN, INFINITE, 1.5, -1)),
        *(("max_runtime", value) for value in (NAN, -INFINITE, 0)),
    ],
)
def test_keys_of_the_executor_are_numbers(key: str, value: float) -> None:
    @job
    def empty() -> None: ...

    with pytest.raises(ConfigError, match=key):
        validate_run_config(empty, {"execution": {"config": {"ray": {key: value}}}})
    if key == "max_concurrent":
        with pytest.raises(ConfigError, match=key):
            execute_job(empty, max_concurrent=value)
