"""Resuming of a recorded run: its config, its outputs, and the steps to run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import InitVar, dataclass
from typing import TYPE_CHECKING, Any

from rayexec.config.document import merged_run_config
from rayexec.config.masking import (
    MASKED,
    executor_settings,
    masked_env_vars,
    unmask_env_vars,
)
from rayexec.config.secret_config import fill_masks, masked_paths
from rayexec.definitions.graphs.job_definition import JobDefinition
from rayexec.definitions.io_manager import manager_key
from rayexec.definitions.op import OpDefinition
from rayexec.definitions.resource import ResourceDefinition
from rayexec.errors import DefinitionError, InvariantError, RunNotFoundError
from rayexec.events import SUCCESS, RunStatus
from rayexec.execute.resume_claim import ResumeClaim, check_not_resumed
from rayexec.execute.resumed_config import ConfigChanges
from rayexec.names import node_path, output_name
from rayexec.placement.choice import driver_placement
from rayexec.plan import Plan
from rayexec.plan.dynamic.run_plan import RunPlan
from rayexec.plan.model import FromCollected, FromMapped, FromStep, NodeSource, innermost
from rayexec.run.previous_run import FinishedStep, PreviousRun, SelectedSteps
from rayexec.scheduler.machine import Machine
from rayexec.scheduler.messages import RunStarted
from rayexec.selection.step_selection import ANY, select_steps

if TYPE_CHECKING:
    from rayexec.store import RunRecord, RunStore
    from rayexec.store.reading import StoredLog

__all__ = ["PARENT", "ROOT", "Parent", "ReexecutionOptions", "find_parent"]

PARENT, ROOT = "dagster/parent_run_id", "dagster/root_run_id"  # tags, as Dagster calls them
# Only by force: a STARTED run without a living driver.
_RESUMABLE = (RunStatus.FAILURE, RunStatus.CANCELED, RunStatus.STARTED)


@dataclass(frozen=True, slots=True)
class ReexecutionOptions:
    """Options of a run that resumes an earlier one.

    ``parent_run_id`` is the id of that run, or a unique beginning of it. ``step_selection`` are
    clauses over step keys (``["flaky*", "m[b]*", "m[?]"]``). The selected steps run, with stored
    outputs of the other ones; steps without stored outputs run again. Without a selection all steps
    run. ``from_failure`` makes options to run the failed steps and those after them. ``is_forced``
    permits a parent run without an end: its driver may be on another host. It also permits another
    run from failure, although one is not over or had success.
    """

    parent_run_id: str
    step_selection: Sequence[str] = ()
    is_from_failure: bool = False
    is_forced: bool = False
    #: Has no effect: a run always gets the tags of the run that it resumes.
    use_parent_run_tags: InitVar[bool] = True

    def __post_init__(self, use_parent_run_tags: bool) -> None:
        if not isinstance(self.parent_run_id, str):
            kind = type(self.parent_run_id).__name__
            raise DefinitionError(f"parent_run_id is the id of a run (result.run_id), got {kind}.")
        if isinstance(self.step_selection, str):
            raise DefinitionError(
                f"step_selection is a list of clauses: [{self.step_selection!r}]."
            )
        object.__setattr__(self, "step_selection", tuple(self.step_selection or ()))
        if self.is_from_failure and self.step_selection:
            raise DefinitionError("give a step selection, or re-execute from failure, not both.")

    @classmethod
    def from_failure(
        cls, run_id: str, instance: object = None, *, is_forced: bool = False
    ) -> ReexecutionOptions:
        """Return options to run the steps without success in a failed or canceled run.

        ``instance`` has no effect: the run is looked up in the store of the new one.
        """
        return cls(run_id, is_from_failure=True, is_forced=is_forced)


@dataclass(frozen=True, slots=True)
class Parent:
    """Earlier run that a run resumes."""

    store: RunStore
    record: RunRecord
    options: ReexecutionOptions
    #: This user wrote the record, on this host; otherwise nothing in it may run code.
    is_own: bool

    def check_job(self, name: str) -> None:
        """Raise DefinitionError if the run is of another job."""
        if self.record.job_name != name:
            raise DefinitionError(
                f"run {self.record.run_id} is of job {self.record.job_name!r}, so job {name!r} "
                "cannot resume it."
            )

    def run_config(self, job: JobDefinition, *, has_address: bool = False) -> Mapping[str, Any]:
        """Return the run's config; raises DefinitionError if the record has it only in part.

        A runtime_env runs code, and a cluster gets a token. So both must be given again if another
        user may have written the record; ``has_address`` says that the address is. Masked
        environment variables have the values that the config of ``job`` gives them.
        """
        run_id = self.record.run_id
        if "config" in self.record.origin:
            raise DefinitionError(
                f"the config of run {run_id} held {self.record.origin['config']}, "
                "which the record has only in words: give the config again."
            )
        config = self.record.run_config
        if masked_paths(config):
            config = self._with_secrets(config, merged_run_config(job, None))
        if self.is_own:
            has_mask = bool(masked_env_vars(config))
            return unmask_env_vars(config, merged_run_config(job, None)) if has_mask else config
        settings = list(executor_settings(config))
        if any(each.get("runtime_env") for each in settings):
            raise DefinitionError(
                f"the config of run {run_id} has a runtime_env, which may run code, and nothing "
                "shows that you wrote it on this host: give the config again (-c)."
            )
        addresses = [each["address"] for each in settings if each.get("address")]
        if addresses and not has_address:
            raise DefinitionError(
                f"the config of run {run_id} names the Ray at {addresses[0]!r}, and nothing shows "
                "that you wrote it on this host: give the address yourself (--address), or "
                "--address local for a Ray of this run alone."
            )
        return config

    def _with_secrets(self, config: Mapping[str, Any], own: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the config with the secrets that the job's own config has.

        Raises DefinitionError for other secrets, which no record keeps.
        """
        filled = fill_masks(config, own)
        lacking = [":".join(path) for path in masked_paths(filled)]
        if lacking:
            raise DefinitionError(
                f"the record of run {self.record.run_id} has masks ({MASKED!r}) for the secret "
                f"values of {', '.join(lacking)}: give the run config again with them (-c FILE)."
            )
        return filled

    def claim(self, run_id: str, *, is_recorded: bool) -> ResumeClaim | None:
        """Note that the run ``run_id`` resumes this one; None if it runs steps by selection.

        Raises InvariantError if another run does so.
        """
        options = self.options
        if not options.is_from_failure:
            return None
        parent = self.record.run_id
        return ResumeClaim(
            self.store, parent, run_id, is_recorded=is_recorded, is_forced=options.is_forced
        )

    def tags(self, given: Mapping[str, Any] | None) -> dict[str, Any]:
        """Return the tags of a run that resumes this one."""
        record = self.record
        own = {PARENT: record.run_id, ROOT: record.root_run_id or record.run_id}
        return {**record.tags, **(given or {}), **own}

    def with_other_config(self, previous_run: PreviousRun, changes: ConfigChanges) -> PreviousRun:
        """Return the earlier run for a new one with other config or input values.

        The steps of changed ops run again, and what depends on them. Raises DefinitionError if a
        selection leaves them out, so that their outputs by the earlier config would count. Ops that
        changed by their resources alone keep their outputs, and the run tells of them.
        """
        selected = previous_run.selected
        if selected is None:
            return previous_run.with_changes(changes.nodes, changes.by_resources)
        finished = {node_path(key) for key in previous_run.finished if not selected.includes(key)}
        left = finished & changes.nodes
        if left:
            listed = ", ".join(sorted(left))
            raise DefinitionError(
                f"config or input values differ from those of run {self.record.run_id} for "
                f"{listed}, and the selection leaves them out: select them too, such as with -s "
                f"'{min(left)}*', or leave what is given to them as it was."
            )
        return previous_run.with_changes((), finished & changes.by_resources)

    def previous_run(
        self, plan: Plan, resources: Mapping[str, ResourceDefinition]
    ) -> PreviousRun | None:
        """Return the run as previous run of a new one; None if all steps are to run.

        Raises StepNotFoundError and SelectionError for a bad step selection.
        """
        options = self.options
        if not (options.is_from_failure or options.step_selection):
            return None
        run_id = self.record.run_id
        managers = {key: _managers_of(op, resources) for key, op in plan.ops_by_key.items()}
        finished = _finished_steps(self.store, self.record)
        for key, step in finished.items():
            if not _has_same_managers(step, managers, key):
                finished[key] = step._replace(values={})  # No IO manager can load them now.
        if options.is_from_failure:
            return PreviousRun(run_id, finished)
        grown = _replay(plan, run_id, finished)
        chosen = select_steps(options.step_selection, _parents(grown))
        nodes = [key[: -len(ANY)] for key in chosen if key.endswith(ANY)]
        return PreviousRun(
            run_id, finished, SelectedSteps(chosen, frozenset(nodes), frozenset(grown.by_key))
        )


