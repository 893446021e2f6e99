"""Results and events with the names, the values and the answers of Dagster."""

from typing import Any

import pytest

from rayexec import (
    DagsterEvent,
    DagsterEventType,
    DagsterRun,
    DagsterRunStatus,
    DynamicOut,
    DynamicOutput,
    ExecuteInProcessResult,
    Failure,
    In,
    JobExecutionResult,
    Nothing,
    Out,
    Output,
    ResourceDefinition,
    RetryPolicy,
    execute_job,
    failure_hook,
    graph,
    job,
    op,
    resource,
    success_hook,
)


@op
def one() -> int:
    return 1


@op
def same(value: Any) -> Any:
    return value


@op
def both(left: Any, right: Any) -> Any:
    return left, right


@op
def boom() -> None:
    raise ValueError("bad")


@op(retry_policy=RetryPolicy(max_retries=1, delay=0.0))
def flaky(context: Any) -> None:
    if context.retry_number == 0:
        raise ValueError("not yet")


@op
def intended() -> None:
    raise Failure("on purpose", metadata={"rows": 3})


@op(out=DynamicOut(int))
def numbers() -> Any:
    for number in range(3):
        yield DynamicOutput(number, str(number))


@op
def not_zero(number: int) -> int:
    if number == 0:
        raise ValueError("zero")
    return number


@op(out=Out(is_required=False))
def nothing_yielded() -> Any:
    yield from ()


@graph
def part(value: Any) -> Any:
    boom.alias("breaks")()
    return same.alias("inner")(value)


@success_hook
def cheers(context: Any) -> None:
    pass


@failure_hook
def breaks_itself(context: Any) -> None:
    raise KeyError("hook")


@op
def text_and_number(x: str, y: int) -> None: ...


def raised(kind: str) -> Any:
    @op(name=kind)
    def fails() -> None:
        try:
            raise KeyError("first")
        except KeyError as first:
            if kind == "in_handling":
                raise ValueError("second")  # noqa: B904
            raise ValueError("second") from (first if kind == "from_it" else None)

    return fails


ORIGINS = {
    "from_it": ("KeyError", None),
    "in_handling": (None, "KeyError"),
    "from_none": (None, None),
}


@pytest.mark.parametrize("kind", ORIGINS)
def test_an_error_has_a_cause_or_a_context_as_python_has_it(kind: str) -> None:
    error = run(raised(kind)).failure_data_for_node(kind).error.cause
    assert error.cls_name == "ValueError"
    assert tuple(each and each.cls_name for each in (error.cause, error.context)) == ORIGINS[kind]


def job_of(*wirings: Any, **settings: Any) -> Any:
    def body() -> None:
        for wiring in wirings:
            wiring()

    return job(name="tested", **settings)(body)


def run(*wirings: Any, **settings: Any) -> Any:
    return job_of(*wirings, **settings).execute_in_process(raise_on_error=False)


STEP = ["STEP_OUTPUT", "HANDLED_OUTPUT", "STEP_SUCCESS"]
EVENTS: dict[str, tuple[Any, dict[str, list[str]]]] = {
    "chain": (
        lambda: same(one()),
        {
            "one": ["STEP_START", *STEP],
            "same": ["STEP_START", "LOADED_INPUT", "STEP_INPUT", *STEP],
        },
    ),
    "two inputs": (
        lambda: both(one(), one.alias("other")()),
        {"both": ["STEP_START", *["LOADED_INPUT"] * 2, *["STEP_INPUT"] * 2, *STEP]},
    ),
    "wrong first input": (
        lambda: text_and_number(one(), one.alias("other")()),
        {
            "text_and_number": [
                *["STEP_START", "LOADED_INPUT", "LOADED_INPUT", "STEP_INPUT", "STEP_FAILURE"]
            ]
        },
    ),
    "failure": (lambda: same(boom()), {"boom": ["STEP_START", "STEP_FAILURE"], "same": []}),
    "retry": (flaky, {"flaky": ["STEP_START", "STEP_UP_FOR_RETRY", "STEP_RESTARTED", *STEP]}),
    "skipped": (
        lambda: same(nothing_yielded()),
        {"nothing_yielded": ["STEP_START", "STEP_SUCCESS"], "same": ["STEP_SKIPPED"]},
    ),
    "dynamic": (
        numbers,
        {"numbers": ["STEP_START", *["STEP_OUTPUT", "HANDLED_OUTPUT"] * 3, "STEP_SUCCESS"]},
    ),
}


