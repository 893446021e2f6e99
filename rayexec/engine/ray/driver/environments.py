"""Environments of a run and of single ops (``runtime_env``): whether Ray takes them, and whose one
is in words.
"""

from __future__ import annotations

from rayexec.errors import EngineError
from rayexec.placement.limits import Placement
from rayexec.plan.base import Plan
from rayexec.plan.model import Template

__all__ = ["check_environments", "whose_environment"]


def whose_environment(template: Template) -> str:
    """Return where the environment of an op's steps was given."""
    if template.op.ray_options.runtime_env:
        return f"op {template.op.name!r} (ray_options)"
    return "the run (execution.config.ray.runtime_env)"


def check_environments(plan: Plan, placement: Placement) -> None:
    """Raise EngineError for an environment that Ray refuses to send with a task, such as one with
    local directories.
    """
    import ray

    for number, each in enumerate(placement.classes):
        if not each.request.runtime_env:
            continue
        try:
            ray.remote(_nothing).options(runtime_env=dict(each.request.runtime_env))
        except (
            Exception
        ) as error:  # whatever Ray has against it, and what it meets when it reads files
            known = [
                plan.templates[step.template]
                for step in plan.steps
                if placement.class_of[step.index] == number
            ]
            known += [
                plan.templates[node.template]
                for node, found in zip(plan.mapped_nodes, placement.class_of_mapped, strict=True)
                if found == number
            ]
            raise EngineError(
                f"Ray does not take the runtime_env of {whose_environment(known[0])}: "
                f"{str(error).strip()}\n"
                "A local working_dir or py_modules can only be the whole run's "
                "(execution.config.ray.runtime_env), "
                "in a process that does not use Ray yet."
            ) from None


def _nothing() -> None:
    pass
