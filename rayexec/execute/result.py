"""Result of a run: status, events, values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rayexec.engine.base import Engine
from rayexec.errors import InvariantError
from rayexec.events import (
    RETRY,
    Attempt,
    Event,
    Reused,
    RunStatus,
    StepEnd,
    counts_by_end,
)
from rayexec.execute.driver import Outcome
from rayexec.execute.log import RunLog
from rayexec.execute.result_events import EventQueries
from rayexec.execute.result_values import DynamicValues
from rayexec.execute.resume import PARENT, ROOT
from rayexec.names import is_of_node, nearest, node_path
from rayexec.plan import Plan
from rayexec.plan.model import FromMapped, FromStep, NodeSource
from rayexec.run.dagster_run import DagsterRun
from rayexec.run.spec import RunSpec
from rayexec.scheduler.messages import StepStatus
from rayexec.steps.io_managers import LoadOutput, output_loader

__all__ = ["ExecuteInProcessResult", "JobExecutionResult", "RunResult", "StepWait"]

# A step of any other status did not run. The scheduler counts reused outputs as a success.
_END_BY_STATUS = {
    StepStatus.SUCCESS: StepEnd.SUCCEEDED,
    StepStatus.FAILED: StepEnd.FAILED,
    StepStatus.SKIPPED: StepEnd.SKIPPED,
}


@dataclass(frozen=True, slots=True)
class StepWait:
    """Wait of one attempt of a step before its start; moments are seconds since 1970."""

    step_key: str
    #: 0 for the first attempt.
    attempt: int
    #: From this moment only limits and resources were left to wait for.
    ready: float
    #: Submission to the engine; before ``ready`` for a step in one batch with its predecessor.
    submitted: float
    started: float
    #: Last predecessor before ``ready``, None for none.
    after: str | None = None
    #: Reason of the wait from ``ready`` to ``started``: a limit or resource by name, the start
    #: of a worker, earlier steps of the batch, or the engine. None for a negligible wait.
    reason: str | None = None
    #: Duration of the reason.
    seconds: float = 0.0
    #: Steps of the run that held the limit or resource in the middle of the wait.
    held_by: tuple[str, ...] = ()


class RunResult(EventQueries):
    """Result of a run, in-process or on Ray, with Dagster's query methods.

    Values stay readable until ``close``, which a ``with`` block calls at its end. On Ray they also
    end with Ray itself.
    """

    #: Whether outputs that an IO manager stored come back as the op yielded them.
    remembers = False

    def __init__(
        self, spec: RunSpec, outcome: Outcome, engine: Engine, log: RunLog, job: Any
    ) -> None:
        self._spec = spec
        self._outcome = outcome
        self._engine = engine
        self._log = log
        self.job_def = job
        #: Whether a run store has the whole run.
        self.is_recorded = False
        #: Begin and end of the run in its record.
        self.recorded_times: tuple[float, float] | None = None
        self._is_closed = False

    def __enter__(self) -> RunResult:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Drop all values; on Ray that frees their memory. Events and status stay."""
        self._is_closed = True
        self._engine.release(range(len(self._plan.steps)))

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._spec.info.job_name} {self.run_id} {self.status}>"

    @property
    def _plan(self) -> Plan:
        return self._spec.plan

    @property
    def success(self) -> bool:
        """Whether every step ended well or was skipped."""
        return self._outcome.status == RunStatus.SUCCESS

    @property
    def status(self) -> RunStatus:
        """Status of the run: SUCCESS, FAILURE or CANCELED."""
        return self._outcome.status

    @property
    def error(self) -> BaseException | None:
        """Failure of the run as a whole, such as a broken resource; None if only steps failed."""
        return self._outcome.error

    @property
    def run_id(self) -> str:
        """Id of the run."""
        return self._spec.info.run_id

    @property
    def dagster_run(self) -> DagsterRun:
        """Id, tags, config and status of the run."""
        info = self._spec.info
        return DagsterRun(
            info.job_name,
            info.run_id,
            info.run_config,
            step_keys_to_execute=self._log.keys,
            status=DagsterRun.status_of(self._outcome.status),
            tags=info.tags,
            root_run_id=info.tags.get(ROOT),
            parent_run_id=info.tags.get(PARENT),
        )

    @property
    def run_config(self) -> Mapping[str, Any]:
        """Config of the run."""
        return self._spec.info.run_config

    @property
    def times(self) -> tuple[float, float] | None:
        """Begin and end of the run in seconds since 1970; None for a run without events.

        They are those of its record, or else of its events.
        """
        if self.recorded_times is not None:
            return self.recorded_times
        events = [each for each in self._log.records if isinstance(each, Event)]
        return (events[0].timestamp, events[-1].timestamp) if events else None

    @property
    def all_events(self) -> Sequence[Event]:
        """Every event of the run, in the order of the log."""
        return self._log.events()

    def output_for_node(self, node_str: str, output_name: str = "result") -> Any:
        """Return an output of a node, by its dotted path; for a dynamic node, by mapping keys.

        Below several dynamic outputs the keys are as in step keys (``"a,0"``). A step key selects
        one step's value. The result of ``execute_in_process`` has the objects that the ops yielded.
        Otherwise an IO manager loads the outputs that it stored; it is opened and closed for that.
        Raises InvariantError for an unknown node or output, and for an output without a
        value; InputError if the manager cannot load it.
        """
        plan = self._plan
        definition = plan.node_paths.get(node_path(node_str))
        if definition is None:
            raise InvariantError(
                f"{plan.job_name} has no op named {node_str}.{nearest(node_str, plan.node_paths)}"
            )
        outputs = definition.levels_by_output()
        if output_name not in outputs:
            raise InvariantError(
                f"{node_str} has no output named {output_name}.{nearest(output_name, outputs)}"
            )
        return self._value(
            node_str,
            output_name,
            f"No outputs found for output '{output_name}' from node '{node_str}'.",
        )

    def output_value(self, output_name: str = "result") -> Any:
        """Return an output of the job's graph; raises InvariantError for an unknown output, or one
        without a value.
        """
        outputs = self.job_def.graph.outputs
        if output_name not in outputs:
            count = len(outputs)
            raise InvariantError(
                f"'{output_name}' is not an output of {self._plan.job_name}; {count} "
                f"output{'' if count == 1 else 's'} "
                f"{'is' if count == 1 else 'are'} "
                f"defined{': ' + ', '.join(outputs) if outputs else ''}."
            )
        return self._value("", output_name, f"No value was yielded for output '{output_name}'.")

    def _value(self, path: str, output: str, message: str) -> Any:
        with output_loader(self._spec, self._engine.originals or {}) as read:
            return self._value_behind(self._symbol(path, output, message), message, read)

    def _symbol(self, path: str, output: str, message: str) -> NodeSource:
        """Return the source of an output of a node, or of one step."""
        plan = self._plan
        step = plan.by_key.get(path)
        if step is not None:
            return FromStep(step, output)
        for index, node in enumerate(plan.mapped_nodes):
            if node.key == path:
                return FromMapped(index, output)
        behind = plan.outputs.get((path, output))
        if behind is None:
            raise InvariantError(message)
        return behind

    def _value_behind(self, symbol: NodeSource, message: str, read: LoadOutput) -> Any:
        plan, machine = self._plan, self._outcome.machine
        if (
            isinstance(symbol, FromStep)
            and not plan.op_of(symbol.step).outs[symbol.output].is_dynamic
        ):
            return read(self._value_of(symbol.step, symbol.output, message))
        values = DynamicValues(
            plan,
            machine.status,
            machine.yields,
            lambda step, name: read(self._value_of(step, name, None)),
        )
        try:
            return values.find(symbol)
        except KeyError:
            raise InvariantError(message) from None

    def _value_of(self, step: int, output: str, message: str | None) -> Any:
        """Return one value; raises InvariantError for none, or KeyError without ``message``."""
        # A step that failed may have yielded some of its outputs before.
        if self._outcome.machine.status[step] not in (StepStatus.SUCCESS, StepStatus.FAILED):
            raise InvariantError(message or "")
        if step in self._outcome.machine.released or self._is_closed:
            reason = "keep_outputs released it after the last step that reads it"
            if self._is_closed:
                reason = "the result was closed"
            elif step in self._outcome.machine.taken_over and self._spec.previous_run is not None:
                reason = (
                    f"run {self._spec.previous_run.run_id} has it, or did not store it either, and "
                    "no step read it here"
                )
            key = self._plan.steps[step].key
            raise InvariantError(
                f"The value of output '{output}' from node '{key}' is not available: {reason}."
            )
        try:
            return self._engine.value(step, output)
        except KeyError:
            if message is None:
                raise
            raise InvariantError(message) from None

    @property
    def run_log(self) -> RunLog:
        """Log of the run, for summaries."""
        return self._log

    @property
    def waits(self) -> Sequence[StepWait]:
        """Waits of the attempts, in the order of their starts."""
        keys = [step.key for step in self._plan.steps]
        return [
            StepWait(
                keys[each.step],
                each.attempt_number,
                each.ready,
                each.submitted,
                each.started,
                None if each.after < 0 else keys[each.after],
                each.reason,
                each.seconds,
                tuple([keys[holder] for holder in each.held_by]),
            )
            for each in self._log.waits
        ]

    def _keys_with(self, *kinds: StepStatus) -> list[str]:
        return [
            step.key
            for step, status in zip(self._plan.steps, self._outcome.machine.status, strict=True)
            if status in kinds
        ]

    def _ends(self, node: str) -> list[StepStatus]:
        """Return the statuses of a node's steps that ran or were skipped.

        Raises InvariantError for a node that the job does not have.
        """
        paths = self._plan.node_paths
        if node_path(node) not in paths:
            raise InvariantError(
                f"{self._plan.job_name} has no op named {node}.{nearest(node, paths)}"
            )
        machine = self._outcome.machine
        return [
            status
            for index, (step, status) in enumerate(
                zip(self._plan.steps, machine.status, strict=True)
            )
            if is_of_node(step.key, node) and index not in machine.taken_over
        ]

    def is_node_success(self, node_str: str) -> bool:
        """Whether any step of the node succeeded in this run: of a graph's ops, of mapped steps.

        Outputs of the previous run do not count.
        """
        return StepStatus.SUCCESS in self._ends(node_str)

    def is_node_failed(self, node_str: str) -> bool:
        """Whether any step of the node failed: of a graph's ops, of mapped steps."""
        return StepStatus.FAILED in self._ends(node_str)

    def is_node_skipped(self, node_str: str) -> bool:
        """Whether any step of the node was skipped: of a graph's ops, of mapped steps."""
        return StepStatus.SKIPPED in self._ends(node_str)

    def get_failed_step_keys(self) -> frozenset[str]:
        """Return the keys of the steps that failed."""
        return frozenset(self._keys_with(StepStatus.FAILED))

    def exception_for_node(self, node_str: str) -> BaseException | None:
        """Return the exception of a node's first failed step; None if it does not pickle."""
        for event in self.get_step_failure_events():
            if is_of_node(event.step_key or "", node_str):
                return self._engine.exception(self._plan.index_of(event.step_key or ""))
        return None

    def retry_attempts_for_node(self, node_str: str) -> int:
        """Return the number of retries of a node; raises StepNotFoundError for an unknown one."""
        plan = self._plan
        if node_str not in plan.node_paths:
            plan.index_of(node_str)
        steps = plan.steps
        tried_again = [attempt.step for attempt in self._log.attempts() if attempt.outcome == RETRY]
        return sum(1 for step in tried_again if is_of_node(steps[step].key, node_str))

    @property
    def reused(self) -> Mapping[str, Reused]:
        """Steps with outputs of an earlier run, each with the step of that run.

        They come from the cache, or from the previous run of a resumed one.
        """
        steps, previous_run = self._plan.steps, self._spec.previous_run
        reused: dict[str, Reused] = {}
        if previous_run is not None:
            keys = [steps[step].key for step in sorted(self._outcome.machine.taken_over)]
            reused = {key: Reused(previous_run.run_id, key) for key in keys}
        for record in self._log.records:
            if isinstance(record, Attempt):
                key = steps[record.step].key
                if record.reused is not None:
                    reused[key] = record.reused
                elif key in reused:  # It ran after all, since its outputs were lost.
                    del reused[key]
        return reused

    def counts(self) -> Mapping[str, int]:
        """Return the counts of steps by their ends."""
        status, reused = self._outcome.machine.status, len(self.reused)
        ended = {end: status.count(kind) for kind, end in _END_BY_STATUS.items()}
        ended[StepEnd.SUCCEEDED] -= reused
        ended[StepEnd.REUSED] = reused
        counts = counts_by_end(ended, len(status))
        return {end.value: count for end, count in counts.items()}


class ExecuteInProcessResult(RunResult):
    """Result of ``execute_in_process``; remembers the outputs that IO managers stored."""

    remembers = True


class JobExecutionResult(RunResult):
    """Result of ``execute_job``; its outputs can be read without a ``with`` block too."""
