"""Saving of values at the end of a run, for a resumed run."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from rayexec.engine.base import Engine
from rayexec.engine.packed_values import is_lasting
from rayexec.errors import StoreError
from rayexec.run.spec import RunSpec
from rayexec.scheduler.machine import Machine
from rayexec.scheduler.messages import StepStatus
from rayexec.scheduler.resumption import wanted_values

__all__ = ["save_values"]

_MOST_PROBLEMS = 3  # Each may take seconds; after so many the other values are left alone.


def save_values(spec: RunSpec, machine: Machine, engine: Engine) -> list[str]:
    """Store values for a resumed run; return the problems as messages.

    These are the inputs of unsuccessful steps, or all outputs with ``spec.saves_values``. The store
    already has values of durable ops and of the previous run.
    """
    storage = spec.value_storage
    wanted: Mapping[int, Collection[str] | None] = wanted_values(spec.plan, machine.status)
    if spec.saves_values:
        ends = enumerate(machine.status)
        wanted = {step: None for step, end in ends if end is StepStatus.SUCCESS}
    if storage is None or not wanted:
        return []
    problems: list[str] = []
    plan = spec.plan
    try:
        writer = storage.writer()
        try:
            for step, names in wanted.items():
                is_durable = plan.template_of[step] in spec.durable_templates
                if step in machine.taken_over or is_durable:
                    continue
                outputs = machine.outputs_of(step)
                values: dict[str, Any] = {}
                for record in outputs:
                    if names is not None and record.name not in names:
                        continue
                    try:
                        packed = engine.packed(step, record.name)
                        if is_lasting(packed):
                            values[record.name] = packed
                    except KeyError:  # It was dropped: at that time no step seemed to take it.
                        continue
                    except Exception as error:  # A lost value, or one that pickle does not know.
                        name = f'output "{record.name}" of step "{plan.steps[step].key}"'
                        problems.append(f"{name} is not stored for a resumed run: {error}")
                        if len(problems) >= _MOST_PROBLEMS:
                            return problems
                if values:
                    writer.commit(plan.steps[step].key, machine.attempts[step], outputs, values)
        finally:
            writer.close()
    except StoreError as error:
        problems.append(f"Values are not stored for a resumed run: {error}")
    return problems
