"""Simulated engine: a cluster on a virtual clock that runs nothing, for tests and for scale.

It keeps the contract of an engine and works by the rules of the one on Ray: a batch ends at its
budget, a long step gives back the calls behind it, finished calls are reported meanwhile,
successors wait in the queue, and a lost node loses its batches. The scheduler and the driver loop
above are the real ones.
"""

from __future__ import annotations

import heapq
from array import array
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

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

_RESOURCE_UNITS = 10_000  # Ray counts resources in units of 1e-4


@dataclass(frozen=True, slots=True)
class Costs:
    """Costs of the cluster, in seconds."""

    #: Start of a task.
    task: float = 0.001
    #: Way of a message.
    hop: float = 0.001
    #: Step, beyond its op.
    step: float = 20e-6


class _OthersChanged(NamedTuple):
    """Other runs hold more of a resource, or less."""

    resource: str
    amount: int


class _SlotFreed(NamedTuple):
    """A batch has left its slot."""

    batch_id: int


class _NodeLost(NamedTuple):
    """A node is gone, with the batches on it."""


_Occurrence: TypeAlias = EngineReport | _OthersChanged | _SlotFreed | _NodeLost


class SimulatedEngine(Engine):
    """Runs batches in virtual time on ``nodes``, each with so many slots.

    ``now`` is the virtual clock, for the driver loop. Values are not computed: each step yields all
    its outputs, as None.

    - ``seconds`` gives the duration of a call, ``fails`` its failure.
    - ``yields`` gives the mapping keys of a call's dynamic outputs, by output name; steps of
      templates in ``streams`` yield them half-way, also before a failure.
    - ``losses`` are (time, node) of nodes that go, with their batches.
    - ``others`` are (from, until, resource, amount) of other runs' shares in the cluster's limits.
    - ``placement`` says who holds each limit; without it the driver holds ``driver_limit`` steps at
      once.
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
        # An implicit resource, made up for the run, has 1.0.
        self._free_units = {
            limit.resource: _units(1 if limit.holder is LimitHolder.TOKEN else limit.most)
            for limit in self.placement.limits
            if limit.resource
        }
        # Slots stand for CPUs; any other resource counts as well.
        self._free_units |= {
            name: _units(total)
            for name, total in self.placement.resource_totals.items()
            if name != "CPU"
        }
        # By scheduling class: units of each resource that a batch occupies.
        self._needs = [
            [
                (name, _units(amount))
                for name, amount in {
                    **scheduling_class.request.resources,
                    **scheduling_class.request.tokens,
                }.items()
                if name in self._free_units
            ]
            for scheduling_class in self.placement.classes
        ]
        self._time = 0.0
        self._free_slots = [
            node for node, slots in reversed(list(enumerate(nodes))) for _ in range(slots)
        ]
        self._lost_nodes: set[int] = set()
        # By scheduling class, as Ray queues tasks: a waiting one holds up those of its class only.
        self._queues: dict[int, deque[Batch]] = {}
        # Scheduling class of each running batch.
        self._running: dict[int, int] = {}
        self._running_counts = [0] * len(self.placement.classes)
        self._announces = [
            self.placement.cluster_limit_of(scheduling_class) is not None
            for scheduling_class in range(len(self.placement.classes))
        ]
        # By time, then in order: what happens, and on which node.
        self._future: list[tuple[float, int, _Occurrence, int]] = []
        self._count = 0
        for time, node in losses:
            self._schedule(time, _NodeLost(), node)
        self._others: dict[str, int] = {}
        for start, end, name, amount in others:
            self._schedule(start, _OthersChanged(name, amount), -1)
            self._schedule(end, _OthersChanged(name, -amount), -1)
        #: (start, end, step) of every attempt, for tests of the schedule.
        self.schedule: list[tuple[float, float, int]] = []

    def now(self) -> float:
        """Return the virtual time in seconds since the start."""
        return self._time

    def start(self) -> None:
        """Do nothing; the cluster is ready."""

    def submit(self, work: Batch) -> None:
        """Queue a batch; it starts with a free slot."""
        self._queues.setdefault(self._class_of(work), deque()).append(work)
        self._start_queued()

    def _class_of(self, work: Batch) -> int:
        return self.placement.class_of[work.calls[0].step]

    def _start_queued(self) -> None:
        """Start batches class by class, by the batch at the head of each queue, oldest first."""
        heads = [(queue[0].id, class_id) for class_id, queue in self._queues.items() if queue]
        for _, class_id in sorted(heads):
            if self._is_passed_by(class_id):
                continue
            queue, needs = self._queues[class_id], self._needs[class_id]
            while queue and all(self._free_units[name] >= amount for name, amount in needs):
                while self._free_slots and self._free_slots[-1] in self._lost_nodes:
                    self._free_slots.pop()
                if not self._free_slots:
                    return
                work, node = queue.popleft(), self._free_slots.pop()
                self._occupy(class_id, 1)
                self._running[work.id] = class_id
                self._running_counts[class_id] += 1
                if self._announces[class_id]:
                    announced = self._time + self._costs.task + self._costs.hop
                    self._schedule(announced, BatchStarted(work.id), node)
                self._run(work, node)

    def _is_passed_by(self, class_id: int) -> bool:
        """Tell whether Ray passes a class by, since it has more than its share of the slots.

        Ray does so while more batches wait than there are slots, even in favor of classes that
        cannot start either (https://github.com/ray-project/ray/pull/44733).
        """
        waiting = [len(queue) for queue in self._queues.values() if queue]
        if len(waiting) == 1 or sum(waiting) <= self._slots:
            return False
        return self._running_counts[class_id] > sum(self._running_counts) // len(waiting)

    def _leave(self, batch_id: int) -> None:
        class_id = self._running.pop(batch_id)
        self._running_counts[class_id] -= 1
        self._occupy(class_id, -1)

    def _occupy(self, class_id: int, batches: int) -> None:
        for name, amount in self._needs[class_id]:
            self._free_units[name] -= batches * amount

    def _run(self, work: Batch, node: int) -> None:
        """Schedule the end of a batch that starts now, and its reports on the way."""
        clock = self._time + self._costs.task
        ends, reports = clock + work.budget, clock + BATCH_BUDGET_S
        last = len(work.calls) - 1
        rows: list[Attempt] = []
        failed: set[int] = set()
        for position, call in enumerate(work.calls):
            if position and clock >= ends:
                break
            if not failed.isdisjoint(self._plan.predecessors[call.step]):
                failed.add(call.step)  # the driver gets it back
                continue
            if rows and clock >= reports:
                progress = BatchProgressed(work.id, _compact(rows), ())
                self._schedule(clock + self._costs.hop, progress, node)
                reports = clock + BATCH_BUDGET_S
            spent = self._seconds(call) + self._costs.step
            if clock + spent > ends and last:
                returned = tuple([later.step for later in work.calls[position + 1 :]])
                if rows or returned:
                    progress = BatchProgressed(work.id, _compact(rows), returned)
                    self._schedule(max(ends, clock) + self._costs.hop, progress, node)
                ends = clock  # the running call is the last
            if self._plan.template_of[call.step] in self._streams:
                yielded = StepYielded(work.id, call.step, self._values(call))
                self._schedule(clock + spent / 2 + self._costs.hop, yielded, node)
            row = self._attempt(call, clock, clock + spent)
            if row.outcome != SUCCESS:
                failed.add(call.step)
            rows.append(row)
            clock += spent
        self._schedule(clock, _SlotFreed(work.id), node)
        self._schedule(clock + self._costs.hop, BatchEnded(work.id, _compact(rows)), node)

    def _attempt(self, call: Call, start: float, end: float) -> Attempt:
        self.schedule.append((start, end, call.step))
        if self._fails(call):
            failure = StepFailureData(ErrorInfo("SimulatedError", "failed as told", ""))
            return Attempt(call.step, call.attempt, FAILURE, start, end, failure=failure)
        records = self._plan.output_records[call.step]
        if self._plan.template_of[call.step] in self._plan.dynamic_templates:
            outs = self._plan.op_of(call.step).outs
            fixed = [record for record in records if not outs[record.name].is_dynamic]
            records = (*fixed, *map(OutputRecord, self._values(call)))
        return Attempt(call.step, call.attempt, SUCCESS, start, end, records)

    def _values(self, call: Call) -> tuple[str, ...]:
        """Return the values of a call's dynamic outputs, as ``name[key]``."""
        return tuple(
            [f"{name}[{key}]" for name, keys in self._yields(call).items() for key in keys]
        )

    def _schedule(self, time: float, occurrence: _Occurrence, node: int) -> None:
        self._count += 1
        heapq.heappush(self._future, (time, self._count, occurrence, node))

    def wait(self, timeout: float | None) -> list[EngineReport]:
        """Let virtual time pass until a report comes, at most ``timeout`` seconds of it."""
        until = float("inf") if timeout is None else self._time + timeout
        while self._future and self._future[0][0] <= until:
            self._time, _, occurrence, node = heapq.heappop(self._future)
            if isinstance(occurrence, _OthersChanged):
                name, amount = occurrence
                self._others[name] = self._others.get(name, 0) + amount
                self._free_units[name] -= _units(amount)
                self._start_queued()
            elif isinstance(occurrence, _NodeLost):
                lost = self._lose(node)
                if lost:
                    return lost
            elif node in self._lost_nodes:
                continue  # the node was gone before
            elif isinstance(occurrence, _SlotFreed):
                self._free_slots.append(node)
                self._leave(occurrence.batch_id)
                self._start_queued()
            else:
                return [occurrence]
        if timeout is not None:
            self._time = until
        return []

    def _lose(self, node: int) -> list[EngineReport]:
        """Lose a node, its batches, and all that it has not reported."""
        self._lost_nodes.add(node)
        failure = StepFailureData(ErrorInfo("WorkerCrashedError", "the node was lost, as told", ""))
        # A batch without an answer was running, or its answer was on the way.
        lost = [
            occurrence.batch_id
            for _, _, occurrence, on_node in self._future
            if on_node == node and isinstance(occurrence, BatchEnded)
        ]
        for batch_id in lost:
            if batch_id in self._running:
                self._leave(batch_id)
        self._start_queued()
        return [
            BatchLost(batch_id, (), None, failure, self._time, self._time)
            for batch_id in sorted(lost)
        ]

    def wake(self) -> None:
        """Do nothing: no time passes here."""

    def cancel(self, batch_ids: Sequence[int], *, force: bool) -> None:
        """Do nothing: a batch runs to its end."""

    def release(self, steps: Sequence[int]) -> None:
        """Do nothing: there are no values."""

    def release_values(self, step: int, names: Sequence[str]) -> None:
        """Do nothing: there are no values."""

    def restore(self, step: int, values: Mapping[str, Any]) -> None:
        """Do nothing: there are no values."""

    def packed(self, step: int, output: str) -> Any:
        """Raise KeyError: there are no values."""
        raise KeyError(output)

    def value(self, step: int, output: str) -> Any:
        """Return None, the value of every output."""
        return None

    def others(self) -> Mapping[int, int]:
        """Return the share of other runs in each limit of the cluster, by index."""
        return {
            index: self._others.get(str(limit.resource), 0)
            for index, limit in enumerate(self.placement.limits)
            if limit.holder is LimitHolder.CLUSTER
        }

    def close(self) -> None:
        """Do nothing: there is nothing to give back."""


def _compact(rows: Sequence[Attempt]) -> Rows:
    """Return attempts as workers report them: in columns, if all are plain successes."""
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
    return round(amount * _RESOURCE_UNITS)
