"""Choice of the holder of each limit, and of the scheduling class of each step, as a run starts.

On a one-node Ray that rayexec started, for this process or for any other, Ray holds the limits of
the run: each step takes a share of a resource made up for the run, and the node has 1.0 of it. On
any other Ray the driver holds them, since a resource belongs to a node and would tie the steps to
it. Limits declared by a cluster (``rayexec.definitions.concurrency``) are held by Ray, for all
runs on it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rayexec.definitions.concurrency import LIMIT_PREFIX, TagLimit, pool_resource, tag_resources
from rayexec.placement.capacity import Capacity
from rayexec.placement.limits import (
    MAX_CONCURRENT,
    Limit,
    LimitHolder,
    LimitShare,
    Placement,
    SchedulingClass,
)
from rayexec.placement.resource_request import cpu_share, limit_share, request_for
from rayexec.plan.base import Plan
from rayexec.plan.model import MappedNode, Step, Template

__all__ = ["choose_placement", "driver_placement"]

# The values of a tag above which the driver holds a limit of each value.
_MANY_VALUES = 32


def choose_placement(
    plan: Plan,
    capacity: Capacity,
    *,
    run_id: str,
    max_concurrent: int | None = None,
    tag_limits: Sequence[TagLimit] = (),
    runtime_env: Mapping[str, Any] | None = None,
) -> Placement:
    """Return the placement of a run on the nodes of ``capacity``.

    Without ``max_concurrent``, a Ray of our own runs as many steps as it has CPUs. Elsewhere CPUs
    are the limit.
    """
    if max_concurrent is None and capacity.is_own and len(capacity.nodes) == 1:
        max_concurrent = max(1, int(capacity.cpus))
    share = cpu_share(max_concurrent, capacity.cpus) if capacity.is_one_node else 1.0
    slots = max_concurrent or max(1, int(capacity.cpus))
    # The environment of this process's Ray holds for every task already.
    task_env = {} if runtime_env == capacity.runtime_env else runtime_env or {}
    made = _Classification(plan, capacity, run_id, tag_limits, share, slots, task_env)
    common: tuple[LimitShare, ...] = ()
    if max_concurrent is not None:
        limit = made.add_limit_of_run((MAX_CONCURRENT,), MAX_CONCURRENT, max_concurrent)
        common = (LimitShare(limit, 1),)
    class_of = made.classify(plan.steps, plan.template_of, common)
    mapped_templates = [node.template for node in plan.mapped_nodes]
    class_of_mapped = made.classify(plan.mapped_nodes, mapped_templates, common)
    names = {name for one in made.classes for name in one.request.amounts()}
    return Placement(
        limits=tuple(made.limits),
        classes=made.classes,
        class_of=class_of,
        slots=slots,
        resource_totals={name: capacity.total(name) for name in sorted(names)},
        undeclared_pools=tuple(sorted(made.undeclared_pools)),
        unused_tag_limits=tuple([rule for rule in tag_limits if rule not in made.used]),
        class_of_mapped=tuple(class_of_mapped),
        capacity=capacity,
    )


def driver_placement(
    plan: Plan,
    *,
    slots: int,
    max_concurrent: int | None = None,
    tag_limits: Sequence[TagLimit] = (),
) -> Placement:
    """Return the placement of an engine without Ray, with all limits held by the driver."""
    nowhere = Capacity(({"CPU": float(slots)},), is_own=False, groups=None)
    chosen = choose_placement(
        plan, nowhere, run_id="", max_concurrent=max_concurrent, tag_limits=tag_limits
    )
    classes = [
        one._replace(slots=min(slots, _room(chosen.limits, one.limits, slots)))
        for one in chosen.classes
    ]
    return Placement(
        chosen.limits, classes, chosen.class_of, slots, class_of_mapped=chosen.class_of_mapped
    )


def _room(limits: Sequence[Limit], shares: Sequence[LimitShare], slots: int) -> int:
    """Return the number of batches within the limits at once, for ``slots`` slots."""
    return max(1, min([slots, *(limits[limit].most // weight for limit, weight in shares)]))


def _with_many_values(plan: Plan, tag_limits: Sequence[TagLimit]) -> set[TagLimit]:
    """Return the limits of each value of a tag with many values; the driver must hold them.

    Ray makes a queue for each resource in requests, and a few hundred queues take it a
    second.
    """
    rules = [rule for rule in tag_limits if rule.per_unique_value]
    if not rules:
        return set()
    nodes: list[Step | MappedNode] = [*plan.steps, *plan.mapped_nodes]
    tags = {id(node.tags): node.tags for node in nodes}.values()
    return {rule for rule in rules if len({one.get(rule.key) for one in tags}) > _MANY_VALUES}


class _Classification:
    """Limits and classes of a run in the making."""

    def __init__(
        self,
        plan: Plan,
        capacity: Capacity,
        run_id: str,
        tag_limits: Sequence[TagLimit],
        default_cpus: float,
        slots: int,
        runtime_env: Mapping[str, Any],
    ) -> None:
        self._plan = plan
        self._capacity = capacity
        # Two runs of one id, in two stores, may be on one Ray.
        user = f"{capacity.user_id}-" if capacity.user_id else ""
        self._prefix = f"{capacity.implicit_prefix}rayexec-{user}{run_id}-"
        self._tag_limits = tag_limits
        self._default_cpus = default_cpus
        self._slots = slots
        self._runtime_env = runtime_env
        self._declared = {name for node in capacity.nodes for name in node}
        # The limits so far, by what they count.
        self._limit_of: dict[tuple[object, ...], int] = {}
        # The tags that make steps of one op differ in their limits.
        self._limiting_tags = sorted(
            {rule.key for rule in tag_limits}
            | {
                name[len(LIMIT_PREFIX) :].partition("=")[0]
                for name in self._declared
                if name.startswith(LIMIT_PREFIX)
            }
        )
        self._held_by_driver = _with_many_values(plan, tag_limits)
        # The classes so far, by what tells them apart.
        self._class_id_of: dict[tuple[str, tuple[LimitShare, ...]], int] = {}
        self.limits: list[Limit] = []
        self.classes: list[SchedulingClass] = []
        self.undeclared_pools: set[str] = set()
        self.used: set[TagLimit] = set()

    def add_limit_of_run(
        self, key: tuple[object, ...], name: str, most: int, *, by_driver: bool = False
    ) -> int:
        """Return the limit of this run with this ``key``, made when it is first needed."""
        index = self._limit_of.get(key)
        if index is not None:
            return index
        share = limit_share(most) if self._capacity.takes_tokens and not by_driver else None
        if share is None:
            limit = Limit(name, most, LimitHolder.DRIVER)
        else:
            resource = f"{self._prefix}{len(self.limits)}"
            limit = Limit(name, most, LimitHolder.TOKEN, resource, share)
        return self._add_limit(key, limit)

    def _limit_of_cluster(self, name: str, resource: str) -> int:
        index = self._limit_of.get(("cluster", resource))
        if index is not None:
            return index
        amounts = [node[resource] for node in self._capacity.nodes if node.get(resource, 0) > 0]
        limit = Limit(name, int(sum(amounts)), LimitHolder.CLUSTER, resource, 1.0, len(amounts))
        return self._add_limit(("cluster", resource), limit)

    def _add_limit(self, key: tuple[object, ...], limit: Limit) -> int:
        self._limit_of[key] = len(self.limits)
        self.limits.append(limit)
        return self._limit_of[key]

    def classify(
        self,
        nodes: Sequence[Step | MappedNode],
        templates: Sequence[int],
        common: tuple[LimitShare, ...],
    ) -> list[int]:
        """Return the class of each of ``nodes``; all of them count in the ``common`` limits.

        ``templates`` are the templates of the nodes.
        """
        limiting_tags = self._limiting_tags
        if not limiting_tags:  # All steps of an op are alike then, so none is looked at.
            class_id_of_template = {
                index: self._class_id(template, (*common, *self._shares(template, {})))
                for index in dict.fromkeys(templates)
                for template in (self._plan.templates[index],)
            }
            return list(map(class_id_of_template.__getitem__, templates))
        class_id_of: dict[tuple[int, tuple[str | None, ...]], int] = {}
        class_of = []
        for node in nodes:
            tags = node.tags
            key = (node.template, tuple([tags.get(tag) for tag in limiting_tags]) if tags else ())
            class_id = class_id_of.get(key)
            if class_id is None:
                template = self._plan.templates[node.template]
                shares = (*common, *self._shares(template, tags))
                class_id = class_id_of[key] = self._class_id(template, shares)
            class_of.append(class_id)
        return class_of

    def _shares(self, template: Template, tags: Mapping[str, str]) -> list[LimitShare]:
        """Return the shares of steps in limits of tags and pools."""
        shares = []
        for rule in self._tag_limits:
            group = rule.group(tags)
            if group is not None:
                self.used.add(rule)
                # Two rules may count the same steps, so the kind of rule is part of the name.
                name = f"{group} (each)" if rule.per_unique_value else group
                value = tags[rule.key] if rule.per_unique_value else None
                by_driver = rule in self._held_by_driver
                limit = self.add_limit_of_run((rule, value), name, rule.limit, by_driver=by_driver)
                shares.append(LimitShare(limit, 1))
        for key, value in tags.items():
            by_key, by_value = tag_resources(key, value)
            for name, resource in ((key, by_key), (f"{key}={value}", by_value)):
                if resource in self._declared:
                    limit = self._limit_of_cluster(f"{name} (cluster)", resource)
                    shares.append(LimitShare(limit, 1))
        pool = template.op.pool
        if pool is not None:
            resource = pool_resource(pool.name)
            if resource in self._declared:
                limit = self._limit_of_cluster(f"pool {pool.name}", resource)
                shares.append(LimitShare(limit, pool.slots))
            else:
                self.undeclared_pools.add(pool.name)
        return shares

    def _class_id(self, template: Template, shares: tuple[LimitShare, ...]) -> int:
        tokens: dict[str, float] = {}
        declared: dict[str, float] = {}
        for index, weight in shares:
            limit = self.limits[index]
            if limit.resource is not None:
                amounts = tokens if limit.holder is LimitHolder.TOKEN else declared
                amounts[limit.resource] = limit.share * weight
        request = request_for(
            template.op.ray_options, self._default_cpus, self._runtime_env, declared, tokens
        )
        # Requests hold mappings and have no hash, so their text tells them apart.
        key = (repr(request), shares)
        class_id = self._class_id_of.get(key)
        if class_id is None:
            class_id = self._class_id_of[key] = len(self.classes)
            room = _room(self.limits, shares, self._slots)
            slots = self._capacity.slots_for(request.amounts(), room)
            self.classes.append(SchedulingClass(request, shares, slots))
        return class_id
