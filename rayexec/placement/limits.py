"""What each step asks of Ray, which limits it counts in, and who holds each limit: chosen when a
run starts.

On the Ray of this process, which is one node, Ray holds the limits of a run: each step takes a
share of a resource made up for the run, of which the node has 1.0. On any other Ray the driver
holds them, since a resource is tied to a node and a limit would be too. What a cluster declares
(``rayexec.definitions.limits``) is held by Ray, for all runs on it.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from rayexec.definitions.limits import LIMIT_PREFIX, TagLimit, pool_resource, tag_resources
from rayexec.placement.capacity import Capacity
from rayexec.placement.request import Request, cpu_share, limit_share, request_for
from rayexec.plan.model import MappedNode, Plan, Step, Template

__all__ = [
    "MAX_CONCURRENT",
    "Limit",
    "LimitHolder",
    "Placement",
    "SchedulingClass",
    "choose_placement",
    "driver_placement",
]

MAX_CONCURRENT = "max_concurrent"
_MANY = 32  # values of a tag
_MEMORY = 1024**3  # bytes that a step counts as asking for of which nobody knows what it had
_NOWHERE = Capacity((), is_own=False)


class LimitHolder(enum.Enum):
    """Who sees to it that a limit holds."""

    DRIVER = "driver"
    TOKEN = "token"  # Ray, by a resource made up for the run
    CLUSTER = "cluster"  # Ray, by a resource that the cluster declares for all runs


class Limit(NamedTuple):
    """At most ``most`` at once of the steps that count in it, each by its weight.

    ``resource`` is what Ray counts, and ``share`` what a step of weight 1 takes of it; None and 0
    where the driver counts. ``nodes`` is how many nodes declare a limit of the cluster, which each
    of them then grants.
    """

    name: str
    most: int
    holder: LimitHolder
    resource: str | None = None
    share: float = 0.0
    nodes: int = 1

    @property
    def description(self) -> str:
        """Who holds the limit, and how exactly."""
        if self.holder is LimitHolder.DRIVER:
            return "held by the driver, exactly"
        if self.holder is LimitHolder.TOKEN:
            return f"held by Ray, exactly: each step takes {self.share:g} of a resource of the run's own"
        if self.nodes == 1:
            return f"held by Ray for all runs, exactly: {self.resource} of one node"
        return (
            f"held by Ray for all runs, and multiplied: {self.nodes} nodes declare {self.resource}"
        )


class SchedulingClass(NamedTuple):
    """Steps that can share a batch: one request, the same limits as (place in ``Holding.limits``,
    weight).

    ``slots`` is how many batches of them can run at once.
    """

    request: Request
    limits: tuple[tuple[int, int], ...]
    slots: int


@dataclass(frozen=True, slots=True)
class Placement:
    """Limits and classes of a run; ``class_of`` gives the class of each step, ``slots`` how many
    batches run at once.

    ``class_of_mapped`` gives the class of the steps of each mapped node. ``resource_totals`` is what all
    nodes of ``capacity`` have of each resource that is asked for. ``undeclared_pools`` are the pools of
    ops that the cluster does not declare, which therefore limit nothing; ``unused_tag_limits`` the tag limits
    that no step counts in.
    """

    limits: tuple[Limit, ...]
    classes: list[SchedulingClass]
    class_of: list[int]
    slots: int
    resource_totals: dict[str, float] = field(default_factory=dict)
    undeclared_pools: tuple[str, ...] = ()
    unused_tag_limits: tuple[TagLimit, ...] = ()
    class_of_mapped: tuple[int, ...] = ()
    capacity: Capacity = _NOWHERE

    def with_more_memory(self, step: int, factor: float, had: float) -> float | None:
        """Have a step ask for ``factor`` times its memory from now on; return that in bytes, None
        if it cannot be.

        One that asks for none counts as asking for ``had``. Its class may be new, and comes behind
        the others then.
        """
        known = self.classes[self.class_of[step]]
        most = self.capacity.most_beside(
            "memory", known.request.amounts(), known.request.label_selector
        )
        memory = min(float(int((known.request.memory or had or _MEMORY) * factor)), most)
        if memory <= (known.request.memory or 0):
            return None
        request = replace(known.request, memory=memory)
        more = known._replace(request=request, slots=_slots(self.capacity, request, known.slots))
        if more not in self.classes:
            self.classes.append(more)
        self.class_of[step] = self.classes.index(more)
        self.resource_totals.setdefault("memory", self.capacity.total("memory"))
        return memory

    def grow(self, nodes: Sequence[int]) -> None:
        """Take in steps of mapped nodes, which came to the run's plan: the places of the nodes."""
        self.class_of.extend([self.class_of_mapped[place] for place in nodes])

    @property
    def uses_tokens(self) -> bool:
        """Whether Ray holds limits by resources that must stay tied to one node."""
        return any(limit.holder is LimitHolder.TOKEN for limit in self.limits)

    def cluster_limit_of(self, number: int) -> int | None:
        """Return the place of a limit of the cluster that a class counts in, None where it counts
        in none.
        """
        for place, _ in self.classes[number].limits:
            if self.limits[place].holder is LimitHolder.CLUSTER:
                return place
        return None


