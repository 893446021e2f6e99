"""Keeping, when a run did not succeed, the values that one which goes on from it will need."""

from __future__ import annotations

from rayexec.engine.base import Engine
from rayexec.engine.packed_values import is_lasting
from rayexec.errors import StoreError
from rayexec.run.spec import RunSpec
from rayexec.scheduler.machine import Machine
from rayexec.scheduler.resumption import wanted_values

__all__ = ["keep_values"]

_PATIENCE = (
    3  # values that cannot be had, after which the rest is not asked for: each may take seconds
)


def keep_values(spec: RunSpec, machine: Machine, engine: Engine) -> list[str]:
    """Store what steps yielded that others, which did not succeed, take; return what went wrong, in
    words.

    What is stored already, as it was made or with the run from which this one went on, is left
    where it is.
    """
    value_storage = spec.value_storage
    wanted = wanted_values(spec.plan, machine.status)
    if value_storage is None or not wanted:
        return []
    problems: list[str] = []
    durable, plan = spec.durable_templates, spec.plan
    try:
        writer = value_storage.writer()
        try:
            for step, names in wanted.items():
                if step in machine.taken_over or plan.template_of[step] in durable:
                    continue
                outputs = machine.outputs_of(step)
                found = {}
                for record in outputs:
                    if names is None or record.name in names:
                        try:
                            packed = engine.packed(step, record.name)
                            if is_lasting(packed):
                                found[record.name] = packed
                        except (
                            KeyError
                        ):  # it was dropped, since nothing that was known then would take it
                            continue
                        except (
                            Exception
                        ) as error:  # what is lost, or cannot be pickled, is made again
                            what = f'output "{record.name}" of step "{plan.steps[step].key}"'
                            problems.append(f"{what} is not kept for a resumed run: {error}")
                            if len(problems) >= _PATIENCE:
                                return problems
                if found:
                    writer.commit(plan.steps[step].key, machine.attempts[step], outputs, found)
        finally:
            writer.close()
    except StoreError as error:
        problems.append(f"Values are not kept for a resumed run: {error}")
    return problems
