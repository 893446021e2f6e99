"""Batching: groups ready steps for one worker, as far as limits and windows have room."""

from __future__ import annotations

import math
import operator
from collections.abc import Collection, Iterator, Mapping
from heapq import heappop, heapreplace

from rayexec.events import Successes
from rayexec.placement.limits import Placement, SchedulingClass
from rayexec.plan.base import Plan
from rayexec.plan.model import Call, FromStep
from rayexec.run.spec import BATCH_BUDGET_S
from rayexec.scheduler.admission import LimitLedger
from rayexec.scheduler.batch_size import (
    BATCH_COST_S,
    MAX_CALLS,
    DurationEstimate,
    batch_budget,
    batch_size,
    window_size,
)
from rayexec.scheduler.distinct_requests import DistinctRequests
from rayexec.scheduler.messages import StepStatus
from rayexec.scheduler.priorities import Ranking
from rayexec.scheduler.ready_queue import ReadyQueue
from rayexec.scheduler.step_table import StepTable

__all__ = ["Batcher"]

# Looking a member up in its enum costs as much as what is done with it.
_WAITING = StepStatus.WAITING


class _Draft:
    """A batch in the making."""

    __slots__ = ("calls", "class_id", "inside", "large", "spent")

    def __init__(self, class_id: int, large: frozenset[int | FromStep]) -> None:
        self.class_id = class_id
        #: The large outputs that it brings to its worker.
        self.large = large
        self.calls: list[Call] = []
        #: The seconds that its calls should need.
        self.spent = 0.0
        #: The number of predecessors within the batch, by step.
        self.inside: dict[int, int] = {}


