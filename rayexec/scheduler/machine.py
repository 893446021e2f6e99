"""The state machine of a run: events in, instructions out, and nothing else.

It has no thread, no clock, no engine; time is an argument. The same events in the same order give
the same instructions, so tests drive it by hand and property tests by the thousand.

    waiting ── last predecessor over ──> ready ── dealt into a batch ──> running ──> success | failed
       │  │                                ▲                               └──> delayed (up for retry) ──> ready
       │  └── dealt behind its last predecessors ──> chained ── came back unrun ──> waiting or ready
       ├── an input was not yielded ──> skipped
       ├── a predecessor failed ──> abandoned
       └── an earlier run has it ──> success
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Mapping, Sequence, Set
from typing import Any

from rayexec.events import RETRY, SUCCESS, Attempt, OutputRecord, Successes
from rayexec.placement.limits import Placement
from rayexec.plan.dynamic.run_plan import Expansion, RunPlan
from rayexec.plan.model import Call, FromStep, Plan
from rayexec.run.previous_run import FinishedStep, PreviousRun
from rayexec.scheduler.batching import Batcher
from rayexec.scheduler.in_flight import InFlight
from rayexec.scheduler.lost_workers import LostWorkers
from rayexec.scheduler.messages import (
    OVER,
    BatchEnded,
    BatchLost,
    BatchProgressed,
    BatchStarted,
    CancelBatches,
    CancelRequested,
    Instruction,
    RestoreOutputs,
    Rows,
    RunBatch,
    RunStarted,
    SchedulerEvent,
    SharedLimitsChanged,
    StepAbandoned,
    StepRequeued,
    StepSkipped,
    StepStatus,
    StepTakenBack,
    StepUnfed,
    StepYielded,
    TimerFired,
)
from rayexec.scheduler.outcomes import Outcomes
from rayexec.scheduler.priorities import starting_order
from rayexec.scheduler.ready_queue import ReadyQueue
from rayexec.scheduler.reconstruction import Reconstruction
from rayexec.scheduler.resume import Resumption
from rayexec.scheduler.retention import KeepOutputs, Retention
from rayexec.scheduler.verdicts import Verdicts
from rayexec.scheduler.wait_reasons import SHOWN, Obstacle, Waiting, obstacles, who_waits

__all__ = ["Machine"]

# Looking a member up in its enum costs as much as what is done with it.
_WAITING, _SUCCESS = StepStatus.WAITING, StepStatus.SUCCESS

# How often a step may lose its worker before it has started, or its inputs, at no cost to its own
# retries.
LOSSES = 3


class Machine:
    """One run's state. Feed events to ``handle``, carry out what it returns, until ``is_over``.

    ``placement`` tells what limits each step and how many batches run at once, ``grows`` whether
    they may become more; with ``batching`` off each batch is one step. ``keep_outputs`` says whose
    outputs are never in ``released``. ``streams`` are the places of templates whose dynamic outputs
    are handed on before their ops are over. ``infrastructure_retries`` is how often a step may lose
    its worker before it has started, or what it takes, at no cost to its own retries.
    ``previous_run`` is an earlier run from which this one goes on.
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
        self._plan = plan
        self._placement = placement
        self._stop_on_failure = stop_on_failure
        self._retention = Retention(plan, keep_outputs, streams)
        self.status: list[StepStatus] = [StepStatus.WAITING] * len(plan.steps)
        self.attempts: list[int] = [0] * len(plan.steps)
        self._streams = streams
        self._outcomes = Outcomes(plan, self.status)
        self._imperfect = self._outcomes.imperfect
        self._verdicts = Verdicts(
            plan, self.status, self._outcomes, require_success=require_upstream_success
        )
        self._collecting = plan.collecting_steps
        self._ready_queue: ReadyQueue[int] = ReadyQueue(
            plan.in_degrees, plan.successors, starting_order(plan, placement.slots), plan.priorities
        )
        self._batcher = Batcher(
            plan,
            self._ready_queue,
            placement,
            self.status,
            self.attempts,
            self._imperfect,
            grows=grows,
            batching=batching,
            streams=streams,
        )
        self._lost_workers = LostWorkers(
            plan, placement, self._batcher, retries=retries, most=infrastructure_retries
        )
        self._reconstruction = Reconstruction(
            plan,
            self.status,
            self.attempts,
            self._ready_queue,
            placement.class_of,
            self._retention,
            streams,
        )
        self._resumption = None
        if previous_run is not None:
            self._resumption = Resumption(
                plan, previous_run, self.status, self._reconstruction, self._retention
            )
        # The steps that were taken over from an earlier run, and did not have to be made again.
        self.taken_over: set[int] = set()
        self._delayed: list[tuple[float, int]] = []
        self._in_flight = InFlight()
        self._in_the_way: list[list[tuple[Obstacle, float, float]]] | None = None
        # Steps that cannot run, since what they take was not kept, with those that it is of, which
        # must not run again.
        self._starved: dict[int, tuple[int, ...]] = {}
        self._open = len(plan.steps)
        self._has_started = False
        self.is_stopping = False
        self.is_canceled = False

    @property
    def is_over(self) -> bool:
        """Whether nothing is left to do: every step is over, or none runs and none more will start."""
        if self._in_flight.by_id:
            return False
        return self._open == 0 or self.is_stopping

    @property
    def failed(self) -> list[int]:
        """The steps that failed."""
        return [step for step, status in enumerate(self.status) if status is StepStatus.FAILED]

    @property
    def running(self) -> Mapping[int, Any]:
        """The batches under way, by id."""
        return self._in_flight.by_id

    @property
    def released(self) -> Set[int]:
        """The steps whose outputs were dropped."""
        return self._retention.dropped

    @property
    def yields(self) -> Mapping[int, Mapping[str, OutputRecord]]:
        """What steps with dynamic outputs yielded."""
        return self._outcomes.yields

    @property
    def is_watching(self) -> bool:
        """Whether it matters just now what other runs hold of the cluster's limits: tell it by
        ``SharedLimitsChanged``.
        """
        return self._batcher.is_watching

    def waiting(self, now: float) -> Waiting:
        """Return which steps run and what the others wait for.

        Another thread than the one that feeds events may ask: what changes meanwhile is read in
        single operations, so an answer may be a moment old, but no worse.
        """
        if self._in_the_way is None or len(self._in_the_way) < len(self._placement.classes):
            self._in_the_way = [
                obstacles(self._placement, known) for known in self._placement.classes
            ]
        batches = self._in_flight.under_way(now)
        ready, blocked_by = self._ready_queue.ready(SHOWN), self._batcher.blocked_by()
        delayed = [step for _, step in list(self._delayed)]
        return who_waits(self._placement, self._in_the_way, batches, ready, blocked_by, delayed)

    def outputs_of(self, step: int) -> tuple[OutputRecord, ...]:
        """Return what a step that succeeded yielded."""
        return self._outcomes.of(step)

    def wakes_at(self) -> float | None:
        """Return when the next delayed step is due, or None."""
        return self._delayed[0][0] if self._delayed and not self.is_stopping else None

    def handle(self, event: SchedulerEvent, now: float) -> list[Instruction]:
        """Take in one event at ``now`` (seconds of any steady clock); return what to do about it,
        in order.
        """
        out: list[Instruction] = []
        _HANDLERS[type(event)](self, event, now, out)
        self._wake(now)
        if self._resumption is not None and self._has_started:
            self._resume(self._resumption, out)
        if not self.is_stopping:
            self._batcher.rank(now, self._open)
            self._deal(now, out)
        return out

    def _batch_started(self, event: BatchStarted, now: float, out: list[Instruction]) -> None:
        class_id = self._in_flight.begin(event.batch_id)
        if class_id is not None:
            self._batcher.begun(class_id)

    def _batch_ended(self, event: BatchEnded, now: float, out: list[Instruction]) -> None:
        self._apply_all(event.batch_id, event.attempts, now, out)
        self._end(event.batch_id, out)

    def _step_yielded(self, event: StepYielded, now: float, out: list[Instruction]) -> None:
        if self._in_flight.has(event.batch_id, event.step):
            self._hand_on(event.step, tuple(map(OutputRecord, event.names)), out)

    def _shared_limits_changed(
        self, event: SharedLimitsChanged, now: float, out: list[Instruction]
    ) -> None:
        self._batcher.take_others(event.held)

    def _run_started(self, event: RunStarted, now: float, out: list[Instruction]) -> None:
        self._has_started = True
        self._settle(self._ready_queue.prepare(), out)

    def _timer_fired(self, event: TimerFired, now: float, out: list[Instruction]) -> None:
        """Do nothing but what follows every event."""

    def _cancel_requested(self, event: CancelRequested, now: float, out: list[Instruction]) -> None:
        self.is_stopping = self.is_canceled = True
        if self.running:
            out.append(CancelBatches(tuple(self.running)))

    def _deal(self, now: float, out: list[Instruction]) -> None:
        for class_id, calls, budget in self._batcher.deal():
            out.append(RunBatch(self._in_flight.take_off(class_id, calls, budget, now)))

    def _apply_all(self, batch_id: int, rows: Rows, now: float, out: list[Instruction]) -> None:
        """Take in attempts of a batch; those reported before are not counted twice."""
        outstanding = self._in_flight.by_id[batch_id][1]
        for row in rows:
            if isinstance(row, Successes):
                self._apply_successes(row, outstanding, out)
            elif outstanding.pop(row.step, None) is not None:
                out.append(row)
                self._apply(row, now, out)

    def _apply_successes(
        self, block: Successes, outstanding: dict[int, Call], out: list[Instruction]
    ) -> None:
        """Do what ``_apply`` does, for many attempts that went plainly well."""
        if not outstanding.keys() >= set(block.steps):
            block = block.only(
                [place for place, step in enumerate(block.steps) if step in outstanding]
            )
        out.append(block)
        status, attempts = self.status, self.attempts
        for step, number in zip(block.steps, block.numbers, strict=True):
            del outstanding[step]
            status[step] = _SUCCESS
            attempts[step] = number + 1
        self._batcher.observe(block)
        self._open -= len(block.steps)
        out += self._retention.over(block.steps)
        self._settle(self._ready_queue.done(block.steps), out)

    def _end(self, batch_id: int, out: list[Instruction]) -> None:
        """Close a batch: free its places, and give back the calls that it did not get to."""
        class_id, outstanding, has_begun = self._in_flight.land(batch_id)
        self._batcher.end(class_id, has_begun=has_begun)
        self._give_back(outstanding, out)

    def _batch_progressed(self, event: BatchProgressed, now: float, out: list[Instruction]) -> None:
        if event.batch_id not in self._in_flight.by_id:
            return  # its answer overtook the report
        self._apply_all(event.batch_id, event.attempts, now, out)
        outstanding = self._in_flight.by_id[event.batch_id][1]
        self._give_back(
            [step for step in event.returned if outstanding.pop(step, None) is not None], out
        )

    def _give_back(self, steps: Mapping[int, Call] | list[int], out: list[Instruction]) -> None:
        for step in steps:
            self.status[step] = StepStatus.WAITING
            if self._ready_queue.is_released(step):
                self._settle([step], out)

    def _batch_lost(self, event: BatchLost, now: float, out: list[Instruction]) -> None:
        """Count what a lost batch had finished; the step it died in has a failed attempt, the
        others go back.
        """
        self._apply_all(event.batch_id, event.attempts, now, out)
        outstanding = self._in_flight.by_id[event.batch_id][1]
        culprit = event.culprit if event.culprit in outstanding else None
        if culprit is None and outstanding:
            # One that may start: what waits for others had no part in it.
            first = next(
                (step for step in outstanding if self._ready_queue.is_released(step)), None
            )
            if first is not None:
                times = self._lost_workers.count(first)
                if times > self._lost_workers.most or not self._restore(event.inputs, first, out):
                    culprit = first
                elif not event.inputs and not self.is_stopping:
                    out.append(
                        StepRequeued(
                            first, event.failure.error.message, times, self._lost_workers.most
                        )
                    )
        if culprit is not None and not self.is_canceled:
            call = outstanding.pop(culprit)
            attempt = self._lost_workers.failed_attempt(call, event)
            out.append(attempt)
            self._apply(attempt, now, out)
        self._end(event.batch_id, out)

    def _restore(self, lost: Sequence[int], needed_by: int, out: list[Instruction]) -> bool:
        """Have the steps run again whose outputs are gone; False where one of them must not."""
        steps = self._reconstruction.needed(lost) if lost and not self.is_canceled else []
        if steps is None or not all(self._plan.op_of(step).rerun_on_loss for step in steps):
            return False
        out += [StepTakenBack(step, needed_by) for step in steps]
        self._make_again(steps, out)
        return True

    def _make_again(self, steps: Sequence[int], out: list[Instruction]) -> None:
        if steps:
            self._open += len(steps)
            self.taken_over.difference_update(steps)
            self._batcher.take_back(steps)
            self._settle(self._reconstruction.take_back(steps), out)

    def _apply(self, attempt: Attempt, now: float, out: list[Instruction]) -> None:
        step = attempt.step
        self.attempts[step] = attempt.number + 1
        template = self._plan.template_of[step]
        if template in self._streams:
            self._hand_on(step, attempt.outputs, out)
        if attempt.outcome == RETRY:
            self.status[step] = StepStatus.DELAYED
            heapq.heappush(self._delayed, (now + attempt.delay, step))
            return
        if attempt.outcome == SUCCESS:
            self.status[step] = StepStatus.SUCCESS
            self._batcher.estimates[template].observe(attempt.ended - attempt.started, 1)
            self._grow(self._outcomes.came(step, attempt.outputs))
            if attempt.has_large_output:
                self._batcher.came_out_large(step)
            out += self._retention.over((step,))
        else:
            self.status[step] = StepStatus.FAILED
            if template in self._streams and isinstance(self._plan, RunPlan):
                self._plan.fail(step)
            self._outcomes.came_short(step, attempt.outputs)
            if self._stop_on_failure:
                self.is_stopping = True
        self._open -= 1
        self._settle(self._ready_queue.done((step,)), out)

    def _hand_on(self, step: int, records: Sequence[OutputRecord], out: list[Instruction]) -> None:
        """Let steps begin with values of dynamic outputs whose op is not over, or failed."""
        growth = self._outcomes.came_early(step, records)
        if growth is not None:
            self._grow(growth)
            free = [
                growth.first + place for place, waiting in enumerate(growth.waiting) if not waiting
            ]
            self._settle(free, out)

    def _grow(self, growth: Expansion | None) -> None:
        """Take in the steps that came to the plan, if any."""
        if growth is None:
            return
        count = len(growth.waiting)
        self._placement.grow(growth.nodes)
        self.status.extend([_WAITING] * count)
        self.attempts.extend([0] * count)
        self._ready_queue.grow(growth.waiting)
        for step, more in growth.awaited.items():
            self._ready_queue.await_more(step, more)
        self._imperfect.update(growth.imperfect)
        self._retention.grow(growth.first)
        self._batcher.grow(growth.first, count)
        self._open += count

    def _settle(self, released: list[int], out: list[Instruction]) -> None:
        """Decide about steps whose predecessors are all over; what ends there may release others in
        turn.
        """
        pending = released[::-1]
        while pending:
            step = pending.pop()
            if self.status[step] is not _WAITING:
                # it is in a batch, which decides or gives it back; or was over in the same breath
                continue
            if step in self._collecting:
                self._plan.close_collected(step)
            if self._resumption is not None and self._resume_step(step, self._resumption, out):
                pending.extend(self._ready_queue.done((step,)))
                continue
            fate = self._verdicts.fate(step) if step in self._imperfect else StepStatus.READY
            if fate is StepStatus.READY and step in self._starved:
                fate = StepStatus.FAILED
                out.append(StepUnfed(step, self._starved[step], is_refused=True))
            if fate is StepStatus.READY:
                self._ready(step)
                continue
            self.status[step] = fate
            self._open -= 1
            if fate is StepStatus.SKIPPED:
                out.append(StepSkipped(step))
                out += self._retention.over((step,))
                if self._resumption is not None:
                    self._resumption.skipped(step)
            elif fate is StepStatus.ABANDONED:
                self._abandon(step, out)
            self._outcomes.taint(step)
            pending.extend(self._ready_queue.done((step,)))

    def _abandon(self, step: int, out: list[Instruction]) -> None:
        culprits = self._verdicts.culprits(step)
        missing = tuple([each for each in culprits if self.status[each] is StepStatus.LEFT_OUT])
        if missing:
            self.status[step] = StepStatus.FAILED
            out.append(StepUnfed(step, missing))
        else:
            out.append(StepAbandoned(step, culprits))

    def _resume(self, resumption: Resumption, out: list[Instruction]) -> None:
        """Look at the steps that are new to the plan, in a run that goes on from another.

        What is not to run must not be dealt behind what does, and what is not kept must be made
        again before what takes it is dealt.
        """
        while new := resumption.news():
            for step in new:
                if self.status[step] is _WAITING and resumption.is_left_out(step):
                    self._resume_step(step, resumption, out)
                    self._settle(self._ready_queue.done((step,)), out)
            again = resumption.lacking(new)
            out += [
                StepTakenBack(step, needed_by, is_unkept=True) for step, needed_by in again.items()
            ]
            self._make_again(list(again), out)
            for step, culprits in resumption.starved(new).items():
                self._starved[step] = culprits
                self._imperfect.add(step)  # so that it is not dealt behind another
                if self.status[step] is StepStatus.READY:
                    self._ready_queue.withdraw(step, self._placement.class_of[step])
                    self.status[step] = _WAITING
                    self._settle([step], out)

    def _resume_step(self, step: int, resumption: Resumption, out: list[Instruction]) -> bool:
        """Take over what an earlier run has of a step, or leave it out; False where it is to run."""
        done: FinishedStep | None = resumption.done(step)
        if done is None and not resumption.is_left_out(step):
            return False
        self._open -= 1
        if done is None:
            self.status[step] = StepStatus.LEFT_OUT
            self._outcomes.taint(step)
            return True
        self.status[step] = StepStatus.SUCCESS
        out.append(RestoreOutputs(step, done))
        resumption.took_over(step, done)
        self.taken_over.add(step)
        self._grow(self._outcomes.came(step, done.outputs))
        out += self._retention.over((step,))
        return True

    def _ready(self, step: int) -> None:
        self.status[step] = StepStatus.READY
        self._batcher.ready(step)

    def _wake(self, now: float) -> None:
        while self._delayed and self._delayed[0][0] <= now:
            step = heapq.heappop(self._delayed)[1]
            if self._ready_queue.is_released(step):
                self._ready(step)
            else:  # what it takes has to be made again
                self.status[step] = StepStatus.WAITING

    def check(self) -> None:
        """Raise AssertionError where the state contradicts itself; for tests, after every event."""
        in_batches = {
            step
            for step, each in enumerate(self.status)
            if each in (StepStatus.RUNNING, StepStatus.CHAINED)
        }
        assert in_batches == self._in_flight.check(), (
            "a step is taken for running and is in no batch"
        )
        assert self._open == sum(each not in OVER for each in self.status), (
            "the count of open steps is off"
        )
        for step, status in enumerate(self.status):
            if status in (
                StepStatus.READY,
                StepStatus.RUNNING,
                StepStatus.DELAYED,
                StepStatus.SUCCESS,
                StepStatus.FAILED,
            ):
                before = {
                    s.step
                    for each in self._plan.steps[step].inputs
                    for s in each.sources
                    if type(s) is FromStep
                }
                before = {
                    each for each in before if self._plan.template_of[each] not in self._streams
                }
                assert all(self.status[each] in OVER for each in before), (
                    "a step got ahead of its inputs"
                )


_HANDLERS: Mapping[
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
