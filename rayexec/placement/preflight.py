"""What keeps a run from ever getting done on a Ray, and what is worth knowing of it, said before
anything runs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rayexec.placement.capacity import Capacity
from rayexec.placement.limits import LimitHolder, Placement
from rayexec.placement.request import Request
from rayexec.plan.base import Plan
from rayexec.plan.model import MappedNode, Step

__all__ = ["notes", "problems"]

# Measured (docs/design.md).
_COST = "workers start for it, 0.5 s each on an idle machine and seconds on a busy one, after what pip or a download takes"

# How many ops one message names of those that ask for the same.
_NAMED = 3


def problems(
    plan: Plan,
    placement: Placement,
    capacity: Capacity,
    *,
    held_here: tuple[str, Mapping[str, float]] = ("", {}),
    unknown: frozenset[str] = frozenset(),
) -> list[str]:
    """Return why steps of the plan would wait for ever, one message a request; empty where none
    would.

    ``held_here`` is the id of a node and what of its resources whoever starts the run holds while
    it waits for the run, which is an op that runs a job inside. Resources (and ``"labels"``) in
    ``unknown`` are not judged.
    """
    found = []
    names = _Names(plan, placement)
    for number, known in enumerate(placement.classes):
        amounts, labels = _judged(known.request, unknown)
        words = capacity.lacks(amounts, labels)
        if words is not None:
            if not _can_be_added(amounts, capacity):
                found.append(f"{names[number]} asks for {words}{_autoscaler(capacity)}")
            continue
        node, held = held_here
        # Ray lends the CPUs of a task that waits, and nothing else of it.
        taken = {name: amount for name, amount in held.items() if name in amounts and name != "CPU"}
        if (
            taken
            and not _can_be_added(amounts, capacity)
            and capacity.less(node, taken).lacks(amounts, labels)
        ):
            what = ", ".join(f"{amounts[name]:g} {name}" for name in taken)
            has = " and ".join(
                f"{amount:g} of {capacity.total(name):g}" for name, amount in taken.items()
            )
            found.append(
                f"{names[number]} asks for {what}, of which the step that started this run holds "
                f"{has} until the run is over"
            )
    return found


def _judged(
    request: Request, unknown: frozenset[str]
) -> tuple[dict[str, float], Mapping[str, str]]:
    amounts = {name: amount for name, amount in request.amounts().items() if name not in unknown}
    return amounts, {} if "labels" in unknown else request.label_selector


class _Names:
    """The ops of each class in words, looked up only where there is something to say."""

    def __init__(self, plan: Plan, placement: Placement) -> None:
        self._plan = plan
        self._placement = placement
        self._templates: dict[int, dict[int, None]] = {}

    def __getitem__(self, number: int) -> str:
        plan = self._plan
        if not self._templates:
            nodes: list[Step | MappedNode] = [*plan.steps, *plan.mapped_nodes]
            classes = [*self._placement.class_of, *self._placement.class_of_mapped]
            for node, each in zip(nodes, classes, strict=True):
                self._templates.setdefault(each, {})[node.template] = None
        templates = self._templates[number]
        names = list(dict.fromkeys(plan.templates[each].op.name for each in templates))
        more = f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
        return f"op{'' if len(names) == 1 else 's'} {', '.join(map(repr, names[:_NAMED]))}{more}"


def _can_be_added(amounts: Mapping[str, float], capacity: Capacity) -> bool:
    """Whether an autoscaler can add a node for a request, as far as it says what it adds; labels it
    does not say.
    """
    if capacity.groups is None:
        return True
    return any(
        all(group.resources.get(name, 0) >= amount for name, amount in amounts.items())
        for group in capacity.groups
    )


def _autoscaler(capacity: Capacity) -> str:
    if capacity.is_own:
        return ""
    if not capacity.groups:
        return "; no autoscaler is there to add a node"
    return f"; no node that the autoscaler may add has that ({', '.join(each.name for each in capacity.groups)})"


def notes(
    plan: Plan,
    placement: Placement,
    capacity: Capacity,
    *,
    max_concurrent: int | None = None,
    runtime_env: Mapping[str, Any] | None = None,
    unknown: frozenset[str] = frozenset(),
) -> list[str]:
    """Return what a user may not expect of a run's limits: none of it keeps the run from getting
    done.

    ``max_concurrent`` is the limit that was asked for, None where none was, ``runtime_env`` the
    run's environment. Resources in ``unknown`` are not judged.
    """
    found = []
    for limit in placement.limits:
        if limit.holder is LimitHolder.CLUSTER and limit.nodes > 1:
            found.append(
                f"{limit.resource} is declared on {limit.nodes} nodes, which grant {limit.most} "
                f"at once in all; "
                "declare it on one node for a limit of the whole cluster."
            )
    for name in placement.undeclared_pools:
        found.append(f"pool {name!r} is not declared on this Ray, so it limits nothing.")
    for rule in placement.unused_tag_limits:
        tag = rule.key if rule.value is None else f"{rule.key}={rule.value}"
        found.append(f"no step has the tag {tag!r}, so its limit of {rule.limit} limits nothing.")
    found += _environments(plan, runtime_env or {}, capacity)
    names = _Names(plan, placement)
    for number, each in enumerate(placement.classes):
        amounts, labels = _judged(each.request, unknown)
        lacking = capacity.lacks(amounts, labels)
        if lacking is not None:
            if _can_be_added(amounts, capacity):
                found.append(f"{names[number]} waits for the autoscaler: no node has {lacking}.")
            continue
        room = capacity.fits(
            {name: amount for name, amount in amounts.items() if name in ("CPU", "GPU", "memory")}
        )
        if max_concurrent is not None and capacity.is_one_node and room < max_concurrent:
            found.append(
                f"{names[number]} asks for {each.request}, so at most {room:g} of its steps run "
                f"at once here, whatever max_concurrent ({max_concurrent}) says."
            )
    return found


def _environments(plan: Plan, runtime_env: Mapping[str, Any], capacity: Capacity) -> list[str]:
    """Return what environments cost that are not those of the workers that wait warm."""
    found = []
    own = {
        each.op.name: each.op.ray_options.runtime_env
        for each in plan.templates
        if each.op.ray_options.runtime_env
    }
    if own:
        more = f" and {len(own) - _NAMED:,} more" if len(own) > _NAMED else ""
        one = len(own) == 1
        found.append(
            f"op{'' if one else 's'} {', '.join(map(repr, [*own][:_NAMED]))}{more} "
            f"{'has' if one else 'have'} a "
            f"runtime_env of {'its' if one else 'their'} own, which no warm worker has: {_COST}."
        )
    if capacity.runtime_env and runtime_env != capacity.runtime_env:
        found.append(
            f"this process began to use Ray with another runtime_env "
            f"({', '.join(sorted(capacity.runtime_env))}), "
            "which all its tasks have as well until ray.shutdown()."
        )
    if runtime_env and runtime_env != capacity.runtime_env:
        found.append(
            "this process already used Ray when the run came, so that the run's runtime_env goes "
            "along with each task: "
            f"{_COST}."
        )
    return found
