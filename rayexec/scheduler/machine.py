"""State machine of a run: events in, instructions out, and nothing else.

It has no thread, no clock and no engine; time is an argument. Equal events in equal order lead to
equal instructions, so tests drive it by hand, and property tests by the thousand.

    waiting ── last predecessor over ──> ready ── dealt into a batch ──> running
       │  │                                ▲                               ├──> success | failed
       │  │                                └───── retry is due ── delayed ─┘
       │  └── dealt behind its predecessors ──> chained ── came back unrun ──> waiting or ready
       ├── an input was not yielded ──> skipped
       ├── a predecessor failed ──> abandoned
       └── restored from an earlier run ──> success

The module `step_table` has the complete table of transitions.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Collection, Mapping, Set
from typing import Any

from rayexec.events import RETRY, SUCCESS, Attempt, OutputRecord, Successes
from rayexec.placement.limits import Demand, Placement
from rayexec.plan.base import Plan
from rayexec.plan.dynamic.run_plan import RunPlan
from rayexec.plan.model import Call
from rayexec.run.previous_run import PreviousRun
from rayexec.scheduler.batching import Batcher
from rayexec.scheduler.in_flight import BatchInFlight, InFlight
from rayexec.scheduler.lost_workers import LostWorkers
from rayexec.scheduler.messages import (
    BatchEnded,
    BatchLost,
    BatchProgressed,
    BatchStarted,
    CancelBatches,
    CancelRequested,
    Instruction,
    Rows,
    RunBatch,
    RunStarted,
    SchedulerEvent,
    SharedLimitsChanged,
    StepRequeued,
    StepYielded,
    TimerFired,
)
from rayexec.scheduler.outcomes import Outcomes
from rayexec.scheduler.priorities import starting_order
from rayexec.scheduler.ready_queue import ReadyQueue
from rayexec.scheduler.retention import KeepOutputs, Retention
from rayexec.scheduler.settlement import Settlement
from rayexec.scheduler.step_table import StepTable
from rayexec.scheduler.wait_reasons import SHOWN, Waiting, WaitingRetry, who_waits

__all__ = ["Machine"]

# The losses of its worker, or of its inputs, that cost a step none of its retries.
LOSSES = 3
_MOST_RETRIES = 50  # that ``waiting`` names


class Machine:
    """The state of one run. Its driver feeds events to ``handle`` and carries out the answers.

    `plan` and `placement` belong to the machine from now on; both grow with dynamic outputs.
    """

    def __init__(
        self,
        plan: Plan,
        placement: Placement,
        *,
        retries: bool = True,
        require_upstream_success: bool = True,
        stop_on_failure: bool = False,
        grows: bool = False,
        batching: bool = False,
        keep_outputs: KeepOutputs = "all",
        streams: frozenset[int] = frozenset(),
        infrastructure_retries: int = LOSSES,
        previous_run: PreviousRun | None = None,
    ) -> None:
        """Prepare a run; the first event is RunStarted.

        With ``grows``, more slots than those of ``placement`` may come. Without ``batching``, each
        batch is one step. The templates ``streams`` hand dynamic outputs on before their steps are
        over. A step may lose its worker ``infrastructure_retries`` times before it has started, or
        its inputs, at no cost to its own retries. ``previous_run`` is an earlier run to resume.
        """
        self._plan = plan
        self._placement = placement
        self._stop_on_failure = stop_on_failure
        self._streams = streams
        self._table = StepTable(len(plan.steps))
        #: The status of each step.
        self.status = self._table.status
        #: The number of attempts that each step has made.
        self.attempts = self._table.attempts
        self._retention = Retention(plan, keep_outputs, streams)
        self._outcomes = Outcomes(plan, self._table, require_success=require_upstream_success)
        self._ready_queue = ReadyQueue(
            plan.in_degrees, plan.successors, starting_order(plan, placement.slots), plan.priorities
        )
        self._batcher = Batcher(
            plan,
            self._ready_queue,
            placement,
            self._table,
            self._outcomes.imperfect,
            grows=grows,
            batching=batching,
            streams=streams,
        )
        self._lost_workers = LostWorkers(
            plan, placement, self._batcher, retries=retries, most=infrastructure_retries
        )
        self._settlement = Settlement(
            plan,
            placement,
            self._table,
            self._ready_queue,
            self._batcher,
            self._outcomes,
            self._retention,
            streams,
            previous_run,
        )
        # Steps up for retry, as a heap of (due time, step).
        self._delayed: list[tuple[float, int]] = []
        self._in_flight = InFlight()
        # The demands of each scheduling class, once somebody asked for wait reasons.
        self._demands: list[list[Demand]] = []
        self._is_resuming = previous_run is not None
        self._has_started = False
        #: Whether no more steps start.
        self.is_stopping = False
        #: Whether somebody canceled the run.
        self.is_canceled = False

    @property
    def is_over(self) -> bool:
        """Whether nothing is in flight, and every step is over or none starts any more."""
        if self._in_flight.by_id:
            return False
        return self._table.open_count == 0 or self.is_stopping

    @property
    def failed(self) -> list[int]:
        """The failed steps."""
        return sorted(self._table.failed)

    @property
    def running(self) -> Mapping[int, BatchInFlight]:
        """The batches in flight, by id."""
        return self._in_flight.by_id

    @property
    def taken_over(self) -> Set[int]:
        """The steps with outputs of an earlier run, without those that ran again."""
        return self._settlement.taken_over

    @property
    def released(self) -> Set[int]:
        """The steps with dropped outputs."""
        return self._retention.dropped

    @property
    def yields(self) -> Mapping[int, Mapping[str, OutputRecord]]:
        """The values of dynamic outputs, by step and name."""
        return self._outcomes.yields

    @property
    def is_watching(self) -> bool:
        """Whether ready steps depend on the shares of other runs: report SharedLimitsChanged."""
        return self._batcher.is_watching

    def waiting(self, now: float) -> Waiting:
        """Return the running steps, and the reasons of the others to wait.

        Any thread may call it. It reads changing state in single operations, so an answer may be a
        moment old, and no worse.
        """
        if len(self._demands) < len(self._placement.classes):
            self._demands = [self._placement.demands_of(one) for one in self._placement.classes]
        batches = self._in_flight.progress(now)
        ready, blocked_by = self._ready_queue.ready(SHOWN), self._batcher.blocked_by()
        pending = list(self._delayed)
        retries, delayed = heapq.nsmallest(_MOST_RETRIES, pending), [step for _, step in pending]
        waiting = who_waits(self._placement, self._demands, batches, ready, blocked_by, delayed)
        return waiting._replace(
            retries=tuple([WaitingRetry(step, max(0.0, due - now)) for due, step in retries]),
            ages={batch.step: batch.age for batch in batches if batch.is_first},
            slots=self._placement.slots,
            status=self.status,
            over=len(self.status) - self._table.open_count,
            failed=len(self._table.failed),
        )

    def outputs_of(self, step: int) -> tuple[OutputRecord, ...]:
        """Return the outputs of a successful step."""
        return self._outcomes.records_of(step)

    def wakes_at(self) -> float | None:
        """Return the time of the next retry, None without any."""
        return self._delayed[0][0] if self._delayed and not self.is_stopping else None

    def handle(self, event: SchedulerEvent, now: float) -> list[Instruction]:
        """Apply an event at ``now``, the seconds of any steady clock; return the instructions.

        1. The event's own method changes the state of its steps.
        2. Steps with a due retry become ready.
        3. A resumed run settles the new steps of the plan.
        4. Ready steps go into batches, as far as limits and windows allow.
        """
        out: list[Instruction] = []
        _METHODS[type(event)](self, event, now, out)
        self._wake(now)
        if self._is_resuming and self._has_started:
            self._settlement.resume(out)
        if not self.is_stopping:
            self._batcher.rank(now, self._table.open_count)
            for class_id, calls, budget in self._batcher.deal():
                out.append(RunBatch(self._in_flight.submit(class_id, calls, budget, now)))
        return out

    def _run_started(self, event: RunStarted, now: float, out: list[Instruction]) -> None:
        self._has_started = True
        self._settlement.settle(self._ready_queue.prepare(), out)

    def _timer_fired(self, event: TimerFired, now: float, out: list[Instruction]) -> None:
        """Do nothing; `handle` wakes steps after any event."""

    def _cancel_requested(self, event: CancelRequested, now: float, out: list[Instruction]) -> None:
        self.is_stopping = self.is_canceled = True
        if self.running:
            out.append(CancelBatches(tuple(self.running)))

    def _shared_limits_changed(
        self, event: SharedLimitsChanged, now: float, out: list[Instruction]
    ) -> None:
        self._batcher.set_held_by_others(event.held)

    def _batch_started(self, event: BatchStarted, now: float, out: list[Instruction]) -> None:
        class_id = self._in_flight.begin(event.batch_id)
        if class_id is not None:
            self._batcher.begin(class_id)

    def _step_yielded(self, event: StepYielded, now: float, out: list[Instruction]) -> None:
        if self._in_flight.has(event.batch_id, event.step):
            records = tuple(map(OutputRecord, event.names))
            self._settlement.hand_on(event.step, records, out)

    def _batch_progressed(self, event: BatchProgressed, now: float, out: list[Instruction]) -> None:
        batch = self._in_flight.by_id.get(event.batch_id)
        if batch is None:
            return  # its answer overtook the report
        self._apply_all(batch, event.attempts, now, out)
        outstanding = batch.outstanding
        self._give_back(
            [step for step in event.returned if outstanding.pop(step, None) is not None], out
        )

    def _batch_ended(self, event: BatchEnded, now: float, out: list[Instruction]) -> None:
        batch = self._in_flight.by_id[event.batch_id]
        self._apply_all(batch, event.attempts, now, out)
        self._end_batch(event.batch_id, out)

    def _batch_lost(self, event: BatchLost, now: float, out: list[Instruction]) -> None:
        """Apply a lost batch.

        1. The finished attempts count.
        2. If no step had started, the first released one has lost its worker. It runs again at no
           cost, after its lost inputs, unless that happened too often.
        3. The running step, or the one with too many losses, has a failed attempt.
        4. The other steps wait for a new batch.
        """
        outstanding = self._in_flight.by_id[event.batch_id].outstanding
        self._apply_all(self._in_flight.by_id[event.batch_id], event.attempts, now, out)
        culprit = event.culprit if event.culprit in outstanding else None
        if culprit is None and outstanding:
            culprit = self._requeue_first(event, outstanding, out)
        if culprit is not None and not self.is_canceled:
            call = outstanding.pop(culprit)
            attempt = self._lost_workers.failed_attempt(call, event)
            out.append(attempt)
            self._apply(attempt, now, out)
        self._end_batch(event.batch_id, out)

    def _requeue_first(
        self, event: BatchLost, outstanding: Mapping[int, Call], out: list[Instruction]
    ) -> int | None:
        """Count a loss for the first released step; return the step if it has to fail."""
        step = next((step for step in outstanding if self._ready_queue.is_released(step)), None)
        if step is None:
            return None
        times, most = self._lost_workers.count(step), self._lost_workers.most
        lost_inputs = () if self.is_canceled else event.inputs
        if times > most or not self._settlement.reconstruct(lost_inputs, step, out):
            return step
        if not event.inputs and not self.is_stopping:
            out.append(StepRequeued(step, event.failure.error.message, times, most))
        return None

    def _apply_all(
        self, batch: BatchInFlight, rows: Rows, now: float, out: list[Instruction]
    ) -> None:
        """Apply attempts of a batch, except for those of an earlier report."""
        outstanding = batch.outstanding
        for row in rows:
            if isinstance(row, Successes):
                self._apply_successes(row, outstanding, out)
            elif outstanding.pop(row.step, None) is not None:
                out.append(row)
                self._apply(row, now, out)

    def _apply_successes(
        self, block: Successes, outstanding: dict[int, Call], out: list[Instruction]
    ) -> None:
        """Apply many attempts at once that succeeded with all outputs."""
        if not outstanding.keys() >= set(block.steps):
            block = block.only(
                [position for position, step in enumerate(block.steps) if step in outstanding]
            )
        out.append(block)
        steps = block.steps
        for step in steps:
            del outstanding[step]
        self._table.succeed_all(steps, block.attempt_numbers)
        self._batcher.observe(block)
        out += self._retention.over(steps)
        self._settlement.settle(self._ready_queue.done(steps), out)

    def _apply(self, attempt: Attempt, now: float, out: list[Instruction]) -> None:
        step = attempt.step
        template = self._plan.template_of[step]
        if template in self._streams:
            self._settlement.hand_on(step, attempt.outputs, out)
        if attempt.outcome == RETRY:
            self._table.delay(step, attempt.attempt_number)
            heapq.heappush(self._delayed, (now + attempt.delay, step))
            return
        if attempt.outcome == SUCCESS:
            self._table.succeed(step, attempt.attempt_number)
            self._batcher.estimates[template].observe(attempt.ended - attempt.started, 1)
            self._settlement.expand(self._outcomes.record(step, attempt.outputs))
            if attempt.has_large_output:
                self._batcher.mark_large(step)
            out += self._retention.over((step,))
        else:
            self._table.fail(step, attempt.attempt_number)
            if template in self._streams and isinstance(self._plan, RunPlan):
                self._plan.fail(step)
            self._outcomes.record_partial(step, attempt.outputs)
            if self._stop_on_failure:
                self.is_stopping = True
        self._settlement.settle(self._ready_queue.done((step,)), out)

    def _end_batch(self, batch_id: int, out: list[Instruction]) -> None:
        batch = self._in_flight.by_id.pop(batch_id)
        self._batcher.end(batch.class_id, has_begun=batch.has_begun)
        self._give_back(batch.outstanding, out)

    def _give_back(self, steps: Collection[int], out: list[Instruction]) -> None:
        for step in steps:
            self._table.give_back(step)
            if self._ready_queue.is_released(step):
                self._settlement.settle([step], out)

    def _wake(self, now: float) -> None:
        while self._delayed and self._delayed[0][0] <= now:
            step = heapq.heappop(self._delayed)[1]
            if self._ready_queue.is_released(step):
                self._settlement.make_ready(step)
            else:  # an input was lost meanwhile
                self._table.give_back(step)


_METHODS: Mapping[
    type[SchedulerEvent], Callable[[Machine, Any, float, list[Instruction]], None]
] = {
    RunStarted: Machine._run_started,
    BatchStarted: Machine._batch_started,
    BatchProgressed: Machine._batch_progressed,
    BatchEnded: Machine._batch_ended,
    BatchLost: Machine._batch_lost,
    StepYielded: Machine._step_yielded,
    SharedLimitsChanged: Machine._shared_limits_changed,
    TimerFired: Machine._timer_fired,
    CancelRequested: Machine._cancel_requested,
}
