"""The engine that runs nothing: a cluster on a virtual clock, for tests and for questions of scale.

It obeys the same contract as the engine on Ray and works by the same rules (batches end at their
budget, a step that runs on gives the tail back, what is done is told meanwhile, successors wait in
the queue, what ran on a lost node is lost), with the costs that it is told. The state machine and
the loop above it are the real ones.
"""

from __future__ import annotations

import heapq
from array import array
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from rayexec.engine.base import Engine
from rayexec.events import (
    FAILURE,
    SUCCESS,
    Attempt,
    ErrorInfo,
    OutputRecord,
    StepFailureData,
    Successes,
)
from rayexec.placement.choice import driver_placement
from rayexec.placement.limits import LimitHolder, Placement
from rayexec.plan.base import Plan
from rayexec.plan.model import Call
from rayexec.run.spec import BATCH_BUDGET_S, Batch
from rayexec.scheduler.messages import (
    BatchEnded,
    BatchLost,
    BatchProgressed,
    BatchStarted,
    EngineReport,
    Rows,
    StepYielded,
)

__all__ = ["Costs", "SimulatedEngine"]


@dataclass(frozen=True, slots=True)
class Costs:
    """What the cluster charges, in seconds: a task's start, a message's way, and what a step costs
    beyond its op.
    """

    task: float = 0.001
    hop: float = 0.001
    step: float = 20e-6


class _Held(NamedTuple):
    """More, or less, of a resource that others hold."""

    resource: str
    amount: int