@pytest.mark.parametrize("name", EVENTS)
def test_events_of_a_node_are_those_of_dagster_in_its_order(name: str) -> None:
    wiring, expected = EVENTS[name]
    result = run(wiring, hooks={cheers})
    for node, kinds in expected.items():
        assert [event.event_type_value for event in result.events_for_node(node)] == kinds
    assert result.all_node_events == result.filter_events(lambda event: event.is_step_event)


def test_values_of_run_events_differ_from_their_names() -> None:
    result = run(one)
    first, last = result.all_events[0], result.all_events[-1]
    assert (first.event_type_value, last.event_type_value) == ("PIPELINE_START", "PIPELINE_SUCCESS")
    assert first.event_type is DagsterEventType.RUN_START
    assert DagsterEventType.__members__["PIPELINE_START"] is first.event_type
    assert DagsterEventType("PIPELINE_FAILURE") is DagsterEventType.RUN_FAILURE
    assert last.is_job_success
    assert last.is_job_event
    assert not last.is_failure
    assert all(isinstance(event, DagsterEvent) for event in result.all_events)
    assert {event.job_name for event in result.all_events} == {"tested"}


# The questions is_node_… that Dagster answers with yes, by node.
QUESTIONS = {
    "one": {"success"},
    "same": {"untouched"},
    "boom": {"failed"},
    "not_zero": {"success", "failed"},
    "part": {"success", "failed"},
    "part.inner": {"success"},
    "part.breaks": {"failed"},
    "late": {"skipped"},
}


@pytest.mark.parametrize("node", QUESTIONS)
def test_a_node_answers_by_any_of_its_steps(node: str) -> None:
    result = run(
        lambda: part(one()),
        lambda: same(boom()),
        lambda: numbers().map(not_zero),
        lambda: same.alias("late")(nothing_yielded()),
    )
    answers = {
        name
        for name in ("success", "failed", "skipped", "untouched")
        if getattr(result, f"is_node_{name}")(node)
    }
    assert answers == QUESTIONS[node]


def test_nodes_outside_of_a_selection_are_untouched() -> None:
    result = job_of(lambda: same(one())).execute_in_process(op_selection=["one"])
    assert result.is_node_success("one")
    assert not result.is_node_success("same")
    assert result.is_node_untouched("same")


def test_a_step_that_fails_tells_its_error_and_the_run_tells_the_first_one() -> None:
    result = run(boom, hooks={breaks_itself})
    (event,) = result.get_step_failure_events()
    assert event.is_failure
    assert event.is_step_failure
    assert (event.node_name, event.solid_name, str(event.node_handle)) == ("boom", "boom", "boom")
    error = event.event_specific_data.error
    assert (error.cls_name, error.cause.cls_name) == (
        "DagsterExecutionStepExecutionError",
        "ValueError",
    )
    assert "bad" in error.cause.message
    assert "boom" in "".join(error.cause.stack)
    assert "ValueError: bad" in event.step_failure_data.error_display_string
    failure = result.get_run_failure_event()
    assert failure.event_type_value == "PIPELINE_FAILURE"
    assert failure.job_failure_data.error == error
    assert failure.job_failure_data.first_step_failure_event == event
    assert result.get_job_failure_event() == failure
    (hook,) = [each for each in result.all_events if each.is_hook_event]
    assert hook.event_type is DagsterEventType.HOOK_ERRORED
    assert hook.event_specific_data.error.cls_name == "KeyError"


def test_a_failure_on_purpose_has_its_words_and_metadata() -> None:
    data = run(intended).failure_data_for_node("intended")
    assert data.error.cls_name == "Failure"
    assert data.user_failure_data.label == "intentional-failure"
    assert data.user_failure_data.description == "on purpose"
    assert data.user_failure_data.metadata["rows"].value == 3


