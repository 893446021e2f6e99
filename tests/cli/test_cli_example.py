"""Examples that the package brings along: written out, they run as they are."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from cli_process import IN_PROCESS
from typer.testing import CliRunner, Result

import rayexec
from rayexec.cli.commands import example_files
from rayexec.cli.commands.example_files import EXAMPLES
from rayexec.cli.main import app

ROOT = Path(rayexec.__file__).parents[1]
FILES = ["data/airports.csv", "data/flights.parquet", "flights.py", "flights.yaml"]


@pytest.fixture(autouse=True)
def working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["example", *arguments])


def files_in(directory: Path) -> list[str]:
    return sorted(
        path.relative_to(directory).as_posix() for path in directory.rglob("*") if path.is_file()
    )


def test_examples_are_listed() -> None:
    result = invoke()
    assert result.exit_code == 0
    assert "flights  late routes among 20,000 flights" in result.stdout


@pytest.mark.parametrize("to", [None, "my own/directory"])
def test_the_files_and_the_commands_that_run_them(to: str | None, tmp_path: Path) -> None:
    result = invoke("flights", *(() if to is None else ("--to", to)))
    assert (result.exit_code, result.stderr) == (0, "")
    directory = tmp_path / (to or "flights")
    assert files_in(directory) == FILES
    first, *commands = result.stdout.splitlines()
    assert first == f"Wrote 4 files into {to or 'flights'}. Run it:"
    for command in commands:
        program, *arguments = shlex.split(command)
        assert program == "rayexec"
        assert all(Path(part).is_file() for part in arguments if "/" in part)
    for text in (directory / "flights.py", directory / "flights.yaml"):
        assert "docs/examples" not in text.read_text()
        assert "rayexec job execute -f flights.py" in text.read_text()


def test_what_was_written_runs(tmp_path: Path) -> None:
    assert invoke("flights", "--to", "out").exit_code == 0
    (tmp_path / "in_process.yaml").write_text(IN_PROCESS)
    command = [*(sys.executable, "-m", "rayexec", "job", "execute"), "-f", "out/flights.py"]
    ended = subprocess.run(
        [*command, "-c", "in_process.yaml"], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
    assert "mean delay" in ended.stdout
    assert files_in(tmp_path / "report") == ["origins.parquet", "routes.parquet"]


@pytest.mark.parametrize("name", FILES)
def test_nothing_is_overwritten(name: str, tmp_path: Path) -> None:
    existing = tmp_path / "flights" / name
    existing.parent.mkdir(parents=True)
    existing.symlink_to(tmp_path / "nowhere")  # which a plain open would follow
    result = invoke("flights")
    assert (result.exit_code, result.stdout) == (2, "")
    assert f"in flights there is {name} already" in result.stderr
    assert [path.name for path in existing.parent.iterdir()].count(existing.name) == 1
    assert not (tmp_path / "nowhere").exists()
    assert files_in(tmp_path / "flights") == []


def test_other_files_of_the_directory_stay(tmp_path: Path) -> None:
    (tmp_path / "own.txt").write_text("mine")
    assert invoke("flights", "--to", ".").exit_code == 0
    assert (tmp_path / "own.txt").read_text() == "mine"


@pytest.mark.parametrize(
    ("arguments", "code", "part"),
    [
        (["fligths"], 2, "there is no example 'fligths'; there is flights. Did you mean"),
        (["--to", "x"], 2, "--to is for one example"),
        (["flights", "--to", "/proc/none"], 1, "cannot write /proc/none"),
        (["flights", "--to", "file"], 1, "cannot write file"),
    ],
)
def test_mistakes(arguments: list[str], code: int, part: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    result = invoke(*arguments)
    assert (result.exit_code, result.stdout) == (code, "")
    assert part in result.stderr


def test_an_installation_without_the_files_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(example_files, "_IN_CHECKOUT", "nowhere")
    result = invoke("flights")
    assert result.exit_code == 2
    assert "this installation lacks the file" in result.stderr


def test_the_wheel_is_told_to_have_the_files() -> None:
    text = (ROOT / "pyproject.toml").read_text()
    for name, example in EXAMPLES.items():
        assert f'"docs/examples" = "rayexec/examples/{name}"' in text
        for file in example.files:
            assert f'"docs/examples/{file}",' in text


@pytest.mark.long("starts Ray in another locale")
def test_a_directory_that_the_locale_cannot_name_is_told(tmp_path: Path) -> None:
    directory = tmp_path / "jöb"
    assert invoke("flights", "--to", str(directory)).exit_code == 0
    locale = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    ended = subprocess.run(
        [sys.executable, "-m", "rayexec", "job", "execute", "-f", "flights.py"],
        cwd=directory,
        env={**os.environ, **locale},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 1
    assert "cannot start Ray on this machine" in ended.stderr
    assert "set PYTHONUTF8=1, or LC_ALL=C.UTF-8" in ended.stderr
