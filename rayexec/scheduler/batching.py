"""Which ready steps make up the next batch, and when it may go: lanes, limits, windows, and what
goes together.
"""

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
    MAX_CALLS,
    WORTH,
    DurationEstimate,
    batch_budget,
    batch_size,
    window_size,
)
from rayexec.scheduler.messages import StepStatus
from rayexec.scheduler.priorities import Ranking
from rayexec.scheduler.ready_queue import ReadyQueue
from rayexec.scheduler.step_table import StepTable

__all__ = ["Batcher"]

# Looking a member up in its enum costs as much as what is done with it.
_WAITING = StepStatus.WAITING


class _Draft:
    """A batch in the making: its calls, the seconds that they should take, the steps whose large
    outputs they bring.
    """

    __slots__ = ("calls", "class_id", "inside", "large", "spent")

    def __init__(self, class_id: int, large: frozenset[int | FromStep]) -> None:
        self.class_id = class_id
        self.large = large
        self.calls: list[Call] = []
        self.spent = 0.0
        # Of each step that waits for steps of this batch: for how many.
        self.inside: dict[int, int] = {}


class Batcher:
    """Deals the ready steps of a run, as far as limits and windows let it.

    Its lanes are the classes of ``placement``: steps of one can share a batch. It marks what it
    deals in ``status``; that, ``attempts`` and ``imperfect`` (steps some of whose inputs did not
    come out whole) are the state machine's own. ``estimates`` holds what has been seen of each
    template, ``large`` the steps with outputs that are objects of their own.
    """

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
        self._plan = plan
        self._ready_queue = ready_queue
        self._ledger = LimitLedger(placement)
        self._table = table
        self._status = table.status
        self._attempts = table.attempts
        self._imperfect = imperfect
        slots = placement.slots
        self._slots = [each.slots for each in placement.classes]
        self._grows = grows
        self._scales = placement.capacity.groups != ()  # an autoscaler does
        self._batching = batching
        self._links = plan.chain_next
        self._first_calls = plan.first_calls
        self._ranking = Ranking(plan, slots)
        self.estimates = [DurationEstimate() for _ in plan.templates]
        # Steps whose dynamic outputs others wait for: what follows them is not known before they
        # are over.
        self._producers = plan.fan_out_steps
        self._collecting = plan.collecting_steps
        self.large: set[int] = set()
        self._bulky: set[int] = set()
        self._priorities = plan.priorities
        # Templates whose steps go alone: what they yield is handed on while they run.
        self._streams = streams
        self._dynamic = plan.dynamic_templates
        # How many steps of an op that has not been seen may go first, to see it: then it is known
        # what is long.
        self._probes = [slots if batching and plan.priorities is None else 0] * len(plan.templates)
        self._class_ids = placement.class_of
        self._open_classes: set[int] = set()
        # Lanes put aside, by the limit that has no room for them, and the limit by lane.
        self._blocked: dict[int, set[int]] = {}
        self._blocked_by: dict[int, int] = {}
        self._class_load = [0] * len(placement.classes)

    def ready(self, step: int) -> None:
        """Take in that a step waits for nothing any more."""
        class_id = self._class_ids[step]
        template = self._plan.template_of[step]
        is_probe = self._probes[template] > 0 and self.estimates[template].count == 0
        if is_probe:
            self._probes[template] -= 1
        self._ready_queue.add(step, class_id, first=is_probe)
        if class_id not in self._open_classes and class_id not in self._blocked_by:
            self._open_classes.add(class_id)

    def grow(self, first: int, count: int) -> None:
        """Take in that ``count`` steps came to the plan, from ``first`` on."""
        self._ranking.add(range(first, first + count))

    def add_class(self, known: SchedulingClass) -> None:
        """Take in a class of steps behind those there are: a lane of its own."""
        self._slots.append(known.slots)
        self._class_load.append(0)
        self._ledger.add_class(known)

    def run_again(self, steps: Collection[int]) -> None:
        """Rank steps once more that were over."""
        self._ranking.run_again(steps)

    def blocked_by(self) -> dict[int, int]:
        """Return the limit that keeps each lane back that one of the driver's does."""
        return self._blocked_by.copy()

    @property
    def is_watching(self) -> bool:
        """Whether steps are ready for which it matters what other runs hold of the cluster's
        limits.
        """
        return any(
            self._ready_queue.head(class_id) is not None
            for class_id in self._ledger.sharing_classes
        )

    def set_held_by_others(self, held: Mapping[int, int]) -> None:
        """Take in how much of each limit, by its place in the holding, other runs hold."""
        self._ledger.set_held_by_others(held)

    def begin(self, class_id: int) -> None:
        """Take in that a batch of a lane that says so has begun: it waits for nothing any more."""
        self._ledger.begin(class_id)

    def end(self, class_id: int, *, has_begun: bool) -> None:
        """Take in that a batch of a lane is over: its places are free."""
        self._class_load[class_id] -= 1
        for limit, _ in self._ledger.end(class_id, has_begun=has_begun):
            for other in self._blocked.pop(limit, ()):
                del self._blocked_by[other]
                self._open_classes.add(other)
        if class_id not in self._blocked_by and self._ready_queue.head(class_id) is not None:
            self._open_classes.add(class_id)

    def observe(self, block: Successes) -> None:
        """Take in what steps took that went plainly well."""
        templates = [self._plan.template_of[step] for step in block.steps]
        spent = list(map(operator.sub, block.ended, block.started))
        kinds = set(templates)
        if len(kinds) == 1:
            self.estimates[kinds.pop()].observe(sum(spent), len(spent))
            return
        for kind in kinds:
            seconds = [
                each for each, template in zip(spent, templates, strict=True) if template == kind
            ]
            self.estimates[kind].observe(sum(seconds), len(seconds))

    def mark_large(self, step: int) -> None:
        """Take in that a step yielded an output that is an object of its own."""
        self.large.add(step)
        self._bulky.add(self._plan.template_of[step])

    def rank(self, now: float, still_open: int) -> None:
        """Order ready steps anew where what has been seen makes it worth while."""
        order = (
            self._ranking.anew(now, self.estimates, self._status, still_open)
            if self._batching
            else None
        )
        if order is not None:
            self._ready_queue.rank(order)

    def deal(self) -> Iterator[tuple[int, tuple[Call, ...], float]]:
        """Yield batches of ready steps, best first, for as long as limits and windows leave room.

        Each is its lane, its calls and its budget in seconds.
        """
        heads = self._ready_queue.heads(self._open_classes)
        while heads:
            class_id = heads[0][1]
            if not self._may_submit(class_id):  # nor will it, for as long as this goes on
                heappop(heads)
                continue
            calls, budget = self._make_batch(class_id)
            following = self._ready_queue.head(class_id)
            if following is None:
                self._open_classes.discard(class_id)
                heappop(heads)
            else:
                heapreplace(heads, (following, class_id))
            self._class_load[class_id] += 1
            self._ledger.submit(class_id)
            yield class_id, calls, budget

    def _may_submit(self, class_id: int) -> bool:
        """Whether a batch of a lane may be submitted now; a lane that has to wait for one of its
        own is put aside.
        """
        estimate = self.estimates[self._plan.template_of[self._ready_queue.peek(class_id)]]
        slots, ready = self._slots[class_id], self._ready_queue.count(class_id)
        if self._class_load[class_id] >= window_size(
            estimate, slots, grows=self._grows, scales=self._scales, ready=ready
        ):
            self._open_classes.discard(class_id)  # until the next of its batches is over
            return False
        blocked = self._ledger.full_limit(class_id)
        if blocked is None:
            return self._ledger.has_engine_room(class_id)
        self._blocked.setdefault(blocked, set()).add(class_id)
        self._blocked_by[class_id] = blocked
        self._open_classes.discard(class_id)
        return False

    def _make_batch(self, class_id: int) -> tuple[tuple[Call, ...], float]:
        """Take steps for one batch: siblings as many as the pace of their op allows, each with what
        follows it.
        """
        estimates, template_of, batching = self.estimates, self._plan.template_of, self._batching
        attempts, first_calls = self._attempts, self._first_calls
        order = self._ready_queue
        following = order.peek(class_id)
        template = template_of[following]
        estimate = estimates[template]
        # A batch ends with its first large output.
        alone = not batching or template in self._bulky or self._goes_alone(template)
        wanted = 1 if alone else batch_size(estimate, order.count(class_id), self._slots[class_id])
        draft = _Draft(class_id, self._large_inputs(following))
        calls = draft.calls
        while True:
            step = order.get_ready(class_id)
            calls.append(Call(step, attempts[step]) if attempts[step] else first_calls[step])
            draft.spent += estimates[template_of[step]].seconds
            if batching and not (self._dynamic and self._goes_alone(template_of[step])):
                self._extend(step, draft)
            wanted -= 1
            following = order.peek(class_id)
            if (
                wanted <= 0
                or following < 0
                or (draft.spent >= BATCH_BUDGET_S > estimate.seconds)
                or len(calls) >= MAX_CALLS
            ):
                break
            if self.large and self._large_inputs(following) not in (frozenset(), draft.large):
                break  # a batch brings at most one set of large inputs to its worker
            if self._dynamic and self._goes_alone(template_of[following]):
                break
            other = estimates[template_of[following]]
            if other is not estimate and (other.seconds >= BATCH_BUDGET_S or other.count == 0):
                break
        self._table.deal(calls)
        return tuple(calls), batch_budget(estimate, len(calls)) if batching else math.inf

    def _extend(self, step: int, draft: _Draft) -> None:
        """Append what follows ``step`` and waits for nothing outside of the batch: nobody could
        start it sooner.

        A chain goes on for as long as the budget lasts. What several steps lead to, and several
        steps that one leads to, could run beside each other elsewhere; they are kept together only
        while they are known to be so short that it would not be worth the way. The best goes first,
        but never before what is ready and of higher priority.
        """
        links, estimates = self._links, self.estimates
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
                limit = BATCH_BUDGET_S if is_link else WORTH
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
            if template in self._bulky:
                return
            if before in self._producers:
                continue
            following = links[before]
            if (
                following >= 0
            ):  # nothing else follows, and nothing else comes before it: the common case, and quick
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
        """Whether a step that waits for nothing outside of the batch may be part of it."""
        return (
            self._status[step] is _WAITING
            and not (self._dynamic and self._goes_alone(self._plan.template_of[step]))
            and self._class_ids[step] == draft.class_id
            and step not in self._imperfect
            and (not self.large or self._large_inputs(step) <= draft.large)
            and (self._priorities is None or self._is_urgent(step, draft.class_id))
        )

    def _goes_alone(self, template: int) -> bool:
        """Whether steps of a template share no batch: what streams, and what may yield any number
        of large values.
        """
        if template in self._streams:
            return True
        return template in self._dynamic and self.estimates[template].count == 0

    def _is_urgent(self, step: int, class_id: int) -> bool:
        """Whether nothing of higher priority than ``step`` is ready in the lane."""
        best = self._ready_queue.peek(class_id)
        return (
            best < 0 or self._priorities is None or self._priorities[step] >= self._priorities[best]
        )

    def _large_inputs(self, step: int) -> frozenset[int | FromStep]:
        if not self.large:
            return frozenset()
        sources = (source for each in self._plan.steps[step].inputs for source in each.sources)
        found = (each for each in sources if type(each) is FromStep and each.step in self.large)
        # The values of a dynamic output are large each for itself.
        return frozenset([each if each.step in self._producers else each.step for each in found])
