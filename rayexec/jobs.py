"""Jobs and graphs as users make and run them: the decorators, and the objects they return."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, overload

from rayexec.definitions.executor import ExecutorDefinition, default_executor
from rayexec.definitions.graph import GraphDefinition, compose
from rayexec.definitions.hooks import HookDefinition, Hooked, hook_set
from rayexec.definitions.invocation import PendingInvocation
from rayexec.definitions.job import JobDefinition
from rayexec.definitions.logger import LoggerDefinition
from rayexec.definitions.ports import GraphOut
from rayexec.definitions.resource import resource_definition
from rayexec.definitions.retry import RetryPolicy
from rayexec.definitions.tags import normalize_tags
from rayexec.errors import DefinitionError, InvocationError
from rayexec.names import check_name, nearest

if TYPE_CHECKING:
    from rayexec.execute import RunResult

__all__ = ["Graph", "Job", "graph", "job", "reconstructable", "to_job"]

# The methods that run a job import ``rayexec.execute`` when they are called: a module that only
# declares jobs, on a worker too, is imported without it.


class Job(JobDefinition):
    """A job to run, made by ``@job`` or by ``to_job`` of a graph."""

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
    ) -> RunResult:
        """Run every step in this process, one after another, and return the RunResult.

        The run ignores the job's executor and any ``execution`` config. With ``raise_on_error`` the
        first error of an op is raised, and the run stops there.
        """
        from rayexec.execute import execute_in_process

        return execute_in_process(
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
    ) -> RunResult:
        """Run the job on its executor, by default Ray on this machine, and return the RunResult."""
        from rayexec.execute import execute_job

        return execute_job(
            self,
            run_config,
            op_selection=op_selection,
            tags=tags,
            raise_on_error=raise_on_error,
            address=address,
            **options,
        )

    def with_hooks(self, hook_defs: Iterable[HookDefinition]) -> Job:
        """Return a copy that also runs ``hook_defs`` for every op."""
        where = f"job {self.name!r}"
        return replace(self, hooks=hook_set((*self.hooks, *hook_set(hook_defs, where)), where))

    def __call__(self, *_args: Any, **_kwargs: Any) -> Any:
        raise InvocationError(
            f"job {self.name!r} was called; run it by {self.name}.execute_in_process() or "
            f"{self.name}.execute()."
        )


class Graph(GraphDefinition):
    """A graph made by ``@graph``: a part of other graphs, or of a job made by ``to_job``."""

    def pending(self) -> CalledGraph:
        """Return this graph for one call or for a job, with nothing of its own yet."""
        return CalledGraph(self)

    def to_job(self, **settings: Any) -> Job:
        """Return a job around this graph; accepts the keywords of ``@job``."""
        return to_job(self, **settings)

    def execute_in_process(
        self, run_config: Any = None, *, resources: Mapping[str, Any] | None = None, **options: Any
    ) -> RunResult:
        """Run the graph as a job in this process, as ``Job.execute_in_process`` does."""
        return self.to_job(resource_defs=resources).execute_in_process(run_config, **options)


class CalledGraph(PendingInvocation, Hooked):
    """A graph with an alias, tags, hooks or a retry policy, for a call or as a job of its own."""

    definition: Graph

    def to_job(
        self,
        name: str | None = None,
        *,
        tags: Mapping[str, Any] | None = None,
        hooks: Iterable[HookDefinition] | None = None,
        op_retry_policy: RetryPolicy | None = None,
        **settings: Any,
    ) -> Job:
        """Return a job around the graph, as ``Graph.to_job`` does.

        The alias is its name, and the settings of the call are the job's.
        """
        where = f"job {name or self.name or self.definition.name!r}"
        return to_job(
            self.definition,
            name=name or self.name,
            tags={**self.tags, **(tags or {})},
            hooks=(*self.hooks, *hook_set(hooks, where)),
            op_retry_policy=op_retry_policy or self.retry_policy,
            **settings,
        )

    def execute_in_process(
        self, run_config: Any = None, *, resources: Mapping[str, Any] | None = None, **options: Any
    ) -> RunResult:
        """Run the graph as a job in this process, as ``Job.execute_in_process`` does."""
        return self.to_job(resource_defs=resources).execute_in_process(run_config, **options)


@overload
def graph(fn: Callable[..., Any], /) -> Graph: ...
@overload
def graph(
    *,
    name: str | None = ...,
    description: str | None = ...,
    out: GraphOut | Mapping[str, GraphOut] | None = ...,
    ins: Mapping[str, Any] | None = ...,
) -> Callable[[Callable[..., Any]], Graph]: ...
def graph(
    fn: Callable[..., Any] | None = None,
    /,
    *,
    name: str | None = None,
    description: str | None = None,
    out: GraphOut | Mapping[str, GraphOut] | None = None,
    ins: Mapping[str, Any] | None = None,
) -> Graph | Callable[[Callable[..., Any]], Graph]:
    """Make a graph of a function; its body calls ops and graphs, and runs once, now."""

    def decorate(fn: Callable[..., Any]) -> Graph:
        label = check_name(name or getattr(fn, "__name__", None), "a graph")
        parameters = inspect.signature(fn).parameters
        for input_name in ins or ():
            if input_name not in parameters:
                raise DefinitionError(
                    f"graph {label!r}: ins names {input_name!r}, which is not a parameter of the "
                    f"body."
                )
        return compose(Graph, fn, kind="graph", name=label, description=description, out=out)

    return decorate if fn is None else decorate(fn)


@overload
def job(fn: Callable[..., Any], /) -> Job: ...
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
) -> Callable[[Callable[..., Any]], Job]: ...
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
) -> Job | Callable[[Callable[..., Any]], Job]:
    """Make a job of a function; its body calls ops and graphs, and runs once, now."""

    def decorate(fn: Callable[..., Any]) -> Job:
        label = check_name(name or getattr(fn, "__name__", None), "a job")
        return to_job(
            compose(Graph, fn, kind="job", name=label, description=description),
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
) -> Job:
    """Return a job around ``graph``; raises DefinitionError for wrong settings."""
    label = check_name(name or graph.name, "a job")
    where = f"job {label!r}"
    if op_retry_policy is not None and not isinstance(op_retry_policy, RetryPolicy):
        raise DefinitionError(
            f"{where}: op_retry_policy must be a RetryPolicy, got {type(op_retry_policy).__name__}."
        )
    if executor_def is not None and not isinstance(executor_def, ExecutorDefinition):
        raise DefinitionError(
            f"{where}: executor_def must be one of in_process_executor, multiprocess_executor and "
            f"ray_executor, got {type(executor_def).__name__}."
        )
    for key, definition in (logger_defs or {}).items():
        if not isinstance(definition, LoggerDefinition):
            raise DefinitionError(
                f"{where}: logger {key!r} must be what @logger makes, got "
                f"{type(definition).__name__}."
            )
    for input_name in input_values or {}:
        if input_name not in graph.inputs:
            raise DefinitionError(
                f"{where}: input_values names {input_name!r}; its inputs are "
                f"{', '.join(graph.inputs) or 'none'}.{nearest(input_name, graph.inputs)}"
            )
    job_tags = normalize_tags(tags, where)
    return Job(
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


def reconstructable(job: Job) -> Job:
    """Return ``job`` itself.

    Dagster wants a job wrapped so that other processes can load it; rayexec does not.
    """
    if not isinstance(job, Job):
        raise DefinitionError(f"reconstructable takes a job, got {type(job).__name__}.")
    return job
