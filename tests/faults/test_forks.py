"""Children that an op forks: they end where the op ends, and the step is its parent's."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rayexec import HookContext, Out, Output, RunResult, job, op, resource, success_hook

Execute = Callable[..., RunResult]
DEADLINE_S = 60


def ended(pid: int) -> int:
    """Return the status of a child, and kill one that does not end."""
    timer = threading.Timer(DEADLINE_S, os.kill, (pid, 9))
    timer.start()
    try:
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    finally:
        timer.cancel()


def raises() -> None:
    raise ValueError("of the child")


def returns() -> None:
    pass


def exits() -> None:
    sys.exit(3)


def exits_with_a_message() -> None:
    sys.exit("no way")


def interrupts() -> None:
    raise KeyboardInterrupt


CHILDREN = [
    pytest.param(raises, 1, id="raises"),
    pytest.param(returns, 0, id="returns"),
    pytest.param(exits, 3, id="exits"),
    pytest.param(exits_with_a_message, 1, id="exits with a message"),
    pytest.param(interrupts, 1, id="interrupts"),
]


@pytest.mark.parametrize(("child", "status"), CHILDREN)
def test_a_forked_child_ends_with_its_op_and_the_run_goes_on(
    execute: Execute, is_ray: bool, tmp_path: Path, child: Callable[[], None], status: int
) -> None:
    @op
    def forks() -> int:
        pid = os.fork()
        if pid == 0:
            child()
            return -1
        return ended(pid)

    @op
    def consumes(value: int) -> int:
        with open(tmp_path / "consumed", "a") as file:
            file.write("x")
        return value

    @job
    def forking() -> None:
        consumes(forks())

    result = execute(forking)
    assert result.success
    assert result.output_for_node("consumes") == status
    assert (tmp_path / "consumed").read_text() == "x"
    if is_ray and child is raises:
        stderr = stderr_of(result, "forks")
        assert "Traceback (most recent call last):" in stderr
        assert stderr.endswith("ValueError: of the child\n")
    if is_ray and child is exits_with_a_message:
        assert stderr_of(result, "forks") == "no way\n"


def stderr_of(result: RunResult, step: str) -> str:
    [captured] = [
        event
        for event in result.all_events
        if (event.step_key, event.event_type_value) == (step, "LOGS_CAPTURED")
    ]
    text: str = captured.event_specific_data["stderr"]
    return text


def test_a_child_yields_no_output_and_runs_no_hook(execute: Execute, tmp_path: Path) -> None:
    def note(what: str) -> None:
        with open(tmp_path / what, "a") as file:
            file.write("x")

    @success_hook
    def hooked(context: HookContext) -> None:
        note("hooked")

    @op(out={"first": Out(), "second": Out()})
    def yields() -> Any:
        pid = os.fork()
        try:
            yield Output("child" if pid == 0 else "parent", "first")
            if pid:
                yield Output(ended(pid), "second")
        finally:
            note(f"closed by {'parent' if pid else 'child'}")

    @op
    def follows(context: Any, first: str, second: int) -> tuple[str, int]:
        note("followed")
        return first, second

    @job(hooks={hooked})
    def yielding() -> None:
        first, second = yields()
        follows(first, second)

    result = execute(yielding)
    assert result.success
    assert tuple(result.output_for_node("follows")) == ("parent", 0)
    assert (tmp_path / "followed").read_text() == "x"
    assert (tmp_path / "hooked").read_text() == "xx"


def test_children_of_ops_with_a_timeout_and_of_async_ops_end_too(execute: Execute) -> None:
    @op(timeout=DEADLINE_S)
    def forks(context: Any) -> int:
        pid = os.fork()
        if pid == 0:
            raise ValueError("of the child")
        return ended(pid)

    @op(timeout=DEADLINE_S)
    def yields() -> Any:
        pid = os.fork()
        yield Output(0 if pid == 0 else ended(pid))

    @op(out=Out(is_required=False), timeout=DEADLINE_S)
    def yields_nothing() -> Any:
        pid = os.fork()
        if pid:
            yield Output(ended(pid))

    @op
    async def waits() -> int:
        pid = os.fork()
        return 0 if pid == 0 else ended(pid)

    @job
    def forking() -> None:
        forks()
        yields()
        yields_nothing()
        waits()

    result = execute(forking)
    assert {step: result.output_for_node(step) for step in ("forks", "yields", "waits")} == {
        "forks": 1,
        "yields": 0,
        "waits": 0,
    }
    assert result.output_for_node("yields_nothing") == 0


def test_a_child_of_a_resource_ends_before_the_op(execute: Execute, tmp_path: Path) -> None:
    @resource
    def forking(context: Any) -> int:
        pid = os.fork()
        if pid:
            (tmp_path / "status").write_text(str(ended(pid)))
        return 1

    @op(required_resource_keys={"forking"})
    def uses(context: Any) -> int:
        with open(tmp_path / "called", "a") as file:
            file.write("x")
        return int(context.resources.forking)

    @job(resource_defs={"forking": forking})
    def with_resource() -> None:
        uses()

    assert execute(with_resource).success
    assert (tmp_path / "status").read_text() == "0"
    assert (tmp_path / "called").read_text() == "x"


def test_a_child_of_a_hook_ends_with_the_hook(execute: Execute, tmp_path: Path) -> None:
    @success_hook
    def forks(context: HookContext) -> None:
        pid = os.fork()
        if pid:
            (tmp_path / "status").write_text(str(ended(pid)))

    @op
    def first() -> int:
        return 1

    @op
    def second(value: int) -> int:
        with open(tmp_path / "second", "a") as file:
            file.write("x")
        return value

    @job
    def hooking() -> None:
        second(first.with_hooks({forks})())

    assert execute(hooking).success
    assert (tmp_path / "status").read_text() == "0"
    assert (tmp_path / "second").read_text() == "x"


def test_a_child_may_do_what_it_was_made_for(execute: Execute) -> None:
    """A pool forks its workers, which never come back to the op."""

    @op
    def pools() -> list[int]:
        import multiprocessing

        pipe, end = multiprocessing.Pipe()
        process = multiprocessing.get_context("fork").Process(target=square, args=(end, 7))
        process.start()
        value = pipe.recv()
        process.join(DEADLINE_S)
        return [value, process.exitcode]

    @job
    def pooling() -> None:
        pools()

    assert execute(pooling).output_for_node("pools") == [49, 0]


def square(end: Any, value: int) -> None:
    end.send(value * value)
