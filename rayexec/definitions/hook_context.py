"""Contexts of hooks: the step that has ended, and its result."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rayexec.definitions.config_models import as_data
from rayexec.definitions.hooks import HookDefinition
from rayexec.definitions.invocation import Invocation
from rayexec.definitions.op import OpDefinition
from rayexec.definitions.surroundings import (
    NO_RESOURCES,
    OwnRunInfo,
    Resources,
    RunInfo,
    StepLog,
)
from rayexec.errors import InvariantError

__all__ = ["HookContext"]


class HookContext:
    """Context of a hook: the step before it, and its result.

    ``op`` is the node of the step, with its ``name`` (the alias), ``tags`` and ``definition``.
    ``op_output_values`` and ``op_output_metadata`` are by output; of a dynamic output, a dict by
    mapping key.
    """

    def __init__(
        self,
        *,
        run: RunInfo,
        step_key: str,
        op: Invocation[OpDefinition] | None,
        hook_def: HookDefinition | None = None,
        op_config: Any = None,
        op_exception: BaseException | None = None,
        op_output_values: Mapping[str, Any] | None = None,
        op_output_metadata: Mapping[str, Any] | None = None,
        resources: Resources | None = None,
        log: StepLog | None = None,
    ) -> None:
        self.run_id = run.run_id
        self.job_name = run.job_name
        self.run: RunInfo = OwnRunInfo(run)
        self.step_key = step_key
        self.op = op
        self._hook_def = hook_def
        self.op_config = as_data(op_config)
        self.op_exception = op_exception
        self.op_output_values = dict(op_output_values or {})
        self.op_output_metadata = dict(op_output_metadata or {})
        self.resources = resources or NO_RESOURCES
        self.log = log or StepLog()

    @property
    def hook_def(self) -> HookDefinition:
        """The hook; raises InvariantError for a context that no hook has yet."""
        if self._hook_def is None:
            raise InvariantError("this context is not that of a hook yet: call the hook with it.")
        return self._hook_def

    @property
    def hook_name(self) -> str:
        """The name of the hook."""
        return self.hook_def.name

    @property
    def required_resource_keys(self) -> frozenset[str]:
        """The keys of the resources that the hook requires."""
        return self.hook_def.required_resource_keys
