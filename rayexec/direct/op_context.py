"""Contexts of ops that are called directly."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from rayexec.definitions.contexts import OpExecutionContext
from rayexec.definitions.invocation import PendingNodeInvocation
from rayexec.definitions.op import OpDefinition
from rayexec.definitions.ports import NO_DEFAULT
from rayexec.definitions.surroundings import NO_RESOURCES, Resources, StepLog, ephemeral_run
from rayexec.definitions.user_events import UserEvent
from rayexec.direct.direct_config import direct_config
from rayexec.direct.opened_resources import OpenedResources, OpensResources
from rayexec.errors import DefinitionError, InvariantError, InvocationError, UnsupportedError
from rayexec.store.instance import DagsterInstance

__all__ = ["DirectOpExecutionContext", "build_op_context"]


class _PrintedLog(StepLog):
    """A log that passes its lines on at once, to the logger that a run passes them to."""

    __slots__ = ()

    def log(
        self, level: int | str, msg: object, *args: object, exc_info: Any = None, **options: Any
    ) -> None:
        super().log(level, msg, *args, exc_info=exc_info, **options)
        line = self.lines[-1]
        _CONSOLE.log(line.level, "%s", line.message)


_CONSOLE = logging.getLogger("rayexec")

# Between two calls the context has no op.
_NO_OP: Any = None


class DirectOpExecutionContext(OpensResources, OpExecutionContext):
    """Context for direct calls of ops, one after another.

    It is bound to an op from the call until its result, or its last item, has been returned. The
    events and metadata of the last call stay.
    """

    def __init__(
        self,
        *,
        op_config: Any,
        resources: Mapping[str, Any] | None,
        resources_config: Mapping[str, Any] | None,
        run_tags: Mapping[str, str] | None,
        run_config: Mapping[str, Any] | None,
        retry_number: int,
        mapping_key: str | None,
        partition_key: str | None,
        instance: DagsterInstance | None,
    ) -> None:
        run = ephemeral_run(run_tags, run_config)
        step_key = "ephemeral" if mapping_key is None else f"ephemeral[{mapping_key}]"
        super().__init__(
            run=run,
            step_key=step_key,
            op_def=_NO_OP,
            op_config=op_config,
            resources=NO_RESOURCES,
            retry_number=retry_number,
            log=_PrintedLog(),
        )
        self._raw_config = op_config
        self._resources_config = resources_config
        self._run_config = run_config
        self._mapping = "" if mapping_key is None else f"[{mapping_key}]"
        self._partition_key = partition_key
        self._instance = instance
        self._from_arguments: list[OpenedResources] = []
        self._opened = OpenedResources(resources, resources_config, run)

    def bind(
        self, pending: PendingNodeInvocation, config: Any, resources: Mapping[str, Any]
    ) -> OpExecutionContext:
        """Bind the context to a call with the config and resources among its arguments.

        Raises InvocationError for a context that is bound, and for config or resources that the
        context has too; DefinitionError for a resource that nobody gives; ConfigError for wrong
        config.
        """
        op = pending.definition
        assert isinstance(op, OpDefinition)
        if self._op_def is not _NO_OP:
            raise InvocationError(
                f"this context is in use by op {self._op_def.name!r}: let it return its last item "
                f"first, or build a second context."
            )
        if config is not None and self._raw_config is not None:
            raise InvocationError(
                f"op {op.name!r} got its config twice: as an argument, and in the context."
            )
        if resources and self._opened.definitions:
            raise InvocationError(
                f"op {op.name!r} got resources twice: as arguments, and in the context."
            )
        opened = self.opened_resources("build_op_context")
        if resources:
            from_arguments = OpenedResources(resources, None, self._given_run)
            self._from_arguments.append(from_arguments)
            opened = from_arguments.resources
        self._check_resources(op, opened)
        owner = f"op {op.name!r}"
        self._given_config = direct_config(
            op, self._raw_config if config is None else config, owner
        )
        self._own_config = NO_DEFAULT
        self._resources = opened
        self._op_def = op
        self._tags = {**op.tags, **pending.tags}
        self._own_tags = None
        self.step_key = f"{pending.name or op.name}{self._mapping}"
        self._metadata, self._seen_outputs, self._events = {}, set(), []
        return self

    def _check_resources(self, op: OpDefinition, opened: Resources) -> None:
        parameters = op.parameters
        keys = op.required_resource_keys if parameters.context is not None else parameters.resources
        missing = sorted(key for key in keys if key not in opened._asdict())
        if missing:
            raise DefinitionError(
                f"op {op.name!r} requires resource {missing[0]!r}: give it in "
                f"build_op_context(resources={{…}})"
                + (", or as an argument." if missing[0] in parameters.resources else ".")
            )

    def unbind(self) -> None:
        """End the call."""
        self._op_def = _NO_OP
        self._given_config = self._raw_config
        self._own_config = NO_DEFAULT

    @property
    def is_bound(self) -> bool:
        """Whether an op runs with this context now."""
        return self._op_def is not _NO_OP

    @property
    def op_def(self) -> OpDefinition:
        """The definition of the op; raises InvariantError outside of its call."""
        if self._op_def is _NO_OP:
            raise InvariantError(
                "this context is bound to no op: build_op_context() has an op only while the op "
                "runs with it."
            )
        return self._op_def

    @property
    def config_argument(self) -> Any:
        """The config as the op's parameter takes it: of a Config class, an object."""
        return self._given_config

    @property
    def resources(self) -> Any:
        """The open resources, as attributes by key.

        Raises InvariantError outside of ``with`` if one of them has to be closed.
        """
        return self._resources if self.is_bound else self.opened_resources("build_op_context")

    @property
    def instance(self) -> DagsterInstance:
        """The instance that ``build_op_context`` got, or else one without runs, in memory."""
        if self._instance is None:
            self._instance = DagsterInstance.ephemeral()
        return self._instance

    @property
    def run_config(self) -> Mapping[str, Any]:
        """The run config given, or else that of the op's and the resources' config."""
        if self._run_config is not None:
            return self.run.run_config
        ops = (
            {"ops": {self.op_def.name: {"config": self.op_config}}}
            if self._raw_config is not None
            else {}
        )
        return {**ops, "resources": dict(self._resources_config or {})}

    @property
    def has_partition_key(self) -> bool:
        """Whether the context is for a partition."""
        return self._partition_key is not None or super().has_partition_key

    @property
    def partition_key(self) -> str:
        """The partition; raises InvariantError without one."""
        return super().partition_key if self._partition_key is None else self._partition_key

    def log_event(self, event: UserEvent) -> None:
        """Note an event for ``get_events``; raises InvariantError outside of an op's call."""
        _ = self.op_def
        super().log_event(event)

    def add_output_metadata(
        self,
        metadata: Mapping[str, Any],
        output_name: str | None = None,
        mapping_key: str | None = None,
    ) -> None:
        """Attach metadata to a future output, once; raises InvariantError for a second call."""
        stored_as = self._name_of_future(output_name, mapping_key)
        if stored_as in self._metadata:
            raise InvariantError(
                f"output {stored_as!r} of op {self.op_def.name!r} has metadata already: add all of "
                f"it in one call."
            )
        super().add_output_metadata(metadata, output_name, mapping_key)

    def get_events(self) -> Sequence[UserEvent]:
        """Return the events that the op logged by ``log_event`` in its last call."""
        return self._events

    def close_resources(self) -> None:
        """Close all resources."""
        self._opened.close()
        while self._from_arguments:
            self._from_arguments.pop().close()

    def __exit__(self, *_error: Any) -> None:
        self.close_resources()

    def __del__(self) -> None:
        if hasattr(self, "_opened"):  # no resource failed to open
            self.close_resources()


