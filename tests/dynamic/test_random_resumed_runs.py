"""Random jobs that fail or lose their driver end, once resumed, as if nothing had happened."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from machine_checks import check
from random_jobs import Case, Ends, cases, expected, make_job
from test_random_dynamic_runs import ChanceEngine, ends_of

from rayexec import JobDefinition, ReexecutionOptions, RunResult
from rayexec.events import SUCCESS, Attempt
from rayexec.execute import RunLog, prepare
from rayexec.execute.driver import run_to_end
from rayexec.execute.observer import Observer
from rayexec.execute.recording import record_run
from rayexec.execute.resume import find_parent
from rayexec.scheduler.messages import EngineReport, StepStatus
from rayexec.store import MemoryRunStore

pytestmark = pytest.mark.long("resumes 900 random runs, some of them twice")


class _DeathError(Exception):
    """The driver dies."""


class _DyingEngine(ChanceEngine):
    def __init__(self, *given: Any, after: int | None = None) -> None:
        super().__init__(*given)
        self._left = after

    def wait(self, timeout: float | None) -> list[EngineReport]:
        if self._left is not None:
            self._left -= 1
            if self._left < 0:
                raise _DeathError
        return super().wait(timeout)


def _run(
    job: JobDefinition,
    store: MemoryRunStore,
    run_id: str,
    seed: int,
    *,
    durable: bool,
    keep: str = "all",
    after: int | None = None,
    options: ReexecutionOptions | None = None,
) -> RunResult | None:
    """Run or resume a job; return None if its driver dies, after ``after`` steps."""
    config = {"execution": {"config": {"ray": {"durable": durable, "keep_outputs": keep}}}}
    parent = None if options is None else find_parent(options, store)
    tags = None if parent is None else parent.tags(None)
    spec = prepare(job, config, run_id=run_id, tags=tags)
    if parent is not None:
        spec = replace(spec, previous_run=parent.previous_run(spec.plan, spec.resources))
    recording = record_run(store, job, spec, Observer())
    assert recording is not None
    spec = replace(spec, value_storage=store.values(run_id)).with_run_plan()
    log = RunLog(spec.plan)
    try:
        outcome, engine = run_to_end(
            spec, lambda: _DyingEngine(spec, random.Random(seed), 3, after=after), log, recording
        )
    except _DeathError as death:
        recording.broke_off(death)
        return None
    return RunResult(spec, outcome, engine, log, job)


def _ran(result: RunResult) -> list[str]:
    keys = [step.key for step in result._plan.steps]
    return [
        keys[each.step]
        for each in result._log.attempts()
        if isinstance(each, Attempt) and each.outcome == SUCCESS
    ]


def _whole(case: Case) -> Ends:
    case.fails = False
    return expected(case)


def _must_run(result: RunResult, done: set[str]) -> set[str]:
    """Return the unfinished steps, and all below them."""
    plan, status = result._plan, result._outcome.machine.status
    same: dict[int, bool] = {}

    def is_same(step: int) -> bool:
        if step not in same:
            before = {*plan.predecessors[step], *(source.step for source in plan.sources_of(step))}
            own = status[step] is StepStatus.SKIPPED or plan.steps[step].key in done
            same[step] = own and all(is_same(each) for each in before)
        return same[step]

    return {
        step.key
        for step in plan.steps
        if status[step.index] is StepStatus.SUCCESS and not is_same(step.index)
    }


@settings(deadline=None, max_examples=300)
@given(cases(), st.integers(0, 1000), st.sampled_from(["all", "none"]))
def test_a_durable_run_that_failed_runs_only_what_it_did_not_get_to(
    case: Case, seed: int, keep: str
) -> None:
    store = MemoryRunStore()
    first = _run(make_job(case), store, "first", seed, durable=True, keep=keep)
    assert first is not None
    if first.success:
        return
    done = set(_ran(first))
    whole = _whole(case)
    second = _run(
        make_job(case),
        store,
        "second",
        seed + 1,
        durable=True,
        options=ReexecutionOptions.from_failure("first"),
    )
    assert second is not None
    assert ends_of(second) == whole
    assert sorted(_ran(second)) == sorted(_must_run(second, done))


@settings(deadline=None, max_examples=300)
@given(cases(), st.integers(0, 1000), st.integers(0, 8), st.integers(0, 8))
def test_a_durable_run_whose_driver_died_runs_no_step_again_that_was_over(
    case: Case, seed: int, after: int, later: int
) -> None:
    case.fails = False
    whole, store = expected(case), MemoryRunStore()
    job = make_job(case)
    done: set[str] = set()
    result = None
    for attempt, left in enumerate((after, later, None)):
        options = ReexecutionOptions.from_failure(str(attempt - 1)) if attempt else None
        result = _run(
            job, store, str(attempt), seed + attempt, durable=True, after=left, options=options
        )
        if result is not None:
            assert sorted(_ran(result)) == sorted(_must_run(result, done))
            break
        done |= set(store.values(str(attempt)).committed())
    assert result is not None
    assert ends_of(result) == whole


@settings(deadline=None, max_examples=300)
@given(cases(), st.integers(0, 1000), st.sampled_from(["all", "none"]), st.floats(0, 1))
def test_values_that_are_not_kept_are_made_again(
    case: Case, seed: int, keep: str, share: float
) -> None:
    store = MemoryRunStore()
    first = _run(make_job(case), store, "first", seed, durable=False, keep=keep)
    assert first is not None
    if first.success:
        return
    chance, stored = random.Random(seed), store._runs["first"].values
    done, needed = set(_ran(first)), {key: set(entry.values) for key, entry in stored.items()}
    for key, entry in list(stored.items()):
        stored[key] = entry._replace(
            values={name: value for name, value in entry.values.items() if chance.random() < share}
        )
    whole = _whole(case)
    second = _run(
        make_job(case),
        store,
        "second",
        seed + 1,
        durable=False,
        options=ReexecutionOptions.from_failure("first"),
    )
    assert second is not None
    machine = second._outcome.machine
    check(machine)
    assert {step.key: machine.status[step.index] for step in second._plan.steps} == whole.status
    must = _must_run(second, done)
    assert must <= set(_ran(second)), "what was not done has run"
    if all(set(entry.values) == needed[key] for key, entry in stored.items()):
        assert sorted(_ran(second)) == sorted(must), "what the first run kept is all that is needed"
    for key in must:
        engine: Any = second._engine  # an InProcessEngine
        made = engine._values[second._plan.index_of(key)]
        expected_value = whole.values[key]
        if isinstance(expected_value, dict):
            assert {
                name[len("result[") : -1]: value for name, value in made.items()
            } == expected_value
        elif "result" in made:
            assert made["result"] == expected_value
