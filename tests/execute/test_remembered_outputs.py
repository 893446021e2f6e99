"""Outputs of ``execute_in_process`` that an IO manager stored: the result has the objects."""

from __future__ import annotations

from typing import Any

import pytest

import rayexec as rx
from rayexec.errors import InvariantError


class Forgetful(rx.IOManager):
    """A manager that stores nothing and loads something else."""

    def handle_output(self, context: rx.OutputContext, obj: Any) -> None:
        pass

    def load_input(self, context: rx.InputContext) -> Any:
        return "loaded"


@rx.op
def first() -> list[int]:
    return [1]


@rx.op
def second(value: Any) -> Any:
    return value


@rx.op(out=rx.DynamicOut())
def parts() -> Any:
    yield rx.DynamicOutput(1, "a")
    yield rx.DynamicOutput(2, "b")


@rx.graph
def inner() -> Any:
    return second(first())


@rx.graph
def whole() -> Any:
    parts().map(second)
    return inner()


storing = whole.to_job(resource_defs={"io_manager": Forgetful()})


def test_the_result_has_the_objects_that_the_ops_yielded() -> None:
    result = storing.execute_in_process()
    values = [result.output_for_node(path) for path in ("inner.first", "inner.second", "inner")]
    assert values == [[1], "loaded", "loaded"]
    assert result.output_value() == "loaded"
    assert result.output_for_node("parts") == {"a": 1, "b": 2}
    assert result.output_for_node("second") == {"a": "loaded", "b": "loaded"}
    result.close()
    with pytest.raises(InvariantError, match="was closed"):
        result.output_for_node("inner.first")


def test_what_an_earlier_attempt_yielded_is_void() -> None:
    seen: list[int] = []

    @rx.op(retry_policy=rx.RetryPolicy(max_retries=1))
    def counts() -> Any:
        seen.append(len(seen))
        yield rx.Output(len(seen))
        if len(seen) == 1:
            raise ValueError("once")

    @rx.job(resource_defs={"io_manager": Forgetful()})
    def counting() -> None:
        counts()

    assert counting.execute_in_process().output_for_node("counts") == 2


def test_other_results_load_through_the_manager() -> None:
    result = storing.execute({"execution": {"config": {"in_process": {}}}})
    assert result.output_for_node("inner.first") == "loaded"
