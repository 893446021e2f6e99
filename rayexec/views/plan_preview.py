"""Preview of a run: its steps with their requests, its limits, and a lower bound of its time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from rayexec.cluster import capacity_here, connect, releasing
from rayexec.config.engine_traits import traits_of
from rayexec.config.execution import ExecutionSettings
from rayexec.placement.bound import bounds, longest_path
from rayexec.placement.capacity import Capacity
from rayexec.placement.choice import driver_placement
from rayexec.placement.limits import MAX_CONCURRENT, Placement
from rayexec.placement.preflight import notes, problems
from rayexec.plan import Plan
from rayexec.plan.model import MappedNode, Step
from rayexec.run.spec import RunSpec
from rayexec.views.mapped_names import fan_names, in_order, mapped_key, sources_of
from rayexec.views.step_times import Timings

__all__ = [
    "CapacityPreview",
    "ExecutionPreview",
    "LimitPreview",
    "MaxConcurrentPreview",
    "PlanPreview",
    "StepPreview",
    "TimeBound",
    "capacity_for",
    "placement_for",
    "preview",
    "step_previews",
]

# A Ray of our own shows its amounts of these only once it runs.
_UNKNOWN_BEFORE_START = frozenset({"GPU", "memory", "labels"})


@dataclass(frozen=True, slots=True)
class MaxConcurrentPreview:
    """The most steps at once; ``limit`` is None if nothing but CPUs limits them."""

    limit: int | None
    reason: str


@dataclass(frozen=True, slots=True)
class CapacityPreview:
    """Size of the cluster, or of this machine."""

    nodes: int
    cpus: float


@dataclass(frozen=True, slots=True)
class ExecutionPreview:
    """Engine of a run: its location, its processes, and its capacity if that is known."""

    engine: str
    where: str
    max_concurrent: MaxConcurrentPreview
    retries: bool
    capacity: CapacityPreview | None = None
    processes: str | None = None

    @property
    def is_on_ray(self) -> bool:
        """Whether Ray runs the steps."""
        return traits_of(self.engine).uses_ray

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON-able data; only an engine on Ray has a capacity and processes."""
        document = asdict(self)
        if not self.is_on_ray:
            del document["capacity"], document["processes"]
        return document


@dataclass(frozen=True, slots=True)
class LimitPreview:
    """A limit: the steps and the mapped nodes that count in it, and its holder."""

    limit: str
    most: float
    steps: int
    mapped: list[str]
    held_by: str
    how: str
    resource: str | None
    nodes: int


@dataclass(frozen=True, slots=True)
class StepPreview:
    """A step, or the steps of a mapped node; ``request`` is None where Ray is not asked."""

    key: str
    op: str
    #: Dynamic outputs; the node has a step for each of their values.
    for_each: list[str]
    #: The mapping keys of a selection.
    only: list[str]
    after: list[str]
    request: Mapping[str, Any] | None
    asks_for: str | None
    #: Weights by limit.
    limits: Mapping[str, float]
    tags: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class TimeBound:
    """Seconds that a run takes at least, and the cause."""

    seconds: float
    because_of: str


