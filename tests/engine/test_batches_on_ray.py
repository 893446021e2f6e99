"""Steps of one batch behave as single ones: retries, crashes, output, timeouts, long neighbours."""

from __future__ import annotations

import functools
import os
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fanned_out import MANY, Execute, after, collect, fan_out, index_of, spans, warmed_up, zero

from rayexec import Out, Output, RetryPolicy, configured, job, op
from rayexec.engine.ray.protocol.batch_files import JOURNAL_PREFIX, own_directories
from rayexec.execute import Observer, Record, RunLog
from rayexec.run.spec import RunSpec


def wait_for(condition: Callable[[], bool]) -> None:
    """Wait in an op; raises TimeoutError."""
    ends = time.monotonic() + 120
    while not condition():
        if time.monotonic() > ends:
            raise TimeoutError
        time.sleep(0.005)


@op(retry_policy=RetryPolicy(max_retries=1))
def flaky_or_slow(context: Any, value: int) -> int:
    if value == 30 and context.retry_number == 0:
        raise ValueError("once")
    if value == 31:
        time.sleep(3)
    return value


@pytest.mark.long("waits for processes for some seconds")
def test_a_retried_step_keeps_its_output_while_its_first_batch_goes_on(
    execute_on_ray: Execute,
) -> None:
    result = warmed_up(execute_on_ray)(fan_out(flaky_or_slow, after))
    assert result.success
    assert result.output_for_node("collect") == list(range(MANY))
    assert result.retry_attempts_for_node("flaky_or_slow_30") == 1
    assert result.output_for_node("flaky_or_slow_30") == result.output_for_node("after_30") == 30


def test_nothing_waits_for_a_long_step_in_the_same_batch(
    execute_on_ray: Execute, tmp_path: Path
) -> None:
    @op
    def waits_at_31(value: int) -> int:
        if value == 31:
            wait_for(lambda: len(os.listdir(tmp_path)) == MANY - 1)
        return value

    @op
    def last(value: int) -> int:
        (tmp_path / str(value)).touch()
        return value

    result = warmed_up(execute_on_ray)(fan_out(waits_at_31, last))
    assert result.success, [event.message for event in result.get_step_failure_events()]
    times = spans(result)
    ends = times["waits_at_31_31"][1]
    others = [
        end
        for key, (_, end) in times.items()
        if key not in ("waits_at_31_31", "last_31", "collect")
    ]
    assert len(others) == 3 * MANY - 2 + 1  # and zero
    assert max(others) < ends


@op
def dies_at_20(value: int) -> int:
    if value == 20:
        print("said before it died")
        sys.stdout.flush()
        os._exit(3)
    return value


def test_a_step_that_dies_takes_nobody_with_it(execute_on_ray: Execute, tmp_path: Any) -> None:
    @op
    def counted(value: int) -> int:
        with open(tmp_path / str(value), "a") as file:
            file.write("x")
        return value

    result = warmed_up(execute_on_ray)(fan_out(counted, dies_at_20, after))
    assert result.get_failed_step_keys() == {"dies_at_20_20"}
    assert result.counts() == {
        "succeeded": 3 * MANY - 1 + MANY,
        "failed": 1,
        "skipped": 0,
        "not run": 2,
    }
    data = result.failure_data_for_node("dies_at_20_20")
    assert data is not None
    assert data.error.cls_name == "WorkerCrashedError"
    runs = {int(path.name): path.read_text() for path in tmp_path.iterdir()}
    assert runs == dict.fromkeys(range(MANY), "x")
    [captured] = [
        e
        for e in result.all_events
        if (e.step_key, e.event_type_value) == ("dies_at_20_20", "LOGS_CAPTURED")
    ]
    assert captured.event_specific_data["stdout"] == "said before it died\n"


def test_no_file_stays_behind(execute_on_ray: Execute) -> None:
    warmed_up(execute_on_ray)(fan_out(dies_at_20))
    own = f"{JOURNAL_PREFIX}{os.getpid()}."
    assert [path for each in own_directories() for path in each.glob(f"{own}*")] == []


