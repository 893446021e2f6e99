"""Names of definitions, and the keys of steps and values made of them.

A node path is the dotted path from the job to one call (``outer.inner.load``). A step key is a node
path, for a mapped step with its mapping keys in brackets (``load[2001_01]``, ``load[2001_01,0]``).
The name of a dynamic output's value has its mapping key likewise (``result[2001_01]``).
"""

from __future__ import annotations

import keyword
import re
from difflib import get_close_matches
from typing import TYPE_CHECKING

from rayexec.errors import DefinitionError

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "MAPPING_KEY",
    "RUN_ID",
    "RUN_TASK",
    "check_name",
    "is_of_node",
    "mapping_keys",
    "nearest",
    "node_path",
    "output_name",
]

NAME = re.compile(r"[A-Za-z0-9_]+\Z")  # $ would let a line's end pass
MAPPING_KEY = NAME
RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}\Z")

#: Beginning of the name of a run's Ray tasks; the id of the run follows.
RUN_TASK = "run "

# Dagster refuses these words as names of definitions.
_RESERVED = frozenset(
    {
        "arg_dict",
        "bool",
        "conf",
        "config",
        "context",
        "dict",
        "float",
        "input",
        "input_arg_dict",
        "int",
        "meta",
        "output",
        "output_arg_dict",
        "str",
        "type",
    }
)


def check_name(name: object, what: str, *, allowed: str | None = None) -> str:
    """Return ``name`` if it is valid for ``what`` (an op, an output).

    Raises DefinitionError for another object than a string of letters, digits and underscores, and
    for a reserved word other than ``allowed``: a word of Python, or one of Dagster's.
    """
    if not isinstance(name, str) or not NAME.match(name):
        raise DefinitionError(
            f"{name!r} is not a valid name for {what}: use letters, digits and underscores only "
            f"(a-z, A-Z, 0-9, _)."
        )
    if name != allowed and (name in _RESERVED or keyword.iskeyword(name)):
        raise DefinitionError(f"{name!r} is a reserved word and cannot name {what}; rename it.")
    return name


def node_path(step_key: str) -> str:
    """Return the path of a step's node: ``load`` for ``load[2001_01]``."""
    return step_key.partition("[")[0]


def is_of_node(step_key: str, node: str) -> bool:
    """Whether a step is of a node: of an op, of a graph, or of any mapping key."""
    return step_key == node or step_key.startswith((f"{node}.", f"{node}["))


def mapping_keys(name: str) -> tuple[str, ...]:
    """Return the mapping keys of a step or value, outermost first: ``("a", "0")`` of ``x[a,0]``."""
    inside = name.partition("[")[2][:-1]
    return tuple(inside.split(",")) if inside else ()


def output_name(value: str) -> str:
    """Return the output of a value: ``result`` for ``result[k]``."""
    return value.partition("[")[0]


def nearest(name: str, candidates: Iterable[str]) -> str:
    """Return ``" Did you mean 'x'?"`` for the candidate most like ``name``; empty without one."""
    matches = get_close_matches(name, list(candidates), n=1)
    return f" Did you mean {matches[0]!r}?" if matches else ""
