"""Specification of a local cluster from a file and the command line, with all mistakes at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import Field

from rayexec.cluster.cluster_spec import ClusterSpec
from rayexec.definitions.concurrency import Pool
from rayexec.definitions.config_models import Config
from rayexec.definitions.schemas.schema import validate
from rayexec.errors import DefinitionError, Problem

__all__ = ["ClusterFile", "read_spec"]

_RANGE = "N is a whole number of at least 1"
_LARGEST = {"port": 65535}
_MOST_DIGITS = 12  # Ray counts no further than 1e14


class ClusterFile(Config):
    """Fields of a cluster file; all are optional."""

    nodes: int | None = Field(default=None, ge=1)
    num_cpus: int | None = Field(default=None, ge=1)
    port: int | None = Field(default=None, ge=1, le=65535)
    dashboard: bool | None = None
    limits: dict[str, int] = Field(default_factory=dict)
    pools: dict[str, int] = Field(default_factory=dict)


def read_spec(
    document: Mapping[str, Any], options: Mapping[str, Any], *, file: str = "the file"
) -> tuple[ClusterSpec, list[Problem]]:
    """Return the requested cluster and all problems; ``options`` go over a file's ``document``.

    Options have the names of ClusterFile's fields, and strings as typed for values. ``limits`` and
    ``pools`` are lists of ``NAME:N``. None stands for a missing option. A limit or pool among the
    options replaces the one of its name in the file.

    A problem's path begins with ``file``, or is the option as typed. With problems, the spec means
    nothing.
    """
    fields, problems = _from_file(document, file)
    for name in ("nodes", "num_cpus", "port"):
        if options.get(name) is not None:
            fields[name] = _whole(
                options[name], f"--{name.replace('_', '-')}", problems, _LARGEST.get(name)
            )
    if options.get("dashboard") is not None:
        fields["dashboard"] = options["dashboard"]
    for name, option in (("limits", "--limit"), ("pools", "--pool")):
        given = _numbered(options.get(name) or (), option, problems)
        if given:
            fields[name] = {**fields.get(name, {}), **given}
    return ClusterSpec(**fields, given=frozenset(fields)), problems


def _from_file(document: Mapping[str, Any], file: str) -> tuple[dict[str, Any], list[Problem]]:
    read, problems = validate(ClusterFile, dict(document), path=(file,))
    fields: dict[str, Any] = {}
    if isinstance(read, ClusterFile):
        fields = {
            name: value
            for name, value in read
            if name in read.model_fields_set and value is not None
        }
    reported = {problem.path for problem in problems}
    for field, check in (("limits", _limit_problem), ("pools", _pool_problem)):
        limits = document.get(field)
        for name, limit in limits.items() if isinstance(limits, Mapping) else ():
            path = (file, field, str(name))
            if path in reported or not isinstance(name, str):
                continue
            if mistake := check(name):
                problems.append(Problem(path, mistake))
            elif not 1 <= limit < 10**_MOST_DIGITS:
                problems.append(Problem(path, f"{_RANGE}, got {limit}."))
    return fields, problems


def _whole(text: str, option: str, problems: list[Problem], largest: int | None = None) -> int:
    # int() accepts more: spaces, underscores, digits of other scripts.
    amount = int(text) if text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS else 0
    if amount < 1 or (largest is not None and amount > largest):
        most = "" if largest is None else f" and at most {largest}"
        problems.append(Problem((option,), f"{_RANGE}{most}, got {text!r}."))
    return amount


def _numbered(given: Sequence[str], option: str, problems: list[Problem]) -> dict[str, int]:
    form = "database=redshift:2 or database:3" if option == "--limit" else "warehouse:3"
    check = _limit_problem if option == "--limit" else _pool_problem
    limits: dict[str, int] = {}
    for entry in given:
        name, colon, limit = entry.rpartition(":")
        if not colon:
            problems.append(
                Problem((f"{option} {entry}",), f"the number is missing; write it as in {form}.")
            )
            continue
        mistake = check(name) or (f"{name!r} is given twice." if name in limits else None)
        if mistake:
            problems.append(Problem((f"{option} {entry}",), mistake))
        limits[name] = _whole(limit, f"{option} {entry}", problems)
    return limits


def _limit_problem(name: str) -> str | None:
    """Return the mistake in ``KEY`` or ``KEY=VALUE``, or None; the key ends at the first '='."""
    key, equals, value = name.partition("=")
    if not key:
        return "the tag's key is missing, as in database=redshift."
    if equals and not value:
        return (
            "the tag's value is missing after '='; for steps with any value of this tag, write "
            f"{key!r}."
        )
    if "," in name:
        return (
            "Ray takes no comma in the name of a resource, so this tag cannot be limited on a "
            "cluster."
        )
    return None


def _pool_problem(name: str) -> str | None:
    try:
        Pool(name)
    except DefinitionError as error:
        return str(error)
    return None
