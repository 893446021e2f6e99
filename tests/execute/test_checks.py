"""Type checks of values on their way into and out of an op."""

from collections.abc import Iterator
from typing import Any

import pytest

from rayexec import (
    DagsterInvariantViolationError,
    DagsterType,
    DynamicOut,
    DynamicOutput,
    In,
    Out,
    Output,
    RetryPolicy,
    TypeCheck,
    job,
    op,
)


def root_of(result: Any, key: str) -> tuple[str, str]:
    data = result.failure_data_for_node(key)
    assert data is not None
    return data.root.cls_name, data.root.message


@pytest.mark.parametrize(
    ("value", "accepted"), [(1, True), (True, True), ("1", False), (1.0, False), (None, False)]
)
def test_types_are_checked_on_the_way_out_and_in(execute: Any, value: Any, accepted: bool) -> None:
    @op
    def give() -> int:
        return value  # type: ignore[no-any-return]  # wrong on purpose

    @op
    def untyped() -> Any:
        return value

    @op
    def want(n: int) -> int:
        return n

    @job
    def typed() -> None:
        give()
        want(untyped())

    result = execute(typed)
    assert result.is_node_success("untyped")
    assert result.is_node_success("give") is accepted
    assert result.is_node_success("want") is accepted
    if not accepted:
        kind = type(value).__name__
        expected = f"expected a value of type int, got {value!r} of type {kind}."
        assert root_of(result, "give") == (
            "DagsterTypeCheckDidNotPass",
            f'Type check failed for output "result" of op "give": {expected}',
        )
        assert root_of(result, "want") == (
            "DagsterTypeCheckDidNotPass",
            f'Type check failed for input "n" of op "want": {expected}',
        )


def test_an_int_is_no_float(execute: Any) -> None:
    @op
    def give() -> float:
        return 1

    @job
    def typed() -> None:
        give()

    assert root_of(execute(typed), "give")[0] == "DagsterTypeCheckDidNotPass"


def test_custom_types(execute: Any) -> None:
    even = DagsterType(lambda _context, value: value % 2 == 0, "Even")
    small = DagsterType(
        lambda context, value: TypeCheck(
            value < 10, description=f"{value} is not small in {context.job_name}"
        ),
        "Small",
    )

    @op(out=Out(even))
    def give_even() -> Any:
        return 12

    @op(ins={"n": In(small)}, out=Out(even))
    def want(n: Any) -> Any:
        return n

    @op(out=Out(even))
    def give_odd() -> Any:
        return 3

    @job
    def custom() -> None:
        want(give_even())
        give_odd()

    result = execute(custom)
    assert result.is_node_success("give_even")
    assert root_of(result, "want") == (
        "DagsterTypeCheckDidNotPass",
        'Type check failed for input "n" of op "want": 12 is not small in custom.',
    )
    assert root_of(result, "give_odd")[1].endswith("does not pass the check of Even.")


def test_a_value_whose_repr_fails_is_still_named_by_type(execute: Any) -> None:
    class Shy:
        def __repr__(self) -> str:
            raise RuntimeError("no words")

    @op
    def give() -> int:
        return Shy()  # type: ignore[return-value]  # wrong on purpose

    @job
    def shy() -> None:
        give()

    name, message = root_of(execute(shy), "give")
    assert name == "DagsterTypeCheckDidNotPass"
    assert "of type Shy" in message


def test_outputs_that_contradict_their_op(execute: Any) -> None:
    two = {"p": Out(), "q": Out()}

    @op(out=two)
    def missing() -> Iterator[Any]:
        yield Output(1, "p")

    @op(out=two)
    def unknown() -> Iterator[Any]:
        yield Output(1, "qq")

    @op(out=two)
    def twice() -> Iterator[Any]:
        yield Output(1, "p")
        yield Output(2, "p")

    @op(out=two)
    def raw() -> Iterator[Any]:
        yield 1

    @op(out=two)
    def short() -> Any:
        return (1,)

    @op(out=two)
    def scalar() -> Any:
        return 1

    @op(out=two)
    def mapping() -> Any:
        return {"p": 1, "q": 2}

    @op(out=two)
    def swapped() -> Any:
        return Output(1, "q"), Output(2, "p")

    @op(out=two)
    def silent() -> Any:
        return None

    @op
    def misnamed() -> Any:
        return Output(1, "other")

    @op(out={})
    def unexpected() -> Any:
        return 1

    @op
    def never() -> Iterator[Output[int]]:
        yield from ()

    @op
    def declared_none() -> None:
        return 5  # type: ignore[return-value]  # wrong on purpose

    @job
    def contradictions() -> None:
        for call in (
            missing,
            unknown,
            twice,
            raw,
            short,
            scalar,
            mapping,
            swapped,
            silent,
            misnamed,
            unexpected,
        ):
            call()
        never()
        declared_none()

    result = execute(contradictions)
    said = {key: root_of(result, key) for key in result.get_failed_step_keys()}
    assert {key: name for key, (name, _) in said.items()} == {
        "missing": "DagsterStepOutputNotFoundError",
        "unknown": "DagsterInvariantViolationError",
        "twice": "DagsterInvariantViolationError",
        "raw": "DagsterInvariantViolationError",
        "short": "DagsterInvariantViolationError",
        "scalar": "DagsterInvariantViolationError",
        "mapping": "DagsterInvariantViolationError",
        "swapped": "DagsterInvariantViolationError",
        "silent": "DagsterInvariantViolationError",
        "misnamed": "DagsterInvariantViolationError",
        "unexpected": "DagsterInvariantViolationError",
        "never": "DagsterStepOutputNotFoundError",
        "declared_none": "DagsterTypeCheckDidNotPass",
    }
    assert 'op "missing" did not return or yield its required output "q"' in said["missing"][1]
    assert 'op "unknown" has no output "qq"; it has p, q.' in said["unknown"][1]
    assert 'op "twice" yielded output "p" twice' in said["twice"][1]
    assert 'op "raw" yielded a int; yield Output(value, "name") instead.' in said["raw"][1]
    assert "return a tuple of as many" in said["short"][1]
    assert "it returned a tuple of 1" in said["short"][1]
    assert "it returned a dict" in said["mapping"][1]
    assert 'returned output "q" in the place of "p"' in said["swapped"][1]
    assert 'op "unexpected" declares no outputs, but returned a int.' in said["unexpected"][1]


