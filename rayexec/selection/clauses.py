"""Op selection clauses (``["*d", "a+", "sub.g1"]``): how they are read, and which ops they select.

A clause is a name with its reach on either side. The grammar, after spaces around the clause are
stripped::

    clause  = [ up ] path [ keys ] [ down ]
    up      = [ "*" ] { "+" }         ancestors
    down    = { "+" } [ "*" ]         descendants
    path    = segment { "." segment }
    segment = ( letter | digit | "_" ) { letter | digit | "_" }
    keys    = "[" key { "," key } "]"   of a mapped op, outermost first
    key     = "?" | segment             "?" is any

An absent ``up`` or ``down`` reaches nowhere, one with ``*`` reaches any number of hops, and one of
n pluses reaches n hops. The clause ``*`` is read on its own: it selects every op, and only as the
single item of its list.

Keys narrow a selection to some values of the dynamic outputs that the op is mapped over, for all
that is mapped over those.

A path of one segment names a top-level node, and its hops count top-level nodes: a graph is one
hop, and its ops come together. A path with a dot names an op or a graph inside a graph, and its
hops count ops, across graph borders.
"""

from __future__ import annotations

import json
import re
import string
from collections import defaultdict
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING

from rayexec.errors import SelectionError
from rayexec.names import nearest

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

__all__ = ["Fault", "reach", "scan", "select", "selected_keys"]

_PATH_CHARACTERS = frozenset(string.ascii_letters + string.digits + "_.")
_KEYS = re.compile(r"\[((?:\?|\w+)(?:,(?:\?|\w+))*)\]", re.ASCII)
_BOOLEAN_WORD = re.compile(r"(^|[\s()])(and|or|not)([\s()]|$)", re.IGNORECASE)
_ONE_PER_ITEM = "write one clause per list item"
# A name as common as "load" can sit in many graphs; a few paths show the form.
_MAX_SUGGESTED_PATHS = 3


def select(clauses: Sequence[str], parents: Mapping[str, Collection[str]]) -> frozenset[str]:
    """Return the paths of the ops that ``clauses`` select: the union over the clauses.

    ``parents`` has every op by its dotted path, with the paths of the ops (keys of ``parents`` too)
    that it takes inputs from directly. No clauses select every op, and so does ``["*"]``.

    Raises SelectionError for a string in place of a list, and for clauses that cannot be read or
    that name nothing: the message lists each of them, and ``clause`` is the first.
    """
    if isinstance(clauses, str):
        items = [item.strip() for item in clauses.split(",") if item.strip()] or ["my_op"]
        example = f"op_selection={json.dumps(items, ensure_ascii=False)}"
        raise SelectionError(
            f"An op selection is a list of clauses, not the string {clauses!r}: write {example}.",
            clause=clauses,
        )
    if not clauses or (
        len(clauses) == 1 and isinstance(clauses[0], str) and clauses[0].strip() == "*"
    ):
        return frozenset(parents)

    nodes = _Nodes(parents)
    queries: list[_Clause] = []
    problems: dict[str, str] = {}
    for clause in clauses:
        try:
            query = scan(clause)
            nodes.check(query.path)
        except Fault as fault:
            problems.setdefault(clause if isinstance(clause, str) else repr(clause), str(fault))
        else:
            queries.append(query)
    if problems:
        raise _selection_error(problems)
    return nodes.union(queries)


def _selection_error(problems: Mapping[str, str]) -> SelectionError:
    first = next(iter(problems))
    if len(problems) == 1:
        return SelectionError(f"Op selection clause {first!r}: {problems[first]}", clause=first)
    lines = [f"The op selection has {len(problems)} bad clauses:"]
    lines += [f"  {clause!r}: {problem}" for clause, problem in problems.items()]
    return SelectionError("\n".join(lines), clause=first)


def selected_keys(clauses: Sequence[str]) -> dict[str, list[tuple[str, ...]]]:
    """Return the mapping keys that ``clauses`` name, by the path of the mapped op; ``select`` takes
    them all.
    """
    found: dict[str, list[tuple[str, ...]]] = {}
    for query in map(scan, clauses if clauses and clauses[0].strip() != "*" else ()):
        if query.keys:
            found.setdefault(query.path, []).append(query.keys)
    return found


class Fault(Exception):
    """What is wrong with one clause; it never leaves this package, which reports all of them in one
    error.
    """


@dataclass(frozen=True, slots=True)
class _Clause:
    """A clause as read: a path, mapping keys, and how many hops it reaches up and down (None: any
    number).
    """

    path: str
    up: int | None
    down: int | None
    keys: tuple[str, ...] = ()


def scan(clause: object) -> _Clause:
    """Read one clause by the grammar above; raises Fault with the form that is expected instead."""
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
    return _Clause(path, up=_depth(text[:up_end]), down=_depth(text[keys_end:]), keys=named)


def _depth(part: str) -> int | None:
    return None if "*" in part else len(part)


