"""Entry points of execution: from a job and its config to a run and its result."""

from __future__ import annotations

import os
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from rayexec.config.execution import limit_runtime, override_execution
from rayexec.config.execution_settings import check_overrides
from rayexec.config.masking import MASKED, masked_env_vars
from rayexec.config.run_config import resolve_run_config
from rayexec.definitions.fields_resource import resource_definition
from rayexec.definitions.graphs.job_definition import JobDefinition
from rayexec.definitions.io_manager import IO_MANAGER
from rayexec.definitions.loggers.logger import InitLoggerContext
from rayexec.definitions.resource import ResourceDefinition, ResourceScope
from rayexec.definitions.resource_binding import bind_resources
from rayexec.definitions.surroundings import DEFAULT_HOME, RunInfo
from rayexec.definitions.tags import max_runtime, normalize_tags
from rayexec.errors import DefinitionError, MisuseError, UnsupportedError
from rayexec.execute.default_io_manager import default_io_manager
from rayexec.execute.filled_config import filled_in
from rayexec.execute.observer import Echo, Observer
from rayexec.execute.recording import StoreChoice, record_run, store_of
from rayexec.execute.result import ExecuteInProcessResult, JobExecutionResult
from rayexec.execute.resume import ReexecutionOptions, find_parent
from rayexec.execute.resumed_config import compare_config, compare_inputs
from rayexec.execute.run_to_result import run
from rayexec.names import RUN_ID, nearest
from rayexec.plan import Plan, compile_job
from rayexec.run.spec import RunSpec
from rayexec.run.used_resources import used_resources

if TYPE_CHECKING:
    from rayexec.store.instance import DagsterInstance

__all__ = [
    "check_resources",
    "execute_in_process",
    "execute_job",
    "missing_resources",
    "prepare",
    "validate_run_config",
]


