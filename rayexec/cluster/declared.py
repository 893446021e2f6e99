"""What a local cluster shall have, read from a file and from the command line: every mistake is
told at once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import Field

from rayexec.cluster.cluster_spec import ClusterSpec
from rayexec.config.schema import validate
from rayexec.definitions.config import Config
from rayexec.definitions.limits import Pool
from rayexec.errors import DefinitionError, Problem

__all__ = ["ClusterFile", "read_spec"]

_NUMBER = "N is a whole number of at least 1"
_LARGEST = {"port": 65535}
_DIGITS = 12  # Ray counts no further than 1e14


class ClusterFile(Config):
    """The fields of a cluster file, all of which may be left out."""

    nodes: int | None = Field(default=None, ge=1)
    num_cpus: int | None = Field(default=None, ge=1)
    port: int | None = Field(default=None, ge=1, le=65535)
    dashboard: bool | None = None
    limits: dict[str, int] = Field(default_factory=dict)
    pools: dict[str, int] = Field(default_factory=dict)


def read_spec(
    document: Mapping[str, Any], options: Mapping[str, Any], *, file: str = "the file"
) -> tuple[ClusterSpec, list[Problem]]:
    """Return what is asked for by a file's ``document`` and by ``options``, which win over it, and
    every problem.

    Options are strings as they were typed, by the names of ClusterFile's fields; ``limits`` and
    ``pools`` are lists of ``NAME:N``; None is what was not given. A limit or pool of an option
    replaces the one of that name in the file.

    A problem's path begins with ``file``, or is the option as it was typed. With problems, the spec
    means nothing.
    """
    known, problems = _from_file(document, file)
    for name in ("nodes", "num_cpus", "port"):
        if options.get(name) is not None:
            known[name] = _whole(
                options[name], f"--{name.replace('_', '-')}", problems, _LARGEST.get(name)
            )
    if options.get("dashboard") is not None:
        known["dashboard"] = options["dashboard"]
    for name, option in (("limits", "--limit"), ("pools", "--pool")):
        given = _numbered(options.get(name) or (), option, problems)
        if given:
            known[name] = {**known.get(name, {}), **given}
    return ClusterSpec(**known, given=frozenset(known)), problems


def _from_file(document: Mapping[str, Any], file: str) -> tuple[dict[str, Any], list[Problem]]:
    read, problems = validate(ClusterFile, dict(document), path=(file,))
    known: dict[str, Any] = {}
    if isinstance(read, ClusterFile):
        known = {
            name: value
            for name, value in read
            if name in read.model_fields_set and value is not None
        }
    told = {problem.path for problem in problems}
    for field, check in (("limits", _limit_problem), ("pools", _pool_problem)):
        numbers = document.get(field)
        for name, number in numbers.items() if isinstance(numbers, Mapping) else ():
            where = (file, field, str(name))
            if where in told or not isinstance(name, str):
                continue
            if wrong := check(name):
                problems.append(Problem(where, wrong))
            elif not 1 <= number < 10**_DIGITS:
                problems.append(Problem(where, f"{_NUMBER}, got {number}."))
    return known, problems


def _whole(text: str, option: str, problems: list[Problem], largest: int | None = None) -> int:
    # int() takes more than a number is here: spaces, underscores, digits of other scripts.
    number = int(text) if text.isascii() and text.isdigit() and len(text) <= _DIGITS else 0
    if number < 1 or (largest is not None and number > largest):
        most = "" if largest is None else f" and at most {largest}"
        problems.append(Problem((option,), f"{_NUMBER}{most}, got {text!r}."))
    return number


def _numbered(given: Sequence[str], option: str, problems: list[Problem]) -> dict[str, int]:
    form = "database=redshift:2 or database:3" if option == "--limit" else "warehouse:3"
    check = _limit_problem if option == "--limit" else _pool_problem
    found: dict[str, int] = {}
    for each in given:
        name, colon, number = each.rpartition(":")
        if not colon:
            problems.append(
                Problem((f"{option} {each}",), f"the number is missing; write it as in {form}.")
            )
            continue
        wrong = check(name) or (f"{name!r} is given twice." if name in found else None)
        if wrong:
            problems.append(Problem((f"{option} {each}",), wrong))
        found[name] = _whole(number, f"{option} {each}", problems)
    return found


def _limit_problem(name: str) -> str | None:
    """Return what is wrong with ``KEY`` or ``KEY=VALUE``; the key ends at the first '='."""
    key, equals, value = name.partition("=")
    if not key:
        return "the tag's key is missing, as in database=redshift."
    if equals and not value:
        return f"the tag's value is missing after '='; for steps with any value of this tag, write {key!r}."
    if "," in name:
        return "Ray takes no comma in the name of a resource, so this tag cannot be limited on a cluster."
    return None


def _pool_problem(name: str) -> str | None:
    try:
        Pool(name)
    except DefinitionError as error:
        return str(error)
    return None
