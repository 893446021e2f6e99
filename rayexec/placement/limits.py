"""Limits of a run, scheduling classes of its steps, and their placement on a Ray."""

from __future__ import annotations

import enum
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import NamedTuple, TypeAlias

from rayexec.definitions.concurrency import TagLimit
from rayexec.placement.capacity import Capacity
from rayexec.placement.resource_request import Request

__all__ = [
    "MAX_CONCURRENT",
    "Demand",
    "Limit",
    "LimitHolder",
    "LimitKey",
    "LimitShare",
    "Placement",
    "SchedulingClass",
]

MAX_CONCURRENT = "max_concurrent"
# The memory that a step without a request and without any record counts as asking for.
_DEFAULT_MEMORY_BYTES = 1024**3
_NOWHERE = Capacity((), is_own=False)

# A limit by its index in ``Placement.limits``, or a resource of the cluster by its name.
LimitKey: TypeAlias = int | str


class LimitHolder(enum.Enum):
    """The enforcer of a limit."""

    #: The driver counts.
    DRIVER = "driver"
    #: Ray counts, by a resource made up for the run.
    TOKEN = "token"
    #: Ray counts, by a resource that the cluster declares for all runs.
    CLUSTER = "cluster"


class Limit(NamedTuple):
    """An upper bound on the running steps among those with a share in it."""

    #: The name for users.
    name: str
    #: The greatest sum of the weights of running steps.
    most: int
    #: The party that enforces it.
    holder: LimitHolder
    #: The resource that Ray counts, None where the driver counts.
    resource: str | None = None
    #: The amount of the resource that a step of weight 1 asks for.
    share: float = 0.0
    #: The number of nodes that declare a limit of the cluster; each of them grants all of it.
    nodes: int = 1

    @property
    def description(self) -> str:
        """The holder of the limit, and its precision, in words."""
        if self.holder is LimitHolder.DRIVER:
            return "held by the driver, exactly"
        if self.holder is LimitHolder.TOKEN:
            return (
                f"held by Ray, exactly: each step takes {self.share:g} of a resource of the "
                "run's own"
            )
        if self.nodes == 1:
            return f"held by Ray for all runs, exactly: {self.resource} of one node"
        return (
            f"held by Ray for all runs, and multiplied: {self.nodes} nodes declare {self.resource}"
        )


class LimitShare(NamedTuple):
    """The share of a step in a limit."""

    #: The index in ``Placement.limits``.
    limit: int
    #: The units of the limit.
    weight: int


class Demand(NamedTuple):
    """The demand of a step for a limit or a resource."""

    #: The limit or resource.
    key: LimitKey
    #: The amount that a step takes.
    amount: float
    #: The amount that there is for all steps.
    most: float


class SchedulingClass(NamedTuple):
    """Steps that may share a batch, since they have one request and count in the same limits."""

    #: The resources that a batch asks Ray for.
    request: Request
    #: The limits that its steps count in.
    limits: tuple[LimitShare, ...]
    #: The number of its batches that can run at once.
    slots: int


@dataclass(frozen=True, slots=True)
class Placement:
    """The limits of a run with their holders, and the scheduling class of each step.

    Classes and steps come to it during a run: more memory after a lost worker, and steps of
    dynamic outputs.
    """

    #: The limits; an index in this tuple is the key of a limit.
    limits: tuple[Limit, ...]
    #: The scheduling classes; an index in this list is the id of a class.
    classes: list[SchedulingClass]
    #: The class of each step.
    class_of: list[int]
    #: The number of batches that can run at once.
    slots: int
    #: The amount that all nodes have together of each resource that a class asks for.
    resource_totals: dict[str, float] = field(default_factory=dict)
    #: Pools of ops that the cluster does not declare, and that limit nothing.
    undeclared_pools: tuple[str, ...] = ()
    #: Tag limits that no step counts in.
    unused_tag_limits: tuple[TagLimit, ...] = ()
    #: The class of the steps of each mapped node.
    class_of_mapped: tuple[int, ...] = ()
    #: The nodes that the run has.
    capacity: Capacity = _NOWHERE

    def with_more_memory(self, step: int, factor: float, had: float) -> float | None:
        """Have a step ask for ``factor`` times its memory from now on.

        A step without a request counts as asking for ``had``. Returns the new request in bytes,
        None if no node has more. The step may get a new class, behind the others.
        """
        before = self.classes[self.class_of[step]]
        request = before.request
        most = self.capacity.most_beside("memory", request.amounts(), request.label_selector)
        wanted = (request.memory or had or _DEFAULT_MEMORY_BYTES) * factor
        memory = min(float(int(wanted)), most)
        if memory <= (request.memory or 0):
            return None
        request = replace(request, memory=memory)
        slots = self.capacity.slots_for(request.amounts(), before.slots)
        after = before._replace(request=request, slots=slots)
        if after not in self.classes:
            self.classes.append(after)
        self.class_of[step] = self.classes.index(after)
        self.resource_totals.setdefault("memory", self.capacity.total("memory"))
        return memory

    def add_steps(self, mapped_nodes: Iterable[int]) -> None:
        """Add new steps of the plan, given the mapped node of each."""
        self.class_of.extend([self.class_of_mapped[node] for node in mapped_nodes])

    @property
    def uses_tokens(self) -> bool:
        """Whether batches must run on the node of the run's own resources."""
        return any(limit.holder is LimitHolder.TOKEN for limit in self.limits)

    def cluster_limit_of(self, class_id: int) -> int | None:
        """Return a limit of the cluster with shares of a class, None for no such limit."""
        for limit, _ in self.classes[class_id].limits:
            if self.limits[limit].holder is LimitHolder.CLUSTER:
                return limit
        return None

    def count_held(self, class_ids: Iterable[int]) -> dict[int, int]:
        """Return the sum of the shares of batches of these classes, by limit."""
        held: dict[int, int] = {}
        for class_id in class_ids:
            for limit, weight in self.classes[class_id].limits:
                held[limit] = held.get(limit, 0) + weight
        return held

    def demands_of(self, scheduling_class: SchedulingClass) -> list[Demand]:
        """Return the demands of a step of a class, the most particular first.

        These are limits of tags and pools, then resources, then ``max_concurrent``.
        """
        limits = self.limits
        particular = [
            Demand(limit, weight, limits[limit].most)
            for limit, weight in reversed(scheduling_class.limits)
        ]
        general = [one for one in particular if limits[int(one.key)].name == MAX_CONCURRENT]
        declared = {limit.resource for limit in limits}
        resources = [
            Demand(name, amount, self.resource_totals[name])
            for name, amount in scheduling_class.request.amounts().items()
            if name in self.resource_totals and name not in declared
        ]
        return [*(one for one in particular if one not in general), *resources, *general]