@op(retry_policy=RetryPolicy(max_retries=2))
def wrong_type() -> int:
    return "x"  # type: ignore[return-value]  # wrong on purpose


@op(out=DynamicOut(int), retry_policy=RetryPolicy(max_retries=2))
def wrong_later() -> Iterator[DynamicOutput[Any]]:
    yield DynamicOutput(1, "a")
    yield DynamicOutput("x", "b")


@op(out={"a": Out(), "b": Out()}, retry_policy=RetryPolicy(max_retries=2))
def one_missing() -> Iterator[Output[int]]:
    yield Output(1, "a")


@op(out={"a": Out(), "b": Out()}, retry_policy=RetryPolicy(max_retries=2))
def wrong_name() -> Iterator[Output[int]]:
    yield Output(1, "c")


def refuse(_context: object, _value: object) -> bool:
    raise KeyError("check")


@op(out=Out(DagsterType(refuse, name="Refused")), retry_policy=RetryPolicy(max_retries=2))
def check_raises() -> int:
    return 1


@op
def untyped() -> Any:
    return "x"


small = DagsterType(lambda _, value: TypeCheck(False, "too large", {"n": 1}), name="Small")


@op(ins={"n": In(small)}, retry_policy=RetryPolicy(max_retries=2))
def wrong_input(n: Any) -> None: ...


@job
def contradictions() -> None:
    wrong_input(untyped())
    wrong_type()
    wrong_later()
    one_missing()
    wrong_name()
    check_raises()


def test_a_contradiction_is_not_retried_and_its_output_is_an_event(execute: Any) -> None:
    result = execute(contradictions)
    events = {
        name: [
            (each.event_type_value, each.event_specific_data.type_check_data.success)
            if each.event_type_value in ("STEP_INPUT", "STEP_OUTPUT")
            else each.event_type_value
            for each in result.events_for_node(name)
            if each.event_type_value.startswith(("STEP_", "HANDLED"))
        ]
        for name in (
            "wrong_input",
            "wrong_type",
            "wrong_later",
            "one_missing",
            "wrong_name",
            "check_raises",
        )
    }
    stored = [("STEP_OUTPUT", True), "HANDLED_OUTPUT"]
    failed = "STEP_FAILURE"
    assert events == {
        "wrong_input": ["STEP_START", ("STEP_INPUT", False), failed],
        "wrong_type": ["STEP_START", ("STEP_OUTPUT", False), failed],
        "wrong_later": ["STEP_START", *stored, ("STEP_OUTPUT", False), failed],
        "one_missing": ["STEP_START", *stored, failed],
        "wrong_name": ["STEP_START", failed],
        "check_raises": ["STEP_START", failed],
    }
    classes = {name: root_of(result, name)[0] for name in events}
    (checked,) = [
        each.event_specific_data.type_check_data
        for each in result.events_for_node("wrong_input")
        if each.event_type_value == "STEP_INPUT"
    ]
    assert (checked.label, checked.description) == ("n", "too large")
    assert checked.metadata["n"].value == 1
    assert classes == {
        "wrong_input": "DagsterTypeCheckDidNotPass",
        "wrong_type": "DagsterTypeCheckDidNotPass",
        "wrong_later": "DagsterTypeCheckDidNotPass",
        "one_missing": "DagsterStepOutputNotFoundError",
        "wrong_name": "DagsterInvariantViolationError",
        "check_raises": "DagsterTypeCheckError",
    }


def test_the_error_of_a_check_is_raised_as_it_is() -> None:
    @job
    def alone() -> None:
        check_raises()

    with pytest.raises(KeyError):
        alone.execute_in_process()


def test_a_wrong_output_is_an_invariant_violation() -> None:
    @job
    def alone() -> None:
        wrong_name()

    with pytest.raises(DagsterInvariantViolationError):
        alone.execute_in_process()
