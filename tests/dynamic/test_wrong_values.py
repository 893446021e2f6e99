"""Values that an op may not yield or return for a dynamic output, or for a plain one."""

from collections.abc import Callable
from typing import Any

import pytest

from rayexec import DynamicOut, DynamicOutput, Out, Output, job, op


@op
def inc(n: int) -> int:
    return n + 1


@op
def listed(values: list[Any]) -> list[Any]:
    return values


def root_of(result: Any, key: str) -> tuple[str, str]:
    root = result.failure_data_for_node(key).root
    return root.cls_name, root.message


# Each yields a first value that is good, where that can be.
def twice_the_same() -> Any:
    yield DynamicOutput(1, "a")
    yield DynamicOutput(2, "a")


def bad_key() -> Any:
    yield DynamicOutput(1, "a")
    yield DynamicOutput(2, "2001-01")


def key_with_a_line_end() -> Any:
    yield DynamicOutput(1, "a\n")


def key_of_another_type() -> Any:
    yield DynamicOutput(1, "a")
    yield DynamicOutput(2, 5)  # type: ignore[arg-type]  # which is the point


def gives_up() -> Any:
    yield DynamicOutput(1, "a")
    raise OSError("the disk is gone")


def wrong_type() -> Any:
    yield DynamicOutput(1, "a")
    yield DynamicOutput("two", "b")


def wrong_type_in_a_list() -> Any:
    return [1, "two"]


def plain_output() -> Any:
    yield Output(1)


def plain_output_in_a_list() -> Any:
    return [DynamicOutput(1, "a"), Output(2)]


def other_name() -> Any:
    yield DynamicOutput(1, "a", "results")


def other_name_in_a_list() -> Any:
    return [DynamicOutput(1, "a", "results")]


def single() -> Any:
    return DynamicOutput(1, "a")


def single_value() -> Any:
    return 1


def none() -> None:
    return None


_TYPE, _OUTPUT = "DagsterTypeCheckDidNotPass", "DagsterInvariantViolationError"


@pytest.mark.parametrize(
    ("function", "kind", "message"),
    [
        (
            twice_the_same,
            _OUTPUT,
            'op "twice_the_same" yielded a DynamicOutput with mapping key "a" twice.',
        ),
        (
            bad_key,
            "DagsterInvalidDefinitionError",
            "'2001-01' is not a valid name for a mapping key",
        ),
        (
            key_with_a_line_end,
            "DagsterInvalidDefinitionError",
            r"'a\n' is not a valid name for a mapping key",
        ),
        (
            key_of_another_type,
            "DagsterInvalidDefinitionError",
            "5 is not a valid name for a mapping key",
        ),
        (gives_up, "OSError", "the disk is gone"),
        (
            wrong_type,
            "DagsterTypeCheckDidNotPass",
            'Type check failed for output "result" of op "wrong_type"',
        ),
        (
            wrong_type_in_a_list,
            "DagsterTypeCheckDidNotPass",
            'Type check failed for output "result"',
        ),
        (
            plain_output,
            _OUTPUT,
            'yielded an Output for "result", which is dynamic: yield DynamicOutput(value, ',
        ),
        (
            plain_output_in_a_list,
            _OUTPUT,
            'yielded an Output for "result", which is dynamic',
        ),
        (
            other_name,
            _OUTPUT,
            'op "other_name" has no output "results"; it has result. Did you mean',
        ),
        (
            other_name_in_a_list,
            _OUTPUT,
            'returned a value of output "results" among those of "result".',
        ),
        (
            single,
            _OUTPUT,
            'op "single" returned a DynamicOutput for its dynamic output "result": return a list',
        ),
        (
            single_value,
            _OUTPUT,
            'op "single_value" returned a int for its dynamic output "result"',
        ),
        (
            none,
            _OUTPUT,
            'op "none" returned None for its dynamic output "result": return a list',
        ),
    ],
    ids=lambda body: body.__name__ if callable(body) else "",
)
def test_an_op_that_yields_its_values_wrongly_fails_and_nothing_below_it_runs(
    execute: Any, function: Callable[[], Any], kind: str, message: str
) -> None:
    source = op(out=DynamicOut(int))(function)

    @job
    def failing() -> None:
        listed(source().map(inc).collect())

    result = execute(failing)
    assert {event.step_key for event in result.all_node_events} == {function.__name__}
    cls_name, text = root_of(result, function.__name__)
    assert cls_name == kind
    assert message in text
    assert result.is_node_untouched("inc")
    assert result.is_node_untouched("listed")
    assert result.get_failed_step_keys() == {function.__name__}


def test_a_dynamic_output_for_a_plain_one_is_refused(execute: Any) -> None:
    @op
    def plain() -> Any:
        yield DynamicOutput(1, "a")

    @op(out={"low": Out(int), "high": DynamicOut(int)})
    def mixed() -> Any:
        yield DynamicOutput(1, "a", "low")

    @op(out={"low": Out(int), "high": DynamicOut(int)})
    def returned() -> Any:
        return 1, 2

    @job
    def wrong() -> None:
        inc(plain())
        mixed()
        returned()

    result = execute(wrong)
    assert result.get_failed_step_keys() == {"plain", "mixed", "returned"}
    assert result.is_node_untouched("inc")
    assert (
        'op "plain" yielded a DynamicOutput for "result", which is not dynamic: declare it '
        "DynamicOut()" in (root_of(result, "plain")[1])
    )
    assert (
        'op "mixed" yielded a DynamicOutput for "low", which is not dynamic'
        in root_of(result, "mixed")[1]
    )
    assert (
        'op "returned" returned a int for its dynamic output "high"'
        in root_of(result, "returned")[1]
    )
