"""A dropped result takes its run along at once: no circle waits for the garbage collector."""

from __future__ import annotations

import gc
import subprocess
import sys
import time
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from rayexec import DynamicOut, DynamicOutput, RunResult, execute_job, job, op, resource

PATIENCE_S = 20.0


class Large:
    """Stands for large data around the ops of a job, or in a value."""


@pytest.fixture
def no_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def in_process(made: Any) -> RunResult:
    result: RunResult = made.execute_in_process()
    return result


def on_ray(made: Any) -> RunResult:
    return execute_job(made)


def fails_on_ray(made: Any) -> RunResult:
    return execute_job(made, {"ops": {"shows": {"config": "fail"}}})


def run_and_drop(run: Callable[[Any], RunResult]) -> list[weakref.ref[Any]]:
    """Run a job with all sorts of parts, and return weak references to what is dropped here."""
    large, opened = Large(), Large()

    @resource
    def connection() -> Any:
        return opened

    @op
    def loads() -> list[str]:
        return [type(large).__name__]

    @op(config_schema=str, required_resource_keys={"connection"})
    def shows(context: Any, given: list[str]) -> list[str]:
        context.log.info("%s", given)
        if context.op_config == "fail":
            raise ValueError(f"{type(large).__name__} is there")
        return given

    @op(out=DynamicOut())
    def splits(given: list[str]) -> Iterator[DynamicOutput[str]]:
        for index, text in enumerate(given):
            yield DynamicOutput(text, str(index))

    @op
    def copies(text: str) -> str:
        return text

    @job(resource_defs={"connection": connection}, config={"ops": {"shows": {"config": "show"}}})
    def made() -> None:
        splits(shows(loads())).map(copies)

    result = run(made)
    assert result.success == (run in (in_process, on_ray))
    assert len(list(result.all_events)) > 5
    return [weakref.ref(each) for each in (large, opened, made, result)]


def test_a_run_in_this_process_goes_with_its_result(no_collector: None) -> None:
    assert [ref() for ref in run_and_drop(in_process)] == [None] * 4


@pytest.mark.parametrize("run", [on_ray, fails_on_ray])
def test_a_run_on_ray_goes_with_its_result(ray_session: None, no_collector: None, run: Any) -> None:
    dropped = run_and_drop(run)
    until = time.monotonic() + PATIENCE_S
    # The threads of the run end in a moment.
    while any(ref() is not None for ref in dropped) and time.monotonic() < until:
        time.sleep(0.01)
    assert [ref() for ref in dropped] == [None] * 4


def test_objects_that_somebody_froze_stay_frozen_and_are_counted_once() -> None:
    """To count them walks over all of them, for each run: mypy's and a server's may be millions."""
    code = (
        "import gc\n"
        "import rayexec\n"
        "@rayexec.op\n"
        "def one(): return 1\n"
        "@rayexec.job\n"
        "def counted(): one()\n"
        "counted.execute_in_process()\n"
        "assert gc.get_freeze_count() == 0\n"
        "gc.freeze()\n"
        "frozen, calls, count = gc.get_freeze_count(), [], gc.get_freeze_count\n"
        "gc.get_freeze_count = lambda: calls.append(1) or count()\n"
        "for _ in range(3): counted.execute_in_process()\n"
        "print(len(calls), count() >= frozen)\n"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout.split() == ["1", "True"]
