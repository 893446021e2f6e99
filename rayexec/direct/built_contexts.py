"""Contexts for direct calls of hooks, resources and loggers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rayexec.definitions.called_op import CalledOp
from rayexec.definitions.contexts import InitResourceContext
from rayexec.definitions.hook_context import HookContext
from rayexec.definitions.invocation import PendingNodeInvocation
from rayexec.definitions.loggers.logger import InitLoggerContext
from rayexec.definitions.metadata.metadata_value import MetadataValue
from rayexec.definitions.op import OpDefinition
from rayexec.definitions.resource import ResourceDefinition
from rayexec.definitions.surroundings import Resources, RunInfo, ephemeral_run
from rayexec.direct.opened_resources import OpenedResources, OpensResources
from rayexec.errors import DefinitionError, InvariantError
from rayexec.store.instance import DagsterInstance

__all__ = [
    "DirectHookContext",
    "DirectInitResourceContext",
    "build_hook_context",
    "build_init_logger_context",
    "build_init_resource_context",
]


class DirectHookContext(OpensResources, HookContext):
    """Context for direct calls of hooks."""

    def __init__(
        self, given: Mapping[str, Any] | None, instance: Any, *, run: RunInfo, **facts: Any
    ) -> None:
        super().__init__(run=run, **facts)
        self._instance = instance
        self._opened = OpenedResources(given, None, run)

    @property
    def resources(self) -> Any:
        """The open resources; raises InvariantError outside of ``with`` if one is to be closed."""
        return self.opened_resources("build_hook_context")

    @resources.setter
    def resources(self, _none: Resources) -> None: ...

    def for_hook(self, hook_def: Any) -> HookContext:
        """Return this context for a hook that is called with it."""
        own = super().for_hook(hook_def)
        own.__dict__["_owns_resources"] = False
        return own

    @property
    def instance(self) -> Any:
        """The instance given; raises InvariantError without one."""
        if self._instance is None:
            raise InvariantError("build_hook_context got no instance: give it one.")
        return self._instance


def build_hook_context(
    resources: Mapping[str, Any] | None = None,
    op: OpDefinition | PendingNodeInvocation | None = None,
    run_id: str | None = None,
    job_name: str | None = None,
    op_exception: BaseException | None = None,
    instance: Any = None,
    *,
    op_output_values: Mapping[str, Any] | None = None,
    op_output_metadata: Mapping[str, Mapping[str, MetadataValue]] | None = None,
) -> DirectHookContext:
    """Return a context for unit tests of a hook, which the hook is called with.

    ``resources`` are objects or resources by key, and open now; if one of them is to be closed, use
    the context in a ``with`` statement. ``op`` is an op, possibly with an alias and tags. Raises
    ResourceError for a resource that fails to open.
    """
    called = None if op is None else CalledOp.of_call(op)
    return DirectHookContext(
        resources,
        instance,
        run=ephemeral_run(run_id=run_id, job_name=job_name),
        step_key="ephemeral" if called is None else called.name,
        op=called,
        op_exception=op_exception,
        op_output_values=op_output_values,
        op_output_metadata=op_output_metadata,
    )


class DirectInitResourceContext(OpensResources, InitResourceContext):
    """Context for direct calls of resources."""

    def __init__(self, config: Any, resources: Mapping[str, Any] | None, instance: Any) -> None:
        super().__init__(resource_config=config, instance=instance or DagsterInstance.ephemeral())
        if config is None:  # in the function of a resource without config it is None again
            self.resource_config = {}
        self._given = resources
        self._opened = OpenedResources(resources, None, ephemeral_run())

    def bound_to(self, resource: ResourceDefinition, config: Any) -> InitResourceContext:
        """Return the context of one call of ``resource`` with its resolved config.

        Raises DefinitionError for a missing resource.
        """
        missing = sorted(resource.required_resource_keys - set(self._opened.definitions))
        if missing:
            raise DefinitionError(
                f"the resource requires resource {missing[0]!r}: give it in "
                f"build_init_resource_context(resources={{…}})."
            )
        return _BoundInitResourceContext(self, resource, config)

    def replace_config(self, config: Any) -> DirectInitResourceContext:
        """Return a copy with other config."""
        return DirectInitResourceContext(config, self._given, self._instance)

    @property
    def resources(self) -> Any:
        """The open resources; raises InvariantError outside of ``with`` if one is to be closed."""
        return self.opened_resources("build_init_resource_context")

    @resources.setter
    def resources(self, _none: Resources) -> None: ...

    @property
    def resource_def(self) -> ResourceDefinition:
        """Raises InvariantError: no resource is called yet."""
        raise InvariantError("this context is of no resource yet: call a resource with it.")


class _BoundInitResourceContext(InitResourceContext):
    """Context of one direct call of a resource."""

    def __init__(
        self, given: DirectInitResourceContext, resource: ResourceDefinition, config: Any
    ) -> None:
        needed = {key: getattr(given.resources, key) for key in given.resources._asdict()}
        super().__init__(
            resource_config=config,
            resources=Resources(needed),
            resource_def=resource,
            instance=given.instance,
        )
        self.log = given.log


def build_init_resource_context(
    config: Any = None, resources: Mapping[str, Any] | None = None, instance: Any = None
) -> DirectInitResourceContext:
    """Return a context for unit tests of a resource, which the resource is called with.

    ``resources`` are objects or resources by key, and open now; if one of them is to be closed, use
    the context in a ``with`` statement. Raises ResourceError for one that fails to open.
    """
    return DirectInitResourceContext(config, resources, instance)


def build_init_logger_context(logger_config: Any = None, job_def: Any = None) -> InitLoggerContext:
    """Return a context for unit tests of a logger, which the logger is called with."""
    return InitLoggerContext(logger_config, None, job_def, ephemeral_run().run_id)