class SimulatedEngine(Engine):
    """Runs batches in virtual time on ``nodes``, each with so many slots.

    ``placement`` gives the limits that it holds, as Ray does, and those that it leaves to the
    driver; not given, it leaves ``driver_limit`` steps at once to the driver.

    ``others`` are (from, until, resource, amount) of what other runs hold of the cluster's limits
    meanwhile. ``seconds`` tells how long an attempt of a step takes, ``fails`` whether it fails.
    ``losses`` are (time, node): the node is gone from then on, with what runs on it. Values are not
    computed: each step yields all its outputs, as None, and of dynamic ones those whose mapping
    keys ``yields`` gives by the output's name; steps of templates in ``streams`` yield them
    half-way, also where they fail. ``now`` is the virtual clock, to be handed to the loop.
    """

    name = "simulated"

    def __init__(
        self,
        plan: Plan,
        *,
        nodes: Sequence[int],
        seconds: Callable[[Call], float],
        fails: Callable[[Call], bool] = lambda _call: False,
        yields: Callable[[Call], Mapping[str, Sequence[str]]] = lambda _call: {},
        streams: Collection[int] = (),
        losses: Sequence[tuple[float, int]] = (),
        others: Sequence[tuple[float, float, str, int]] = (),
        costs: Costs | None = None,
        batching: bool = True,
        driver_limit: int | None = None,
        placement: Placement | None = None,
    ) -> None:
        self._plan = plan
        self._seconds = seconds
        self._fails = fails
        self._yields = yields
        self._streams = streams
        self._costs = costs or Costs()
        self._slots = sum(nodes)
        self.batching = batching
        self.placement = placement or driver_placement(
            plan, slots=sum(nodes), max_concurrent=driver_limit
        )
        # As Ray counts: in units of 1e-4, of which a resource made up for the run has 1.0.
        limits = self.placement.limits
        held = [
            (limit, 1 if limit.holder is LimitHolder.TOKEN else limit.most)
            for limit in limits
            if limit.resource
        ]
        self._room = {limit.resource: _units(most) for limit, most in held}
        # Slots stand for CPUs; what else is asked for counts as well.
        self._room |= {
            name: _units(total)
            for name, total in self.placement.resource_totals.items()
            if name != "CPU"
        }
        asked = [
            {**each.request.resources, **each.request.tokens} for each in self.placement.classes
        ]
        self._taken = [
            [(name, _units(amount)) for name, amount in each.items() if name in self._room]
            for each in asked
        ]
        self._time = 0.0
        self._free = [
            node for node, slots in reversed(list(enumerate(nodes))) for _ in range(slots)
        ]
        self._gone: set[int] = set()
        # By class, as Ray queues tasks: one that has to wait keeps back those behind it in its
        # class, and no others.
        self._queues: dict[int, deque[Batch]] = {}
        self._running: dict[int, int] = {}
        self._granted = [0] * len(self.placement.classes)
        self._announces = [
            self.placement.cluster_limit_of(number) is not None
            for number in range(len(self.placement.classes))
        ]
        # By time: what arrives at the driver (an event), a slot that falls free (its batch's id), a
        # node that is lost.
        self._coming: list[tuple[float, int, EngineReport | _Held | int | None, int]] = []
        self._count = 0
        for time, node in losses:
            self._arrive(time, None, node)
        self._others: dict[str, int] = {}
        for start, end, name, amount in others:
            self._arrive(start, _Held(name, amount), -1)
            self._arrive(end, _Held(name, -amount), -1)
        # (start, end, step) of every attempt, for whoever wants to look at the schedule.
        self.schedule: list[tuple[float, float, int]] = []

    def now(self) -> float:
        """Return the virtual time in seconds since the start."""
        return self._time

    def start(self) -> None:
        """Nothing to get ready."""

    def submit(self, work: Batch) -> None:
        """Queue a batch; it starts when a slot is free."""
        self._queues.setdefault(self._class_of(work), deque()).append(work)
        self._start_queued()

    def _class_of(self, work: Batch) -> int:
        return self.placement.class_of[work.calls[0].step]

    def _start_queued(self) -> None:
        """Start what may, class by class, that of the batch that waits longest first."""
        classes = sorted((queue[0].id, number) for number, queue in self._queues.items() if queue)
        for _, number in classes:
            if self._is_held_back(number):
                continue
            queue = self._queues[number]
            while queue and all(self._room[name] >= amount for name, amount in self._taken[number]):
                while self._free and self._free[-1] in self._gone:
                    self._free.pop()
                if not self._free:
                    return
                work, node = queue.popleft(), self._free.pop()
                self._take(number, 1)
                self._running[work.id] = number
                self._granted[number] += 1
                if self._announces[number]:
                    self._arrive(
                        self._time + self._costs.task + self._costs.hop, BatchStarted(work.id), node
                    )
                self._run(work, node)

    def _is_held_back(self, number: int) -> bool:
        """Whether Ray passes a class by: where more batches wait than there are slots, one with
        more than its share.

        It does so even for classes that cannot start either
        (https://github.com/ray-project/ray/pull/44733).
        """
        waiting = [len(queue) for queue in self._queues.values() if queue]
        if len(waiting) == 1 or sum(waiting) <= self._slots:
            return False
        return self._granted[number] > sum(self._granted) // len(waiting)

    def _end(self, batch_id: int) -> None:
        number = self._running.pop(batch_id)
        self._granted[number] -= 1
        self._take(number, -1)

    def _take(self, number: int, times: int) -> None:
        for name, amount in self._taken[number]:
            self._room[name] -= times * amount

    def _run(self, work: Batch, node: int) -> None:
        """Work out when a batch that starts now ends, and what it tells the driver on the way."""
        clock = self._time + self._costs.task
        ends, tells = clock + work.budget, clock + BATCH_BUDGET_S
        last = len(work.calls) - 1
        rows: list[Attempt] = []
        failed: set[int] = set()
        for position, call in enumerate(work.calls):
            if position and clock >= ends:
                break
            if not failed.isdisjoint(self._plan.predecessors[call.step]):
                failed.add(call.step)  # it is left to the driver
                continue
            if rows and clock >= tells:
                self._arrive(
                    clock + self._costs.hop, BatchProgressed(work.id, _told(rows), ()), node
                )
                tells = clock + BATCH_BUDGET_S
            spent = self._seconds(call) + self._costs.step
            if clock + spent > ends and last:
                returned = tuple([each.step for each in work.calls[position + 1 :]])
                if rows or returned:
                    report = BatchProgressed(work.id, _told(rows), returned)
                    self._arrive(max(ends, clock) + self._costs.hop, report, node)
                ends = clock  # the call that runs is the last
            if self._plan.template_of[call.step] in self._streams:
                told = StepYielded(work.id, call.step, self._values(call))
                self._arrive(clock + spent / 2 + self._costs.hop, told, node)
            row = self._attempt(call, clock, clock + spent)
            if row.outcome != SUCCESS:
                failed.add(call.step)
            rows.append(row)
            clock += spent
        self._arrive(clock, work.id, node)
        self._arrive(clock + self._costs.hop, BatchEnded(work.id, _told(rows)), node)

    def _attempt(self, call: Call, start: float, end: float) -> Attempt:
        self.schedule.append((start, end, call.step))
        if self._fails(call):
            failure = StepFailureData(ErrorInfo("SimulatedError", "failed as told", ""))
            return Attempt(call.step, call.attempt, FAILURE, start, end, failure=failure)
        records = self._plan.output_records[call.step]
        if self._plan.template_of[call.step] in self._plan.dynamic_templates:
            outs = self._plan.op_of(call.step).outs
            fixed = [each for each in records if not outs[each.name].is_dynamic]
            records = (*fixed, *map(OutputRecord, self._values(call)))
        return Attempt(call.step, call.attempt, SUCCESS, start, end, records)

    def _values(self, call: Call) -> tuple[str, ...]:
        """Return the values of dynamic outputs that a call yields, by name and mapping key."""
        return tuple(
            [f"{name}[{key}]" for name, keys in self._yields(call).items() for key in keys]
        )

    def _arrive(self, time: float, what: EngineReport | _Held | int | None, node: int) -> None:
        self._count += 1
        heapq.heappush(self._coming, (time, self._count, what, node))

    def wait(self, timeout: float | None) -> list[EngineReport]:
        """Let virtual time pass until something arrives, at most ``timeout`` seconds of it."""
        until = float("inf") if timeout is None else self._time + timeout
        while self._coming and self._coming[0][0] <= until:
            self._time, _, what, node = heapq.heappop(self._coming)
            if isinstance(what, _Held):
                self._others[what.resource] = self._others.get(what.resource, 0) + what.amount
                self._room[what.resource] -= _units(what.amount)
                self._start_queued()
            elif what is None:
                lost = self._lose(node)
                if lost:
                    return lost
            elif node in self._gone:
                continue  # it never got there
            elif isinstance(what, int):
                self._free.append(node)
                self._end(what)
                self._start_queued()
            else:
                return [what]
        if timeout is not None:
            self._time = until
        return []

    def _lose(self, node: int) -> list[EngineReport]:
        """Lose a node: what runs on it is over, what nobody heard of it never happened."""
        self._gone.add(node)
        failure = StepFailureData(ErrorInfo("WorkerCrashedError", "the node was lost, as told", ""))
        # What an answer is still to come of was running, or its answer was on the way.
        lost = [
            what.batch_id
            for _, _, what, where in self._coming
            if where == node and isinstance(what, BatchEnded)
        ]
        for each in lost:
            if each in self._running:
                self._end(each)
        self._start_queued()
        return [BatchLost(each, (), None, failure, self._time, self._time) for each in sorted(lost)]

    def wake(self) -> None:
        """Do nothing: no time passes here."""

    def cancel(self, batch_ids: Sequence[int], *, force: bool) -> None:
        """Let what runs run to its end; nothing here can be interrupted."""

    def release(self, steps: Sequence[int]) -> None:
        """Nothing is kept here."""

    def release_values(self, step: int, names: Sequence[str]) -> None:
        """Nothing is kept here."""

    def restore(self, step: int, values: Mapping[str, Any]) -> None:
        """Nothing is kept here."""

    def packed(self, step: int, output: str) -> Any:
        """Nothing is kept here."""
        raise KeyError(output)

    def value(self, step: int, output: str) -> Any:
        """Return None, the value of every output here."""
        return None

    def others(self) -> Mapping[int, int]:
        """Return how much others hold of the cluster's limits at the time."""
        return {
            place: self._others.get(str(limit.resource), 0)
            for place, limit in enumerate(self.placement.limits)
            if limit.holder is LimitHolder.CLUSTER
        }

    def close(self) -> None:
        """Nothing to give back."""


def _told(rows: Sequence[Attempt]) -> Rows:
    """Return attempts as an engine tells them: in columns where all went plainly well."""
    if not rows or any(
        row.outcome != SUCCESS or len(row.outputs) != 1 or row.outputs[0].name[-1] == "]"
        for row in rows
    ):
        return tuple(rows)
    starts, ends = (
        array("d", [row.started for row in rows]),
        array("d", [row.ended for row in rows]),
    )
    return (
        Successes([row.step for row in rows], [row.attempt_number for row in rows], starts, ends),
    )


def _units(amount: float) -> int:
    return round(amount * 10_000)
