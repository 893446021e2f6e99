"""Contexts of hooks: the step that has ended, and its result."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rayexec.definitions.op import OpDefinition
from rayexec.definitions.surroundings import (
    NO_RESOURCES,
    OwnRunInfo,
    Resources,
    RunInfo,
    StepLog,
    ephemeral_run,
)

__all__ = ["HookContext", "build_hook_context"]


class HookContext:
    """Context of a hook: the step before it, and its result."""

    def __init__(
        self,
        *,
        run: RunInfo,
        step_key: str,
        op: OpDefinition | None,
        hook_name: str = "",
        op_config: Any = None,
        op_exception: BaseException | None = None,
        op_output_values: Mapping[str, Any] | None = None,
        resources: Resources | None = None,
        log: StepLog | None = None,
    ) -> None:
        self.run_id = run.run_id
        self.job_name = run.job_name
        self.run: RunInfo = OwnRunInfo(run)
        self.step_key = step_key
        self.op = op
        self.hook_name = hook_name
        self.op_config = op_config
        self.op_exception = op_exception
        self.op_output_values = dict(op_output_values or {})
        self.resources = resources or NO_RESOURCES
        self.log = log or StepLog()


def build_hook_context(
    *,
    op: OpDefinition | None = None,
    resources: Mapping[str, Any] | None = None,
    op_exception: BaseException | None = None,
    op_output_values: Mapping[str, Any] | None = None,
) -> HookContext:
    """Return a context for unit tests of a hook."""
    return HookContext(
        run=ephemeral_run(),
        step_key=op.name if op is not None else "ephemeral",
        op=op,
        op_exception=op_exception,
        op_output_values=op_output_values,
        resources=Resources(resources or {}),
    )
