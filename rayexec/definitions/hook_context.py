"""Contexts of hooks: the step that has ended, and its result."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rayexec.definitions.called_op import CalledOp
from rayexec.definitions.config_models import as_data
from rayexec.definitions.surroundings import (
    NO_RESOURCES,
    OwnRunInfo,
    Resources,
    RunInfo,
    StepLog,
    no_instance,
)
from rayexec.errors import InvariantError

__all__ = ["HookContext"]


class HookContext:
    """Context of a hook: the step before it, and its result.

    ``op_exception`` is the error of a failed step, otherwise None. ``op_output_values`` and
    ``op_output_metadata`` are by output; those of a dynamic output are by mapping key below it.
    """

    def __init__(
        self,
        *,
        run: RunInfo,
        step_key: str,
        op: CalledOp | None,
        hook_def: Any = None,
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
        self._op = op
        self._hook_def = hook_def
        #: The config of the op as data: of a Config class, a dict of its fields.
        self.op_config = as_data(op_config)
        self.op_exception = op_exception
        self.op_output_values: dict[str, Any] = dict(op_output_values or {})
        #: MetadataValues by key.
        self.op_output_metadata: dict[str, Any] = dict(op_output_metadata or {})
        self.resources = resources or NO_RESOURCES
        self.log = log or StepLog()

    @property
    def op(self) -> CalledOp:
        """The op under its name in the graph; raises InvariantError in a test without one."""
        if self._op is None:
            raise InvariantError("this context has no op: give one to build_hook_context(op=…).")
        return self._op

    @property
    def instance(self) -> Any:
        """Raises UnsupportedError in a run: a step has no access to the store of its run."""
        raise no_instance()

    @property
    def hook_def(self) -> Any:
        """The HookDefinition that runs; raises InvariantError outside of one."""
        if self._hook_def is None:
            raise InvariantError("this context belongs to no hook: call a hook with it.")
        return self._hook_def

    @property
    def hook_name(self) -> str:
        """The name of the hook that runs."""
        return str(self.hook_def.name)

    @property
    def required_resource_keys(self) -> frozenset[str]:
        """The keys of the resources that the hook requires."""
        return frozenset(self.hook_def.required_resource_keys)

    def for_hook(self, hook_def: Any) -> HookContext:
        """Return this context for a hook that is called with it, in a unit test."""
        own = object.__new__(type(self))
        own.__dict__.update(self.__dict__, _hook_def=hook_def)
        return own
