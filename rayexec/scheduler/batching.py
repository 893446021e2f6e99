"""Which ready steps make up the next batch, and when it may go: lanes, limits, windows, and what goes together."""

from __future__ import annotations

import math
import operator
from collections.abc import Collection, Iterator, Mapping, Sequence
from heapq import heappop, heapreplace

from rayexec.events import Successes
from rayexec.placement.limits import Holding, StepClass
from rayexec.plan.model import Call, FromStep, Plan
from rayexec.run.spec import BUDGET
from rayexec.scheduler.admission import Admission
from rayexec.scheduler.batch_size import MAX_CALLS, WORTH, Pace, batch_budget, batch_size, window_size
from rayexec.scheduler.engine_queues import EngineQueues
from rayexec.scheduler.messages import Status
from rayexec.scheduler.priorities import Ranking
from rayexec.scheduler.ready_queue import Order

__all__ = ["Dealer"]

# Looking a member up in its enum costs as much as what is done with it.
_WAITING, _CHAINED, _RUNNING = Status.WAITING, Status.CHAINED, Status.RUNNING


class _Draft:
    """A batch in the making: its calls, the seconds that they should take, the steps whose large outputs they bring."""

    __slots__ = ("calls", "inside", "lane", "large", "spent")

    def __init__(self, lane: int, large: frozenset[int | FromStep]) -> None:
        self.lane = lane
        self.large = large
        self.calls: list[Call] = []
        self.spent = 0.0
        # Of each step that waits for steps of this batch: for how many.
        self.inside: dict[int, int] = {}