def find_parent(options: ReexecutionOptions, store: RunStore) -> Parent:
    """Return the run of ``options``; raises RunNotFoundError, and InvariantError if it cannot be
    resumed.
    """
    from rayexec.store import current, is_own

    if not isinstance(options, ReexecutionOptions):
        raise DefinitionError(
            f"reexecution_options is a ReexecutionOptions, got {type(options).__name__}."
        )
    reader = store.open(options.parent_run_id)
    record = current(reader)
    if record.status == RunStatus.STARTED and not options.is_forced:
        driver = (
            f" (by pid {record.driver.pid} on {record.driver.host})"
            if record.driver is not None
            else ""
        )
        raise InvariantError(
            f"run {record.run_id} still runs{driver}; a run is resumed once it is over. If you "
            "know that its driver is gone with its host, resume it by force (--force, "
            "is_forced=True)."
        )
    if options.is_from_failure and not options.is_forced:
        check_not_resumed(store, record.run_id)
    if options.is_from_failure and record.status not in _RESUMABLE:
        raise InvariantError(
            f"run {record.run_id} ended as {record.status}: only a run that failed or was "
            "canceled is resumed. To run some of its steps again, select them."
        )
    return Parent(store, record, options, is_own(reader, record))


def _finished_steps(store: RunStore, record: RunRecord) -> dict[str, FinishedStep]:
    """Return the steps with outputs in a run, also those of the run before it, by step key."""
    from rayexec.store.reading import StoredLog

    log = StoredLog(store.open(record.run_id))
    finished: dict[str, FinishedStep] = {}
    restored = {log.keys[step] for step in log.restored_steps()}
    if restored and record.parent_run_id is not None:
        try:
            before = _finished_steps(store, store.open(record.parent_run_id).record())
        except RunNotFoundError:  # Somebody removed it, and its values with it.
            before = {}
        finished |= {key: step for key, step in before.items() if key in restored}
    predecessors = _predecessor_nodes(log)
    for attempt in log.attempts():
        key = log.keys[attempt.step]
        if attempt.outcome == SUCCESS:
            finished[key] = FinishedStep(attempt.outputs, {}, predecessors.get(key))
        else:
            finished.pop(key, None)
    for key, stored in store.values(record.run_id).committed().items():
        logged = finished.get(key)
        # A committed step succeeded, even if its driver died before it knew. The log may have more
        # of its outputs, such as metadata.
        is_same = logged is not None and _names(logged) == _names(stored)
        outputs = logged.outputs if logged is not None and is_same else stored.outputs
        finished[key] = FinishedStep(outputs, stored.values, predecessors.get(key))
    return finished


