"""Random runs of the state machine: graphs, outcomes, limits and batches by chance, judged by the
rules written out.
"""

import itertools
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, get_args

from hypothesis import given, settings
from hypothesis import strategies as st
from machine_checks import check

from rayexec import In, Nothing, Out, RetryPolicy, job, op
from rayexec.definitions.concurrency import TagLimit
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
from rayexec.plan import FromStep, Plan, compile_job
from rayexec.run.spec import Batch, Call
from rayexec.scheduler.machine import Machine
from rayexec.scheduler.messages import (
    BatchEnded,
    BatchLost,
    BatchProgressed,
    CancelRequested,
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
from rayexec.scheduler.retention import KeepOutputs

CRASH = StepFailureData(
    ErrorInfo("WorkerCrashedError", "gone", ""), ("rayexec.errors.WorkerCrashedError",)
)
OUTPUTS = ("a", "b")


@dataclass
class Node:
    """A step to make.

    Its inputs are (kind, [(node, output)]). Each attempt has a fate, and a last one yields outputs.
    """

    inputs: list[tuple[str, list[tuple[int, str]]]]
    fates: list[str]
    yields: frozenset[str]
    tags: dict[str, str]
    retries: int
    priority: int
    seconds: float


@dataclass
class Case:
    nodes: list[Node]
    limits: list[TagLimit]
    max_concurrent: int | None
    slots: int
    batching: bool
    require_success: bool
    keep_outputs: KeepOutputs
    choices: list[int] = field(default_factory=list)


@st.composite
def nodes(draw: st.DrawFn, index: int) -> Node:
    inputs: list[tuple[str, list[tuple[int, str]]]] = []
    if index:
        # Mostly the step before, so that chains come up.
        producer = st.one_of(st.just(index - 1), st.integers(0, index - 1))
        member = st.tuples(producer, st.sampled_from(OUTPUTS))
        for _ in range(draw(st.sampled_from([0, 1, 1, 1, 2, 3]))):
            kind = draw(st.sampled_from(["single", "nothing", "fan_in"]))
            inputs.append(
                (kind, draw(st.lists(member, min_size=1, max_size=1 if kind != "fan_in" else 3)))
            )
    return Node(
        inputs,
        draw(
            st.lists(
                st.sampled_from(["ok", "ok", "ok", "ok", "fail", "retry", "lost"]),
                min_size=3,
                max_size=3,
            )
        ),
        draw(
            st.sampled_from([frozenset(OUTPUTS), frozenset(OUTPUTS), frozenset("a"), frozenset()])
        ),
        draw(st.sampled_from([{}, {}, {"x": "1"}, {"x": "2"}, {"y": "1"}, {"x": "1", "y": "2"}])),
        draw(st.integers(0, 2)),
        draw(st.sampled_from([0, 0, 0, 1])),
        draw(st.sampled_from([0.0, 0.0, 0.01, 0.2])),
    )


@st.composite
def cases(draw: st.DrawFn) -> Case:
    limit = st.builds(
        TagLimit,
        st.sampled_from(["x", "y"]),
        st.integers(1, 2),
        value=st.sampled_from([None, "1"]),
        per_unique_value=st.booleans(),
    )
    limits = draw(
        st.lists(
            limit, max_size=3, unique_by=lambda each: (each.key, each.value, each.per_unique_value)
        )
    )
    return Case(
        [draw(nodes(index)) for index in range(draw(st.integers(1, 10)))],
        [each for each in limits if not (each.value and each.per_unique_value)],
        draw(st.sampled_from([None, 1, 2, 3])),
        draw(st.sampled_from([1, 2, 4])),
        draw(st.booleans()),
        draw(st.booleans()),
        draw(st.sampled_from(get_args(KeepOutputs))),
        draw(st.lists(st.integers(0, 1000), max_size=60)),
    )


def plan_of(case: Case) -> Plan:
    """Return a plan whose step i is node i; every op has two optional outputs and the inputs of its
    node.
    """
    out = {name: Out(is_required=False) for name in OUTPUTS}

    def make(index: int, node: Node) -> Any:
        ins = {
            f"i{position}": In(Nothing if kind == "nothing" else Any)
            for position, (kind, _) in enumerate(node.inputs)
        }
        tags = {**node.tags, "rayexec/priority": node.priority}
        policy = RetryPolicy(max_retries=node.retries, delay=index)

        @op(name=f"n{index}", ins=ins, out=out, tags=tags, retry_policy=policy)
        def made(**_inputs: Any) -> Any:
            raise AssertionError("no op runs here")

        return made

    @job
    def random_job() -> None:
        handles: list[Any] = []
        for index, node in enumerate(case.nodes):
            wired: dict[str, Any] = {}
            for position, (kind, members) in enumerate(node.inputs):
                sources = [handles[producer][output] for producer, output in members]
                wired[f"i{position}"] = sources if kind == "fan_in" else sources[0]
            handles.append(make(index, node)(**wired))

    return compile_job(random_job)


def expected_ends(case: Case) -> list[StepStatus]:
    """Return the end of each step, by the rules, one step at a time."""
    ended: list[StepStatus] = []

    def source(producer: int, output: str) -> str:
        status = ended[producer]
        if status is StepStatus.SUCCESS:
            return "there" if output in case.nodes[producer].yields else "skipped"
        if (
            status is StepStatus.FAILED
            and not case.require_success
            and output in left_by(case.nodes[producer])
        ):
            return "there"
        return "skipped" if status is StepStatus.SKIPPED else "failed"

    for node in case.nodes:
        skipped = failed = False
        for kind, members in node.inputs:
            fates = [source(*member) for member in members]
            failed = failed or "failed" in fates
            lost = [each == "skipped" for each in fates]
            skipped = skipped or (all(lost) if kind == "fan_in" else any(lost))
        ended.append(
            StepStatus.SKIPPED if skipped else StepStatus.ABANDONED if failed else own_end(node)[0]
        )
    return ended


def own_end(node: Node) -> tuple[StepStatus, str]:
    """Return the end of a step with attempts, and the fate of its last one."""
    for attempt_number, fate in enumerate(node.fates):
        if fate == "ok":
            return StepStatus.SUCCESS, fate
        if fate == "fail" or attempt_number >= node.retries:
            return StepStatus.FAILED, fate
    raise AssertionError("more retries than fates")


def left_by(node: Node) -> frozenset[str]:
    """Return the outputs that a failed step leaves: "a" where its op failed, none where its worker
    died.
    """
    return frozenset() if own_end(node)[1] == "lost" else frozenset("a")


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
            each = list(group)
            if is_plain:
                steps, numbers = [row.step for row in each], [row.attempt_number for row in each]
                starts, ends = (
                    array("d", [row.started for row in each]),
                    array("d", [row.ended for row in each]),
                )
                rows.append(Successes(steps, numbers, starts, ends))
            else:
                rows += each
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


def may_go(driver: Driver) -> set[int]:
    """Return the successful steps without further consumers."""
    followers, keep = driver.plan.successors, driver.case.keep_outputs
    over = [
        step for step, status in enumerate(driver.machine.status) if status is StepStatus.SUCCESS
    ]
    taken = {step for step in over if all(driver.is_content(each) for each in followers[step])}
    leaves = {step for step in taken if not followers[step]}
    return set() if keep == "all" else taken - leaves if keep == "leaves" else taken


@settings(max_examples=400, deadline=None)
@given(cases())
def test_every_run_ends_within_its_limits_and_as_the_rules_say(case: Case) -> None:
    driver = Driver(case)
    driver.run()
    assert driver.machine.status == expected_ends(case)
    assert driver.ends == {step: [status] for step, status in enumerate(driver.machine.status)}
    assert len(driver.made) == len(set(driver.made)), "an attempt counts twice"
    assert len(driver.released) == len(set(driver.released))
    assert {
        each for each in driver.released if driver.machine.status[each] is StepStatus.SUCCESS
    } == may_go(driver)
    for step, node in enumerate(case.nodes):
        numbers = [call.attempt for call in driver.made if call.step == step]
        assert numbers == list(range(len(numbers)))
        assert len(numbers) <= node.retries + 1
        assert bool(numbers) == (
            driver.machine.status[step] in (StepStatus.SUCCESS, StepStatus.FAILED)
        )


@settings(max_examples=100, deadline=None)
@given(cases())
def test_the_same_events_give_the_same_run(case: Case) -> None:
    first, second = Driver(case), Driver(case)
    first.run()
    second.run()
    assert first.submitted == second.submitted
    assert first.made == second.made


@settings(max_examples=150, deadline=None)
@given(cases(), st.integers(0, 12))
def test_a_cancel_at_any_moment_ends_the_run(case: Case, moment: int) -> None:
    driver = Driver(case)
    driver.feed(RunStarted())
    for _ in range(moment):
        if driver.machine.is_over or not driver.flight:
            break
        driver.now += 1.0
        driver.feed(driver.move(min(driver.flight)))
    driver.feed(CancelRequested())
    submitted = len(driver.submitted)
    while driver.flight:
        driver.feed(driver.move(min(driver.flight)))
    assert driver.machine.is_over
    assert len(driver.submitted) == submitted
    assert all(len(each) == 1 for each in driver.ends.values())
