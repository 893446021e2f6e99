"""The commands themselves: help, version, and what they load."""

from __future__ import annotations

import subprocess
import sys

import pytest
from typer.testing import CliRunner

from rayexec import __version__
from rayexec.cli.main import app


def _invoke(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, arguments)
    return result.exit_code, result.output


@pytest.mark.parametrize("arguments", [(), ("--help",), ("-h",)])
def test_help_names_the_commands(arguments: tuple[str, ...]) -> None:
    _, output = _invoke(*arguments)
    assert "job" in output
    assert "cluster" in output
    assert "rayexec job execute -f my_job.py" in output
    assert "completion" not in output


@pytest.mark.parametrize("command", ["execute", "list", "print", "plan", "scaffold-config"])
def test_each_command_has_help(command: str) -> None:
    code, output = _invoke("job", command, "--help")
    assert code == 0
    assert f"Example: rayexec job {command}" in " ".join(output.split())


@pytest.mark.parametrize("command", ["up", "down", "status"])
def test_each_command_of_a_cluster_has_help(command: str) -> None:
    code, output = _invoke("cluster", command, "--help")
    assert code == 0
    assert f"Example: rayexec cluster {command}" in " ".join(output.split())


def test_version() -> None:
    assert _invoke("--version") == (0, f"rayexec {__version__}\n")


def test_help_loads_nothing_heavy() -> None:
    heavy = "{'ray', 'pydantic', 'pyarrow', 'yaml', 'rayexec.execute', 'rayexec.definitions'}"
    script = (
        "import sys; sys.argv = ['rayexec', '--help']\n"
        "from rayexec.cli.main import main\n"
        "try: main()\n"
        f"finally: print('LOADED', sorted({heavy} & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert "LOADED []" in done.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ("job", "execute", "--bogus"),
        ("job", "execute", "-f", "no/such/file.py"),
        ("job", "execute", "-f", "."),
        ("job", "execute", "-f", __file__, "--max-concurrent", "0"),
        ("job", "exekute"),
        ("job", "execute"),
        ("job", "list", "-f", __file__, "-m", "this"),
    ],
)
def test_wrong_usage_is_2(arguments: tuple[str, ...]) -> None:
    code, output = _invoke(*arguments)
    assert code == 2
    assert "Traceback" not in output
