"""One run as data: everything that an engine must know to carry out its steps."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any, NamedTuple

from rayexec.config.run_config import ResolvedConfig
from rayexec.definitions.contexts import RunInfo
from rayexec.definitions.io_manager import manager_key
from rayexec.definitions.logger import InitLoggerContext
from rayexec.definitions.resource import ResourceDefinition, ResourceScope
from rayexec.errors import InputError
from rayexec.placement.capacity import Capacity
from rayexec.placement.choice import choose_placement
from rayexec.placement.limits import Placement
from rayexec.plan.base import Plan
from rayexec.plan.dynamic.run_plan import RunPlan
from rayexec.plan.model import Call, FromConfig, FromStep, ListShape, Step
from rayexec.run.cached_outputs import RunCache
from rayexec.run.previous_run import PreviousRun, ValueStorage

__all__ = ["BATCH_BUDGET_S", "Batch", "Call", "RunSpec", "gather_inputs", "regroup"]


# seconds that a batch may take before it comes back; bounds what it can hide from other workers
BATCH_BUDGET_S = 0.1


@dataclass(frozen=True, slots=True)
class RunSpec:
    """A run: its plan, its config, the resources that its steps may ask for, and what its loggers
    are made of.

    ``value_storage`` is where values are stored that outlive the run, None where nothing is;
    ``previous_run`` is an earlier run from which this one goes on. ``run_cache`` has what its cached
    ops yielded in earlier runs, None where it has no such ops or nothing is kept.
    """

    plan: Plan
    info: RunInfo
    config: ResolvedConfig
    resources: Mapping[str, ResourceDefinition]
    loggers: Mapping[str, InitLoggerContext] = field(default_factory=dict)
    value_storage: ValueStorage | None = None
    previous_run: PreviousRun | None = None
    run_cache: RunCache | None = None

    @property
    def durable_templates(self) -> frozenset[int]:
        """The places of templates whose outputs are stored as they are made."""
        if self.value_storage is None:
            return frozenset()
        is_all, templates = self.config.execution.durable, self.plan.templates
        return frozenset(
            [place for place, each in enumerate(templates) if is_all or each.op.durable]
        )

    def needed_resources(self) -> set[str]:
        """Return the keys that the ops of the plan and their hooks name, and those of managers of
        inputs and outputs.

        What those resources require is not in it.
        """
        needed: set[str] = set()
        for template in self.plan.templates:
            outs, ins = template.op.outs.values(), template.op.ins.values()
            managers = [
                *(manager_key(out, self.resources) for out in outs),
                *(each.input_manager_key for each in ins),
            ]
            needed.update(key for key in managers if key is not None)
            needed.update(
                template.op.required_resource_keys,
                *(each.required_resource_keys for each in template.hooks),
            )
        return needed

    def worker_resource_keys(self) -> list[str]:
        """Return the keys of resources that worker processes keep open for the run, if a step comes
        to need them.
        """
        seen = self.needed_resources()
        left = list(seen)
        for key in left:
            more = self.resources[key].required_resource_keys - seen
            seen |= more
            left += more
        found = {key: self.resources[key] for key in left}
        return sorted(
            key
            for key, each in found.items()
            if each.scope is ResourceScope.WORKER and not each.is_constant
        )

    @property
    def streaming_templates(self) -> frozenset[int]:
        """The places of templates whose dynamic outputs are handed on while their ops are still
        yielding.
        """
        is_eager = not self.config.execution.require_upstream_step_success
        templates = self.plan.templates
        return frozenset(
            [each for each in self.plan.dynamic_templates if is_eager or templates[each].op.streams]
        )

    def begin(self) -> RunSpec:
        """Return the run with a plan of its own, where that is to grow."""
        plan = self.plan
        return replace(self, plan=RunPlan(plan)) if plan.is_dynamic else self

    def choose_placement(self, capacity: Capacity) -> Placement:
        """Choose who holds each limit of the run on a Ray with ``capacity``."""
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
    """Calls that one worker makes one after another, until its budget (seconds) is spent."""

    id: int
    calls: tuple[Call, ...]
    budget: float = BATCH_BUDGET_S


def regroup(values: Iterator[Any], shape: ListShape, absent: Any) -> list[Any]:
    """Return the list of lists that ``values`` make up by a fan-in's shape, without those that are
    ``absent``.
    """
    found: list[Any] = []
    for each in shape:
        if each is None:
            value = next(values)
            if value is not absent:
                found.append(value)
        elif isinstance(each, int):
            found.append([value for value in islice(values, each) if value is not absent])
        else:
            found.append(regroup(values, each, absent))
    return found


def gather_inputs(
    step: Step,
    from_step: Callable[[int, str], Any],
    from_config: Callable[[FromConfig], Any],
    absent: Any,
) -> dict[str, Any]:
    """Return what each input of ``step`` holds, a list for a fan-in; inputs left to their default
    are left out.

    ``from_step(step, output)`` returns the value or reference behind an output,
    ``from_config(source)`` that of a value which run config gave; both return ``absent`` where
    there is none (a fan-in drops those).
    """

    def find(source: FromStep | FromConfig) -> Any:
        return (
            from_step(source.step, source.output)
            if isinstance(source, FromStep)
            else from_config(source)
        )

    found: dict[str, Any] = {}
    for each in step.inputs:
        if each.is_nothing:
            continue
        if each.is_fan_in:
            values = map(find, each.sources)
            if each.shape is not None:
                found[each.name] = regroup(values, each.shape, absent)
            else:
                found[each.name] = [value for value in values if value is not absent]
            continue
        value = find(each.sources[0])
        if value is not absent:
            found[each.name] = value
        elif isinstance(each.sources[0], FromStep):
            raise InputError(
                f'the value of input "{each.name}" is not there: it was dropped, or never came'
            )
    return found
