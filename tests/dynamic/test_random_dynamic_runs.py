"""Random dynamic jobs end the same on every engine, for every division into batches."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from machine_checks import check
from random_jobs import GONE, Case, Ends, cases, expected, make_job

from rayexec import DynamicOut, JobDefinition, RunResult, job, op
from rayexec.engine.inprocess import InProcessEngine
from rayexec.events import SUCCESS, Attempt, ErrorInfo, StepFailureData
from rayexec.execute import RunLog, prepare
from rayexec.execute.driver import run_to_end
from rayexec.execute.observer import Observer
from rayexec.names import node_path
from rayexec.placement.choice import driver_placement
from rayexec.plan.model import FromStep
from rayexec.run.spec import Batch, RunSpec
from rayexec.scheduler.messages import BatchEnded, BatchLost, EngineReport, StepStatus, StepYielded
from rayexec.testing.simulated_engine import SimulatedEngine


class ChanceEngine(InProcessEngine):
    """Runs batches in any order, ends each by chance, and returns the calls left in it."""

    batching = True

    def __init__(
        self, spec: RunSpec, chance: random.Random, slots: int, losses: float = 0.0
    ) -> None:
        super().__init__(spec)
        self._lost_workers = losses
        self._succeeded: set[int] = set()
        self._lost: set[int] = set()
        self.placement = driver_placement(spec.plan, slots=slots)
        self._chance = chance

        self._due: list[EngineReport] = []

    def wait(self, timeout: float | None) -> list[EngineReport]:
        if self._due and (not self._queue or self._chance.random() < 0.5):
            count = self._chance.randint(1, len(self._due))  # several at once, as they may arrive
            batch, self._due = self._due[:count], self._due[count:]
            return batch
        if not self._queue:
            return []
        self._queue.rotate(self._chance.randrange(len(self._queue)))
        work = self._queue.popleft()
        rows: list[Attempt] = []
        good: set[int] = set()
        inside = {call.step for call in work.calls}
        gone = self._lose_inputs(work)
        if gone:
            failure = StepFailureData(ErrorInfo("WorkerCrashedError", "its inputs are gone", ""))
            return [BatchLost(work.id, (), None, failure, 0.0, 0.0, inputs=tuple(gone))]
        most = self._chance.choice([1, 2, len(work.calls), len(work.calls)])
        for call in work.calls:
            step = self._spec.plan.steps[call.step]
            sources = [
                source
                for each in step.inputs
                for source in each.sources
                if isinstance(source, FromStep)
            ]
            if any(source.step in inside and source.step not in good for source in sources):
                # what it needs from this batch is not there: that is for the driver to judge
                continue
            if any(
                source.step in inside and source.output not in self._values[source.step]
                for source in sources
            ):
                continue
            if len(rows) == most:
                break
            row = self._run(*call)
            rows.append(row)
            self._lost.discard(call.step)
            if row.outcome == SUCCESS:
                good.add(call.step)
        self._succeeded |= good
        first = work.calls[0].step
        answer = BatchEnded(work.id, tuple(rows))
        if self._spec.plan.template_of[first] in self._spec.streaming_templates:
            assert len(work.calls) == 1, "what streams goes alone"
            names = tuple(record.name for record in rows[0].outputs)
            self._due += [
                StepYielded(work.id, first, names[:end]) for end in range(1, len(names) + 1)
            ]
            self._due.append(answer)
            return []
        return [answer]

    def _lose_inputs(self, work: Batch) -> set[int]:
        """Lose inputs of a batch by chance; return the steps that lost theirs."""
        taken: set[int] = set()
        for call in work.calls:
            for step_input in self._spec.plan.steps[call.step].inputs:
                taken |= {
                    source.step for source in step_input.sources if isinstance(source, FromStep)
                }
        taken -= {call.step for call in work.calls}
        for step in taken & self._succeeded - self._lost:
            if self._chance.random() < self._lost_workers:
                self._lost.add(step)
                self._values.pop(step, None)
        return taken & self._lost


def ends_of(result: RunResult) -> Ends:
    """Return the ends of a run's steps, and their values."""
    machine = result._outcome.machine
    check(machine)
    ends = Ends()
    plan = result._plan
    for step, status in zip(plan.steps, machine.status, strict=True):
        ends.status[step.key] = status
        if status is not StepStatus.SUCCESS:
            continue
        if plan.op_of(step.index).is_dynamic:
            ends.values[step.key] = {
                name[len("result[") : -1]: result._engine.value(step.index, name)
                for name in machine.yields[step.index]
            }
        else:
            try:
                ends.values[step.key] = result._engine.value(step.index, "result")
            except KeyError:
                ends.values[step.key] = GONE
    return ends


def run_by_chance(
    job: JobDefinition, chance: random.Random, slots: int, losses: float = 0.0, keep: Any = "all"
) -> RunResult:
    settings = {"infrastructure_retries": 10_000, "keep_outputs": keep}
    spec = prepare(job, {"execution": {"config": {"ray": settings}}}).with_run_plan()
    log = RunLog(spec.plan)
    outcome, engine = run_to_end(
        spec, lambda: ChanceEngine(spec, chance, slots, losses), log, Observer()
    )
    return RunResult(spec, outcome, engine, log, job)


@settings(deadline=None, max_examples=300)
@given(cases())
def test_in_process_every_step_ends_as_the_rules_have_it(case: Case) -> None:
    result = make_job(case).execute_in_process(raise_on_error=False)
    assert ends_of(result) == expected(case)


