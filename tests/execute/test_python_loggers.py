"""Python loggers of job files: where ``get_dagster_logger`` writes, in each kind of op."""

import logging
import threading
from typing import Any

import pytest
from conftest import Execute

from rayexec import EventType, Out, Output, RunResult, failure_hook, get_dagster_logger, job, op

LOG = get_dagster_logger()


@op
def plain() -> int:
    LOG.debug("plain, with %d", 5)
    return 1


@op
def quiet() -> int:
    return 2


@op
def both(context: Any, number: int) -> int:
    context.log.info("first")
    get_dagster_logger("loading").warning("second")
    context.log.info("third")
    return number


@op(out={"a": Out(int), "b": Out(int)})
def pieces(number: int) -> Any:
    LOG.info("a")
    yield Output(number, "a")
    LOG.info("b")
    yield Output(number, "b")


@op
def in_thread(number: int) -> None:
    thread = threading.Thread(target=lambda: LOG.error("of a thread"))
    thread.start()
    thread.join()


@failure_hook
def mourn(_: Any) -> None:
    LOG.info("mourned")


@op
def failing() -> None:
    try:
        raise ValueError("a reason")
    except ValueError:
        LOG.exception("it failed")
        raise


@job(hooks={mourn})
def talk() -> None:
    number = both(plain())
    pieces(number)
    in_thread(number)
    quiet()
    failing()


_LINES = {
    "plain": [(logging.DEBUG, "plain, with 5")],
    "both": [(logging.INFO, "first"), (logging.WARNING, "second"), (logging.INFO, "third")],
    "pieces": [(logging.INFO, "a"), (logging.INFO, "b")],
    "in_thread": [(logging.ERROR, "of a thread")],
    "failing": [(logging.ERROR, "it failed"), (logging.INFO, "mourned")],
}


def _lines(result: RunResult) -> dict[str, list[tuple[int, str]]]:
    """Return level and first line of each logged message by step."""
    lines: dict[str, list[tuple[int, str]]] = {}
    for event in result.all_events:
        if event.event_type is EventType.LOG_MESSAGE and event.step_key is not None:
            shown = (event.event_specific_data["level"], event.message.partition("\n")[0])
            lines.setdefault(event.step_key, []).append(shown)
    return lines


def test_lines_of_python_loggers_are_in_the_log_of_their_step(execute: Execute) -> None:
    result = execute(talk)
    assert _lines(result) == _LINES
    (trace,) = [each.message for each in result.all_events if "it failed\n" in each.message]
    assert "ValueError: a reason" in trace


def test_outside_of_steps_it_is_an_ordinary_logger(caplog: pytest.LogCaptureFixture) -> None:
    assert (LOG.name, get_dagster_logger("a").name) == ("dagster.builtin", "dagster.builtin.a")
    assert LOG.getEffectiveLevel() == logging.DEBUG
    LOG.debug("outside")
    assert caplog.messages == ["outside"]


def test_a_job_inside_of_a_step_has_its_own_lines() -> None:
    inner_lines = []

    @op
    def outer() -> None:
        LOG.info("before")
        inner_lines.append(_lines(talk.execute_in_process(raise_on_error=False)))
        LOG.info("after")

    @job
    def outer_job() -> None:
        outer()

    result = outer_job.execute_in_process()
    assert _lines(result) == {"outer": [(logging.INFO, "before"), (logging.INFO, "after")]}
    assert inner_lines == [_LINES]
