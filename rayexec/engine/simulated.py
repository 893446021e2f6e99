"""The engine that runs nothing: a cluster on a virtual clock, for tests and for questions of scale.

It obeys the same contract as the engine on Ray and works by the same rules (slices end at their budget, a step that
runs on gives the tail back, successors wait in the queue), with the costs that it is told. The state machine and the
loop above it are the real ones.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from rayexec.events import FAILURE, SUCCESS, Attempt, ErrorInfo, OutputRecord, StepFailureData
from rayexec.plan.model import Plan
from rayexec.run.messages import Answered, EngineEvent, Reported
from rayexec.run.slicing import BUDGET
from rayexec.run.spec import Call, Slice

__all__ = ["Costs", "SimulatedEngine"]


@dataclass(frozen=True, slots=True)
class Costs:
    """What the cluster charges, in seconds: a task's start, a message's way, and what a step costs beyond its op."""

    task: float = 0.001
    hop: float = 0.001
    step: float = 20e-6


class SimulatedEngine:
    """Runs slices in virtual time on ``slots`` slots.

    ``seconds`` tells how long an attempt of a step takes, ``fails`` whether it fails. Values are not computed: each
    step yields all its outputs, as None. ``now`` is the virtual clock, to be handed to the loop.
    """

    name = "simulated"
    driver_limit: int | None = None

    def __init__(
        self,
        plan: Plan,
        *,
        slots: int,
        seconds: Callable[[Call], float],
        fails: Callable[[Call], bool] = lambda _call: False,
        costs: Costs | None = None,
        slicing: bool = True,
        driver_limit: int | None = None,
    ) -> None:
        self._plan = plan
        self._seconds = seconds
        self._fails = fails
        self._costs = costs or Costs()
        self.slots = slots
        self.window = 2 * slots
        self.slicing = slicing
        self.driver_limit = driver_limit
        self.classes: Sequence[int] = [0] * len(plan.templates)
        self._outputs = [tuple(OutputRecord(name) for name in each.op.outs) for each in plan.templates]
        self._time = 0.0
        self._free = slots
        self._queue: deque[Slice] = deque()
        # What will arrive at the driver, or (None) a slot that falls free, by time.
        self._coming: list[tuple[float, int, Answered | Reported | None]] = []
        self._count = 0
        # (start, end, step) of every attempt, for whoever wants to look at the schedule.
        self.schedule: list[tuple[float, float, int]] = []

    def now(self) -> float:
        """Return the virtual time in seconds since the start."""
        return self._time

    def start(self) -> None:
        """Nothing to get ready."""

    def submit(self, work: Slice) -> None:
        """Queue a slice; it starts when a slot is free."""
        self._queue.append(work)
        self._start_queued()

    def _start_queued(self) -> None:
        while self._free and self._queue:
            self._free -= 1
            self._run(self._queue.popleft())

    def _run(self, work: Slice) -> None:
        """Work out when a slice that starts now ends, and what it tells the driver on the way."""
        begins = clock = self._time + self._costs.task
        ends = begins + BUDGET if self.slicing else float("inf")
        attempts: list[Attempt] = []
        failed: set[int] = set()
        for position, call in enumerate(work.calls):
            if position and clock >= ends:
                break
            before = work.calls[position - 1].step if position else -1
            if position and self._plan.links[before] == call.step and (before in failed):
                failed.add(call.step)
                continue
            spent = self._seconds(call) + self._costs.step
            if clock + spent > ends and len(work.calls) > 1:
                returned = tuple(each.step for each in work.calls[position + 1 :])
                self._arrive(max(ends, clock) + self._costs.hop, Reported(work.id, tuple(attempts), returned))
                ends = clock  # the call that runs is the last
            attempt = self._attempt(call, clock, clock + spent)
            if attempt.outcome != SUCCESS:
                failed.add(call.step)
            attempts.append(attempt)
            clock += spent
        self._arrive(clock, None)
        self._arrive(clock + self._costs.hop, Answered(work.id, tuple(attempts)))

    def _attempt(self, call: Call, start: float, end: float) -> Attempt:
        self.schedule.append((start, end, call.step))
        if self._fails(call):
            failure = StepFailureData(ErrorInfo("SimulatedError", "failed as told", ""))
            return Attempt(call.step, call.number, FAILURE, start, end, failure=failure)
        outputs = self._outputs[self._plan.steps[call.step].template]
        return Attempt(call.step, call.number, SUCCESS, start, end, outputs)

    def _arrive(self, time: float, what: Answered | Reported | None) -> None:
        self._count += 1
        heapq.heappush(self._coming, (time, self._count, what))

    def wait(self, timeout: float | None) -> list[EngineEvent]:
        """Let virtual time pass until something arrives, at most ``timeout`` seconds of it."""
        until = float("inf") if timeout is None else self._time + timeout
        while self._coming and self._coming[0][0] <= until:
            self._time, _, what = heapq.heappop(self._coming)
            if what is not None:
                return [what]
            self._free += 1
            self._start_queued()
        if timeout is not None:
            self._time = until
        return []

    def cancel(self, slice_ids: Sequence[int], *, force: bool) -> None:
        """Let what runs run to its end; nothing here can be interrupted."""

    def value(self, step: int, output: str) -> Any:
        """Return None, the value of every output here."""
        return None

    def exception(self, step: int) -> BaseException | None:
        """Return None: nothing was raised."""
        return None

    def close(self) -> None:
        """Nothing to give back."""
