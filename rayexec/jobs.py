"""Jobs and graphs as users make and run them: the decorators, and the objects they return."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, overload

from rayexec.definitions.decorated import named_like
from rayexec.definitions.executor import ExecutorDefinition, default_executor
from rayexec.definitions.graphs.dependencies import Dependency, InputMapping, OutputMapping
from rayexec.definitions.graphs.graph import GraphDefinition, compose, graph_config
from rayexec.definitions.graphs.job_definition import JobDefinition
from rayexec.definitions.graphs.wiring import wire
from rayexec.definitions.hooks import HookDefinition, Hooked, hook_set
from rayexec.definitions.invocation import PendingNodeInvocation
from rayexec.definitions.loggers.logger import LoggerDefinition
from rayexec.definitions.mapping import ConfigMapping
from rayexec.definitions.ports import GraphIn, GraphOut
from rayexec.definitions.retry import RetryPolicy
from rayexec.definitions.tags import normalize_tags
from rayexec.errors import DefinitionError, MisuseError
from rayexec.names import check_name

if TYPE_CHECKING:
    from rayexec.execute import ExecuteInProcessResult, JobExecutionResult
    from rayexec.store.instance import DagsterInstance

__all__ = ["Graph", "Job", "graph", "job", "to_job"]

# The methods that run a job import ``rayexec.execute`` when they are called: a module that only
# declares jobs, on a worker too, is imported without it.


class Job(JobDefinition):
    """A job to run, made by ``@job`` or by ``to_job`` of a graph."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.config is not None and not isinstance(self.config, (Mapping, ConfigMapping)):
            from rayexec.config.document import RunConfig

            if not isinstance(self.config, RunConfig):
                raise DefinitionError(
                    f"job {self.name!r}: config must be a mapping, a RunConfig or what "
                    f"@config_mapping makes, got {type(self.config).__name__}."
                )

    def with_executor_def(self, executor_def: ExecutorDefinition) -> Job:
        """Return a copy with another executor."""
        return replace(self, executor_def=executor_def)

    def with_logger_defs(self, logger_defs: Mapping[str, LoggerDefinition]) -> Job:
        """Return a copy with other loggers."""
        return replace(self, logger_defs=logger_defs)

    def with_metadata(self, metadata: Mapping[str, Any]) -> Job:
        """Return a copy with other metadata."""
        return replace(self, metadata=metadata)

    def with_top_level_resources(self, resource_defs: Mapping[str, Any]) -> Job:
        """Return a copy with more resources; those of the job win."""
        return replace(self, resource_defs={**resource_defs, **self.resource_defs})

    def get_definition(self) -> Job:
        """Return the job itself, for files that ask what ``reconstructable`` returns."""
        return self

    def get_subset(self, *, op_selection: Iterable[str] | None = None) -> Job:
        """Return a copy whose runs have only the ops of a selection; raises SelectionError."""
        from rayexec.plan import compile_job

        if not op_selection:
            return self
        clauses: Any = op_selection
        if isinstance(op_selection, (tuple, set, frozenset)):
            clauses = list(op_selection)
        plan = compile_job(self, clauses)
        return replace(self, op_selection=list(plan.ops_by_key) if self.op_selection else clauses)

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
        instance: DagsterInstance | None = None,
        partition_key: str | None = None,
        asset_selection: Any = None,
    ) -> ExecuteInProcessResult:
        """Run every step in this process, one after another, and return the result.

        The run ignores the job's executor and any ``execution`` config. With ``raise_on_error`` the
        first error of an op is raised, and the run stops there. The run is recorded in the store of
        ``instance``, if there is one.
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
            instance=instance,
            partition_key=partition_key,
            asset_selection=asset_selection,
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
    ) -> JobExecutionResult:
        """Run the job on its executor, by default Ray on this machine, and return the result."""
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
        added = hook_set(hook_defs, f"job {self.name!r}")
        return replace(self, hook_defs=(*self.hook_defs, *added))

    def __call__(self, *_args: Any, **_kwargs: Any) -> Any:
        raise MisuseError(
            f"job {self.name!r} was called like a function; run it by "
            f"{self.name}.execute_in_process() or {self.name}.execute()."
        )


class Graph(GraphDefinition):
    """A graph: a part of other graphs, or of a job made by ``to_job``.

    ``@graph`` makes one of a function. This class makes one of data: ``node_defs`` are the ops and
    graphs in it, ``dependencies`` has the source of each input of each node, and the mappings
    connect its own inputs and outputs. Raises DefinitionError for a contradiction.
    """

    def __init__(
        self,
        name: str,
        *,
        description: str | None = None,
        node_defs: Sequence[Any] | None = None,
        dependencies: Mapping[Any, Mapping[str, Dependency]] | None = None,
        input_mappings: Sequence[InputMapping] | None = None,
        output_mappings: Sequence[OutputMapping] | None = None,
        tags: Mapping[str, Any] | None = None,
        config: Any = None,
        **wired: Any,
    ) -> None:
        label = check_name(name, "a graph")
        where = f"graph {label!r}"
        if "nodes" not in wired:  # those of a body, or of a copy
            wired |= wire(label, node_defs, dependencies, input_mappings, output_mappings)._asdict()
        super().__init__(
            name=label,
            description=description,
            tags=normalize_tags(tags, where),
            config=graph_config(config, where),
            **wired,
        )

    def pending(self) -> CalledGraph:
        """Return this graph for one call or for a job, with nothing of its own yet."""
        return CalledGraph(self)

    def to_job(
        self,
        name: str | None = None,
        description: str | None = None,
        resource_defs: Mapping[str, Any] | None = None,
        config: Any = None,
        **settings: Any,
    ) -> Job:
        """Return a job around this graph; accepts the keywords of ``@job``."""
        return to_job(
            self,
            name=name,
            description=description,
            resource_defs=resource_defs,
            config=config,
            **settings,
        )

    def execute_in_process(
        self, run_config: Any = None, *, resources: Mapping[str, Any] | None = None, **options: Any
    ) -> ExecuteInProcessResult:
        """Run the graph as a job in this process, as ``Job.execute_in_process`` does."""
        return self.to_job(resource_defs=resources).execute_in_process(run_config, **options)


class CalledGraph(PendingNodeInvocation, Hooked):
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
    ) -> ExecuteInProcessResult:
        """Run the graph as a job in this process, as ``Job.execute_in_process`` does."""
        return self.to_job(resource_defs=resources).execute_in_process(run_config, **options)


@overload
def graph(fn: Callable[..., Any], /) -> Graph: ...
@overload
def graph(
    *,
    name: str | None = ...,
    description: str | None = ...,
    ins: Mapping[str, GraphIn] | None = ...,
    out: GraphOut | Mapping[str, GraphOut] | None = ...,
    tags: Mapping[str, Any] | None = ...,
    config: Any = ...,
) -> Callable[[Callable[..., Any]], Graph]: ...
def graph(
    fn: Callable[..., Any] | None = None,
    /,
    *,
    name: str | None = None,
    description: str | None = None,
    ins: Mapping[str, GraphIn] | None = None,
    out: GraphOut | Mapping[str, GraphOut] | None = None,
    tags: Mapping[str, Any] | None = None,
    config: Any = None,
) -> Graph | Callable[[Callable[..., Any]], Graph]:
    """Make a graph of a function; its body calls ops and graphs, and runs once, now.

    With ``config``, a ConfigMapping, run config gives the mapping's config for the graph instead of
    config for its nodes.
    """

    def decorate(fn: Callable[..., Any]) -> Graph:
        label = check_name(name or getattr(fn, "__name__", None), "a graph")
        made = compose(
            Graph,
            fn,
            kind="graph",
            name=label,
            description=description,
            ins=ins,
            out=out,
            tags=tags,
            config=config,
        )
        return named_like(made, fn)

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
    metadata: Mapping[str, Any] | None = ...,
    owners: Sequence[str] | None = ...,
    partitions_def: Any = ...,
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
    metadata: Mapping[str, Any] | None = None,
    owners: Sequence[str] | None = None,
    partitions_def: Any = None,
) -> Job | Callable[[Callable[..., Any]], Job]:
    """Make a job of a function; its body calls ops and graphs, and runs once, now."""

    def decorate(fn: Callable[..., Any]) -> Job:
        label = check_name(name or getattr(fn, "__name__", None), "a job")
        made = to_job(
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
            metadata=metadata,
            owners=owners,
            partitions_def=partitions_def,
        )
        return named_like(made, fn)

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
    metadata: Mapping[str, Any] | None = None,
    owners: Sequence[str] | None = None,
    op_selection: Sequence[str] | None = None,
    partitions_def: Any = None,
) -> Job:
    """Return a job around ``graph``; raises DefinitionError for wrong settings."""
    made = Job(
        graph_def=graph,
        name=name or graph.name,
        description=description,
        config=config,
        tags=tags or {},
        run_tags=run_tags,
        metadata=metadata or {},
        resource_defs=resource_defs or {},
        logger_defs=logger_defs or {},
        hook_defs=hook_set(hooks, f"job {name or graph.name!r}"),
        op_retry_policy=op_retry_policy,
        executor_def=executor_def or default_executor,
        input_values=input_values or {},
        owners=owners,
        partitions_def=partitions_def,
    )
    return made if op_selection is None else made.get_subset(op_selection=op_selection)