def choose_placement(
    plan: Plan,
    capacity: Capacity,
    *,
    run_id: str,
    max_concurrent: int | None = None,
    tag_limits: Sequence[TagLimit] = (),
    runtime_env: Mapping[str, Any] | None = None,
) -> Placement:
    """Choose who holds each limit of a run on ``capacity``, and what its steps ask for.

    Without ``max_concurrent``, a Ray of our own runs as many steps as it has CPUs; elsewhere CPUs
    are the limit.
    """
    if max_concurrent is None and capacity.is_own and len(capacity.nodes) == 1:
        max_concurrent = max(1, int(capacity.cpus))
    share = cpu_share(max_concurrent, capacity.cpus) if capacity.is_one_node else 1.0
    slots = max_concurrent or max(1, int(capacity.cpus))
    # What was set when Ray was attached holds for every task; Ray puts an op's own on top of it.
    with_each = {} if runtime_env == capacity.runtime_env else runtime_env or {}
    made = _Classes(plan, capacity, run_id, tag_limits, share, slots, with_each)
    if max_concurrent is not None:
        made.add_limit_of_run((MAX_CONCURRENT,), MAX_CONCURRENT, max_concurrent)
    everywhere = () if max_concurrent is None else ((0, 1),)
    class_of, class_of_mapped = (
        made.classify(plan.steps, everywhere),
        made.classify(plan.mapped_nodes, everywhere),
    )
    asked = {name for each in made.classes for name in each.request.amounts()}
    totals = {name: capacity.total(name) for name in sorted(asked)}
    unused = [rule for rule in tag_limits if rule not in made.used]
    return Placement(
        tuple(made.limits),
        made.classes,
        class_of,
        slots,
        totals,
        tuple(sorted(set(made.unlimited))),
        tuple(unused),
        tuple(class_of_mapped),
        capacity,
    )


def driver_placement(
    plan: Plan,
    *,
    slots: int,
    max_concurrent: int | None = None,
    tag_limits: Sequence[TagLimit] = (),
) -> Placement:
    """Return the holding of an engine without Ray: the driver holds what limits there are, for
    ``slots`` slots.
    """
    nowhere = Capacity(({"CPU": float(slots)},), is_own=False, groups=None)
    held = choose_placement(
        plan, nowhere, run_id="", max_concurrent=max_concurrent, tag_limits=tag_limits
    )
    classes = [
        each._replace(slots=min(slots, _room(held.limits, each.limits, slots)))
        for each in held.classes
    ]
    return Placement(
        held.limits, classes, held.class_of, slots, class_of_mapped=held.class_of_mapped
    )


