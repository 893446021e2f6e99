"""Errors as Dagster raises and records them: who catches what, and the names in failures."""

from typing import Any

import pytest

import rayexec
from rayexec import (
    DagsterError,
    DagsterExecutionInterruptedError,
    DagsterExecutionStepExecutionError,
    DagsterInvalidConfigError,
    DagsterInvariantViolationError,
    DagsterMaxRetriesExceededError,
    DagsterResourceFunctionError,
    DagsterRunNotFoundError,
    DagsterStepOutputNotFoundError,
    DagsterTypeCheckDidNotPass,
    DagsterUnknownResourceError,
    DagsterUserCodeExecutionError,
    Failure,
    In,
    InitResourceContext,
    IOManager,
    Out,
    Output,
    ResourceDefinition,
    RetryPolicy,
    RetryRequested,
    job,
    op,
    resource,
)


class Unwritable(IOManager):
    """Cannot store anything."""

    def handle_output(self, context: Any, obj: Any) -> None:
        raise ValueError("full")

    def load_input(self, context: Any) -> Any:
        raise AssertionError


class Unreadable(IOManager):
    """Cannot load anything."""

    def handle_output(self, context: Any, obj: Any) -> None:
        pass

    def load_input(self, context: Any) -> Any:
        raise KeyError("gone")


@op
def one() -> Any:
    return 1


@op
def same(value: Any) -> Any:
    return value


@op
def raises() -> None:
    raise ValueError("bad")


@op
def fails() -> None:
    raise Failure("desc", metadata={"rows": 1})


@op
def exits() -> None:
    raise SystemExit(3)


@op
def text() -> Any:
    return "s"


@op(ins={"value": In(int)})
def takes_int(value: Any) -> Any:
    return value


@op(out=Out(int))
def gives_int() -> Any:
    return "s"


@op
def checks_itself() -> None:
    raise DagsterTypeCheckDidNotPass("mine", metadata={"n": 1})


@op(retry_policy=RetryPolicy(max_retries=1))
def flaky() -> None:
    raise ValueError("r")


@op
def asks() -> None:
    raise RetryRequested(max_retries=1) from ValueError("z")


@op(out={"a": Out(), "b": Out()})
def half() -> Any:
    yield Output(1, "a")


@op(out={"a": Out(), "b": Out()})
def three() -> Any:
    return 1, 2, 3


@op
def yields_text() -> Any:
    yield "s"


@op
def twice() -> Any:
    yield Output(1)
    yield Output(2)


@op
def misnamed() -> Any:
    yield Output(1, "nope")


@op
def looks_up(context: Any) -> None:
    context.resources.nope


def job_of(wiring: Any, **settings: Any) -> Any:
    def body() -> None:
        wiring()

    return job(name="failing", **settings)(body)


