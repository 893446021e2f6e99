"""The commands themselves: help, version, late imports, and commands from outside."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from rayexec import DefinitionError, __version__
from rayexec.cli.main import COMMANDS, app, register_command


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


def commands_of(group: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield the path of each command of the program, such as ("job", "execute")."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands_of(command, (*path, name))
        else:
            yield (*path, name)


EVERY_COMMAND = sorted(commands_of(typer.main.get_command(app)))


@pytest.mark.parametrize("path", EVERY_COMMAND, ids=" ".join)
def test_each_command_has_help(path: tuple[str, ...]) -> None:
    code, output = _invoke(*path, "--help")
    assert code == 0
    assert f"Example: rayexec {' '.join(path)}" in " ".join(output.split())


def test_the_program_has_the_commands_of_its_table() -> None:
    assert {path[0] for path in EVERY_COMMAND} == {command.name for command in COMMANDS}
    assert {("job", "execute"), ("job", "launch"), ("cluster", "up")} <= set(EVERY_COMMAND)


def test_a_command_from_outside_the_package() -> None:
    script = """
import typer
from rayexec.cli.main import main, register_command

def greet(name: str, loud: bool = False) -> None:
    "Greet somebody."
    typer.echo(f"Hello {name}{'!' if loud else '.'}")

group = typer.Typer(help="More commands.")
group.command("greet")(greet)
register_command(greet, "greet", group="job", epilog="Example: rayexec job greet Ada")
register_command(greet, "hail")
register_command(group, "more")
@group.command()
def leave() -> None:
    raise typer.Exit(3)
main()
"""

    def run(*arguments: str) -> tuple[int, str]:
        command = [sys.executable, "-c", script, *arguments]
        ended = subprocess.run(command, capture_output=True, text=True, check=False)
        return ended.returncode, ended.stdout

    assert run("job", "greet", "Ada") == (0, "Hello Ada.\n")
    assert run("hail", "Ada", "--loud") == (0, "Hello Ada!\n")
    assert run("more", "leave") == (3, "")
    assert "Example: rayexec job greet Ada" in run("job", "greet", "--help")[1]
    assert "More commands." in run("--help")[1]


def test_a_command_is_not_added_twice_or_to_no_group() -> None:
    with pytest.raises(DefinitionError, match="has a command 'execute' already"):
        register_command(print, "execute", group="job")
    with pytest.raises(DefinitionError, match=r"no group 'jobs'\. Did you mean 'job'\?"):
        register_command(print, "execute", group="jobs")


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
