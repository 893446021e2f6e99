"""Streams of steps in a batch: printed lines stay with their step."""

from __future__ import annotations

import sys

from fanned_out import MANY, Execute, fan_out, warmed_up

from rayexec import job, op


@op
def prints(value: int) -> int:
    print(f"value {value}")
    return value


def test_what_steps_print_stays_apart(execute_on_ray: Execute) -> None:
    result = warmed_up(execute_on_ray)(fan_out(prints))
    said = {
        event.step_key: event.event_specific_data["stdout"]
        for event in result.all_events
        if event.event_type_value == "LOGS_CAPTURED"
    }
    assert said == {f"prints_{index}": f"value {index}\n" for index in range(MANY)}


@op
def closes_at_5(value: int) -> int:
    if value == 5:
        sys.stdout.close()
    return value


def test_an_op_that_closes_the_streams_harms_nobody(execute_on_ray: Execute) -> None:
    execute = warmed_up(execute_on_ray)
    assert execute(fan_out(closes_at_5, prints)).success
    assert execute(fan_out(prints)).success


@op
def takes_stdout_to_pieces(value: int) -> int:
    if value == 5:
        sys.stdout.detach()  # type: ignore[union-attr]  # a text stream has it
    return value


def test_an_op_that_takes_the_streams_to_pieces_harms_nobody(execute_on_ray: Execute) -> None:
    execute = warmed_up(execute_on_ray)
    assert execute(fan_out(takes_stdout_to_pieces, prints)).success


def test_what_is_written_to_the_original_streams_is_captured_too(execute_on_ray: Execute) -> None:
    @op
    def partial() -> None:
        assert sys.__stdout__ is not None
        sys.__stdout__.write("no end of line")

    @job
    def writes() -> None:
        partial()

    [captured] = [
        e for e in execute_on_ray(writes).all_events if e.event_type_value == "LOGS_CAPTURED"
    ]
    assert captured.event_specific_data["stdout"] == "no end of line"
