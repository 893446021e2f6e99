"""Jobs: a graph with everything that it takes to run it."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, overload

from rayexec.definitions.executor import ExecutorDefinition, default_executor
from rayexec.definitions.graph import GraphDefinition, compose
from rayexec.definitions.hooks import HookDefinition, hook_set
from rayexec.definitions.logger import LoggerDefinition
from rayexec.definitions.resource import ResourceDefinition, resource_definition
from rayexec.definitions.retry import RetryPolicy
from rayexec.definitions.tags import normalize_tags
from rayexec.errors import DefinitionError, InvocationError
from rayexec.names import check_name, nearest

__all__ = ["JobDefinition", "job", "reconstructable", "to_job"]


def _execute() -> Any:
    # Definitions lie below execution and do not import it; these doors look it up when they are
    # used.
    return importlib.import_module("rayexec.execute")


@dataclass(frozen=True, eq=False)
class JobDefinition:
    """A graph with its resources, default config, tags, hooks, retry policy and executor.

    ``config`` is run config (a mapping or a RunConfig) that stands where a run gives none.
    ``run_tags`` are the tags that runs get; not given, they are ``tags``.
    """

    name: str
    graph: GraphDefinition
    description: str | None = None
    config: Any = None
    tags: Mapping[str, str] = field(default_factory=dict)
    run_tags: Mapping[str, str] = field(default_factory=dict)
    resource_defs: Mapping[str, ResourceDefinition] = field(default_factory=dict)
    logger_defs: Mapping[str, LoggerDefinition] = field(default_factory=dict)
    hooks: tuple[HookDefinition, ...] = ()
    op_retry_policy: RetryPolicy | None = None
    executor_def: ExecutorDefinition = default_executor
    input_values: Mapping[str, Any] = field(default_factory=dict)

    def execute_in_process(
        self,
        run_config: Any = None,
        *,
        raise_on_error: bool = True,
        op_selection: Sequence[str] | None = None,
        run_id: str | None = None,
        input_values: Mapping[str, Any] | None = None,
        tags: Mapping[str, Any] | None = None,
        resources: Mapping[str, Any] | None = None,
    ) -> Any:
        """Run every step in this process, one after another, and return the RunResult.

        The job's executor and any ``execution`` config are left aside. With ``raise_on_error`` the
        op's own exception is raised, and the run stops there.
        """
        return _execute().execute_in_process(
            self,
            run_config,
            raise_on_error=raise_on_error,
            op_selection=op_selection,
            run_id=run_id,
            input_values=input_values,
            tags=tags,
            resources=resources,
        )

    def execute(
        self,
        run_config: Any = None,
        *,
        op_selection: Sequence[str] | None = None,
        tags: Mapping[str, Any] | None = None,
        raise_on_error: bool = False,
        address: str | None = None,
        **options: Any,
    ) -> Any:
        """Run the job on its executor (not given one: Ray on this machine) and return the
        RunResult.
        """
        return _execute().execute_job(
            self,
            run_config,
            op_selection=op_selection,
            tags=tags,
            raise_on_error=raise_on_error,
            address=address,
            **options,
        )

    def with_hooks(self, hooks: Iterable[HookDefinition]) -> JobDefinition:
        """Return a copy whose every op also runs ``hooks``."""
        return replace(self, hooks=hook_set((*self.hooks, *hooks), f"job {self.name!r}"))

    def __call__(self, *_args: Any, **_kwargs: Any) -> Any:
        raise InvocationError(
            f"job {self.name!r} was called; run it by {self.name}.execute_in_process() or "
            f"{self.name}.execute()."
        )


@overload
def job(fn: Callable[..., Any], /) -> JobDefinition: ...
@overload
def job(
    *,
    name: str | None = ...,
    description: str | None = ...,
    config: Any = ...,
    tags: Mapping[str, Any] | None = ...,
    run_tags: Mapping[str, Any] | None = ...,
    resource_defs: Mapping[str, Any] | None = ...,
    logger_defs: Mapping[str, Any] | None = ...,
    hooks: Iterable[HookDefinition] | None = ...,
    op_retry_policy: RetryPolicy | None = ...,
    executor_def: ExecutorDefinition | None = ...,
    input_values: Mapping[str, Any] | None = ...,
) -> Callable[[Callable[..., Any]], JobDefinition]: ...
def job(
    fn: Callable[..., Any] | None = None,
    /,
    *,
    name: str | None = None,
    description: str | None = None,
    config: Any = None,
    tags: Mapping[str, Any] | None = None,
    run_tags: Mapping[str, Any] | None = None,
    resource_defs: Mapping[str, Any] | None = None,
    logger_defs: Mapping[str, Any] | None = None,
    hooks: Iterable[HookDefinition] | None = None,
    op_retry_policy: RetryPolicy | None = None,
    executor_def: ExecutorDefinition | None = None,
    input_values: Mapping[str, Any] | None = None,
) -> JobDefinition | Callable[[Callable[..., Any]], JobDefinition]:
    """Make a function whose body calls ops and graphs a job; the body runs once, now."""

    def decorate(fn: Callable[..., Any]) -> JobDefinition:
        label = check_name(name or getattr(fn, "__name__", None), "a job")
        return to_job(
            compose(fn, kind="job", name=label, description=description),
            config=config,
            tags=tags,
            run_tags=run_tags,
            resource_defs=resource_defs,
            logger_defs=logger_defs,
            hooks=hooks,
            op_retry_policy=op_retry_policy,
            executor_def=executor_def,
            input_values=input_values,
        )

    return decorate if fn is None else decorate(fn)


def to_job(
    graph: GraphDefinition,
    *,
    name: str | None = None,
    description: str | None = None,
    config: Any = None,
    tags: Mapping[str, Any] | None = None,
    run_tags: Mapping[str, Any] | None = None,
    resource_defs: Mapping[str, Any] | None = None,
    logger_defs: Mapping[str, Any] | None = None,
    hooks: Iterable[HookDefinition] | None = None,
    op_retry_policy: RetryPolicy | None = None,
    executor_def: ExecutorDefinition | None = None,
    input_values: Mapping[str, Any] | None = None,
) -> JobDefinition:
    """Return a job around ``graph``; raises DefinitionError for what does not fit it."""
    label = check_name(name or graph.name, "a job")
    where = f"job {label!r}"
    if op_retry_policy is not None and not isinstance(op_retry_policy, RetryPolicy):
        raise DefinitionError(
            f"{where}: op_retry_policy must be a RetryPolicy, got {type(op_retry_policy).__name__}."
        )
    if executor_def is not None and not isinstance(executor_def, ExecutorDefinition):
        raise DefinitionError(
            f"{where}: executor_def must be one of in_process_executor, multiprocess_executor and "
            f"ray_executor, got "
            f"{type(executor_def).__name__}."
        )
    for key, each in (logger_defs or {}).items():
        if not isinstance(each, LoggerDefinition):
            raise DefinitionError(
                f"{where}: logger {key!r} must be what @logger makes, got {type(each).__name__}."
            )
    for given in input_values or {}:
        if given not in graph.inputs:
            raise DefinitionError(
                f"{where}: input_values names {given!r}; its inputs are "
                f"{', '.join(graph.inputs) or 'none'}."
                f"{nearest(given, graph.inputs)}"
            )
    job_tags = normalize_tags(tags, where)
    return JobDefinition(
        name=label,
        graph=graph,
        description=description or graph.description,
        config=config,
        tags=job_tags,
        run_tags=job_tags if run_tags is None else normalize_tags(run_tags, where),
        resource_defs={
            key: resource_definition(each) for key, each in (resource_defs or {}).items()
        },
        logger_defs=dict(logger_defs or {}),
        hooks=hook_set(hooks, where),
        op_retry_policy=op_retry_policy,
        executor_def=executor_def or default_executor,
        input_values=dict(input_values or {}),
    )


def reconstructable(job: JobDefinition) -> JobDefinition:
    """Return ``job`` itself: Dagster wants a job wrapped so that other processes can load it,
    rayexec does not.
    """
    if not isinstance(job, JobDefinition):
        raise DefinitionError(f"reconstructable takes a job, got {type(job).__name__}.")
    return job
