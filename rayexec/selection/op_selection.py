"""Selection of a job's ops by clauses."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import accumulate

from rayexec.errors import SelectionError
from rayexec.names import nearest
from rayexec.selection.clauses import Clause, Fault, reach, scan

__all__ = ["select"]

# Many graphs may have a node of a common name such as "load"; a few paths show the form.
_MAX_SUGGESTED_PATHS = 3


def select(clauses: Sequence[str], parents: Mapping[str, Collection[str]]) -> frozenset[str]:
    """Return the paths of the selected ops: the union over the clauses.

    ``parents`` maps the dotted path of each op to the paths of the ops that feed it. No clauses
    select every op, and so does ``["*"]``.

    Raises SelectionError for a string in place of a list, and for malformed or unmatched clauses.
    The message lists them all; the error's ``clause`` is the first.
    """
    if isinstance(clauses, str):
        items = [item.strip() for item in clauses.split(",") if item.strip()] or ["my_op"]
        example = f"op_selection={json.dumps(items, ensure_ascii=False)}"
        raise SelectionError(
            f"An op selection is a list of clauses, not the string {clauses!r}: write {example}.",
            clause=clauses,
        )
    if not isinstance(clauses, Iterable):
        raise SelectionError(f"An op selection is a list of clauses, got {clauses!r}.")
    if not clauses or (
        len(clauses) == 1 and isinstance(clauses[0], str) and clauses[0].strip() == "*"
    ):
        return frozenset(parents)

    nodes = _Nodes(parents)
    scanned: list[Clause] = []
    faults: dict[str, str] = {}
    for text in clauses:
        try:
            clause = scan(text)
            nodes.check(clause.path)
        except Fault as fault:
            faults.setdefault(text if isinstance(text, str) else repr(text), str(fault))
        else:
            scanned.append(clause)
    if faults:
        raise _selection_error(faults)
    return nodes.union(scanned)


def _selection_error(faults: Mapping[str, str]) -> SelectionError:
    first = next(iter(faults))
    if len(faults) == 1:
        return SelectionError(f"Op selection clause {first!r}: {faults[first]}", clause=first)
    lines = [f"The op selection has {len(faults)} bad clauses:"]
    lines += [f"  {clause!r}: {fault}" for clause, fault in faults.items()]
    return SelectionError("\n".join(lines), clause=first)


class _Nodes:
    """The ops of a job as a graph at two scales: of ops, and of top-level nodes."""

    def __init__(self, parents: Mapping[str, Collection[str]]) -> None:
        self.ops = parents
        self.children: dict[str, list[str]] = defaultdict(list)
        self.top_parents: dict[str, set[str]] = {}
        self.top_children: dict[str, set[str]] = defaultdict(set)
        # The ops at any depth in each graph, by the graph's path.
        self.members: dict[str, list[str]] = defaultdict(list)
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

    def union(self, clauses: Iterable[Clause]) -> frozenset[str]:
        """Return the ops that any of the checked clauses selects."""
        # Clauses of the same direction and depth share one walk, so thousands of "*op" clauses
        # cost no more than one.
        top_starts: dict[tuple[bool, int | None], set[str]] = defaultdict(set)
        op_starts: dict[tuple[bool, int | None], set[str]] = defaultdict(set)
        for clause in clauses:
            dotted = "." in clause.path
            for upward, depth in ((True, clause.up), (False, clause.down)):
                if dotted:
                    op_starts[upward, depth].update(self.leaves(clause.path))
                else:
                    top_starts[upward, depth].add(clause.path)

        selected: set[str] = set()
        for (upward, depth), starts in op_starts.items():
            selected |= reach(starts, self.ops if upward else self.children, depth)
        for (upward, depth), starts in top_starts.items():
            for top in reach(starts, self.top_parents if upward else self.top_children, depth):
                selected.update(self.leaves(top))
        return frozenset(selected)

    def leaves(self, path: str) -> Sequence[str]:
        """Return the ops of a node: itself, or all ops of a graph."""
        return (path,) if path in self.ops else self.members[path]

    def check(self, path: str) -> None:
        """Raise Fault, with the nearest path, for a path that is neither an op nor a graph."""
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

        paths = {*self.ops, *self.members}
        full_paths = sorted(other for other in paths if other.endswith(f".{path}"))
        if full_paths:
            shown = " or ".join(map(repr, full_paths[:_MAX_SUGGESTED_PATHS]))
            raise Fault(
                f"{path!r} is inside a graph and needs its full path. Did you mean {shown}?"
            )
        if enclosing:
            inside = [other for other in paths if other.startswith(f"{enclosing}.")]
            deeper = [other for other in inside if other.endswith(f".{last}")]
            missing = path[len(enclosing) + 1 :]
            hint = _suggestion(path, deeper) or _suggestion(path, inside)
            raise Fault(f"the graph {enclosing!r} has no {missing!r} in it.{hint}")
        raise Fault(f"no op or graph has this name.{_suggestion(path, paths)}")


def _suggestion(path: str, paths: Iterable[str]) -> str:
    # Sorted, since the order of a set varies between processes.
    candidates = sorted(paths)
    # nearest() compares characters, so it has nothing for "A" among "a".
    same = [other for other in candidates if other.casefold() == path.casefold()]
    return nearest(same[0] if same else path, candidates)