def _expected_form(text: str, stop: int) -> str:
    """Say what to write in place of ``text``, which the scanner could not read beyond ``stop``."""
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
        return f"there is no 'and', 'or' or 'not': a selection is the union of its clauses, so {_ONE_PER_ITEM}."
    if ":" in text:
        return "there are no filters such as 'name:' or 'tag:': write the name of the op alone."
    if text[0] in "-!":
        return "nothing can be taken out of a selection: name the ops that it should have."
    if not text.strip("*+"):
        return "it names no op: write '*' or '+' next to a name, such as '*op' or 'op+'."
    if "[" in text or "]" in text:
        return "mapping keys stand in brackets behind the op, separated by commas: 'op[a]', 'op[a,0]', 'op[?]'."
    if any(character.isspace() for character in text):
        return f"there is a space inside it: {_ONE_PER_ITEM}, and no space between a name and its '*' or '+'."
    if stop < len(text) and text[stop] not in _PATH_CHARACTERS | {"*", "+"}:
        return f"unexpected {text[stop]!r}: a name has letters, digits and underscores, and dots between graph and op."
    return (
        "'*' and '+' go around one whole name: before it '*', or '+' for each hop up ('*op', "
        "'++op'); "
        "after it '*', or '+' for each hop down ('op*', 'op++')."
    )


class _Nodes:
    """The ops of a job as a graph, at two scales: each op a node, and each top-level invocation a
    node.
    """

    def __init__(self, parents: Mapping[str, Collection[str]]) -> None:
        self.ops = parents
        self.children: dict[str, list[str]] = defaultdict(list)
        self.top_parents: dict[str, set[str]] = {}
        self.top_children: dict[str, set[str]] = defaultdict(set)
        self.members: dict[str, list[str]] = defaultdict(
            list
        )  # the ops at any depth in each graph, by its path
        for op, sources in parents.items():
            segments = op.split(".")
            top = segments[0]
            for graph in accumulate(segments[:-1], "{}.{}".format):
                self.members[graph].append(op)
            top_sources = self.top_parents.setdefault(top, set())
            for source in sources:
                self.children[source].append(op)
                source_top = source.partition(".")[0]
                if source_top != top:
                    top_sources.add(source_top)
                    self.top_children[source_top].add(top)

    def union(self, queries: Iterable[_Clause]) -> frozenset[str]:
        """Return the ops that any of ``queries`` selects; their paths have passed ``check``."""
        # What several nodes reach within n hops is the union of what each reaches, so clauses of
        # the same kind and depth share one walk: thousands of "*op" clauses cost no more than one.
        top_starts: dict[tuple[bool, int | None], set[str]] = defaultdict(set)
        op_starts: dict[tuple[bool, int | None], set[str]] = defaultdict(set)
        for query in queries:
            dotted = "." in query.path
            for upward, depth in ((True, query.up), (False, query.down)):
                if dotted:
                    op_starts[upward, depth].update(self.leaves(query.path))
                else:
                    top_starts[upward, depth].add(query.path)

        found: set[str] = set()
        for (upward, depth), starts in op_starts.items():
            found |= reach(starts, self.ops if upward else self.children, depth)
        for (upward, depth), starts in top_starts.items():
            for top in reach(starts, self.top_parents if upward else self.top_children, depth):
                found.update(self.leaves(top))
        return frozenset(found)

    def leaves(self, path: str) -> Sequence[str]:
        """Return the ops that the node at ``path`` stands for: itself, or all the ops of a graph."""
        return (path,) if path in self.ops else self.members[path]

    def check(self, path: str) -> None:
        """Raise Fault, with the nearest path there is, where ``path`` is neither an op nor a graph."""
        if path in self.ops or path in self.members:
            return
        *graphs, last = path.split(".")
        enclosing = ""
        for prefix in accumulate(graphs, "{}.{}".format):
            if prefix in self.ops:
                raise Fault(f"{prefix!r} is an op, not a graph: there is nothing inside it.")
            if prefix not in self.members:
                break
            enclosing = prefix

        known = {*self.ops, *self.members}
        full_paths = sorted(other for other in known if other.endswith(f".{path}"))
        if full_paths:
            shown = " or ".join(map(repr, full_paths[:_MAX_SUGGESTED_PATHS]))
            raise Fault(
                f"{path!r} is inside a graph and needs its full path. Did you mean {shown}?"
            )
        if enclosing:
            inside = [other for other in known if other.startswith(f"{enclosing}.")]
            deeper = [other for other in inside if other.endswith(f".{last}")]
            missing = path[len(enclosing) + 1 :]
            hint = _suggestion(path, deeper) or _suggestion(path, inside)
            raise Fault(f"the graph {enclosing!r} has no {missing!r} in it.{hint}")
        raise Fault(f"no op or graph has this name.{_suggestion(path, known)}")


def _suggestion(path: str, known: Iterable[str]) -> str:
    # The order of a set varies between processes; the suggestion must not.
    candidates = sorted(known)
    # nearest() goes by equal characters and so finds nothing for "A" among "a".
    same = [other for other in candidates if other.casefold() == path.casefold()]
    return nearest(same[0] if same else path, candidates)


def reach(starts: Iterable[str], edges: Mapping[str, Iterable[str]], depth: int | None) -> set[str]:
    """Return ``starts`` and all that is within ``depth`` hops of them (None: any number), breadth
    first.
    """
    frontier = set(starts)
    seen = set(frontier)
    hops = 0
    while frontier and (depth is None or hops < depth):
        frontier = {after for node in frontier for after in edges.get(node, ())} - seen
        seen |= frontier
        hops += 1
    return seen
