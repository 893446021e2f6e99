"""Reasons of waits, and limits around runs within an op, on the session's Ray."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
import ray
from held_limits import hold_limit

from rayexec import EngineError, JobDefinition, job, op
from rayexec.execute import Observer, Record, RunLog, execute_job
from rayexec.run.spec import RunSpec

REDSHIFT = {"key": "database", "value": "redshift", "limit": 1}
LIMITED = {"multiprocess": {"max_concurrent": 3, "tag_concurrency_limits": [REDSHIFT]}}


PATIENCE_S = 120.0


@op
def other() -> int:
    return 1


def make_queries(folder: Path, *, until: Path | None = None) -> JobDefinition:
    """Return a job of three queries, one at a time, and one other step.

    Each query stays until the file ``until`` is there.
    """
    made_at = time.time()

    @op(tags={"database": "redshift"})
    def query() -> int:
        wait_for(until)
        hold_limit(folder, made_at)
        return 1

    @job(config={"execution": {"config": LIMITED}})
    def queries() -> None:
        for name in "abc":
            query.alias(name)()
        other()

    return queries


def wait_for(file: Path | None) -> None:
    ends = time.monotonic() + PATIENCE_S
    while file is not None and not file.exists():
        assert time.monotonic() < ends, f"{file} did not come to be"
        time.sleep(0.01)


def test_each_step_tells_when_it_was_ready_submitted_and_started_and_why_it_waited(
    execute_on_ray: Any, tmp_path: Path
) -> None:
    result = execute_on_ray(make_queries(tmp_path))
    waits = {each.step_key: each for each in result.waits}
    assert set(waits) == {"a", "b", "c", "other"}
    for each in waits.values():
        assert each.ready <= each.submitted <= each.started
    limited = sorted((waits[name] for name in "abc"), key=lambda each: each.started)
    assert [each.reason for each in limited[1:]] == ["database=redshift"] * 2
    assert limited[1].held_by == (limited[0].step_key,)
    assert limited[2].started - limited[2].ready > 0.55
    assert waits["other"].reason != "database=redshift"
    blocked = [event for event in result.all_events if event.event_type_value == "STEP_BLOCKED"]
    assert {event.step_key for event in blocked} == {each.step_key for each in limited[1:]}
    assert "for database=redshift, held by" in blocked[0].message
    keys = [
        event.step_key
        for event in result.all_events
        if event.event_type_value in ("STEP_BLOCKED", "STEP_START")
    ]
    place = keys.index(blocked[0].step_key)
    assert keys[place] == keys[place + 1]  # it stands right before the step's start
    assert 0.25 < limited[1].seconds <= limited[1].started - limited[1].ready
    first = result.all_events[0].event_specific_data["limits"]
    assert [(each["limit"], each["most"], each["held_by"]) for each in first] == [
        ("max_concurrent", 3, "token"),
        ("database=redshift", 1, "token"),
    ]


class Looks(Observer):
    """Asks the run who waits, whenever something was recorded; makes a file at the first end."""

    def __init__(self, ended: Path) -> None:
        self.seen: list[Any] = []
        self._ended = ended

    def run_started(self, spec: RunSpec, log: RunLog, waiting: Any) -> None:
        self._log, self._waiting = log, waiting

    def recorded(self, record: Record) -> None:
        self.seen.append(self._waiting())
        if list(self._log.attempts_of(record)):
            self._ended.touch()


def test_a_run_tells_who_waits_while_it_goes_on(ray_session: None, tmp_path: Path) -> None:
    ended = tmp_path / "ended"
    looks = Looks(ended)
    # The first query runs until the other step has ended, so two of them wait then.
    assert execute_job(make_queries(tmp_path, until=ended), observer=looks).success
    queues = [
        queue
        for waiting in looks.seen
        for queue in waiting.queues
        if queue.reason == "database=redshift"
    ]
    assert {(queue.used, queue.most) for queue in queues} >= {(1, 1)}
    assert {queue.size for queue in queues} == {1, 2}


def test_steps_in_process_wait_for_each_other(tmp_path: Path) -> None:
    result = make_queries(tmp_path).execute_in_process()
    waits = {each.step_key: each for each in result.waits}
    assert waits["c"].started - waits["c"].ready > 0.5


def test_a_run_inside_an_op_that_would_wait_for_that_op_is_refused(
    pools: None, execute_on_ray: Any
) -> None:
    @op(pool="single")
    def inner() -> int:
        return 1

    @job
    def nested() -> None:
        inner()

    @op(pool="single")
    def outer() -> str:
        try:
            nested.execute()
        except EngineError as error:
            return str(error)
        return "it ran"

    @job
    def surrounding() -> None:
        outer()

    told = execute_on_ray(surrounding).output_for_node("outer")
    assert (
        "op 'inner' asks for 1 pool:single, of which the step that started this run holds 1 of 1"
        in told
    )


class Warned(Observer):
    """Makes a file once the driver warns of something."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def recorded(self, record: Record) -> None:
        if getattr(record, "event_type_value", "") == "LOG_MESSAGE":
            self._file.touch()


@pytest.mark.long("waits for a warning of Ray")
def test_a_step_that_waits_for_what_its_own_run_holds_is_warned_of(
    pools: None, execute_on_ray: Any, tmp_path: Path
) -> None:
    warned = tmp_path / "warned"

    @op(pool="single")
    def outer() -> str:
        @ray.remote(resources={"pool:single": 1}, num_cpus=0)
        def inside() -> None:
            pass

        waiting = inside.remote()
        wait_for(warned)
        return "it ran" if ray.wait([waiting], timeout=0)[0] else "waited in vain"

    @job
    def surrounding() -> None:
        outer()

    result = execute_on_ray(surrounding, observer=Warned(warned))
    assert result.output_for_node("outer") == "waited in vain"
    told = [event.message for event in result.all_events if event.event_type_value == "LOG_MESSAGE"]
    [words] = told
    assert (
        "step 'outer' started a Ray task that waits for 1 pool:single, of which this run's own "
        "steps hold 1" in words
    )


def test_runs_inside_ops_get_the_cpus_of_the_ops_that_wait_for_them(execute_on_ray: Any) -> None:
    @op
    def inner() -> int:
        return 1

    @job
    def nested() -> None:
        inner()

    @op(ray_options={"num_cpus": 4})
    def outer() -> int:
        result = nested.execute()
        return int(result.output_for_node("inner"))

    @job
    def surrounding() -> None:
        outer()

    assert execute_on_ray(surrounding).output_for_node("outer") == 1


@pytest.fixture
def pools(ray_session: None) -> None:
    assert ray.cluster_resources().get("pool:single") == 1, "the session's Ray declares it"


def test_a_pool_that_is_declared_holds_on_a_ray_of_this_process(
    pools: None, execute_on_ray: Any, tmp_path: Path
) -> None:
    place = str(tmp_path)

    @op(pool="single")
    def stay(context: Any) -> int:
        path = Path(place, context.op_handle.name)
        path.touch()
        time.sleep(0.1)
        there = len(list(Path(place).iterdir()))
        path.unlink()
        return there

    @job(config={"execution": {"config": {"multiprocess": {"max_concurrent": 4}}}})
    def crowd() -> None:
        for number in range(6):
            stay.alias(f"s{number}")()

    result = execute_on_ray(crowd)
    assert [result.output_for_node(f"s{number}") for number in range(6)] == [1] * 6