@op(out=Out(is_required=False))
def even_only(value: int) -> Any:
    if value % 2 == 0:
        yield Output(value)


def test_what_is_not_yielded_skips_its_chain_only(execute_on_ray: Execute) -> None:
    result = warmed_up(execute_on_ray)(fan_out(even_only, after))
    assert result.success
    assert result.output_for_node("collect") == list(range(0, MANY, 2))
    assert result.counts()["skipped"] == MANY // 2


@op(timeout=1.0)
def hangs_at_10(value: int) -> int:
    if value == 10:
        time.sleep(600)
    return value


def test_a_timeout_ends_its_step_only(execute_on_ray: Execute) -> None:
    result = warmed_up(execute_on_ray)(fan_out(hangs_at_10))
    assert result.get_failed_step_keys() == {"hangs_at_10_10"}
    data = result.failure_data_for_node("hangs_at_10_10")
    assert data is not None
    assert data.root.cls_name == "StepTimeoutError"
    assert result.counts()["succeeded"] == 2 * MANY


def test_batches_may_be_switched_off(execute_on_ray: Execute) -> None:
    result = execute_on_ray(
        fan_out(flaky_or_slow), {"execution": {"config": {"ray": {"batches": False}}}}
    )
    assert result.success
    assert result.output_for_node("collect") == list(range(MANY))


class _Unreadable:
    def __reduce__(self) -> Any:
        return int, ("not a number",)


def test_what_follows_a_call_that_could_not_begin_gets_nothing_in_its_place(
    execute_on_ray: Execute,
) -> None:
    @configured(after)
    def middle(_config: Any) -> Any:
        return _Unreadable()

    @job
    def chained() -> None:
        ready: Any = middle
        after.alias("last")(ready(after.alias("first")(zero())))

    result = execute_on_ray(chained)
    assert result.get_failed_step_keys() == {"middle"}
    assert result.is_node_success("first")
    assert result.is_node_untouched("last")
    data = result.failure_data_for_node("middle")
    assert data is not None
    assert data.error.message == "the step's config cannot be loaded on the worker"


@op
def merge(left: int, right: int) -> int:
    return left + right


@op(out={"even": Out(int, is_required=False), "odd": Out(int, is_required=False)})
def sort_out(value: int) -> Any:
    yield Output(value, "even" if value % 2 == 0 else "odd")


def test_what_a_batch_makes_ready_runs_in_it_with_copies_of_its_inputs(
    execute_on_ray: Execute,
) -> None:
    @op
    def listed(value: int) -> list[int]:
        return [value]

    @op
    def spoiled(values: list[int]) -> int:
        values.append(100)
        return sum(values)

    @op
    def whole(values: list[int]) -> int:
        return sum(values)

    @job(config={"execution": {"config": {"multiprocess": {"max_concurrent": 1}}}})
    def diamonds() -> None:
        ends = []
        for index in range(MANY):
            values = listed(index_of.alias(f"number_{index}")(zero.alias(f"zero_{index}")()))
            ends.append(merge(spoiled(values), whole(values)))
        collect(ends)

    result = warmed_up(execute_on_ray)(diamonds)
    assert result.success
    assert result.output_for_node("collect") == [2 * index + 100 for index in range(MANY)]
    times = spans(result)
    # Depth-first: a diamond is closed before the last one is begun.
    assert times["merge"][0] < times[f"listed_{MANY}"][0]


def test_a_call_whose_input_was_not_yielded_in_its_batch_is_decided_about_by_the_driver(
    execute_on_ray: Execute,
) -> None:
    @job(config={"execution": {"config": {"multiprocess": {"max_concurrent": 1}}}})
    def sorted_out() -> None:
        ends = []
        for index in range(MANY):
            parts = sort_out.alias(f"sort_{index}")(
                index_of.alias(f"number_{index}")(zero.alias(f"zero_{index}")())
            )
            even = after.alias(f"even_{index}")(parts.even)
            ends.append(merge.alias(f"merge_{index}")(even, zero.alias(f"other_{index}")()))
            after.alias(f"odd_{index}")(parts.odd)
        collect(ends)

    result = warmed_up(execute_on_ray)(sorted_out)
    assert result.success
    assert result.output_for_node("collect") == list(range(0, MANY, 2))
    assert all(result.is_node_skipped(f"{name}_1") for name in ("even", "merge"))
    assert all(result.is_node_success(f"{name}_1") for name in ("odd", "sort", "other"))
    assert result.is_node_skipped("odd_0")
    assert result.counts()["skipped"] == 3 * MANY // 2


