"""Body of ``rayexec example``: jobs that come with the package, and their files."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from rayexec.cli.exit_codes import FAILED, SUCCEEDED, complain, with_exit_code
from rayexec.errors import LoadError
from rayexec.names import nearest

__all__ = ["EXAMPLES", "Example", "write_example"]

_IN_CHECKOUT = "docs/examples"


@dataclass(frozen=True, slots=True)
class Example:
    """A job with its files, by path below its directory, and commands that run it.

    ``{}`` in a command stands for that directory.
    """

    description: str
    files: tuple[str, ...]
    commands: tuple[str, ...]


#: Examples by name. The wheel has their files in ``examples/NAME`` of the package.
EXAMPLES: Mapping[str, Example] = {
    "flights": Example(
        "late routes among 20,000 flights: Arrow tables, nested graphs, a report",
        ("flights.py", "flights.yaml", "data/airports.csv", "data/flights.parquet"),
        (
            "rayexec job execute -f {}/flights.py",
            "rayexec job execute -f {}/flights.py -c {}/flights.yaml",
            "rayexec job plan -f {}/flights.py",
        ),
    ),
}


@with_exit_code
def write_example(name: str | None, to: Path | None) -> int:
    """Write the files of an example into a directory, or list all examples."""
    if name is None:
        if to is not None:
            raise LoadError(f"--to is for one example: give its name, {' or '.join(EXAMPLES)}.")
        for listed, example in EXAMPLES.items():
            sys.stdout.write(f"{listed}  {example.description}\n")
        sys.stdout.write("Write one out: rayexec example NAME [--to DIR]\n")
        return SUCCEEDED
    if name not in EXAMPLES:
        raise LoadError(
            f"there is no example {name!r}; there is {', '.join(EXAMPLES)}."
            f"{nearest(name, EXAMPLES)}"
        )
    directory = Path(name) if to is None else to
    example = EXAMPLES[name]
    contents = _contents(name, example)
    if existing := [file for file in example.files if os.path.lexists(directory / file)]:
        raise LoadError(
            f"in {directory} there is {', '.join(existing)} already, and nothing is overwritten: "
            "give another directory with --to."
        )
    try:
        for file, content in contents.items():
            path = directory / file
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("xb") as written:
                written.write(content)
    except OSError as error:
        complain(f"cannot write {error.filename or directory}: {error.strerror}.")
        return FAILED
    shown = shlex.quote(str(directory))
    commands = "".join(f"  {command.replace('{}', shown)}\n" for command in example.commands)
    sys.stdout.write(f"Wrote {len(contents)} files into {directory}. Run it:\n{commands}")
    return SUCCEEDED


def _contents(name: str, example: Example) -> dict[str, bytes]:
    """Return the files, from the installed package or from the checkout that it is in."""
    package = Path(str(sys.modules["rayexec"].__file__)).parent
    installed, checkout = package / "examples" / name, package.parent / _IN_CHECKOUT
    source = installed if installed.is_dir() else checkout
    contents = {}
    for file in example.files:
        try:
            content = (source / file).read_bytes()
        except OSError as error:
            raise LoadError(
                f"this installation lacks the file {source / file} of the example "
                f"({error.strerror}): install rayexec from its wheel, or in a checkout."
            ) from None
        if file.endswith((".py", ".yaml")):  # their own commands are for the directory of the job
            content = content.replace(f"{_IN_CHECKOUT}/".encode(), b"")
        contents[file] = content
    return contents