STEP = "DagsterExecutionStepExecutionError"
INVARIANT = ["DagsterInvariantViolationError"]
CASES: dict[str, tuple[Any, Any, type[BaseException], list[str]]] = {
    # wiring, IO manager, exception that the door raises, names in the step's failure
    "op": (raises, None, ValueError, [STEP, "ValueError"]),
    "failure": (fails, None, Failure, ["Failure"]),
    "exit": (exits, None, SystemExit, ["SystemExit"]),
    "input": (
        lambda: takes_int(text()),
        None,
        DagsterTypeCheckDidNotPass,
        ["DagsterTypeCheckDidNotPass"],
    ),
    "output": (gives_int, None, DagsterTypeCheckDidNotPass, ["DagsterTypeCheckDidNotPass"]),
    "own check": (
        checks_itself,
        None,
        DagsterTypeCheckDidNotPass,
        ["DagsterTypeCheckDidNotPass"],
    ),
    "policy": (
        flaky,
        None,
        DagsterMaxRetriesExceededError,
        ["RetryRequestedFromPolicy", "ValueError"],
    ),
    "request": (asks, None, DagsterMaxRetriesExceededError, ["RetryRequested", "ValueError"]),
    "missing": (half, None, DagsterStepOutputNotFoundError, ["DagsterStepOutputNotFoundError"]),
    "too many": (three, None, DagsterInvariantViolationError, INVARIANT),
    "no output": (yields_text, None, DagsterInvariantViolationError, INVARIANT),
    "repeated": (twice, None, DagsterInvariantViolationError, INVARIANT),
    "misnamed": (misnamed, None, DagsterInvariantViolationError, INVARIANT),
    "resource": (
        looks_up,
        None,
        DagsterUnknownResourceError,
        ["DagsterUnknownResourceError"],
    ),
    "store": (
        one,
        Unwritable(),
        ValueError,
        ["DagsterExecutionHandleOutputError", "ValueError"],
    ),
    "load": (
        lambda: same(one()),
        Unreadable(),
        KeyError,
        ["DagsterExecutionLoadInputError", "KeyError"],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_a_failing_step_raises_and_records_the_errors_of_dagster(name: str) -> None:
    wiring, manager, kind, names = CASES[name]
    resources = {} if manager is None else {"io_manager": manager}
    failing = job_of(wiring, resource_defs=resources)
    with pytest.raises(kind) as raised:
        failing.execute_in_process()
    assert type(raised.value) is kind or issubclass(kind, DagsterError)

    result = failing.execute_in_process(raise_on_error=False)
    (event,) = result.get_step_failure_events()
    recorded, error = [], event.step_failure_data.error
    while error is not None:
        recorded.append(error.cls_name)
        error = error.cause
    assert recorded == names


def test_an_own_check_keeps_its_description_and_metadata() -> None:
    with pytest.raises(DagsterTypeCheckDidNotPass) as raised:
        job_of(checks_itself).execute_in_process()
    assert (raised.value.description, raised.value.metadata) == ("mine", {"n": 1})


def test_a_resource_that_fails_is_an_error_of_the_users_code() -> None:
    @resource
    def broken(_: InitResourceContext) -> None:
        raise ValueError("no db")

    @op(required_resource_keys={"db"})
    def reads() -> None:
        pass

    failing = job_of(reads, resource_defs={"db": broken})
    with pytest.raises(DagsterResourceFunctionError) as raised:
        failing.execute_in_process()
    assert isinstance(raised.value, DagsterUserCodeExecutionError)
    assert isinstance(raised.value.user_exception, ValueError)
    assert raised.value.is_user_code_error


def test_an_unknown_resource_is_no_attribute() -> None:
    @op(required_resource_keys={"db"})
    def looks(context: Any) -> bool:
        return hasattr(context.resources, "other")

    looking = job_of(looks, resource_defs={"db": ResourceDefinition.hardcoded_resource(1)})
    assert looking.execute_in_process().output_for_node("looks") is False


def test_wrong_config_has_all_mistakes() -> None:
    with pytest.raises(DagsterInvalidConfigError) as raised:
        job_of(one).execute_in_process({"nope": 1, "never": 2})
    assert len(raised.value.errors) == len(raised.value.error_messages) == 2
    assert raised.value.message == str(raised.value)


USER_CODE = (
    "DagsterConfigMappingFunctionError",
    "DagsterExecutionHandleOutputError",
    "DagsterExecutionLoadInputError",
    "DagsterExecutionStepExecutionError",
    "DagsterResourceFunctionError",
    "DagsterTypeCheckError",
)


def test_clauses_for_errors_of_dagster_catch_what_they_catch_there() -> None:
    names = [name for name in dir(rayexec) if name.startswith("Dagster") and name.endswith("Error")]
    assert len(names) > 20
    for name in names:
        kind = getattr(rayexec, name)
        assert issubclass(kind, DagsterError) or kind is KeyboardInterrupt, name
        assert (name in USER_CODE) <= issubclass(kind, DagsterUserCodeExecutionError), name
    assert not issubclass(DagsterTypeCheckDidNotPass, DagsterUserCodeExecutionError)
    assert not issubclass(DagsterStepOutputNotFoundError, DagsterUserCodeExecutionError)
    assert not issubclass(DagsterExecutionStepExecutionError, DagsterInvariantViolationError)
    assert issubclass(DagsterUnknownResourceError, AttributeError)
    assert not issubclass(DagsterExecutionInterruptedError, Exception)
    assert not issubclass(DagsterRunNotFoundError, DagsterInvariantViolationError)


@pytest.mark.parametrize("name", ["partition_key", "asset_selection"])
def test_arguments_of_assets_and_partitions_are_refused(name: str) -> None:
    with pytest.raises(rayexec.UnsupportedError, match=f"{name}= is for assets and partitions"):
        job_of(one).execute_in_process(**{name: "x"})