@dataclass(frozen=True, slots=True)
class PlanPreview:
    """A run before it begins; steps of dynamic outputs are unknown then."""

    job: str
    execution: ExecutionPreview
    limits: list[LimitPreview]
    steps_at_least: int
    #: False if dynamic outputs will add steps.
    is_exact: bool
    #: Source of the times of steps.
    timings: str | None
    longest_path: list[str]
    longest_path_seconds: float | None
    makespan_bound: TimeBound | None
    problems: list[str]
    notes: list[str]
    steps: list[StepPreview]

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON-able data."""
        return asdict(self) | {"execution": self.execution.to_dict()}


def capacity_for(spec: RunSpec, address: str | None) -> Capacity | None:
    """Return the capacity of the cluster at ``address``, or of this machine without one.

    None if the config names a cluster, which is not asked.
    """
    runtime_env = spec.config.execution.runtime_env
    if address is not None:
        release = releasing()
        try:
            return connect(address, runtime_env)
        finally:
            release()
    if spec.config.execution.address is not None:
        return None
    # A process of its own begins its Ray with the run's environment.
    return replace(capacity_here(), runtime_env=runtime_env)


def preview(spec: RunSpec, capacity: Capacity | None, timings: Timings | None) -> PlanPreview:
    """Return the preview of a run on ``capacity``; ``timings`` are those of an earlier run."""
    settings, plan = spec.config.execution, spec.plan
    seconds = None if timings is None else timings.seconds
    on_ray = traits_of(settings.engine).uses_ray
    placement = placement_for(spec, capacity)
    lacking: list[str] = []
    remarks: list[str] = []
    if on_ray and capacity is not None:
        unknown = _UNKNOWN_BEFORE_START if capacity.is_own else frozenset()
        lacking = problems(plan, placement, capacity, unknown=unknown)
        remarks = notes(
            plan,
            placement,
            capacity,
            max_concurrent=settings.max_concurrent,
            runtime_env=settings.runtime_env,
            unknown=unknown,
        )
    path = longest_path(plan, seconds)
    least = bounds(plan, placement, seconds)[0] if seconds is not None and plan.steps else None
    return PlanPreview(
        job=spec.info.job_name,
        execution=_execution(settings, capacity, placement),
        limits=_limits(plan, placement),
        steps_at_least=len(plan.steps),
        is_exact=not plan.mapped_nodes,
        timings=None if timings is None else timings.source,
        longest_path=[plan.steps[step].key for step in path],
        longest_path_seconds=None if seconds is None else sum(seconds[step] for step in path),
        makespan_bound=None if least is None else TimeBound(least.seconds, least.reason),
        problems=lacking,
        notes=remarks,
        steps=step_previews(spec, placement),
    )


def placement_for(spec: RunSpec, capacity: Capacity | None) -> Placement:
    """Return the placement of a run on ``capacity``, or by its engine where that is not Ray."""
    settings = spec.config.execution
    traits = traits_of(settings.engine)
    if traits.uses_ray:
        return spec.choose_placement(capacity or Capacity((), False, groups=None))
    if traits.runs_concurrently:
        return driver_placement(
            spec.plan,
            slots=settings.max_concurrent or 1,
            max_concurrent=settings.max_concurrent,
            tag_limits=settings.tag_limits,
        )
    return driver_placement(spec.plan, slots=1, max_concurrent=1)


def step_previews(spec: RunSpec, placement: Placement) -> list[StepPreview]:
    """Return the steps and mapped nodes of a run in an order in which they can run."""
    on_ray = traits_of(spec.config.execution.engine).uses_ray
    return [_step(spec.plan, placement, node, on_ray=on_ray) for node in in_order(spec.plan)]


def _step(plan: Plan, placement: Placement, step: Step | int, *, on_ray: bool) -> StepPreview:
    """Return the preview of a step, or of a mapped node by its index."""
    node: Step | MappedNode
    if isinstance(step, int):
        node = plan.mapped_nodes[step]
        key, class_index = mapped_key(node), placement.class_of_mapped[step]
        for_each = fan_names(plan, node.fan_outs)
        only = [",".join(keys) for keys in plan.selected_keys.get(node.fan_outs[-1], ())]
    else:
        node = step
        key, class_index, for_each, only = step.key, placement.class_of[step.index], [], []
    scheduling_class = placement.classes[class_index]
    limits = {placement.limits[index].name: weight for index, weight in scheduling_class.limits}
    return StepPreview(
        key=key,
        op=plan.templates[node.template].op.name,
        for_each=for_each,
        only=only,
        after=sources_of(plan, node),
        request=scheduling_class.request.as_options() if on_ray else None,
        asks_for=str(scheduling_class.request) if on_ray else None,
        limits={name: weight for name, weight in limits.items() if name != MAX_CONCURRENT},
        tags=dict(node.tags),
    )


def _limits(plan: Plan, placement: Placement) -> list[LimitPreview]:
    steps_of_class = [0] * len(placement.classes)
    for class_index in placement.class_of:
        steps_of_class[class_index] += 1
    mapped: dict[int, list[str]] = {}
    for node, class_index in zip(plan.mapped_nodes, placement.class_of_mapped, strict=True):
        for limit_index, _ in placement.classes[class_index].limits:
            mapped.setdefault(limit_index, []).append(mapped_key(node))
    return [
        LimitPreview(
            limit=limit.name,
            most=limit.most,
            steps=sum(
                steps
                for steps, scheduling_class in zip(steps_of_class, placement.classes, strict=True)
                if any(index == limit_index for index, _ in scheduling_class.limits)
            ),
            mapped=mapped.get(limit_index, []),
            held_by=limit.holder.value,
            how=limit.description,
            resource=limit.resource,
            nodes=limit.nodes,
        )
        for limit_index, limit in enumerate(placement.limits)
    ]


def _execution(
    settings: ExecutionSettings, capacity: Capacity | None, placement: Placement
) -> ExecutionPreview:
    traits = traits_of(settings.engine)
    if not (traits.runs_concurrently or traits.runs_elsewhere):
        return ExecutionPreview(
            settings.engine,
            "in this process, one step after another",
            MaxConcurrentPreview(1, "the process itself"),
            settings.retries,
        )
    if not traits.uses_ray:
        most = settings.max_concurrent if traits.runs_concurrently else 1
        return ExecutionPreview(
            settings.engine,
            f"by the registered engine {settings.engine!r}",
            MaxConcurrentPreview(most, "the engine itself"),
            settings.retries,
        )
    limit, reason = settings.max_concurrent, "from the config or the command line"
    if limit is None and placement.limits and placement.limits[0].name == MAX_CONCURRENT:
        limit, reason = placement.limits[0].most, "the CPUs there are"
    where = "a Ray started on this machine for the run"
    if settings.address not in (None, "local"):
        where = f"the Ray cluster at {settings.address}"
        if capacity is not None and capacity.is_marked:
            where += ", of one node, which rayexec started"
    return ExecutionPreview(
        settings.engine,
        where,
        MaxConcurrentPreview(limit, reason)
        if limit is not None
        else MaxConcurrentPreview(None, "as many as the cluster's CPUs take"),
        settings.retries,
        None if capacity is None else CapacityPreview(len(capacity.nodes), capacity.cpus),
        "a fresh one for each step" if settings.fresh_process else "warm workers, used again",
    )