def _room(limits: Sequence[Limit], counts_in: Sequence[tuple[int, int]], slots: int) -> int:
    return max(1, min([slots, *(limits[place].most // weight for place, weight in counts_in)]))


def _slots(capacity: Capacity, request: Request, most: int) -> int:
    """Return how many requests like this one can run at once, of ``most`` that limits let."""
    # Where nodes may join, more may run than do now; of what only few nodes have, that is not
    # expected.
    amounts = request.amounts()
    if not capacity.is_one_node:
        amounts.pop("CPU", None)
    if capacity.nodes and capacity.groups == ():
        return max(1, int(min(most, capacity.fits(amounts))))
    return most


def _with_many_values(plan: Plan, tag_limits: Sequence[TagLimit]) -> set[TagLimit]:
    """Return the rules that limit each value of a tag of which the plan has so many that the driver
    must hold them.

    Each resource that a request names makes a queue of its own in Ray, of which a few hundred take
    it a second.
    """
    rules = [rule for rule in tag_limits if rule.per_unique_value]
    if not rules:
        return set()
    nodes: list[Step | MappedNode] = [*plan.steps, *plan.mapped_nodes]
    tags = {id(node.tags): node.tags for node in nodes}.values()
    return {rule for rule in rules if len({each.get(rule.key) for each in tags}) > _MANY}


class _Classes:
    """The limits and classes of a run in the making."""

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
        self._run_id = run_id
        self._tag_limits = tag_limits
        self._default_cpus = default_cpus
        self._slots = slots
        self._runtime_env = runtime_env
        self._declared = {name for node in capacity.nodes for name in node}
        self._places: dict[tuple[object, ...], int] = {}
        self._relevant = sorted(
            {rule.key for rule in tag_limits}
            | {
                name[len(LIMIT_PREFIX) :].partition("=")[0]
                for name in self._declared
                if name.startswith(LIMIT_PREFIX)
            }
        )
        self._many = _with_many_values(plan, tag_limits)
        self._known: dict[tuple[str, tuple[tuple[int, int], ...]], int] = {}
        self.limits: list[Limit] = []
        self.classes: list[SchedulingClass] = []
        self.unlimited: list[str] = []
        self.used: set[TagLimit] = set()

    def add_limit_of_run(
        self, key: tuple[object, ...], name: str, most: int, *, by_driver: bool = False
    ) -> int:
        """Return the place of a limit of this run, made when it is first asked for by its ``key``."""
        place = self._places.get(key)
        if place is not None:
            return place
        share = limit_share(most) if self._capacity.takes_tokens and not by_driver else None
        if share is None:
            limit = Limit(name, most, LimitHolder.DRIVER)
        else:
            resource = f"{self._capacity.implicit_prefix}rayexec-{self._run_id}-{len(self.limits)}"
            limit = Limit(name, most, LimitHolder.TOKEN, resource, share)
        return self._add(key, limit)

    def _add_limit_of_cluster(self, name: str, resource: str) -> int:
        place = self._places.get(("cluster", resource))
        if place is not None:
            return place
        amounts = [node[resource] for node in self._capacity.nodes if node.get(resource, 0) > 0]
        limit = Limit(name, int(sum(amounts)), LimitHolder.CLUSTER, resource, 1.0, len(amounts))
        return self._add(("cluster", resource), limit)

    def _add(self, key: tuple[object, ...], limit: Limit) -> int:
        self._places[key] = len(self.limits)
        self.limits.append(limit)
        return self._places[key]

    def classify(
        self, nodes: Sequence[Step | MappedNode], everywhere: tuple[tuple[int, int], ...]
    ) -> list[int]:
        """Return the class of each of ``nodes``; all count in the limits ``everywhere``."""
        plan = self._plan
        relevant = self._relevant
        known: dict[tuple[int, tuple[str | None, ...]], int] = {}
        class_of = []
        for step in nodes:
            tags = step.tags
            key = (step.template, tuple([tags.get(each) for each in relevant]) if tags else ())
            found = known.get(key)
            if found is None:
                template = plan.templates[step.template]
                found = known[key] = self._class(
                    template, (*everywhere, *self._counts_in(template, tags))
                )
            class_of.append(found)
        return class_of

    def _counts_in(self, template: Template, tags: Mapping[str, str]) -> list[tuple[int, int]]:
        found = []
        for rule in self._tag_limits:
            group = rule.group(tags)
            if group is not None:
                self.used.add(rule)
                # Two rules may count the same steps under different limits, so the rule is part of
                # the name.
                name = f"{group} (each)" if rule.per_unique_value else group
                each = tags[rule.key] if rule.per_unique_value else None
                place = self.add_limit_of_run(
                    (rule, each), name, rule.limit, by_driver=rule in self._many
                )
                found.append((place, 1))
        for key, value in tags.items():
            by_key, by_value = tag_resources(key, value)
            if by_key in self._declared:
                found.append((self._add_limit_of_cluster(f"{key} (cluster)", by_key), 1))
            if by_value in self._declared:
                found.append((self._add_limit_of_cluster(f"{key}={value} (cluster)", by_value), 1))
        pool = template.op.pool
        if pool is not None:
            resource = pool_resource(pool.name)
            if resource in self._declared:
                found.append(
                    (self._add_limit_of_cluster(f"pool {pool.name}", resource), pool.slots)
                )
            else:
                self.unlimited.append(pool.name)
        return found

    def _class(self, template: Template, counts_in: tuple[tuple[int, int], ...]) -> int:
        tokens: dict[str, float] = {}
        declared: dict[str, float] = {}
        for place, weight in counts_in:
            limit = self.limits[place]
            if limit.resource is not None:
                (tokens if limit.holder is LimitHolder.TOKEN else declared)[limit.resource] = (
                    limit.share * weight
                )
        request = request_for(
            template.op.ray_options, self._default_cpus, self._runtime_env, declared, tokens
        )
        # Requests hold mappings, so they are told apart by what they print as.
        key = (repr(request), counts_in)
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = len(self.classes)
            slots = _slots(self._capacity, request, _room(self.limits, counts_in, self._slots))
            self.classes.append(SchedulingClass(request, counts_in, slots))
        return found