class Dealer:
    """Deals the ready steps of a run, as far as limits and windows let it.

    Its lanes are the classes of ``holding``: steps of one can share a batch.
    It marks what it deals in ``status``; that, ``attempts`` and ``imperfect`` (steps some of whose inputs did not come
    out whole) are the state machine's own. ``paces`` holds what has been seen of each template, ``large`` the steps
    with outputs that are objects of their own.
    """

    def __init__(
        self,
        plan: Plan,
        order: Order[int],
        holding: Holding,
        status: list[Status],
        attempts: Sequence[int],
        imperfect: set[int],
        *,
        grows: bool,
        batching: bool,
        streams: frozenset[int],
    ) -> None:
        self._plan = plan
        self._order = order
        self._admission = Admission(holding)
        self._status = status
        self._attempts = attempts
        self._imperfect = imperfect
        slots = holding.slots
        self._slots = [each.slots for each in holding.classes]
        self._grows = grows
        self._scales = holding.capacity.groups != ()  # an autoscaler does
        self._batching = batching
        self._links = plan.links
        self._first_calls = plan.first_calls
        self._ranking = Ranking(plan, slots)
        self.paces = [Pace() for _ in plan.templates]
        # Steps whose dynamic outputs others wait for: what follows them is not known before they are over.
        self._producers = plan.producers
        self._collecting = plan.collecting
        self.large: set[int] = set()
        self._bulky: set[int] = set()
        self._priorities = plan.priorities
        # Templates whose steps go alone: what they yield is handed on while they run.
        self._streams = streams
        self._dynamic = plan.dynamic_templates
        # How many steps of an op that has not been seen may go first, to see it: then it is known what is long.
        self._probes = [slots if batching and plan.priorities is None else 0] * len(plan.templates)
        self._lanes = holding.class_of
        self._open_lanes: set[int] = set()
        # Lanes put aside, by the limit that has no room for them, and the limit by lane.
        self._blocked: dict[int, set[int]] = {}
        self._blocked_by: dict[int, int] = {}
        self._lane_load = [0] * len(holding.classes)
        self._queues = EngineQueues(holding)

    def ready(self, step: int) -> None:
        """Take in that a step waits for nothing any more."""
        lane = self._lanes[step]
        template = self._plan.template_of[step]
        is_probe = self._probes[template] > 0 and self.paces[template].count == 0
        if is_probe:
            self._probes[template] -= 1
        self._order.add(step, lane, first=is_probe)
        if lane not in self._open_lanes and lane not in self._blocked_by:
            self._open_lanes.add(lane)

    def grow(self, first: int, count: int) -> None:
        """Take in that ``count`` steps came to the plan, from ``first`` on."""
        self._ranking.add(range(first, first + count))

    def add_class(self, known: StepClass) -> None:
        """Take in a class of steps behind those there are: a lane of its own."""
        self._slots.append(known.slots)
        self._lane_load.append(0)
        self._admission.add_class(known)
        self._queues.add_class(known)

    def take_back(self, steps: Collection[int]) -> None:
        """Take in that steps which were over are to run again."""
        self._ranking.take_back(steps)

    def blocked_by(self) -> dict[int, int]:
        """Return the limit that keeps each lane back that one of the driver's does."""
        return self._blocked_by.copy()

    @property
    def is_watching(self) -> bool:
        """Whether steps are ready for which it matters what other runs hold of the cluster's limits."""
        return any(self._order.head(lane) is not None for lane in self._queues.watched)

    def take_others(self, held: Mapping[int, int]) -> None:
        """Take in how much of each limit, by its place in the holding, other runs hold."""
        self._queues.take_others(held)

    def begun(self, lane: int) -> None:
        """Take in that a batch of a lane that says so has begun: it waits for nothing any more."""
        self._queues.begun(lane)

    def end(self, lane: int, *, has_begun: bool) -> None:
        """Take in that a batch of a lane is over: its places are free."""
        self._lane_load[lane] -= 1
        self._queues.end(lane, has_begun=has_begun)
        for limit, _ in self._admission.release(lane):
            for other in self._blocked.pop(limit, ()):
                del self._blocked_by[other]
                self._open_lanes.add(other)
        if lane not in self._blocked_by and self._order.head(lane) is not None:
            self._open_lanes.add(lane)

    def observe(self, block: Successes) -> None:
        """Take in what steps took that went plainly well."""
        templates = [self._plan.template_of[step] for step in block.steps]
        spent = list(map(operator.sub, block.ended, block.started))
        kinds = set(templates)
        if len(kinds) == 1:
            self.paces[kinds.pop()].observe(sum(spent), len(spent))
            return
        for kind in kinds:
            seconds = [each for each, template in zip(spent, templates, strict=True) if template == kind]
            self.paces[kind].observe(sum(seconds), len(seconds))

    def came_out_large(self, step: int) -> None:
        """Take in that a step yielded an output that is an object of its own."""
        self.large.add(step)
        self._bulky.add(self._plan.template_of[step])

    def rank(self, now: float, still_open: int) -> None:
        """Order ready steps anew where what has been seen makes it worth while."""
        order = self._ranking.anew(now, self.paces, self._status, still_open) if self._batching else None
        if order is not None:
            self._order.rank(order)

    def deal(self) -> Iterator[tuple[int, tuple[Call, ...], float]]:
        """Yield batches of ready steps, best first, for as long as limits and windows leave room.

        Each is its lane, its calls and its budget in seconds.
        """
        heads = self._order.heads(self._open_lanes)
        while heads:
            lane = heads[0][1]
            if not self._may_submit(lane):  # nor will it, for as long as this goes on
                heappop(heads)
                continue
            calls, budget = self._make_batch(lane)
            following = self._order.head(lane)
            if following is None:
                self._open_lanes.discard(lane)
                heappop(heads)
            else:
                heapreplace(heads, (following, lane))
            self._admission.admit(lane)
            self._lane_load[lane] += 1
            self._queues.submit(lane)
            yield lane, calls, budget

    def _may_submit(self, lane: int) -> bool:
        """Whether a batch of a lane may be submitted now; a lane that has to wait for one of its own is put aside."""
        pace = self.paces[self._plan.template_of[self._order.peek(lane)]]
        slots, ready = self._slots[lane], self._order.count(lane)
        if self._lane_load[lane] >= window_size(pace, slots, grows=self._grows, scales=self._scales, ready=ready):
            self._open_lanes.discard(lane)  # until the next of its batches is over
            return False
        blocked = self._admission.blocked_by(lane)
        if blocked is None:
            return self._queues.has_room(lane)
        self._blocked.setdefault(blocked, set()).add(lane)
        self._blocked_by[lane] = blocked
        self._open_lanes.discard(lane)
        return False

    def _make_batch(self, lane: int) -> tuple[tuple[Call, ...], float]:
        """Take steps for one batch: siblings as many as the pace of their op allows, each with what follows it."""
        paces, template_of, batching = self.paces, self._plan.template_of, self._batching
        status, attempts, first_calls = self._status, self._attempts, self._first_calls
        order = self._order
        following = order.peek(lane)
        template = template_of[following]
        pace = paces[template]
        # A batch ends with its first large output.
        alone = not batching or template in self._bulky or self._goes_alone(template)
        wanted = 1 if alone else batch_size(pace, order.count(lane), self._slots[lane])
        draft = _Draft(lane, self._large_inputs(following))
        calls = draft.calls
        while True:
            step = order.get_ready(lane)
            status[step] = _RUNNING
            calls.append(Call(step, attempts[step]) if attempts[step] else first_calls[step])
            draft.spent += paces[template_of[step]].seconds
            if batching and not (self._dynamic and self._goes_alone(template_of[step])):
                self._extend(step, draft)
            wanted -= 1
            following = order.peek(lane)
            if wanted <= 0 or following < 0 or (draft.spent >= BUDGET > pace.seconds) or len(calls) >= MAX_CALLS:
                break
            if self.large and self._large_inputs(following) not in (frozenset(), draft.large):
                break  # a batch brings at most one set of large inputs to its worker
            if self._dynamic and self._goes_alone(template_of[following]):
                break
            other = paces[template_of[following]]
            if other is not pace and (other.seconds >= BUDGET or other.count == 0):
                break
        return tuple(calls), batch_budget(pace, len(calls)) if batching else math.inf

    def _extend(self, step: int, draft: _Draft) -> None:
        """Append what follows ``step`` and waits for nothing outside of the batch: nobody could start it sooner.

        A chain goes on for as long as the budget lasts. What several steps lead to, and several steps that one leads
        to, could run beside each other elsewhere; they are kept together only while they are known to be so short that
        it would not be worth the way. The best goes first, but never before what is ready and of higher priority.
        """
        links, status, paces = self._links, self._status, self.paces
        attempts, first_calls, template_of = self._attempts, self._first_calls, self._plan.template_of
        successors, waiting = self._plan.successors, self._order.waiting
        calls, inside = draft.calls, draft.inside
        pending = [step]
        while pending:
            before = pending.pop()
            template = template_of[before]
            if before != step:
                is_link = links[calls[-1][0]] == before
                limit = BUDGET if is_link else WORTH
                if draft.spent >= limit or len(calls) >= MAX_CALLS:
                    return
                pace = paces[template]
                if pace.seconds >= limit or not (pace.count or is_link):
                    continue
                if before in self._collecting:
                    self._plan.close(before)
                status[before] = _CHAINED
                calls.append(Call(before, attempts[before]) if attempts[before] else first_calls[before])
                draft.spent += pace.seconds
            if template in self._bulky:
                return
            if before in self._producers:
                continue
            following = links[before]
            if following >= 0:  # nothing else follows, and nothing else comes before it: the common case, and quick
                if self._may_join(following, draft):
                    pending.append(following)
                continue
            released = []
            for following in successors[before]:
                count = inside[following] = inside.get(following, 0) + 1
                if count == waiting[following] and self._may_join(following, draft):
                    released.append(following)
            if len(released) > 1:
                released.sort(key=self._order.ranks.__getitem__, reverse=True)
            pending += released

    def _may_join(self, step: int, draft: _Draft) -> bool:
        """Whether a step that waits for nothing outside of the batch may be part of it."""
        return (
            self._status[step] is _WAITING
            and not (self._dynamic and self._goes_alone(self._plan.template_of[step]))
            and self._lanes[step] == draft.lane
            and step not in self._imperfect
            and (not self.large or self._large_inputs(step) <= draft.large)
            and (self._priorities is None or self._is_urgent(step, draft.lane))
        )

    def _goes_alone(self, template: int) -> bool:
        """Whether steps of a template share no batch: what streams, and what may yield any number of large values."""
        if template in self._streams:
            return True
        return template in self._dynamic and self.paces[template].count == 0

    def _is_urgent(self, step: int, lane: int) -> bool:
        """Whether nothing of higher priority than ``step`` is ready in the lane."""
        best = self._order.peek(lane)
        return best < 0 or self._priorities is None or self._priorities[step] >= self._priorities[best]

    def _large_inputs(self, step: int) -> frozenset[int | FromStep]:
        if not self.large:
            return frozenset()
        sources = (source for each in self._plan.steps[step].inputs for source in each.sources)
        found = (each for each in sources if type(each) is FromStep and each.step in self.large)
        # The values of a dynamic output are large each for itself.
        return frozenset([each if each.step in self._producers else each.step for each in found])
