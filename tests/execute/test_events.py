"""The record of a run: which events, in which order, and the questions that a result answers."""

import json
from typing import Any

import pytest

from rayexec import EventType, InvariantError, Out, StepNotFoundError, graph, job, op


@op
def first() -> int:
    return 1


@op
def second(value: int) -> int:
    return value + 1


@op
def boom() -> int:
    raise ValueError("the boom")


@job
def pair() -> None:
    second(first())


def kinds(events: Any) -> list[str]:
    return [event.event_type.name for event in events]


def test_the_events_of_a_chain_in_order(execute: Any) -> None:
    result = execute(pair)
    assert kinds(result.all_events) == [
        "RUN_START",
        "ENGINE_EVENT",
        "STEP_START",
        "STEP_OUTPUT",
        "HANDLED_OUTPUT",
        "STEP_SUCCESS",
        "STEP_START",
        "LOADED_INPUT",
        "STEP_INPUT",
        "STEP_OUTPUT",
        "HANDLED_OUTPUT",
        "STEP_SUCCESS",
        "ENGINE_EVENT",
        "RUN_SUCCESS",
    ]
    assert [event.step_key for event in result.all_node_events] == ["first"] * 4 + ["second"] * 6
    assert [event.step_key for event in result.all_events[:2]] == [None, None]


def test_times_and_data_of_events(execute: Any) -> None:
    result = execute(pair)
    times = [event.timestamp for event in result.events_for_node("first")]
    assert times == sorted(times)
    [output] = [event for event in result.events_for_node("first") if event.is_successful_output]
    assert output.step_output_data.output_name == "result"
    assert output.node_name == "first"
    with pytest.raises(TypeError, match="a STEP_OUTPUT event has no failure"):
        _ = output.step_failure_data
    with pytest.raises(TypeError, match="a RUN_START event has no output"):
        _ = result.all_events[0].step_output_data


def test_events_are_json_able(execute: Any) -> None:
    @job
    def failing() -> None:
        boom()
        first()

    result = execute(failing)
    rows = [json.loads(json.dumps(event.to_dict())) for event in result.all_events]
    failure = next(row for row in rows if row["event_type"] == "STEP_FAILURE")
    assert failure["step_key"] == "boom"
    assert failure["error"]["cause"]["class"] == "ValueError"
    assert rows[0]["timestamp"].endswith("+00:00")


def test_the_events_of_a_failure(execute: Any) -> None:
    @job
    def failing() -> None:
        second(boom())

    result = execute(failing)
    assert kinds(result.events_for_node("boom")) == ["STEP_START", "STEP_FAILURE"]
    assert kinds(result.all_events)[-1] == "RUN_FAILURE"
    assert result.events_for_node("second") == []
    [failure] = result.get_step_failure_events()
    assert failure.is_step_failure
    assert not failure.is_step_success
    with pytest.raises(InvariantError, match="no RUN_SUCCESS event; its last one is RUN_FAILURE"):
        result.get_run_success_event()
    assert result.get_run_failure_event().event_type is EventType.RUN_FAILURE


def test_questions_about_a_result(execute: Any) -> None:
    result = execute(pair)
    assert result.success
    assert result.status == "SUCCESS"
    assert result.error is None
    assert result.job_def is pair
    assert result.dagster_run.job_name == "pair"
    assert result.get_failed_step_keys() == frozenset()
    assert [event.step_key for event in result.get_step_success_events()] == ["first", "second"]
    assert result.get_step_skipped_events() == []
    assert result.get_run_success_event().event_type.name == "RUN_SUCCESS"
    assert result.failure_data_for_node("first") is None
    assert result.exception_for_node("first") is None
    assert result.retry_attempts_for_node("first") == 0
    assert (
        result.filter_events(lambda event: event.is_step_success)
        == result.get_step_success_events()
    )
    assert repr(result) == f"<{type(result).__name__} pair {result.run_id} SUCCESS>"
    with result as same:
        assert same is result


def test_unknown_names_are_told(execute: Any) -> None:
    result = execute(pair)
    with pytest.raises(
        InvariantError, match=r"pair has no op named secnd\. Did you mean 'second'\?"
    ):
        result.output_for_node("secnd")
    with pytest.raises(
        InvariantError, match=r"second has no output named reslt\. Did you mean 'result'\?"
    ):
        result.output_for_node("second", "reslt")
    with pytest.raises(InvariantError, match="pair has no op named third"):
        result.is_node_success("third")
    with pytest.raises(StepNotFoundError, match="pair has no step 'third'"):
        result.retry_attempts_for_node("third")
    assert result.events_for_node("third") == []


def test_events_of_a_graph_are_those_of_its_ops_and_of_no_namesake(execute: Any) -> None:
    @graph
    def part() -> Any:
        return second(first())

    @job
    def nested() -> None:
        part()
        first.alias("part_two")()

    result = execute(nested)
    assert {event.step_key for event in result.events_for_node("part")} == {
        "part.first",
        "part.second",
    }
    assert {event.step_key for event in result.events_for_node("part_two")} == {"part_two"}
    assert not result.is_node_failed("part")
    assert result.is_node_untouched("part.third")


def test_skipped_steps_have_one_event(execute: Any) -> None:
    @op(out=Out(is_required=False))
    def absent() -> Any:
        yield from ()

    @job
    def skipping() -> None:
        second(absent())

    result = execute(skipping)
    assert kinds(result.events_for_node("second")) == ["STEP_SKIPPED"]
    [event] = result.get_step_skipped_events()
    assert event.is_step_skipped
    assert event.message == 'Skipped step "second": an input it needs was not yielded.'


def test_no_event_names_a_nothing_input(execute: Any) -> None:
    from rayexec import In, Nothing

    @op(ins={"start": In(Nothing)})
    def later() -> None:
        pass

    @job
    def ordered() -> None:
        later(first())

    assert "LOADED_INPUT" not in kinds(execute(ordered).events_for_node("later"))


def test_events_of_two_runs_are_apart(execute: Any) -> None:
    left, right = execute(pair), execute(pair)
    assert left.run_id != right.run_id
    assert len(left.all_events) == len(right.all_events)