def build_op_context(
    resources: Mapping[str, Any] | None = None,
    op_config: Any = None,
    resources_config: Mapping[str, Any] | None = None,
    instance: DagsterInstance | None = None,
    config: Any = None,
    partition_key: str | None = None,
    partition_key_range: Any = None,
    mapping_key: str | None = None,
    run_tags: Mapping[str, str] | None = None,
    event_loop: Any = None,
    *,
    run_config: Mapping[str, Any] | None = None,
    retry_number: int = 0,
) -> DirectOpExecutionContext:
    """Return a context for unit tests of an op, which the op is called with.

    ``resources`` are objects or resources by key; resources open now, with their config in
    ``resources_config`` as below ``resources`` in run config. If one of them is to be closed, use
    the context in a ``with`` statement. ``op_config`` (or ``config``) is the op's config.
    ``mapping_key`` is that of a mapped step; below several dynamic outputs, ``"a,0"``.
    ``event_loop`` has no effect.

    Raises ResourceError for a resource that fails to open, and ConfigError for its wrong config.
    """
    if op_config is not None and config is not None:
        raise InvocationError("build_op_context takes op_config or config, not both.")
    if partition_key_range is not None:
        raise UnsupportedError(
            "ranges of partitions are not here: give partition_key.", feature="partition_key_range"
        )
    return DirectOpExecutionContext(
        op_config=config if op_config is None else op_config,
        resources=resources,
        resources_config=resources_config,
        run_tags=run_tags,
        run_config=run_config,
        retry_number=retry_number,
        mapping_key=mapping_key,
        partition_key=partition_key,
        instance=instance,
    )