def _predecessor_nodes(log: StoredLog) -> dict[str, frozenset[str]]:
    """Return the paths of the nodes before each step, by step key; empty for an old log."""
    predecessors = log.predecessors
    if predecessors is None:
        return {}
    paths = [node_path(key) for key in log.keys]
    shared: dict[tuple[int, ...], frozenset[str]] = {}  # many steps have the same predecessors
    nodes = {}
    for key, before in zip(log.keys, predecessors, strict=True):
        steps = tuple(before)
        if steps not in shared:
            shared[steps] = frozenset([paths[each] for each in steps])
        nodes[key] = shared[steps]
    return nodes


def _managers_of(
    op: OpDefinition, resources: Mapping[str, ResourceDefinition]
) -> dict[str, str | None]:
    return {name: manager_key(out, resources) for name, out in op.outs.items()}


def _has_same_managers(
    step: FinishedStep, managers: Mapping[str, Mapping[str, str | None]], key: str
) -> bool:
    """Whether the outputs of a step still have the IO managers that stored them."""
    now = managers.get(node_path(key), {})
    return all(
        record.handled is None or now.get(output_name(record.name)) == record.handled.manager_key
        for record in step.outputs
    )


def _names(step: FinishedStep) -> list[str]:
    return [record.name for record in step.outputs]


def _replay(plan: Plan, run_id: str, finished: Mapping[str, FinishedStep]) -> Plan:
    """Return the plan with all steps of an earlier run, mapped ones included."""
    own = RunPlan(plan) if plan.is_dynamic else plan
    nothing = SelectedSteps(frozenset(), frozenset(), finished.keys())
    machine = Machine(
        own,
        driver_placement(own, slots=1, max_concurrent=1),
        previous_run=PreviousRun(run_id, finished, nothing),
    )
    machine.handle(RunStarted(), 0.0)
    return own


def _parents(plan: Plan) -> dict[str, set[str]]:
    """Return the predecessors of each step and mapped node, all by key."""
    keys = [step.key for step in plan.steps]
    parents = {
        key: {keys[each] for each in plan.predecessors[step]} for step, key in enumerate(keys)
    }

    def key_of(node: int) -> str:
        return keys[node] if node >= 0 else f"{plan.mapped_nodes[-1 - node].key}{ANY}"

    def keys_behind(symbols: Iterable[NodeSource]) -> set[str]:
        sources = set()
        for symbol in symbols:
            source = innermost(symbol) if isinstance(symbol, FromCollected) else symbol
            if isinstance(source, FromStep):
                sources.add(keys[source.step])
            elif isinstance(source, FromMapped):
                sources.add(key_of(-1 - source.node))
        return sources

    for index, node in enumerate(plan.mapped_nodes):
        inputs = keys_behind(symbol for each in node.inputs for symbol in each.sources)
        parents[key_of(-1 - index)] = inputs | {key_of(node.fan_outs[-1].node)}
    for (step, _), collected in plan.collected_inputs.items():
        parents[keys[step]] |= keys_behind((collected,))
    return parents
