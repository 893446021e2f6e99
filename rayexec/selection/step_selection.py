"""Step selection of a re-execution (``["flaky*", "m[b]*", "m[?]"]``): clauses as of ops, over the
keys of steps.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from rayexec.errors import SelectionError, StepNotFoundError
from rayexec.names import mapping_keys, nearest, node_path
from rayexec.selection.clauses import Fault, reach, scan

__all__ = ["ANY", "select_steps"]

# Behind the path of a mapped node: those of its steps that are not known yet.
ANY = "[?]"


def select_steps(clauses: Sequence[str], parents: Mapping[str, Collection[str]]) -> frozenset[str]:
    """Return the keys of the steps that ``clauses`` select: the union over the clauses.

    ``parents`` has every step by its key, with the keys of those that it takes from; a mapped node
    stands there with ``[?]`` behind its path, for the steps that it may come to have. A mapped step
    is named by its mapping keys, of which "?" is any.

    Raises SelectionError for clauses that cannot be read, StepNotFoundError for what there is not;
    each names all.
    """
    if isinstance(clauses, str):
        raise SelectionError(
            f"A step selection is a list of clauses, not the string {clauses!r}.", clause=clauses
        )
    children: dict[str, list[str]] = {}
    for key, before in parents.items():
        for each in before:
            children.setdefault(each, []).append(key)
    found: set[str] = set()
    bad: dict[str, str] = {}
    unknown: list[str] = []
    for clause in clauses:
        if isinstance(clause, str) and clause.strip() == "*":
            found.update(parents)
            continue
        try:
            query = scan(clause)
        except Fault as fault:
            bad[str(clause)] = str(fault)
            continue
        starts = _named(query.path, query.keys, parents)
        if not starts:
            unknown.append(f"{query.path}[{','.join(query.keys)}]" if query.keys else query.path)
            continue
        found |= reach(starts, parents, query.up) | reach(starts, children, query.down)
    if bad:
        told = "; ".join(f"{clause!r}: {problem}" for clause, problem in bad.items())
        raise SelectionError(f"Step selection: {told}", clause=next(iter(bad)))
    if unknown:
        raise StepNotFoundError(f"Step selection refers to unknown step{_hints(unknown, parents)}")
    return frozenset(found)


def _named(path: str, keys: tuple[str, ...], known: Iterable[str]) -> list[str]:
    """Return the steps that a path and mapping keys name."""
    if not keys:
        return [path] if path in set(known) else []
    found = []
    for each in known:
        if node_path(each) != path:
            continue
        own = mapping_keys(each)
        if keys == ("?",) or each == path + ANY:
            fits = bool(own) and all(key == "?" for key in keys)
        else:
            fits = len(own) == len(keys) and all(
                key in ("?", one) for key, one in zip(keys, own, strict=True)
            )
        if fits:
            found.append(each)
    return found


def _hints(unknown: Sequence[str], known: Collection[str]) -> str:
    listed = ", ".join(map(str, unknown))
    mapped = [f"{each}{ANY}" for each in unknown if each + ANY in known]
    hint = (
        f" For all steps of a mapped op write {mapped[0]}."
        if mapped
        else nearest(unknown[0], known)
    )
    return f"{'' if len(unknown) == 1 else 's'}: {listed}.{hint}"
