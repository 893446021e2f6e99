"""Specification of one run: the data that an engine needs for its steps."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any, NamedTuple

from rayexec.config.run_config import ResolvedConfig
from rayexec.definitions.loggers.logger import InitLoggerContext
from rayexec.definitions.resource import ResourceDefinition, ResourceScope
from rayexec.definitions.surroundings import RunInfo
from rayexec.errors import InputError
from rayexec.placement.capacity import Capacity
from rayexec.placement.choice import choose_placement
from rayexec.placement.limits import Placement
from rayexec.plan.base import Plan
from rayexec.plan.dynamic.run_plan import RunPlan
from rayexec.plan.model import Call, FromConfig, FromStep, ListShape, Step
from rayexec.run.cached_outputs import RunCache
from rayexec.run.previous_run import PreviousRun, ValueStorage
from rayexec.run.used_resources import used_resources

__all__ = ["BATCH_BUDGET_S", "Batch", "Call", "RunSpec", "gather_inputs", "regroup"]


# The time that a batch may take before it gives steps back; it bounds the work that a batch keeps
# from other workers.
BATCH_BUDGET_S = 0.1


@dataclass(frozen=True, slots=True)
class RunSpec:
    """One run: plan, config, resources, loggers and storage."""

    #: The steps.
    plan: Plan
    #: Identity of the run, for users' contexts.
    info: RunInfo
    #: The resolved run config.
    config: ResolvedConfig
    #: The resources that steps may ask for, by key.
    resources: Mapping[str, ResourceDefinition]
    #: The contexts to make loggers from, by key.
    loggers: Mapping[str, InitLoggerContext] = field(default_factory=dict)
    #: Storage for values that outlive the run, None without any.
    value_storage: ValueStorage | None = None
    #: The run to resume, None without one.
    previous_run: PreviousRun | None = None
    #: Store all outputs at the end, and not only the inputs of unsuccessful steps.
    saves_values: bool = False
    #: The cached outputs of its ops, None without cached ops or storage.
    run_cache: RunCache | None = None

    @property
    def durable_templates(self) -> frozenset[int]:
        """The templates with durable outputs, as indices in the plan's ``templates``."""
        if self.value_storage is None:
            return frozenset()
        is_all, templates = self.config.execution.durable, self.plan.templates
        return frozenset([index for index, one in enumerate(templates) if is_all or one.op.durable])

    def used_resources(self) -> set[str]:
        """Return the keys of the resources that steps use, with those that these require."""
        return used_resources(self.plan, self.resources)

    def worker_resource_keys(self) -> list[str]:
        """Return the keys of resources that worker processes keep open for the whole run."""
        used = {key: self.resources[key] for key in self.used_resources()}
        return sorted(
            key
            for key, one in used.items()
            if one.scope is ResourceScope.WORKER and not one.is_constant
        )

    @property
    def streaming_templates(self) -> frozenset[int]:
        """The templates that hand dynamic outputs on while their ops still yield, as indices."""
        is_eager = not self.config.execution.require_upstream_step_success
        templates = self.plan.templates
        return frozenset(
            [
                index
                for index in self.plan.dynamic_templates
                if is_eager or templates[index].op.streams
            ]
        )

    def with_run_plan(self) -> RunSpec:
        """Return the run with its own copy of a plan that grows."""
        plan = self.plan
        return replace(self, plan=RunPlan(plan)) if plan.is_dynamic else self

    def choose_placement(self, capacity: Capacity) -> Placement:
        """Return the placement of the run on a Ray with ``capacity``."""
        settings = self.config.execution
        return choose_placement(
            self.plan,
            capacity,
            run_id=self.info.run_id,
            max_concurrent=settings.max_concurrent,
            tag_limits=settings.tag_limits,
            runtime_env=settings.runtime_env,
        )


class Batch(NamedTuple):
    """Calls for one worker, one at a time, until the budget is spent."""

    #: A number that no other batch of the run has.
    id: int
    #: The calls, in order.
    calls: tuple[Call, ...]
    #: The budget, in seconds.
    budget: float = BATCH_BUDGET_S


def regroup(values: Iterator[Any], shape: ListShape, absent: Any) -> list[Any]:
    """Return ``values`` as the nested lists of a fan-in's shape, without ``absent`` ones."""
    grouped: list[Any] = []
    for part in shape:
        if part is None:
            value = next(values)
            if value is not absent:
                grouped.append(value)
        elif isinstance(part, int):
            grouped.append([value for value in islice(values, part) if value is not absent])
        else:
            grouped.append(regroup(values, part, absent))
    return grouped


def gather_inputs(
    step: Step,
    from_step: Callable[[int, str], Any],
    from_config: Callable[[FromConfig], Any],
    absent: Any,
) -> dict[str, Any]:
    """Return the inputs of a step by name, without those that fall back to their default.

    ``from_step(step, output)`` returns the value or reference of an output, and
    ``from_config(source)`` a value of run config. Both return ``absent`` for no value; a fan-in
    drops these.
    """

    def find(source: FromStep | FromConfig) -> Any:
        return (
            from_step(source.step, source.output)
            if isinstance(source, FromStep)
            else from_config(source)
        )

    inputs: dict[str, Any] = {}
    for step_input in step.inputs:
        if step_input.is_nothing:
            continue
        if step_input.is_fan_in:
            values = map(find, step_input.sources)
            if step_input.shape is not None:
                inputs[step_input.name] = regroup(values, step_input.shape, absent)
            else:
                inputs[step_input.name] = [value for value in values if value is not absent]
            continue
        value = find(step_input.sources[0])
        if value is not absent:
            inputs[step_input.name] = value
        elif isinstance(step_input.sources[0], FromStep):
            raise InputError(
                f'the value of input "{step_input.name}" is not there: it was dropped, or never '
                "came"
            )
    return inputs