def test_data_of_events_has_the_attributes_of_dagster() -> None:
    result = run(lambda: same(one()), flaky)
    by_type: dict[str, Any] = {event.event_type_value: event for event in result.all_events}
    assert by_type["STEP_INPUT"].step_input_data.input_name == "value"
    loaded = by_type["LOADED_INPUT"].event_specific_data
    assert (loaded.input_name, loaded.manager_key) == ("value", "io_manager")
    handled = by_type["HANDLED_OUTPUT"].event_specific_data
    assert (handled.output_name, handled.manager_key) == ("result", "io_manager")
    assert by_type["STEP_OUTPUT"].step_output_data.output_name == "result"
    assert by_type["STEP_SUCCESS"].step_success_data.duration_ms >= 0
    retry = by_type["STEP_UP_FOR_RETRY"]
    assert retry.is_step_up_for_retry
    assert retry.step_retry_data.seconds_to_wait == 0
    assert retry.event_specific_data.error.cls_name == "RetryRequestedFromPolicy"
    assert by_type["STEP_START"].step_kind_value == "COMPUTE"
    assert by_type["STEP_START"].logging_tags["op_name"] in ("one", "same", "flaky")


def test_resources_tell_of_themselves() -> None:
    @resource
    def broken(_: Any) -> None:
        raise ValueError("no db")

    @op(required_resource_keys={"db"})
    def reads() -> None:
        pass

    result = run(reads, resource_defs={"db": broken})
    (event,) = [each for each in result.all_events if each.is_resource_init_failure]
    assert event.event_specific_data.error.cls_name in (
        "ValueError",
        "DagsterResourceFunctionError",
    )
    fine = run(reads, resource_defs={"db": ResourceDefinition.hardcoded_resource(1)})
    assert fine.success


def test_kinds_of_results_and_their_run() -> None:
    tested = job_of(one)
    here = tested.execute_in_process(tags={"team": "data"})
    assert isinstance(here, ExecuteInProcessResult)
    assert not isinstance(here, JobExecutionResult)
    assert isinstance(here.dagster_run, DagsterRun)
    assert here.dagster_run.status is DagsterRunStatus.SUCCESS
    assert here.dagster_run.is_success
    assert here.dagster_run.is_finished
    assert (here.dagster_run.tags, here.dagster_run.job_name) == ({"team": "data"}, "tested")
    assert here.dagster_run.step_keys_to_execute == ["one"]
    config: dict[str, Any] = {"execution": {"config": {"in_process": {}}}}
    with execute_job(tested, run_config=config, store=False) as elsewhere:
        assert isinstance(elsewhere, JobExecutionResult)
        assert elsewhere.output_for_node("one") == 1
    assert run(boom).dagster_run.is_failure


def test_statuses_are_those_of_dagster() -> None:
    assert {status.value for status in DagsterRunStatus} == {
        *("QUEUED", "NOT_STARTED", "MANAGED", "STARTING", "STARTED", "SUSPENDED"),
        *("SUCCESS", "FAILURE", "CANCELING", "CANCELED"),
    }


def test_nothing_flows_through_an_order_alone() -> None:
    @op(ins={"after": In(Nothing)})
    def later() -> None:
        pass

    result = run(lambda: later(one()))
    kinds = [event.event_type_value for event in result.events_for_node("later")]
    assert kinds == ["STEP_START", *STEP]


def test_retries_are_counted() -> None:
    result = run(flaky, one)
    assert result.retry_attempts_for_node("flaky") == 1
    assert result.retry_attempts_for_node("one") == 0


def test_an_output_of_a_step_that_fails_later_is_there() -> None:
    @op(out={"a": Out(), "b": Out()})
    def half() -> Any:
        yield Output(1, "a")
        raise ValueError("b")

    result = run(half)
    assert result.output_for_node("half", "a") == 1
    assert [event.event_type_value for event in result.events_for_node("half")] == [
        "STEP_START",
        "STEP_OUTPUT",
        "HANDLED_OUTPUT",
        "STEP_FAILURE",
    ]
