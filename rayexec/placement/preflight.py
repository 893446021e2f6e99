"""Checks of a placement before the run: steps without any node for them, and notes for the user."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rayexec.placement.capacity import Capacity
from rayexec.placement.limits import LimitHolder, Placement
from rayexec.placement.resource_request import Request
from rayexec.plan.base import Plan
from rayexec.plan.model import MappedNode, Step

__all__ = ["notes", "problems"]

# Measured on an idle machine and on a busy one.
_ENVIRONMENT_COST = (
    "workers start for it, 0.5 s each on an idle machine and seconds on a busy one, after what pip "
    "or a download takes"
)

# Different requests beyond which Ray's own cost shows.
_MANY_REQUESTS = 200

# The ops with one request that a message names.
_NAMED = 3


def problems(
    plan: Plan,
    placement: Placement,
    capacity: Capacity,
    *,
    held_here: tuple[str, Mapping[str, float]] = ("", {}),
    unknown: frozenset[str] = frozenset(),
) -> list[str]:
    """Return one message for each request without any node to meet it.

    ``held_here`` is the id of a node, and the resources there that the caller holds until the run
    is over; an op that runs a job inside is such a caller. Resources (and ``"labels"``) in
    ``unknown`` are not judged.
    """
    messages = []
    names = _Names(plan, placement)
    node, held = held_here
    for class_id, scheduling_class in enumerate(placement.classes):
        amounts, labels = _judged(scheduling_class.request, unknown)
        reason = capacity.lacks(amounts, labels)
        if reason is not None:
            if not _can_be_added(amounts, capacity):
                messages.append(f"{names[class_id]} asks for {reason}{_autoscaler(capacity)}")
            continue
        # Ray lends the CPUs of a waiting task to others, and no other resource of it.
        competing = {name: held[name] for name in held if name in amounts and name != "CPU"}
        if (
            competing
            and not _can_be_added(amounts, capacity)
            and capacity.less(node, competing).lacks(amounts, labels)
        ):
            asked = ", ".join(f"{amounts[name]:g} {name}" for name in competing)
            has = " and ".join(
                f"{amount:g} of {capacity.total(name):g}" for name, amount in competing.items()
            )
            messages.append(
                f"{names[class_id]} asks for {asked}, of which the step that started this run "
                f"holds {has} until the run is over"
            )
    return messages


def _judged(
    request: Request, unknown: frozenset[str]
) -> tuple[dict[str, float], Mapping[str, str]]:
    amounts = {name: amount for name, amount in request.amounts().items() if name not in unknown}
    return amounts, {} if "labels" in unknown else request.label_selector


class _Names:
    """The ops of each class, in words; looked up only for a message."""

    def __init__(self, plan: Plan, placement: Placement) -> None:
        self._plan = plan
        self._placement = placement
        self._templates: dict[int, dict[int, None]] = {}

    def __getitem__(self, class_id: int) -> str:
        plan = self._plan
        if not self._templates:
            nodes: list[Step | MappedNode] = [*plan.steps, *plan.mapped_nodes]
            class_ids = [*self._placement.class_of, *self._placement.class_of_mapped]
            for node, node_class in zip(nodes, class_ids, strict=True):
                self._templates.setdefault(node_class, {})[node.template] = None
        templates = self._templates[class_id]
        names = list(dict.fromkeys(plan.templates[index].op.name for index in templates))
        more = f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
        return f"op{'' if len(names) == 1 else 's'} {', '.join(map(repr, names[:_NAMED]))}{more}"


def _can_be_added(amounts: Mapping[str, float], capacity: Capacity) -> bool:
    """Return whether an autoscaler can add a node for a request; autoscalers report no labels."""
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
    names = ", ".join(group.name for group in capacity.groups)
    return f"; no node that the autoscaler may add has that ({names})"


def notes(
    plan: Plan,
    placement: Placement,
    capacity: Capacity,
    *,
    max_concurrent: int | None = None,
    runtime_env: Mapping[str, Any] | None = None,
    unknown: frozenset[str] = frozenset(),
) -> list[str]:
    """Return harmless surprises, one message each.

    ``max_concurrent`` and ``runtime_env`` are those of the run config, None for none. Resources in
    ``unknown`` are not judged.
    """
    messages = []
    for limit in placement.limits:
        if limit.holder is LimitHolder.CLUSTER and limit.nodes > 1:
            messages.append(
                f"{limit.resource} is declared on {limit.nodes} nodes, which grant {limit.most} "
                f"at once in all; "
                "declare it on one node for a limit of the whole cluster."
            )
    for name in placement.undeclared_pools:
        messages.append(f"pool {name!r} is not declared on this Ray, so it limits nothing.")
    for rule in placement.unused_tag_limits:
        tag = rule.key if rule.value is None else f"{rule.key}={rule.value}"
        messages.append(
            f"no step has the tag {tag!r}, so its limit of {rule.limit} limits nothing."
        )
    messages += _environments(plan, runtime_env or {}, capacity)
    requests = len({repr(one.request) for one in placement.classes})
    if requests > _MANY_REQUESTS:
        messages.append(
            f"the steps have {requests:,} different resource requests, which Ray schedules one by "
            "one, some milliseconds each; round memory and other ray_options to a few values."
        )
    names = _Names(plan, placement)
    for class_id, scheduling_class in enumerate(placement.classes):
        amounts, labels = _judged(scheduling_class.request, unknown)
        lacking = capacity.lacks(amounts, labels)
        if lacking is not None:
            if _can_be_added(amounts, capacity):
                messages.append(
                    f"{names[class_id]} waits for the autoscaler: no node has {lacking}."
                )
            continue
        room = capacity.fits(
            {name: amount for name, amount in amounts.items() if name in ("CPU", "GPU", "memory")}
        )
        if max_concurrent is not None and capacity.is_one_node and room < max_concurrent:
            messages.append(
                f"{names[class_id]} asks for {scheduling_class.request}, so at most {room:g} of "
                f"its steps run at once here, whatever max_concurrent ({max_concurrent}) says."
            )
    return messages


def _environments(plan: Plan, runtime_env: Mapping[str, Any], capacity: Capacity) -> list[str]:
    """Return the costs of environments without warm workers, one message each."""
    messages = []
    own = {
        template.op.name: template.op.ray_options.runtime_env
        for template in plan.templates
        if template.op.ray_options.runtime_env
    }
    if own:
        more = f" and {len(own) - _NAMED:,} more" if len(own) > _NAMED else ""
        one = len(own) == 1
        messages.append(
            f"op{'' if one else 's'} {', '.join(map(repr, [*own][:_NAMED]))}{more} "
            f"{'has' if one else 'have'} a "
            f"runtime_env of {'its' if one else 'their'} own, which no warm worker has: "
            f"{_ENVIRONMENT_COST}."
        )
    if capacity.runtime_env and runtime_env != capacity.runtime_env:
        messages.append(
            f"this process began to use Ray with another runtime_env "
            f"({', '.join(sorted(capacity.runtime_env))}), "
            "which all its tasks have as well until ray.shutdown()."
        )
    if runtime_env and runtime_env != capacity.runtime_env:
        messages.append(
            "this process already used Ray when the run came, so that the run's runtime_env goes "
            "along with each task: "
            f"{_ENVIRONMENT_COST}."
        )
    return messages
