"""Options of a run on the command line, and their parsing."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from rayexec.errors import LoadError
from rayexec.selection.clauses import split_clauses

__all__ = ["RunOptions", "parse_selection", "parse_tags"]


@dataclass(frozen=True, slots=True)
class RunOptions:
    """Options of a run, as strings of the command line."""

    config: tuple[str, ...] = ()
    op_selection: tuple[str, ...] = ()
    tags: str | None = None
    #: Overrides of executor keys, by name.
    execution: Mapping[str, Any] = field(default_factory=dict)
    run_id: str | None = None


def parse_selection(given: tuple[str, ...]) -> list[str] | None:
    """Return the clauses of ``-o`` options, separated by commas; None without options."""
    if not given:
        return None
    clauses = split_clauses(given)
    if not clauses:
        raise LoadError("-o names no op: write the name of an op, such as -o my_op.")
    return clauses


def parse_tags(given: str | None) -> dict[str, Any] | None:
    """Return the tags of ``--tags``; raises LoadError if it is no JSON object."""
    if given is None:
        return None
    form = """write a JSON object, such as --tags '{"team": "data"}'."""
    try:
        tags = json.loads(given)
    except json.JSONDecodeError as error:
        raise LoadError(
            f"--tags is not JSON: {error.msg} at column {error.colno} of {given!r}; {form}"
        ) from None
    if not isinstance(tags, dict):
        raise LoadError(f"--tags is a {type(tags).__name__}, not an object; {form}")
    return tags
