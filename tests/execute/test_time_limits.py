"""Odd time limits: refused, or none, and without any effect on later steps and runs."""

from __future__ import annotations

import signal
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from rayexec import (
    ConfigError,
    DefinitionError,
    RetryRequested,
    RunTimeoutError,
    execute_job,
    job,
    op,
)
from rayexec.config.execution import ExecutionSettings
from rayexec.execute.prepare import prepare

INFINITE = float("inf")
NAN = float("nan")
NONE_AT_ALL = [1e9, 1e10, 1e300, INFINITE, 10**400]


@op
def quick() -> int:
    return 5


@job
def single() -> None:
    quick()


def limited(executor: str, seconds: Any) -> dict[str, Any]:
    return {"execution": {"config": {executor: {"max_runtime": seconds}}}}


@pytest.mark.parametrize("seconds", [NAN, 0, -1.0, -INFINITE, True, "5"])
def test_an_op_s_timeout_must_be_seconds_above_0(seconds: Any) -> None:
    with pytest.raises(DefinitionError, match=r"timeout must be a number of seconds above 0, got"):

        @op(timeout=seconds)
        def limited_op() -> None: ...


@pytest.mark.parametrize("seconds", [INFINITE, 10**400])
def test_an_infinite_timeout_is_none(seconds: Any) -> None:
    @op(timeout=seconds)
    def unlimited() -> None: ...

    assert unlimited.timeout is None


@pytest.mark.parametrize("text", ["nan", "NaN", "0", "-1", "-inf", "soon", ""])
def test_a_tag_of_the_run_s_time_must_be_seconds_above_0(text: str) -> None:
    with pytest.raises(DefinitionError, match="must be a number of seconds above 0, got"):
        single.execute_in_process(tags={"dagster/max_runtime": text})


@pytest.mark.parametrize("executor", ["in_process", "multiprocess", "ray"])
def test_nan_in_config_is_refused(executor: str) -> None:
    with pytest.raises(
        ConfigError, match=r"max_runtime: must be a number of seconds above 0, got nan"
    ):
        prepare(single, limited(executor, NAN))


@pytest.mark.parametrize("text", ["inf", "Infinity", "1e400"])
def test_an_infinite_limit_of_the_run_is_none(text: str) -> None:
    assert (
        prepare(single, limited("ray", INFINITE)).config.execution.max_runtime
        is prepare(single, tags={"dagster/max_runtime": text}).config.execution.max_runtime
        is ExecutionSettings().max_runtime
        is None
    )
    both = prepare(single, limited("ray", 7), tags={"dagster/max_runtime": text})
    assert both.config.execution.max_runtime == 7


@pytest.mark.parametrize("seconds", [NAN, INFINITE, -1, "5", True])
def test_a_retry_may_not_wait_for_ever(seconds: Any) -> None:
    with pytest.raises(DefinitionError, match="seconds_to_wait must be a number of seconds"):
        RetryRequested(seconds_to_wait=seconds)


@pytest.mark.parametrize("in_thread", [False, True])
@pytest.mark.parametrize("seconds", NONE_AT_ALL, ids=["1e9", "1e10", "1e300", "inf", "huge"])
def test_a_long_timeout_has_no_effect_on_others_in_this_process(
    seconds: Any, in_thread: bool, capfd: pytest.CaptureFixture[str]
) -> None:
    @op(timeout=seconds)
    def long_limit() -> int:
        return 1

    @op(timeout=0.1)
    def over() -> None:
        end = time.monotonic() + 60
        while time.monotonic() < end:
            time.sleep(0.005)

    @job
    def long_one() -> None:
        long_limit()

    @job
    def later() -> None:
        over()

    def run() -> None:
        assert long_one.execute_in_process().success
        config = limited("in_process", INFINITE if seconds == 10**400 else seconds)
        results.append(execute_job(long_one, config, store=False))
        results.append(later.execute_in_process(raise_on_error=False))

    results: list[Any] = []
    if in_thread:
        thread = threading.Thread(target=run)
        thread.start()
        thread.join(60)
    else:
        run()
    first, second = results
    assert first.success
    data = second.failure_data_for_node("over")
    assert data.error.cls_name == "StepTimeoutError"
    assert data.error.message == "step 'over' ran longer than its timeout of 0.1 s"
    assert "OverflowError" not in capfd.readouterr().err


def test_a_long_timeout_has_no_effect_on_others_on_a_worker(execute_on_ray: Any) -> None:
    @op(timeout=1e10)
    def long_limit() -> int:
        return 1

    @op(timeout=0.2)
    def over(given: int) -> None:
        time.sleep(60)

    @op(timeout=60)
    def within(given: int) -> int:
        return given

    @job
    def mixed() -> None:
        value = long_limit()
        over(value)
        within(value)

    for seconds in (1e10, INFINITE):
        result = execute_on_ray(mixed, limited("ray", seconds))
        assert result.get_failed_step_keys() == {"over"}
        assert result.failure_data_for_node("over").root.cls_name == "StepTimeoutError"
        assert result.output_for_node("within") == 1


def test_an_infinite_limit_is_recorded_and_resumed(tmp_path: Path) -> None:
    from rayexec import ReexecutionOptions

    marked = tmp_path / "marked"

    @op
    def fails_once() -> int:
        if not marked.exists():
            marked.touch()
            raise ValueError("once")
        return 1

    @job
    def failing() -> None:
        fails_once()

    config, store = limited("in_process", INFINITE), str(tmp_path / "store")
    first = execute_job(failing, config, store=store, raise_on_error=False)
    assert not first.success
    again = execute_job(
        failing,
        config,
        store=store,
        reexecution_options=ReexecutionOptions.from_failure(first.run_id),
    )
    assert again.success


def test_a_run_in_process_gives_the_user_s_alarm_back() -> None:
    rings: list[float] = []

    @op(timeout=60)
    def sleeps() -> int:
        time.sleep(0.1)
        return len(rings)

    @job
    def alarmed() -> None:
        sleeps()

    def handler(*_: Any) -> None:
        rings.append(time.monotonic())

    before = signal.signal(signal.SIGALRM, handler)
    try:
        signal.setitimer(signal.ITIMER_REAL, 60)
        for tags in (None, {"dagster/max_runtime": "50"}):
            assert alarmed.execute_in_process(tags=tags).output_for_node("sleeps") == 0
            assert signal.getsignal(signal.SIGALRM) is handler
            assert 0 < signal.getitimer(signal.ITIMER_REAL)[0] <= 59.9
        # One that is due meanwhile rings then, in the step, as without any limit.
        signal.setitimer(signal.ITIMER_REAL, 0.03)
        result = alarmed.execute_in_process(tags={"dagster/max_runtime": "50"})
        assert result.output_for_node("sleeps") == 1
        assert len(rings) == 1
        assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)
        # And a limit of the run that ends it leaves the alarm alone as well.
        signal.setitimer(signal.ITIMER_REAL, 60)
        with pytest.raises(RunTimeoutError):
            alarmed.execute_in_process(tags={"dagster/max_runtime": "0.03"})
        assert 0 < signal.getitimer(signal.ITIMER_REAL)[0] <= 60
        assert signal.getsignal(signal.SIGALRM) is handler
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
