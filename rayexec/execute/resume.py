"""Going on from a run that was recorded: what it was, what it has, and which steps are to run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rayexec.definitions.io_manager import manager_key
from rayexec.definitions.op import OpDefinition
from rayexec.definitions.resource import ResourceDefinition
from rayexec.errors import DefinitionError, InvariantError, RunNotFoundError
from rayexec.events import SUCCESS, RunStatus
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
# A run without an end by its record has lost its driver, where it is resumed by force.
_RESUMABLE = (RunStatus.FAILURE, RunStatus.CANCELED, RunStatus.STARTED)


@dataclass(frozen=True, slots=True)
class ReexecutionOptions:
    """How a run goes on from an earlier one, ``parent_run_id`` (or the beginning of it, where that
    is unique).

    ``step_selection`` are clauses over step keys (``["flaky*", "m[b]*", "m[?]"]``): those steps
    run, and take what others yielded from the earlier run; what that did not keep is made again.
    Without any, all steps run. ``from_failure`` makes the other kind. ``is_forced`` goes on also
    from a run that seems to go on, since its driver cannot be asked.
    """

    parent_run_id: str
    step_selection: tuple[str, ...] = ()
    is_from_failure: bool = False
    is_forced: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.parent_run_id, str):
            kind = type(self.parent_run_id).__name__
            raise DefinitionError(f"parent_run_id is the id of a run (result.run_id), got {kind}.")
        if isinstance(self.step_selection, str):
            raise DefinitionError(
                f"step_selection is a list of clauses: [{self.step_selection!r}]."
            )
        object.__setattr__(self, "step_selection", tuple(self.step_selection))
        if self.is_from_failure and self.step_selection:
            raise DefinitionError("give a step selection, or re-execute from failure, not both.")

    @classmethod
    def from_failure(cls, run_id: str, *, is_forced: bool = False) -> ReexecutionOptions:
        """Return options by which what failed, and what did not run, runs; a run that failed or was
        canceled has it.
        """
        return cls(run_id, is_from_failure=True, is_forced=is_forced)


@dataclass(frozen=True, slots=True)
class Parent:
    """A run from which another one goes on."""

    store: RunStore
    record: RunRecord
    options: ReexecutionOptions

    def check_job(self, name: str) -> None:
        """Raise DefinitionError where the run was of another job."""
        if self.record.job_name != name:
            raise DefinitionError(
                f"run {self.record.run_id} is of job {self.record.job_name!r}, so job {name!r} "
                f"cannot go on from it."
            )

    def run_config(self) -> Mapping[str, Any]:
        """Return the run's config; raises DefinitionError where what is recorded of that is not
        what it was.
        """
        if "config" in self.record.origin:
            raise DefinitionError(
                f"the config of run {self.record.run_id} held {self.record.origin['config']}, "
                f"which the record has "
                "only in words: give the config again."
            )
        return self.record.run_config

    def tags(self, given: Mapping[str, Any] | None) -> dict[str, Any]:
        """Return the tags of the run that goes on from this one."""
        record = self.record
        own = {PARENT: record.run_id, ROOT: record.root_run_id or record.run_id}
        return {**record.tags, **(given or {}), **own}

    def previous_run(
        self, plan: Plan, resources: Mapping[str, ResourceDefinition]
    ) -> PreviousRun | None:
        """Return what the run means to one of ``plan`` with such ``resources``; None where all of
        that is to run anew.

        Raises StepNotFoundError and SelectionError for a step selection that does not fit.
        """
        options = self.options
        if not (options.is_from_failure or options.step_selection):
            return None
        run_id = self.record.run_id
        managers = {key: _managers_of(op, resources) for key, op in plan.ops_by_key.items()}
        done = _done(self.store, self.record)
        for key, found in done.items():
            if not _is_handled_alike(found, managers, key):
                done[key] = found._replace(values={})  # nobody loads it any more
        if options.is_from_failure:
            return PreviousRun(run_id, done)
        grown = _replay(plan, run_id, done)
        chosen = select_steps(options.step_selection, _parents(grown))
        nodes = [key[: -len(ANY)] for key in chosen if key.endswith(ANY)]
        return PreviousRun(
            run_id, done, SelectedSteps(chosen, frozenset(nodes), frozenset(grown.by_key))
        )


def find_parent(options: ReexecutionOptions, store: RunStore) -> Parent:
    """Return the run that ``options`` name; raises RunNotFoundError, and InvariantError where it
    has no rest.
    """
    from rayexec.store import current

    if not isinstance(options, ReexecutionOptions):
        raise DefinitionError(
            f"reexecution_options is a ReexecutionOptions, got {type(options).__name__}."
        )
    record = current(store.open(options.parent_run_id))
    if record.status == RunStatus.STARTED and not options.is_forced:
        where = (
            f" (by pid {record.driver.pid} on {record.driver.host})"
            if record.driver is not None
            else ""
        )
        raise InvariantError(
            f"run {record.run_id} still goes on{where}; a run is resumed once it is over. If you "
            f"know that its driver "
            "is gone with its host, resume it by force (--force, is_forced=True)."
        )
    if options.is_from_failure and record.status not in _RESUMABLE:
        raise InvariantError(
            f"run {record.run_id} ended as {record.status}: only a run that failed or was "
            f"canceled is resumed. To run "
            "some of its steps again, select them."
        )
    return Parent(store, record, options)


def _done(store: RunStore, record: RunRecord) -> dict[str, FinishedStep]:
    """Return what a run has of each step that succeeded, and what it took over itself, by step key."""
    from rayexec.store.reading import StoredLog

    log = StoredLog(store.open(record.run_id))
    done: dict[str, FinishedStep] = {}
    taken_over = {log.keys[step] for step in log.restored()}
    if taken_over and record.parent_run_id is not None:
        try:
            before = _done(store, store.open(record.parent_run_id).record())
        except RunNotFoundError:  # it was removed, and what it had with it
            before = {}
        done |= {key: found for key, found in before.items() if key in taken_over}
    source_nodes = _nodes_before(log)
    for attempt in log.attempts():
        key = log.keys[attempt.step]
        if attempt.outcome == SUCCESS:
            done[key] = FinishedStep(attempt.outputs, {}, source_nodes.get(key))
        else:
            done.pop(key, None)
    for key, stored in store.values(record.run_id).committed().items():
        told = done.get(key)
        # What is committed is done, whether or not the driver came to know of it; the log may tell
        # more of it.
        is_same = told is not None and _names(told) == _names(stored)
        outputs = told.outputs if told is not None and is_same else stored.outputs
        done[key] = FinishedStep(outputs, stored.values, source_nodes.get(key))
    return done


def _nodes_before(log: StoredLog) -> dict[str, frozenset[str]]:
    """Return the paths of the nodes that each step of a run took from, by its key; nothing where
    that is not known.
    """
    predecessors = log.predecessors
    if predecessors is None:
        return {}
    paths = [node_path(key) for key in log.keys]
    known: dict[tuple[int, ...], frozenset[str]] = {}
    found = {}
    for key, before in zip(log.keys, predecessors, strict=True):
        same = tuple(before)  # which many steps have
        if same not in known:
            known[same] = frozenset([paths[each] for each in same])
        found[key] = known[same]
    return found


def _managers_of(
    op: OpDefinition, resources: Mapping[str, ResourceDefinition]
) -> dict[str, str | None]:
    return {name: manager_key(out, resources) for name, out in op.outs.items()}


def _is_handled_alike(
    done: FinishedStep, managers: Mapping[str, Mapping[str, str | None]], key: str
) -> bool:
    """Whether the IO managers that stored what a step yielded are still those of its outputs."""
    now = managers.get(node_path(key), {})
    return all(
        record.handled is None or now.get(output_name(record.name)) == record.handled.manager_key
        for record in done.outputs
    )


def _names(done: FinishedStep) -> list[str]:
    return [record.name for record in done.outputs]


def _replay(plan: Plan, run_id: str, done: Mapping[str, FinishedStep]) -> Plan:
    """Return the plan with the steps that it came to have in a run."""
    own = RunPlan(plan) if plan.is_dynamic else plan
    nothing = SelectedSteps(frozenset(), frozenset(), done.keys())
    machine = Machine(
        own,
        driver_placement(own, slots=1, max_concurrent=1),
        previous_run=PreviousRun(run_id, done, nothing),
    )
    machine.handle(RunStarted(), 0.0)
    return own


def _parents(plan: Plan) -> dict[str, set[str]]:
    """Return the steps of a plan, and the mapped nodes for those to come, each with what it takes
    from.
    """
    keys = [step.key for step in plan.steps]
    parents = {
        key: {keys[each] for each in plan.predecessors[step]} for step, key in enumerate(keys)
    }

    def key_of(node: int) -> str:
        return keys[node] if node >= 0 else f"{plan.mapped_nodes[-1 - node].key}{ANY}"

    def behind(symbols: Iterable[NodeSource]) -> set[str]:
        found = set()
        for symbol in symbols:
            source = innermost(symbol) if isinstance(symbol, FromCollected) else symbol
            if isinstance(source, FromStep):
                found.add(keys[source.step])
            elif isinstance(source, FromMapped):
                found.add(key_of(-1 - source.node))
        return found

    for place, node in enumerate(plan.mapped_nodes):
        taken = behind(symbol for each in node.inputs for symbol in each.sources)
        parents[key_of(-1 - place)] = taken | {key_of(node.fan_outs[-1].node)}
    for (step, _), gathered in plan.collected_inputs.items():
        parents[keys[step]] |= behind((gathered,))
    return parents
