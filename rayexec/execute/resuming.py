"""Going on from a run that was recorded: what it was, what it has, and which steps are to run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rayexec.errors import DefinitionError, InvariantError, RunNotFoundError
from rayexec.events import SUCCESS
from rayexec.plan import Plan
from rayexec.plan.fanning import inmost
from rayexec.plan.growing import GrowingPlan
from rayexec.plan.holding import hold_by_driver
from rayexec.plan.model import FromMapped, FromStep, Gathered, Symbol
from rayexec.run.messages import Started
from rayexec.run.prior import Chosen, Done, Prior
from rayexec.run.state import Machine
from rayexec.selection.steps import ANY, select_steps

if TYPE_CHECKING:
    from rayexec.store import RunRecord, RunStore

__all__ = ["PARENT", "ROOT", "Parent", "ReexecutionOptions", "find_parent"]

PARENT, ROOT = "dagster/parent_run_id", "dagster/root_run_id"  # tags, as Dagster calls them


@dataclass(frozen=True, slots=True)
class ReexecutionOptions:
    """How a run goes on from an earlier one, ``parent_run_id`` (or the beginning of it, where that is unique).

    ``step_selection`` are clauses over step keys (``["flaky*", "m[b]*", "m[?]"]``): exactly those steps run, and take
    what others yielded from the earlier run. Without any, all steps run. ``from_failure`` makes the other kind.
    """

    parent_run_id: str
    step_selection: tuple[str, ...] = ()
    is_from_failure: bool = False

    def __post_init__(self) -> None:
        if isinstance(self.step_selection, str):
            raise DefinitionError(f"step_selection is a list of clauses: [{self.step_selection!r}].")
        object.__setattr__(self, "step_selection", tuple(self.step_selection))
        if self.is_from_failure and self.step_selection:
            raise DefinitionError("give a step selection, or re-execute from failure, not both.")

    @classmethod
    def from_failure(cls, run_id: str) -> ReexecutionOptions:
        """Return options by which what failed, and what did not run, runs; a run that failed or was canceled has it."""
        return cls(run_id, is_from_failure=True)


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
                f"run {self.record.run_id} is of job {self.record.job_name!r}, so job {name!r} cannot go on from it."
            )

    def tags(self, given: Mapping[str, Any] | None) -> dict[str, Any]:
        """Return the tags of the run that goes on from this one."""
        record = self.record
        own = {PARENT: record.run_id, ROOT: record.root_run_id or record.run_id}
        return {**record.tags, **(given or {}), **own}

    def prior(self, plan: Plan) -> Prior | None:
        """Return what the run means to one of ``plan``; None where all of that is to run anew.

        Raises StepNotFoundError and SelectionError for a step selection that does not fit.
        """
        options = self.options
        if not (options.is_from_failure or options.step_selection):
            return None
        run_id = self.record.run_id
        done = _done(self.store, self.record)
        if options.is_from_failure:
            return Prior(run_id, done)
        grown = _replay(plan, run_id, done)
        chosen = select_steps(options.step_selection, _parents(grown))
        nodes = [key[: -len(ANY)] for key in chosen if key.endswith(ANY)]
        return Prior(run_id, done, Chosen(chosen, frozenset(nodes), frozenset(grown.by_key)))


def find_parent(options: ReexecutionOptions, store: RunStore) -> Parent:
    """Return the run that ``options`` name; raises RunNotFoundError, and InvariantError where it has no rest."""
    from rayexec.store import settled

    if not isinstance(options, ReexecutionOptions):
        raise DefinitionError(f"reexecution_options is a ReexecutionOptions, got {type(options).__name__}.")
    record = settled(store.open(options.parent_run_id).record())
    if record.status == "STARTED":
        where = f" (by pid {record.driver.pid} on {record.driver.host})" if record.driver is not None else ""
        raise InvariantError(f"run {record.run_id} still goes on{where}; a run is resumed once it is over.")
    if options.is_from_failure and record.status not in ("FAILURE", "CANCELED"):
        raise InvariantError(
            f"run {record.run_id} ended as {record.status}: only a run that failed or was canceled is resumed. To run "
            "some of its steps again, select them."
        )
    return Parent(store, record, options)


def _done(store: RunStore, record: RunRecord) -> dict[str, Done]:
    """Return what a run has of each step that succeeded, and what it took over itself, by step key."""
    from rayexec.store.reading import StoredLog

    log = StoredLog(store.open(record.run_id))
    done: dict[str, Done] = {}
    taken_over = {log.keys[step] for step in log.restored()}
    if taken_over and record.parent_run_id is not None:
        try:
            before = _done(store, store.open(record.parent_run_id).record())
        except RunNotFoundError:  # it was removed, and what it had with it
            before = {}
        done |= {key: found for key, found in before.items() if key in taken_over}
    for attempt in log.attempts():
        key = log.keys[attempt.step]
        if attempt.outcome == SUCCESS:
            done[key] = Done(attempt.outputs, {})
        else:
            done.pop(key, None)
    for key, stored in store.values(record.run_id).committed().items():
        told = done.get(key)
        # What is committed is done, whether or not the driver came to know of it; the log may tell more of it.
        is_same = told is not None and _names(told) == _names(stored)
        done[key] = Done(told.outputs, stored.values) if told is not None and is_same else stored
    return done


def _names(done: Done) -> list[str]:
    return [record.name for record in done.outputs]


def _replay(plan: Plan, run_id: str, done: Mapping[str, Done]) -> Plan:
    """Return the plan with the steps that it came to have in a run."""
    own = GrowingPlan.of(plan) if plan.mapped or plan.gathers else plan
    nothing = Chosen(frozenset(), frozenset(), done.keys())
    machine = Machine(own, hold_by_driver(own, slots=1, max_concurrent=1), prior=Prior(run_id, done, nothing))
    machine.handle(Started(), 0.0)
    return own


def _parents(plan: Plan) -> dict[str, set[str]]:
    """Return the steps of a plan, and the mapped nodes for those to come, each with what it takes from."""
    keys = [step.key for step in plan.steps]
    parents = {key: {keys[each] for each in plan.predecessors[step]} for step, key in enumerate(keys)}

    def key_of(node: int) -> str:
        return keys[node] if node >= 0 else f"{plan.mapped[-1 - node].key}{ANY}"

    def behind(symbols: Iterable[Symbol]) -> set[str]:
        found = set()
        for symbol in symbols:
            source = inmost(symbol) if isinstance(symbol, Gathered) else symbol
            if isinstance(source, FromStep):
                found.add(keys[source.step])
            elif isinstance(source, FromMapped):
                found.add(key_of(-1 - source.node))
        return found

    for place, node in enumerate(plan.mapped):
        taken = behind(symbol for each in node.inputs for symbol in each.sources)
        parents[key_of(-1 - place)] = taken | {key_of(node.level[-1].node)}
    for (step, _), gathered in plan.gathers.items():
        parents[keys[step]] |= behind((gathered,))
    return parents
