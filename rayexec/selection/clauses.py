"""Clauses of selections, such as ``*d``, ``a+`` and ``sub.g1``: their grammar and their reach.

A clause is a name with its reach on either side. The grammar, without spaces around the clause::

    clause  = [ up ] path [ keys ] [ down ]
    up      = [ "*" ] { "+" }         ancestors
    down    = { "+" } [ "*" ]         descendants
    path    = segment { "." segment }
    segment = ( letter | digit | "_" ) { letter | digit | "_" }
    keys    = "[" key { "," key } "]"   of a mapped op, outermost first
    key     = "?" | segment             "?" is any

An absent ``up`` or ``down`` reaches nowhere. With ``*`` it reaches any number of hops, with n
pluses it reaches n hops. The clause ``*`` selects every op, as the only item of its list.

Keys narrow a selection to some values of the dynamic outputs above the op.

A path of one segment names a top-level node, and its hops count top-level nodes: a graph is one
hop, and its ops come together. A path with a dot names an op or a graph inside a graph, and its
hops count ops, across graph borders.
"""

from __future__ import annotations

import re
import string
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

__all__ = ["Clause", "Fault", "reach", "scan", "selected_keys", "split_clauses"]

_PATH_CHARACTERS = frozenset(string.ascii_letters + string.digits + "_.")
_KEYS = re.compile(r"\[((?:\?|\w+)(?:,(?:\?|\w+))*)\]", re.ASCII)
_BOOLEAN_WORD = re.compile(r"(^|[\s()])(and|or|not)([\s()]|$)", re.IGNORECASE)
_COMMA = re.compile(r",(?![^\[\]]*\])")  # not one between mapping keys: inner[a,0]
_ONE_PER_ITEM = "write one clause per list item"


class Fault(Exception):
    """A mistake in one clause.

    It never leaves this package: one error reports all mistakes.
    """


@dataclass(frozen=True, slots=True)
class Clause:
    """A clause: a path, mapping keys, and the hops that it reaches up and down (None: any)."""

    path: str
    up: int | None
    down: int | None
    keys: tuple[str, ...] = ()


def split_clauses(texts: Iterable[str]) -> list[str]:
    """Return the clauses of texts with commas between them."""
    clauses = [clause.strip() for text in texts for clause in _COMMA.split(text)]
    return [clause for clause in clauses if clause]


def scan(clause: object) -> Clause:
    """Read one clause; raises Fault with the expected form."""
    if not isinstance(clause, str):
        raise Fault("a clause is a string: write the name of the op.")
    text = clause.strip()
    end = len(text)

    up_end = 1 if text.startswith("*") else 0
    while up_end < end and text[up_end] == "+":
        up_end += 1

    path_end = up_end
    while path_end < end and text[path_end] in _PATH_CHARACTERS:
        path_end += 1

    keys = _KEYS.match(text, path_end) if path_end > up_end else None
    keys_end = keys.end() if keys is not None else path_end
    down_end = keys_end
    while down_end < end and text[down_end] == "+":
        down_end += 1
    if down_end < end and text[down_end] == "*":
        down_end += 1

    path = text[up_end:path_end]
    if down_end < end or not path:
        raise Fault(_expected_form(text, down_end))
    if not all(path.split(".")):
        graph = path.strip(".")
        whole = (
            f" To select all of a graph, write its name alone ({graph!r})."
            if graph and path[-1] == "."
            else ""
        )
        raise Fault(f"a path is names joined by single dots, such as 'graph.op'.{whole}")
    named = tuple(keys[1].split(",")) if keys is not None else ()
    return Clause(path, up=_depth(text[:up_end]), down=_depth(text[keys_end:]), keys=named)


def _depth(part: str) -> int | None:
    return None if "*" in part else len(part)


def _expected_form(text: str, stop: int) -> str:
    """Return advice for a clause that the scanner read up to ``stop``."""
    if not text:
        return "it is empty: write the name of an op."
    if text == "*":
        return (
            "'*' selects every op and so stands alone: write ['*'], or name ops in all the clauses."
        )
    if "," in text:
        items = [item.strip() for item in text.split(",") if item.strip()]
        return f"{_ONE_PER_ITEM}: {items}." if items else f"{_ONE_PER_ITEM}, without commas."
    if _BOOLEAN_WORD.search(text):
        return (
            f"there is no 'and', 'or' or 'not': a selection is the union of its clauses, so "
            f"{_ONE_PER_ITEM}."
        )
    if ":" in text:
        return "there are no filters such as 'name:' or 'tag:': write the name of the op alone."
    if text[0] in "-!":
        return "nothing can be taken out of a selection: name the ops that it should have."
    if not text.strip("*+"):
        return "it names no op: write '*' or '+' next to a name, such as '*op' or 'op+'."
    if "[" in text or "]" in text:
        return (
            "mapping keys stand in brackets behind the op, separated by commas: 'op[a]', "
            "'op[a,0]', 'op[?]'."
        )
    if any(character.isspace() for character in text):
        return (
            f"there is a space inside it: {_ONE_PER_ITEM}, and no space between a name and its "
            f"'*' or '+'."
        )
    if stop < len(text) and text[stop] not in _PATH_CHARACTERS | {"*", "+"}:
        return (
            f"unexpected {text[stop]!r}: a name has letters, digits and underscores, and dots "
            f"between graph and op."
        )
    return (
        "'*' and '+' go around one whole name: before it '*', or '+' for each hop up ('*op', "
        "'++op'); after it '*', or '+' for each hop down ('op*', 'op++')."
    )


def selected_keys(clauses: Sequence[str]) -> dict[str, list[tuple[str, ...]]]:
    """Return the mapping keys in clauses by the path of their op; ``select`` ignores them."""
    keys: dict[str, list[tuple[str, ...]]] = {}
    for clause in map(scan, clauses if clauses and clauses[0].strip() != "*" else ()):
        if clause.keys:
            keys.setdefault(clause.path, []).append(clause.keys)
    return keys


def reach(starts: Iterable[str], edges: Mapping[str, Iterable[str]], depth: int | None) -> set[str]:
    """Return ``starts`` with all nodes within ``depth`` hops (None: any number), breadth first."""
    frontier = set(starts)
    seen = set(frontier)
    hops = 0
    while frontier and (depth is None or hops < depth):
        frontier = {after for node in frontier for after in edges.get(node, ())} - seen
        seen |= frontier
        hops += 1
    return seen
