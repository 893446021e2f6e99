"""A driver that plays the engine by chance, and watches the limits."""

import itertools
from array import array
from collections.abc import Iterator

from machine_checks import check
from random_cases import OUTPUTS, Case, plan_of

from rayexec.events import (
    FAILURE,
    RETRY,
    SUCCESS,
    Attempt,
    ErrorInfo,
    OutputRecord,
    StepFailureData,
    Successes,
)
from rayexec.placement.choice import driver_placement
from rayexec.plan import FromStep
from rayexec.run.spec import Batch, Call
from rayexec.scheduler.machine import Machine
from rayexec.scheduler.messages import (
    BatchEnded,
    BatchLost,
    BatchProgressed,
    DropOutputs,
    Instruction,
    Rows,
    RunBatch,
    RunStarted,
    SchedulerEvent,
    StepAbandoned,
    StepSkipped,
    StepStatus,
    TimerFired,
)

CRASH = StepFailureData(
    ErrorInfo("WorkerCrashedError", "gone", ""), ("rayexec.errors.WorkerCrashedError",)
)


class Driver:
    """Plays the engine by chance: makes calls, reports, loses batches; watches the limits."""

    def __init__(self, case: Case) -> None:
        self.case = case
        self.plan = plan_of(case)
        self.machine = Machine(
            self.plan,
            driver_placement(
                self.plan,
                slots=case.slots,
                max_concurrent=case.max_concurrent,
                tag_limits=case.limits,
            ),
            require_upstream_success=case.require_success,
            batching=case.batching,
            keep_outputs=case.keep_outputs,
        )
        self.released: list[int] = []
        self.now = 0.0
        self.choices: Iterator[int] = iter(case.choices)
        self.flight: dict[int, Batch] = {}
        self.done: dict[int, list[Attempt]] = {}
        self.ended_at: dict[int, int] = {}
        self.spare_losses = 2
        self.ends: dict[int, list[StepStatus]] = {}
        self.made: list[Call] = []
        self.submitted: list[tuple[Call, ...]] = []

    def run(self) -> None:
        self.feed(RunStarted())
        for _ in range(2000):
            if self.machine.is_over:
                return
            self.now += 1.0
            if self.flight:
                self.feed(self.move(sorted(self.flight)[next(self.choices, 0) % len(self.flight)]))
            else:
                due = self.machine.wakes_at()
                assert due is not None, "nothing runs, nothing is due, and the run is not over"
                self.now = max(self.now, due)
                self.feed(TimerFired())
        raise AssertionError("the run does not end")

    def feed(self, event: SchedulerEvent) -> None:
        instructions = self.machine.handle(event, self.now)
        check(self.machine)
        self.carry_out(instructions)

    def move(self, batch_id: int) -> SchedulerEvent:
        """Return the next event of a batch: its answer, a report on the way, or its loss."""
        work, done = self.flight[batch_id], self.done[batch_id]
        how = next(self.choices, 3) % 6
        if how == 0 and self.spare_losses and not done:
            self.spare_losses -= 1
            return self.over(BatchLost(batch_id, (), None, CRASH, 0.0, 0.0))
        reached = self.ended_at[batch_id]
        for position, call in enumerate(work.calls[:reached]):
            if position < len(done) or not self.may_follow(work, position, done):
                continue
            if self.case.nodes[call.step].fates[call.attempt] == "lost":
                return self.over(
                    BatchLost(batch_id, self.rows_of(done), call.step, CRASH, 0.0, 0.0)
                )
            done.append(self.attempt(call))
            if how == 1 and position + 1 < reached:  # the budget is spent while the next call runs
                self.ended_at[batch_id] = position + 1
                returned = tuple(each.step for each in work.calls[position + 1 :])
                return BatchProgressed(batch_id, self.rows_of(done), returned)
            if how == 2:
                break
        return self.over(BatchEnded(batch_id, self.rows_of(done)))

    def rows_of(self, done: list[Attempt]) -> Rows:
        """Return attempts as an engine reports them: successes in columns, or each in a row."""
        if next(self.choices, 0) % 2:
            return tuple(done)
        rows: list[Attempt | Successes] = []
        for is_plain, group in itertools.groupby(done, self.is_plain):
            attempts = list(group)
            if is_plain:
                steps, attempt_numbers = (
                    [row.step for row in attempts],
                    [row.attempt_number for row in attempts],
                )
                starts, ends = (
                    array("d", [row.started for row in attempts]),
                    array("d", [row.ended for row in attempts]),
                )
                rows.append(Successes(steps, attempt_numbers, starts, ends))
            else:
                rows += attempts
        return tuple(rows)

    def is_plain(self, row: Attempt) -> bool:
        return (
            row.outcome == SUCCESS and len(row.outputs) == len(OUTPUTS) and not row.has_large_output
        )

    def over(self, event: BatchEnded | BatchLost) -> SchedulerEvent:
        del self.flight[event.batch_id]
        return event

    def may_follow(self, work: Batch, position: int, done: list[Attempt]) -> bool:
        """Return whether a call may run; one chained behind another needs its outputs."""
        inside = {each.step for each in work.calls[:position]}
        made = {
            row.step: {record.name for record in row.outputs}
            for row in done
            if row.outcome == SUCCESS
        }
        sources = (
            s for each in self.plan.steps[work.calls[position].step].inputs for s in each.sources
        )
        return all(
            source.output in made.get(source.step, ())
            for source in sources
            if type(source) is FromStep and source.step in inside
        )

    def attempt(self, call: Call) -> Attempt:
        node = self.case.nodes[call.step]
        fate = node.fates[call.attempt]
        if fate == "ok":
            outcome, names = SUCCESS, sorted(node.yields)
        else:
            outcome = RETRY if fate == "retry" and call.attempt < node.retries else FAILURE
            names = ["a"]
        outputs = tuple(map(OutputRecord, names))
        large = call.step % 3 == 0
        return Attempt(
            call.step,
            call.attempt,
            outcome,
            0.0,
            node.seconds,
            outputs,
            delay=1.0,
            has_large_output=large,
        )

    def carry_out(self, instructions: list[Instruction]) -> None:
        for instruction in instructions:
            if isinstance(instruction, RunBatch):
                self.check_batch(instruction.batch)
                self.flight[instruction.batch.id] = instruction.batch
                self.done[instruction.batch.id] = []
                self.ended_at[instruction.batch.id] = len(instruction.batch.calls)
                self.submitted.append(instruction.batch.calls)
            elif isinstance(instruction, Successes):
                self.made += map(Call, instruction.steps, instruction.attempt_numbers)
                for step in instruction.steps:
                    self.end(step, StepStatus.SUCCESS)
            elif isinstance(instruction, Attempt):
                self.made.append(Call(instruction.step, instruction.attempt_number))
                if instruction.outcome != RETRY:
                    self.end(
                        instruction.step,
                        StepStatus.SUCCESS if instruction.outcome == SUCCESS else StepStatus.FAILED,
                    )
            elif isinstance(instruction, DropOutputs):
                for step in instruction.steps:
                    assert all(self.is_content(after) for after in self.plan.successors[step]), (
                        "still to be taken"
                    )
                self.released += instruction.steps
            elif isinstance(instruction, StepSkipped):
                self.end(instruction.step, StepStatus.SKIPPED)
            elif isinstance(instruction, StepAbandoned):
                assert instruction.culprits, "abandoned for no reason"
                self.end(instruction.step, StepStatus.ABANDONED)
        self.check_limits()

    def is_content(self, step: int) -> bool:
        """Return whether a step needs no input any more."""
        return self.machine.status[step] in (StepStatus.SUCCESS, StepStatus.SKIPPED)

    def end(self, step: int, status: StepStatus) -> None:
        self.ends.setdefault(step, []).append(status)

    def check_batch(self, work: Batch) -> None:
        assert work.calls
        assert self.case.batching or len(work.calls) == 1
        for position, call in enumerate(work.calls):
            behind = {each.step for each in work.calls[:position]}
            for step_input in self.plan.steps[call.step].inputs:
                for source in step_input.sources:
                    if isinstance(source, FromStep) and source.step not in behind:
                        assert source.step in self.ends, "a step was dealt before its inputs"
            assert self.counts_in(call) == self.counts_in(work.calls[0]), (
                "a batch under unequal limits"
            )

    def counts_in(self, call: Call) -> list[object]:
        """Return the group of a call in each limit."""
        tags = self.case.nodes[call.step].tags
        counted: list[object] = []
        for limit in self.case.limits:
            value = tags.get(limit.key)
            if limit.per_unique_value:
                counted.append(value)
            else:
                counted.append(value is not None and limit.value in (None, value))
        return counted

    def check_limits(self) -> None:
        """A batch makes one call at a time, so it counts once in each limit of its calls."""
        running = [self.case.nodes[work.calls[0].step].tags for work in self.flight.values()]
        assert self.case.max_concurrent is None or len(running) <= self.case.max_concurrent
        for limit in self.case.limits:
            values = [tags[limit.key] for tags in running if limit.key in tags]
            if limit.value is not None:
                assert values.count(limit.value) <= limit.limit
            elif limit.per_unique_value:
                assert all(values.count(value) <= limit.limit for value in values)
            else:
                assert len(values) <= limit.limit
