"""Selection of steps for a re-execution, such as ``flaky*``, ``m[b]*`` and ``m[?]``."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from rayexec.errors import SelectionError, StepNotFoundError
from rayexec.names import mapping_keys, nearest, node_path
from rayexec.selection.clauses import Fault, reach, scan

__all__ = ["ANY", "select_steps"]

#: Behind the path of a mapped node: those of its steps that the run may still add.
ANY = "[?]"


def select_steps(clauses: Sequence[str], parents: Mapping[str, Collection[str]]) -> frozenset[str]:
    """Return the keys of the selected steps: the union over the clauses.

    ``parents`` maps the key of each step to the keys of the steps that feed it. A mapped node is in
    it with ``[?]`` behind its path, for the steps to come. In a clause, mapping keys name a mapped
    step; "?" is any key.

    Raises SelectionError for malformed clauses and StepNotFoundError for unmatched ones; the
    message lists them all.
    """
    if isinstance(clauses, str):
        raise SelectionError(
            f"A step selection is a list of clauses, not the string {clauses!r}.", clause=clauses
        )
    children: dict[str, list[str]] = {}
    for key, before in parents.items():
        for parent in before:
            children.setdefault(parent, []).append(key)
    selected: set[str] = set()
    faults: dict[str, str] = {}
    unmatched: list[str] = []
    for text in clauses:
        if isinstance(text, str) and text.strip() == "*":
            selected.update(parents)
            continue
        try:
            clause = scan(text)
        except Fault as fault:
            faults[str(text)] = str(fault)
            continue
        starts = _named_steps(clause.path, clause.keys, parents)
        if not starts:
            keys = f"[{','.join(clause.keys)}]" if clause.keys else ""
            unmatched.append(f"{clause.path}{keys}")
            continue
        selected |= reach(starts, parents, clause.up) | reach(starts, children, clause.down)
    if faults:
        listed = "; ".join(f"{text!r}: {fault}" for text, fault in faults.items())
        raise SelectionError(f"Step selection: {listed}", clause=next(iter(faults)))
    if unmatched:
        raise StepNotFoundError(
            f"Step selection refers to unknown step{_hints(unmatched, parents)}"
        )
    return frozenset(selected)


def _named_steps(path: str, keys: tuple[str, ...], steps: Iterable[str]) -> list[str]:
    """Return the steps at a path with fitting mapping keys."""
    if not keys:
        return [path] if path in set(steps) else []
    named = []
    for step in steps:
        if node_path(step) != path:
            continue
        own = mapping_keys(step)
        if keys == ("?",) or step == path + ANY:
            fits = bool(own) and all(key == "?" for key in keys)
        else:
            fits = len(own) == len(keys) and all(
                key in ("?", own_key) for key, own_key in zip(keys, own, strict=True)
            )
        if fits:
            named.append(step)
    return named


def _hints(unmatched: Sequence[str], steps: Collection[str]) -> str:
    listed = ", ".join(map(str, unmatched))
    mapped = [f"{clause}{ANY}" for clause in unmatched if clause + ANY in steps]
    hint = (
        f" For all steps of a mapped op write {mapped[0]}."
        if mapped
        else nearest(unmatched[0], steps)
    )
    return f"{'' if len(unmatched) == 1 else 's'}: {listed}.{hint}"