class Arrivals(Observer):
    """Makes a file for each step whose end was reported, and counts steps by batch."""

    log: RunLog

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.steps_of: Counter[int] = Counter()

    def run_started(self, spec: RunSpec, log: RunLog, waiting: object) -> None:
        self.log, self._steps = log, spec.plan.steps

    def recorded(self, record: Record) -> None:
        for row in self.log.attempts_of(record):
            self.steps_of[row.batch] += 1
            (self._folder / self._steps[row.step].key).touch()


def test_finished_steps_are_reported_while_their_batch_runs(
    execute_on_ray: Execute, tmp_path: Path
) -> None:
    @op
    def naps(context: Any, start: int) -> int:
        # The step before this one in the same worker is reported while this one runs.
        before = tmp_path / f"{os.getpid()}.last"
        if before.exists():
            wait_for((tmp_path / before.read_text()).exists)
        before.write_text(context.op_handle.name)
        time.sleep(0.3)
        return start

    @job(config={"execution": {"config": {"multiprocess": {"max_concurrent": 2}}}})
    def pairs() -> None:
        start = zero()
        for index in range(16):
            naps.alias(f"naps_{index}")(start)

    arrivals = Arrivals(tmp_path)
    result = warmed_up(execute_on_ray)(pairs, observer=arrivals)
    assert result.success, [event.message for event in result.get_step_failure_events()]
    assert arrivals.steps_of.total() == 17
    assert max(arrivals.steps_of.values()) >= 2, "no two shared a batch"


def logged(fn: Callable[..., Any]) -> Callable[..., Any]:
    """Decorate as people do: the signature is the inner function's, the arguments come by name."""

    @functools.wraps(fn)
    def wrapper(**kwargs: Any) -> Any:
        return fn(**kwargs)

    return wrapper


def test_an_op_may_be_a_decorated_function(execute_on_ray: Execute) -> None:
    @op
    @logged
    def double(value: int) -> int:
        return 2 * value

    @op
    def minus(right: int, left: int) -> int:
        return left - right

    @job
    def decorated() -> None:
        minus(
            right=index_of.alias("number_3")(zero()),
            left=double(index_of.alias("number_4")(zero.alias("other")())),
        )

    result = execute_on_ray(decorated)
    assert result.success, result.failure_data_for_node("double")
    assert result.output_for_node("minus") == 8 - 3


def test_an_output_taken_twice_is_two_values(execute: Execute) -> None:
    @op
    def listed() -> list[int]:
        return []

    @op
    def appends(first: list[int], second: list[int]) -> int:
        first.append(1)
        return len(second)

    @op
    def appends_in_lists(both: list[list[int]]) -> int:
        both[0].append(1)
        return len(both[1])

    @job
    def twice() -> None:
        value, other = listed(), listed.alias("other")()
        appends(value, value)
        appends_in_lists([other, other])

    result = execute(twice)
    assert result.success
    expected = 1 if result._engine.name == "in_process" else 0
    assert (
        result.output_for_node("appends") == result.output_for_node("appends_in_lists") == expected
    )


def test_priority_counts_among_what_one_step_makes_ready(execute_on_ray: Execute) -> None:
    @job(config={"execution": {"config": {"multiprocess": {"max_concurrent": 1}}}})
    def prioritized() -> None:
        start = zero()
        for priority in (-10, 5, 10, 0, -5):
            after.alias(f"p{priority + 10}").tag({"dagster/priority": priority})(start)

    times = spans(warmed_up(execute_on_ray)(prioritized))
    order = sorted((key for key in times if key != "zero"), key=times.__getitem__)
    assert order == ["p20", "p15", "p10", "p5", "p0"]