@pytest.mark.long("300 random runs")
@settings(deadline=None, max_examples=300)
@given(cases(), st.integers(0, 1000), st.integers(1, 4))
def test_every_dealing_of_batches_gives_the_same(case: Case, seed: int, slots: int) -> None:
    assert ends_of(run_by_chance(make_job(case), random.Random(seed), slots)) == expected(case)


@pytest.mark.long("300 random jobs, each with steps that run again")
@settings(deadline=None, max_examples=300)
@given(cases(), st.integers(0, 1000), st.integers(1, 4), st.sampled_from(["all", "none"]))
def test_outputs_that_are_lost_are_made_again(case: Case, seed: int, slots: int, keep: str) -> None:
    case.fails = (
        case.fails and keep == "all"
    )  # what a stream handed on before it failed is not made again
    result = run_by_chance(make_job(case), random.Random(seed), slots, losses=0.1, keep=keep)
    rules = expected(case)
    machine = result._outcome.machine
    check(machine)
    assert {step.key: machine.status[step.index] for step in result._plan.steps} == rules.status
    if keep == "all" and not result._engine._lost:  # type: ignore[attr-defined]  # a ChanceEngine
        assert ends_of(result) == rules


@settings(deadline=None, max_examples=150)
@given(
    cases(optional=False),
    st.lists(st.sampled_from([0.0, 0.001, 0.05, 0.3]), min_size=1, max_size=5),
)
def test_simulated_every_step_ends_as_the_rules_have_it(case: Case, times: list[float]) -> None:
    rules = expected(case)
    job = make_job(case)
    spec = prepare(job, ignore_execution=True).with_run_plan()
    plan = spec.plan

    def yields(call: Any) -> dict[str, list[str]]:
        return {"result": rules.yields[plan.steps[call.step].key]}

    def make() -> SimulatedEngine:
        return SimulatedEngine(
            plan,
            nodes=[2, 1],
            seconds=lambda call: times[call.step % len(times)],
            fails=lambda call: rules.status[plan.steps[call.step].key] is StepStatus.FAILED,
            yields=yields,
            streams=spec.streaming_templates,
        )

    log = RunLog(plan)
    outcome, _ = run_to_end(spec, make, log, Observer(), clock=lambda: 0.0)
    check(outcome.machine)
    ended = {
        step.key: status for step, status in zip(plan.steps, outcome.machine.status, strict=True)
    }
    assert ended == rules.status


@settings(
    deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(cases())
def test_on_ray_every_step_ends_as_the_rules_have_it(
    execute_on_ray: Callable[..., RunResult], case: Case
) -> None:
    with execute_on_ray(make_job(case)) as result:
        assert ends_of(result) == expected(case)


@pytest.mark.long("300 random runs")
@settings(deadline=None, max_examples=300)
@given(cases(fails=False, optional=False), st.sampled_from(["leaves", "none"]))
def test_values_stay_until_the_last_step_that_takes_them(case: Case, keep: Any) -> None:
    job = make_job(case)
    spec = prepare(job, {"execution": {"config": {"in_process": None}}})
    settings_ = replace(spec.config.execution, keep_outputs=keep)
    spec = replace(spec, config=replace(spec.config, execution=settings_)).with_run_plan()
    log = RunLog(spec.plan)
    outcome, _ = run_to_end(spec, lambda: InProcessEngine(spec), log, Observer())
    rules = expected(case)
    assert {
        step.key: outcome.machine.status[step.index] for step in spec.plan.steps
    } == rules.status
    taken = {
        before for index in range(len(spec.plan.steps)) for before in spec.plan.predecessors[index]
    }
    taken |= {each for needed in spec.plan.future_sources.values() for each in needed}
    taken |= {index for index in spec.plan.fan_out_steps if not spec.plan.successors[index]}
    held = {index for index in range(len(spec.plan.steps)) if index not in outcome.machine.released}
    leaves = {index for index in range(len(spec.plan.steps)) if index not in taken}
    assert held >= (leaves if keep == "leaves" else set())
    if keep == "none":
        assert not held
    assert {node_path(key) for key in rules.status} <= {
        f"n{index}" for index in range(len(case.nodes))
    }


@pytest.mark.parametrize("slots", [1, 3])
def test_chance_engine_runs_plain_jobs(slots: int) -> None:
    """Known cases check the judge of the random ones."""
    case = Case()
    result = run_by_chance(make_job(case), random.Random(1), slots)
    assert result.success


def test_a_value_goes_with_the_last_step_that_takes_it() -> None:
    @op(out=DynamicOut())
    def three() -> Iterator[int]:
        yield from range(3)

    @op
    def first(number: int) -> int:
        return number

    @op
    def second(number: int, other: int) -> int:
        return number + other

    @job
    def twice() -> None:
        three().map(lambda number: second(number, first(number)))

    spec = prepare(twice)
    spec = replace(
        spec,
        config=replace(spec.config, execution=replace(spec.config.execution, keep_outputs="none")),
    )
    spec = spec.with_run_plan()
    seen: list[str] = []

    class Noting(InProcessEngine):
        def release_values(self, step: int, names: Sequence[str]) -> None:
            seen.extend(names)
            super().release_values(step, names)

        def submit(self, work: Batch) -> None:
            seen.extend(spec.plan.steps[call.step].key for call in work.calls)
            super().submit(work)

    outcome, _ = run_to_end(spec, lambda: Noting(spec), RunLog(spec.plan), Observer())
    assert outcome.status == "SUCCESS"
    runs = [f"{op}[{key}]" for key in range(3) for op in ("first", "second")]
    # The last goes with all the others of its step.
    assert seen == ["three", *runs[:2], "result[0]", *runs[2:4], "result[1]", *runs[4:]]