class Batcher:
    """Deals ready steps into batches; all steps of a batch are of one scheduling class."""

    def __init__(
        self,
        plan: Plan,
        ready_queue: ReadyQueue,
        placement: Placement,
        table: StepTable,
        imperfect: set[int],
        *,
        grows: bool,
        batching: bool,
        streams: frozenset[int],
    ) -> None:
        """Prepare; no batch chains a step in ``imperfect``, a set that changes meanwhile."""
        self._plan = plan
        self._ready_queue = ready_queue
        self._ledger = LimitLedger(placement)
        self._table = table
        self._status = table.status
        self._attempts = table.attempts
        self._imperfect = imperfect
        slots = placement.slots
        self._slots = [one.slots for one in placement.classes]
        self._grows = grows
        self._has_autoscaler = placement.capacity.groups != ()
        self._requests = DistinctRequests(
            placement.classes, slots, has_autoscaler=self._has_autoscaler
        )
        self._batching = batching
        self._chain_next = plan.chain_next
        self._first_calls = plan.first_calls
        self._ranking = Ranking(plan, slots)
        #: The durations of each template's steps so far.
        self.estimates = [DurationEstimate() for _ in plan.templates]
        # Steps with unknown successors until they are over.
        self._fan_out_steps = plan.fan_out_steps
        self._collecting = plan.collecting_steps
        # Steps with outputs that are objects of their own in the object store, and their templates.
        self._large: set[int] = set()
        self._large_templates: set[int] = set()
        self._priorities = plan.priorities
        # Templates whose steps go alone, since they hand values on while they run.
        self._streams = streams
        self._dynamic = plan.dynamic_templates
        # The steps of each template that may go first while its duration is unknown.
        self._probes = [slots if batching and plan.priorities is None else 0] * len(plan.templates)
        self._class_of = placement.class_of
        # Classes with ready steps that may have room.
        self._open_classes: set[int] = set()
        # Scheduling classes that wait for a driver-held limit, by limit, and that limit by class.
        self._blocked: dict[int, set[int]] = {}
        self._blocked_by: dict[int, int] = {}

    def ready(self, step: int) -> None:
        """Queue a ready step; the first ones of an unknown op go before the others."""
        class_id = self._class_of[step]
        template = self._plan.template_of[step]
        is_probe = self._probes[template] > 0 and self.estimates[template].count == 0
        if is_probe:
            self._probes[template] -= 1
        self._ready_queue.add(step, class_id, first=is_probe)
        if class_id not in self._open_classes and class_id not in self._blocked_by:
            self._open_classes.add(class_id)

    def grow(self, first: int, count: int) -> None:
        """Rank ``count`` new steps of the plan from ``first``, too."""
        self._ranking.add(range(first, first + count))

    def add_class(self, scheduling_class: SchedulingClass) -> None:
        """Add a scheduling class behind the others."""
        self._slots.append(scheduling_class.slots)
        self._ledger.add_class(scheduling_class)
        self._requests.add_class(scheduling_class)

    def run_again(self, steps: Collection[int]) -> None:
        """Rank steps once more after they were over."""
        self._ranking.run_again(steps)

    def blocked_by(self) -> dict[int, int]:
        """Return the full driver-held limit of each waiting scheduling class."""
        return self._blocked_by.copy()

    @property
    def is_watching(self) -> bool:
        """Whether ready steps depend on the shares of other runs in the cluster's limits."""
        return any(
            self._ready_queue.head(class_id) is not None
            for class_id in self._ledger.sharing_classes
        )

    def set_held_by_others(self, held: Mapping[int, int]) -> None:
        """Set the amounts held by other runs, by limit."""
        self._ledger.set_held_by_others(held)

    def begin(self, class_id: int) -> None:
        """Count a batch as running, by the engine's report."""
        self._ledger.begin(class_id)

    def end(self, class_id: int, *, has_begun: bool) -> None:
        """Count a batch as over, and reopen the classes behind its limits."""
        for limit, _ in self._ledger.end(class_id, has_begun=has_begun):
            for other in self._blocked.pop(limit, ()):
                del self._blocked_by[other]
                self._open_classes.add(other)
        self._open_classes.update(self._requests.end(class_id))
        if class_id not in self._blocked_by and self._ready_queue.head(class_id) is not None:
            self._open_classes.add(class_id)

    def observe(self, block: Successes) -> None:
        """Learn the durations of successful steps."""
        templates = [self._plan.template_of[step] for step in block.steps]
        spent = list(map(operator.sub, block.ended, block.started))
        distinct = set(templates)
        if len(distinct) == 1:
            self.estimates[distinct.pop()].observe(sum(spent), len(spent))
            return
        for one in distinct:
            seconds = [
                duration
                for duration, template in zip(spent, templates, strict=True)
                if template == one
            ]
            self.estimates[one].observe(sum(seconds), len(seconds))

    def mark_large(self, step: int) -> None:
        """Mark a step with a large output, an object of its own in the object store."""
        self._large.add(step)
        self._large_templates.add(self._plan.template_of[step])

    def rank(self, now: float, still_open: int) -> None:
        """Order ready steps anew if the observed durations make it worth while."""
        order = (
            self._ranking.anew(now, self.estimates, self._status, still_open)
            if self._batching
            else None
        )
        if order is not None:
            self._ready_queue.rank(order)

    def deal(self) -> Iterator[tuple[int, tuple[Call, ...], float]]:
        """Yield (scheduling class, calls, budget in seconds) of batches with room, best first."""
        heads = self._ready_queue.heads(self._open_classes)
        while heads:
            class_id = heads[0][1]
            if not self._may_submit(class_id):  # and no batch of this round makes room
                heappop(heads)
                continue
            calls, budget = self._make_batch(class_id)
            following = self._ready_queue.head(class_id)
            if following is None:
                self._open_classes.discard(class_id)
                heappop(heads)
            else:
                heapreplace(heads, (following, class_id))
            self._ledger.submit(class_id)
            self._requests.submit(class_id)
            yield class_id, calls, budget

    def _may_submit(self, class_id: int) -> bool:
        """Return whether a batch of a scheduling class has room; close one without any."""
        estimate = self.estimates[self._plan.template_of[self._ready_queue.peek(class_id)]]
        slots, ready = self._slots[class_id], self._ready_queue.count(class_id)
        if self._ledger.in_flight(class_id) >= window_size(
            estimate, slots, grows=self._grows, scales=self._has_autoscaler, ready=ready
        ):
            self._open_classes.discard(class_id)  # until the next of its batches is over
            return False
        blocked = self._ledger.full_limit(class_id)
        if blocked is None and self._requests.holds_back(class_id):
            self._open_classes.discard(class_id)  # until requests like its own are through
            return False
        if blocked is None:
            return self._ledger.has_engine_room(class_id)
        self._blocked.setdefault(blocked, set()).add(class_id)
        self._blocked_by[class_id] = blocked
        self._open_classes.discard(class_id)
        return False

    def _make_batch(self, class_id: int) -> tuple[tuple[Call, ...], float]:
        """Return the calls and the budget of a batch: siblings, each with steps behind it.

        The number of siblings depends on the duration of their op.
        """
        estimates, template_of, batching = self.estimates, self._plan.template_of, self._batching
        attempts, first_calls = self._attempts, self._first_calls
        order = self._ready_queue
        following = order.peek(class_id)
        template = template_of[following]
        estimate = estimates[template]
        # A batch ends with its first large output.
        is_single = not batching or template in self._large_templates or self._goes_alone(template)
        ready = order.count(class_id)
        siblings = 1 if is_single else batch_size(estimate, ready, self._slots[class_id])
        draft = _Draft(class_id, self._large_inputs(following))
        calls = draft.calls
        while True:
            step = order.get_ready(class_id)
            calls.append(Call(step, attempts[step]) if attempts[step] else first_calls[step])
            draft.spent += estimates[template_of[step]].seconds
            if batching and not (self._dynamic and self._goes_alone(template_of[step])):
                self._extend(step, draft)
            siblings -= 1
            following = order.peek(class_id)
            if (
                siblings <= 0
                or following < 0
                or (draft.spent >= BATCH_BUDGET_S > estimate.seconds)
                or len(calls) >= MAX_CALLS
            ):
                break
            if self._large and self._large_inputs(following) not in (frozenset(), draft.large):
                break  # a batch brings at most one set of large inputs to its worker
            if self._dynamic and self._goes_alone(template_of[following]):
                break
            other = estimates[template_of[following]]
            if other is not estimate and (other.seconds >= BATCH_BUDGET_S or other.count == 0):
                break
        self._table.deal(calls)
        return tuple(calls), batch_budget(estimate, len(calls)) if batching else math.inf

    def _extend(self, step: int, draft: _Draft) -> None:
        """Append the steps behind ``step`` without predecessors outside of the batch.

        No other worker could start them sooner. A chain ends with the budget. Where the graph forks
        or joins, steps could run in parallel elsewhere, so they join only while they are known to
        be shorter than the way there. The best joins first, and none before a ready step of higher
        priority.
        """
        links, estimates = self._chain_next, self.estimates
        attempts, first_calls, template_of = (
            self._attempts,
            self._first_calls,
            self._plan.template_of,
        )
        successors, waiting = self._plan.successors, self._ready_queue.waiting
        calls, inside = draft.calls, draft.inside
        pending = [step]
        while pending:
            before = pending.pop()
            template = template_of[before]
            if before != step:
                is_link = links[calls[-1][0]] == before
                limit = BATCH_BUDGET_S if is_link else BATCH_COST_S
                if draft.spent >= limit or len(calls) >= MAX_CALLS:
                    return
                estimate = estimates[template]
                if estimate.seconds >= limit or not (estimate.count or is_link):
                    continue
                if before in self._collecting:
                    self._plan.close_collected(before)
                calls.append(
                    Call(before, attempts[before]) if attempts[before] else first_calls[before]
                )
                draft.spent += estimate.seconds
            if template in self._large_templates:
                return
            if before in self._fan_out_steps:
                continue
            following = links[before]
            if following >= 0:  # the only successor has no other predecessor: common, and quick
                if self._may_join(following, draft):
                    pending.append(following)
                continue
            released = []
            for following in successors[before]:
                count = inside[following] = inside.get(following, 0) + 1
                if count == waiting[following] and self._may_join(following, draft):
                    released.append(following)
            if len(released) > 1:
                released.sort(key=self._ready_queue.ranks.__getitem__, reverse=True)
            pending += released

    def _may_join(self, step: int, draft: _Draft) -> bool:
        """Return whether a step without predecessors outside of the batch may join it."""
        return (
            self._status[step] is _WAITING
            and not (self._dynamic and self._goes_alone(self._plan.template_of[step]))
            and self._class_of[step] == draft.class_id
            and step not in self._imperfect
            and (not self._large or self._large_inputs(step) <= draft.large)
            and (self._priorities is None or self._is_urgent(step, draft.class_id))
        )

    def _goes_alone(self, template: int) -> bool:
        """Return whether steps of a template share no batch.

        These are streaming steps, and steps that may yield any number of large values.
        """
        if template in self._streams:
            return True
        return template in self._dynamic and self.estimates[template].count == 0

    def _is_urgent(self, step: int, class_id: int) -> bool:
        """Return whether no ready step of the scheduling class has a higher priority."""
        best = self._ready_queue.peek(class_id)
        return (
            best < 0 or self._priorities is None or self._priorities[step] >= self._priorities[best]
        )

    def _large_inputs(self, step: int) -> frozenset[int | FromStep]:
        if not self._large:
            return frozenset()
        sources = [
            source
            for step_input in self._plan.steps[step].inputs
            for source in step_input.sources
            if type(source) is FromStep and source.step in self._large
        ]
        # Each value of a dynamic output is an object of its own.
        return frozenset(
            [source if source.step in self._fan_out_steps else source.step for source in sources]
        )