def execute_in_process(
    job: JobDefinition,
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
    """Run ``job`` in this process, one step after another; see ``Job.execute_in_process``.

    The run is recorded in the store of ``instance``. Without one it has no store, and so no cache.
    """
    _refuse(partition_key=partition_key, asset_selection=asset_selection)
    spec = prepare(
        job,
        run_config,
        op_selection=op_selection,
        run_id=run_id,
        input_values=input_values,
        tags=tags,
        resources=resources,
        ignore_execution=True,
    )
    recording = None
    if instance is not None:
        recording = record_run(instance.store, job, spec, Echo(), op_selection=op_selection)
    return run(
        job,
        spec,
        raise_on_error=raise_on_error,
        stop_on_failure=raise_on_error,
        recording=recording,
        kind=ExecuteInProcessResult,
    )


def _refuse(**options: Any) -> None:
    for name, value in options.items():
        if value is not None:
            raise UnsupportedError(
                f"{name}= is for assets and partitions, which rayexec does not have: leave it out."
            )


def execute_job(
    job: JobDefinition,
    instance: Any = None,
    run_config: Any = None,
    *,
    op_selection: Sequence[str] | None = None,
    tags: Mapping[str, Any] | None = None,
    raise_on_error: bool = False,
    run_id: str | None = None,
    input_values: Mapping[str, Any] | None = None,
    resources: Mapping[str, Any] | None = None,
    observer: Observer | None = None,
    store: StoreChoice = None,
    origin: Mapping[str, str] | None = None,
    reexecution_options: ReexecutionOptions | None = None,
    asset_selection: Any = None,
    **execution: Any,
) -> JobExecutionResult:
    """Run ``job`` on its executor, by default Ray on this machine, and return the result.

    The second argument is a DagsterInstance, or the run config: ``execute_job(job, {…})``. With an
    instance all outputs are stored at the end, for a run that resumes this one.

    A Ray that is initialised in this process is used. ``address`` names a Ray cluster to attach to;
    limits, retries and start method of the config hold there too. ``max_concurrent``,
    ``keep_outputs``, ``durable`` and ``cache`` override the config.

    ``keep_outputs`` selects the outputs in the result: ``"all"`` (the default), ``"leaves"`` (those
    without a consumer, and the job's own) or ``"none"``. Any other output is dropped once its
    consumers have succeeded. With ``durable`` each output is stored at once. A run that is resumed
    after the death of its driver then repeats no finished step.

    The run is recorded in ``store``: a path, a URI (see ``register_store``), or a RunStore; or in
    that of ``instance``. By default that is the store of RAYEXEC_HOME, else ``~/.rayexec``. With
    False, or RAYEXEC_RECORD=0, there is no store. ``origin`` is recorded as the source of the job.
    The store also has the outputs of ops with ``cache=True``. Without ``cache`` (also
    RAYEXEC_CACHE=0) these ops run, and replace their cached outputs. ``reexecution_options`` make
    the run resume an earlier run of the job in that store, with the same config, op selection and
    tags unless they are given.

    Nodes on other machines get the local code of the job. A node without rayexec, or with another
    version, ends the run as FAILURE with an EngineError in ``result.error``.

    Raises ConfigError, SelectionError, DefinitionError, EngineError and StoreError before the first
    step. With ``raise_on_error`` it raises the exception of the first failed op at the end.
    """
    _refuse(asset_selection=asset_selection)
    check_overrides(execution, "execute_job")
    saves_values = False
    if instance is not None:
        store, run_config, saves_values = _split(instance, store, run_config)
    if not isinstance(job, JobDefinition):
        raise DefinitionError(f"execute_job takes a job, got {type(job).__name__}.")
    parent, has_other_config = None, False
    if reexecution_options is not None:
        from rayexec.store import default_store

        parent = find_parent(reexecution_options, store_of(store) or default_store())
        parent.check_job(job.name)
        tags = parent.tags(tags)
        has_other_config = run_config is not None
        if run_config is None:
            has_address = execution.get("address") is not None
            run_config = parent.run_config(job, has_address=has_address)
        op_selection = parent.record.op_selection if op_selection is None else op_selection
    spec = prepare(
        job,
        run_config,
        op_selection=op_selection,
        run_id=run_id,
        input_values=input_values,
        tags=tags,
        resources=resources,
    )
    if parent is not None:
        previous_run = parent.previous_run(spec.plan, spec.resources)
        if previous_run is not None:
            changes = compare_inputs(parent.record, spec)
            if has_other_config:
                changes |= compare_config(
                    job,
                    parent.record.run_config,
                    spec,
                    input_values=input_values,
                )
            previous_run = parent.with_other_config(previous_run, changes)
        spec = replace(spec, previous_run=previous_run)
    settings = override_execution(spec.config.execution, **execution)
    spec = replace(spec, config=replace(spec.config, execution=settings), saves_values=saves_values)
    claim, recording = None, None
    if parent is not None:
        claim = parent.claim(spec.info.run_id, is_recorded=store_of(store) is not None)
    try:
        recording = record_run(
            store, job, spec, observer or Echo(), op_selection=op_selection, origin=origin
        )
        return run(
            job,
            spec,
            raise_on_error=raise_on_error,
            observer=observer,
            recording=recording,
            kind=JobExecutionResult,
        )
    finally:
        if claim is not None and recording is None:  # No record tells how the run has ended.
            claim.release()


def _split(given: Any, store: StoreChoice, run_config: Any) -> tuple[StoreChoice, Any, bool]:
    """Return store and run config by the second argument of ``execute_job``: one of the two."""
    from rayexec.store.instance import DagsterInstance

    if isinstance(given, DagsterInstance):
        if store is not None:
            raise DefinitionError("give execute_job an instance or a store, not both.")
        return given.store, run_config, True
    if run_config is not None:
        raise DefinitionError(
            f"instance is a DagsterInstance, such as DagsterInstance.get(), got "
            f"{type(given).__name__}."
        )
    return store, given, False


def prepare(
    job: JobDefinition,
    run_config: Any = None,
    *,
    op_selection: Sequence[str] | None = None,
    run_id: str | None = None,
    input_values: Mapping[str, Any] | None = None,
    tags: Mapping[str, Any] | None = None,
    resources: Mapping[str, Any] | None = None,
    ignore_execution: bool = False,
) -> RunSpec:
    """Return a validated run: selection, config, inputs, tags and resources are checked."""
    if run_id is not None and (not isinstance(run_id, str) or not RUN_ID.match(run_id)):
        raise DefinitionError(
            f"{run_id!r} is not a valid run id: use letters, digits, dots, underscores and hyphens."
        )
    for name in input_values or {}:
        if name not in job.graph.inputs:
            raise DefinitionError(
                f"input_values names {name!r}; the inputs of job {job.name!r} are "
                f"{', '.join(job.graph.inputs) or 'none'}.{nearest(name, job.graph.inputs)}"
            )
    job.check_supported(ignore_execution=ignore_execution)
    plan = compile_job(job, op_selection)
    all_resources = dict(job.resource_defs)
    all_resources |= {key: resource_definition(each) for key, each in (resources or {}).items()}
    if IO_MANAGER not in all_resources:
        all_resources |= default_io_manager(run_config, job.config, in_process=ignore_execution)
    all_resources = bind_resources(all_resources, f"job {job.name!r}")
    check_resources(plan, all_resources)
    config = resolve_run_config(
        job,
        run_config,
        ops=plan.ops_by_key,
        open_inputs=plan.open_inputs,
        input_values=input_values,
        resources=all_resources,
        needed=used_resources(plan, all_resources),
        ignore_execution=ignore_execution,
    )
    if not ignore_execution and (masked := masked_env_vars(config.document)):
        raise DefinitionError(
            f"the values of the environment variables {', '.join(masked)} in "
            f"execution.config…runtime_env.env_vars are masked ({MASKED!r}), since records do not "
            "keep them: give the run config again with their values (-c FILE)."
        )
    run_tags = {**(job.run_tags or {}), **normalize_tags(tags, "tags of the run")}
    config = replace(
        config, execution=limit_runtime(config.execution, max_runtime(run_tags, "tags of the run"))
    )
    info = RunInfo(
        run_id=run_id or str(uuid.uuid4()),
        job_name=job.name,
        tags=run_tags,
        run_config=config.document,
        retries=config.execution.retries,
        home=os.environ.get("RAYEXEC_HOME") or DEFAULT_HOME,
    )
    loggers = {
        name: InitLoggerContext(value, job.logger_defs[name], job, info.run_id)
        for name, value in config.loggers.items()
    }
    return RunSpec(plan, info, config, all_resources, loggers)


def missing_resources(plan: Plan, resources: Mapping[str, ResourceDefinition]) -> list[str]:
    """Return a message for each resource that is needed and not among ``resources``."""
    problems: list[str] = []
    for template in plan.templates:
        missing = sorted(template.op.resource_keys - set(resources))
        problems += [f"op {template.op.name!r} requires resource {key!r}" for key in missing]
        problems += [
            f"output {name!r} of op {template.op.name!r} requires IO manager {out.io_manager_key!r}"
            for name, out in template.op.outs.items()
            if out.io_manager_key not in (None, IO_MANAGER, *resources)  # IO_MANAGER has a default
        ]
        problems += [
            f"input {name!r} of op {template.op.name!r} requires input manager "
            f"{each.input_manager_key!r}"
            for name, each in template.op.ins.items()
            if each.input_manager_key not in (None, *resources)
        ]
        for hook in template.hooks:
            problems += [
                f"hook {hook.name!r} requires resource {key!r}"
                for key in sorted(hook.required_resource_keys - set(resources))
            ]
    return list(dict.fromkeys(problems))


def check_resources(plan: Plan, resources: Mapping[str, ResourceDefinition]) -> None:
    """Raise DefinitionError for missing resources, and for scopes that contradict each other."""
    if problems := missing_resources(plan, resources):
        listed = "; ".join(problems)
        raise DefinitionError(
            f"job {plan.job_name!r} lacks resources: {listed}. Give them in "
            f"@job(resource_defs={{…}}) or Definitions(resources={{…}}); it has "
            f"{', '.join(sorted(resources)) or 'none'}."
        )
    shorter = [
        f"resource {key!r} (scope {ResourceScope(definition.scope).value!r}) requires resource "
        f"{each!r} (scope {ResourceScope(resources[each].scope).value!r})"
        for key, definition in resources.items()
        for each in sorted(definition.required_resource_keys)
        if ResourceScope(resources[each].scope).is_within(ResourceScope(definition.scope))
    ]
    if shorter:
        raise DefinitionError(
            f"job {plan.job_name!r} has resources that would outlive what they require: "
            f"{'; '.join(shorter)}. Give each a scope no longer than that of what it requires."
        )


def validate_run_config(job: JobDefinition, run_config: Any = None) -> dict[str, Any]:
    """Return run config with defaults filled in, as Dagster does: ops are by path.

    Raises ConfigError with every problem.
    """
    if not isinstance(job, JobDefinition):
        raise MisuseError(f"validate_run_config takes a job, got {type(job).__name__}.")
    spec = prepare(job, run_config)
    return filled_in(job, spec.config, spec.plan.ops_by_key)
