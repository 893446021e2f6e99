"""Selections from jobs with dynamic outputs: mapped ops, mapping keys, omitted producers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from rayexec import (
    ConfigError,
    DynamicOut,
    DynamicOutput,
    RunResult,
    SelectionError,
    graph,
    job,
    op,
)

Execute = Callable[..., RunResult]


@op(out=DynamicOut(int))
def dyn() -> Iterator[DynamicOutput[int]]:
    for key in "abc":
        yield DynamicOutput(ord(key) - 96, key)


@op
def inc(x: int) -> int:
    return x + 1


@op
def dbl(x: int) -> int:
    return x * 2


@op(out=DynamicOut(int))
def more(x: int) -> Iterator[int]:
    yield from range(x)


@op
def collect(xs: list[Any]) -> list[Any]:
    return xs


@job
def mapped() -> None:
    values = dyn()
    collect(values.map(lambda x: dbl(inc(x))).collect())
    collect.alias("nested")(
        values.map(lambda x: more(x).map(inc.alias("deep"))).collect().collect()
    )


def keys_of(result: RunResult) -> set[str]:
    return {str(event.step_key) for event in result.get_step_success_events()}


@pytest.mark.parametrize(
    ("selection", "keys"),
    [
        (["*inc"], {"dyn", "inc[a]", "inc[b]", "inc[c]"}),
        (["*inc[?]"], {"dyn", "inc[a]", "inc[b]", "inc[c]"}),
        (["*inc[b]"], {"dyn", "inc[b]"}),
        (["*inc[b]*"], {"dyn", "inc[b]", "dbl[b]", "collect"}),
        (["*inc[a]", "*inc[c]"], {"dyn", "inc[a]", "inc[c]"}),
        (["*deep[b,1]"], {"dyn", "more[b]", "deep[b,1]"}),
        (
            ["*deep[?,0]"],
            {"dyn", "more[a]", "more[b]", "more[c]", "deep[a,0]", "deep[b,0]", "deep[c,0]"},
        ),
        (["dyn+"], {"dyn", *(f"{name}[{key}]" for name in ("inc", "more") for key in "abc")}),
    ],
)
def test_mapped_ops_are_selected_with_what_they_are_mapped_over(
    execute: Execute, selection: list[str], keys: set[str]
) -> None:
    result = execute(mapped, op_selection=selection)
    assert result.success
    assert keys_of(result) == keys


def test_a_selected_collect_gets_the_selected_values(execute: Execute) -> None:
    assert execute(mapped, op_selection=["*inc[b]*"]).output_for_node("collect") == [6]
    assert execute(mapped, op_selection=["*deep[c,?]*"]).output_for_node("nested") == [[1, 2, 3]]


def test_a_key_that_nothing_came_with_is_told(execute: Execute) -> None:
    result = execute(mapped, op_selection=["*inc[z]*"])
    assert result.success
    assert result.output_for_node("collect") == []
    said = [event.message for event in result.all_events if event.event_type_value == "LOG_MESSAGE"]
    assert said == ["The selection names dyn.result[z], of which nothing came."]


def test_without_the_dynamic_op_a_mapped_op_runs_once_on_what_run_config_gives(
    execute: Execute,
) -> None:
    given = {"ops": {"inc": {"inputs": {"x": 5}}}}
    assert execute(mapped, given, op_selection=["inc"]).output_for_node("inc") == 6
    assert execute(mapped, given, op_selection=["inc*"]).output_for_node("collect") == [12]


def test_without_it_and_without_run_config_it_says_what_is_missing() -> None:
    with pytest.raises(
        ConfigError,
        match=r"ops:inc:inputs:x: missing; the selection leaves out what feeds this input",
    ):
        mapped.execute_in_process(op_selection=["inc"])
    with pytest.raises(ConfigError, match=r"root:ops:collect:inputs:xs: missing"):
        mapped.execute_in_process(op_selection=["dyn", "collect"])


@pytest.mark.parametrize(
    ("selection", "said"),
    [
        (
            ["inc[b]"],
            (
                r"'inc\[b\]': 'inc' is mapped over a dynamic output from which the selection cuts "
                r"it "
                r"off"
            ),
        ),
        (
            ["dyn", "dbl[b]"],
            r"'dbl' is mapped over a dynamic output from which the selection cuts it off",
        ),
        (["inc[b]*"], r"Select all that is before it: \['\*inc\[b\]'\]"),
        (
            ["*deep[b]"],
            (
                r"'deep' is below 2 dynamic outputs, and takes as many mapping keys, outermost "
                r"first: "
                r"deep\["
            ),
        ),
        (
            ["*collect[b]"],
            r"'collect' is not mapped over a dynamic output, so it has no mapping keys",
        ),
        (["nested"], r"is a list of lists|missing"),
    ],
)
def test_keys_that_name_nothing_are_refused(selection: list[str], said: str) -> None:
    with pytest.raises((SelectionError, ConfigError), match=said):
        mapped.execute_in_process(op_selection=selection)


def test_a_mapped_graph_is_narrowed_by_its_name(execute: Execute) -> None:
    @graph
    def both(x: Any) -> Any:
        return dbl(inc(x))

    @job
    def in_graph() -> None:
        collect(dyn().map(both).collect())

    result = execute(in_graph, op_selection=["*both[b]*"])
    assert keys_of(result) == {"dyn", "both.inc[b]", "both.dbl[b]", "collect"}
    assert result.output_for_node("collect") == [6]


def test_a_list_of_lists_needs_all_that_makes_it_up() -> None:
    given = {"ops": {"more": {"inputs": {"x": 2}}}}
    with pytest.raises(
        SelectionError,
        match=r"is a list of lists, and the selection leaves out an op whose dynamic",
    ):
        mapped.execute_in_process(given, op_selection=["more*"])
