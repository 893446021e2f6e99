"""Runtime environments of a run and of single ops: Ray's verdict on them, and their owners."""

from __future__ import annotations

from rayexec.config.masking import without_env_values
from rayexec.errors import EngineError
from rayexec.placement.limits import Placement
from rayexec.plan.base import Plan
from rayexec.plan.model import Template

__all__ = ["check_environments", "environment_owner"]


def environment_owner(template: Template) -> str:
    """Return the owner of the runtime_env of an op's steps, in words."""
    if template.op.ray_options.runtime_env:
        return f"op {template.op.name!r} (ray_options)"
    return "the run (execution.config.ray.runtime_env)"


def check_environments(plan: Plan, placement: Placement) -> None:
    """Raise EngineError for a runtime_env that Ray refuses, such as a local directory."""
    import ray

    for index, scheduling_class in enumerate(placement.classes):
        runtime_env = scheduling_class.request.runtime_env
        if not runtime_env:
            continue
        try:
            ray.remote(_nothing).options(runtime_env=dict(runtime_env))
        except Exception as error:  # Ray's own, or one from reading files
            owner = environment_owner(_template_of_class(plan, placement, index))
            raise EngineError(
                f"Ray does not take the runtime_env of {owner}: "
                f"{without_env_values(str(error).strip(), runtime_env)}\n"
                "A local working_dir or py_modules can only be the whole run's "
                "(execution.config.ray.runtime_env), in a process that does not use Ray yet."
            ) from None


def _template_of_class(plan: Plan, placement: Placement, scheduling_class: int) -> Template:
    for step in plan.steps:
        if placement.class_of[step.index] == scheduling_class:
            return plan.templates[step.template]
    index = placement.class_of_mapped.index(scheduling_class)
    return plan.templates[plan.mapped_nodes[index].template]


def _nothing() -> None:
    pass
