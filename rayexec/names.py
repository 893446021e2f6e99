"""The names that definitions carry and the keys that steps get from them.

A node path is the dotted way from the job to one invocation (``outer.inner.load``). A step key is a
node path, and for a mapped step its mapping keys in brackets (``load[2001_01]``,
``load[2001_01,0]``). The values of a dynamic output are told apart likewise (``result[2001_01]``).
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
    "check_name",
    "mapping_keys",
    "nearest",
    "node_path",
    "output_name",
]

NAME = re.compile(r"[A-Za-z0-9_]+\Z")  # $ would let a line's end pass
MAPPING_KEY = NAME
RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}\Z")

# The words that Dagster refuses as names, since they stand for something in its config or its
# types.
_RESERVED = frozenset(
    {
        "context",
        "conf",
        "config",
        "input",
        "inputs",
        "meta",
        "op",
        "ops",
        "output",
        "outputs",
        "type",
        "types",
    }
)


def check_name(name: object, what: str, *, reserved: bool = True) -> str:
    """Return ``name`` if ``what`` (an op, an output) may be called so.

    Raises DefinitionError for what is not a string of letters, digits and underscores, and (with
    ``reserved``) for a word that the config or Python already uses.
    """
    if not isinstance(name, str) or not NAME.match(name):
        raise DefinitionError(
            f"{name!r} is not a valid name for {what}: use letters, digits and underscores only "
            f"(a-z, A-Z, 0-9, _)."
        )
    if reserved and (name in _RESERVED or keyword.iskeyword(name)):
        raise DefinitionError(f"{name!r} is a reserved word and cannot name {what}.")
    return name


def node_path(step_key: str) -> str:
    """Return the path of the node that a step is one of: ``load`` for ``load[2001_01]``."""
    return step_key.partition("[")[0]


def mapping_keys(name: str) -> tuple[str, ...]:
    """Return the mapping keys of a step or of a value, outermost first: ``("a", "0")`` for
    ``inner[a,0]``.
    """
    inside = name.partition("[")[2][:-1]
    return tuple(inside.split(",")) if inside else ()


def output_name(value: str) -> str:
    """Return the output that a value is of: ``result`` for ``result[k]``."""
    return value.partition("[")[0]


def nearest(name: str, known: Iterable[str]) -> str:
    """Return ``" Did you mean 'x'?"`` for the nearest of ``known``, or an empty string where none
    is near.
    """
    matches = get_close_matches(name, list(known), n=1)
    return f" Did you mean {matches[0]!r}?" if matches else ""
