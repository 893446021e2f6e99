"""Nested dynamic outputs, the same on every engine: keys, lists of lists, outer values."""

from collections.abc import Iterator
from typing import Any

import pytest

from rayexec import (
    DynamicOut,
    DynamicOutput,
    GraphOut,
    InvariantError,
    OpExecutionContext,
    graph,
    job,
    op,
)


@op(out=DynamicOut(int))
def numbers() -> Iterator[DynamicOutput[int]]:
    for number in range(3):
        yield DynamicOutput(number, f"k{number}", metadata={"number": number})


@op(out=DynamicOut(str))
def letters(number: int) -> Iterator[DynamicOutput[str]]:
    for letter in "xyz"[: number + 1]:
        yield DynamicOutput(f"{letter}{number}", letter)


@op
def inc(n: int) -> int:
    return n + 1


@op
def listed(values: list[Any]) -> list[Any]:
    return values


@op
def passed(value: Any) -> Any:
    return value


@op
def join(a: Any, b: Any) -> str:
    return f"{a}-{b}"


def successes(result: Any) -> set[str]:
    return {event.step_key for event in result.get_step_success_events()}


def test_dynamic_outputs_below_one_another_are_collected_by_level(execute: Any) -> None:
    @job
    def nested() -> None:
        passed_on = numbers().map(letters).map(passed)
        by_number = passed_on.collect()
        by_number.map(listed)
        listed.alias("all")(by_number.collect())

    result = execute(nested)
    assert result.success
    assert successes(result) >= {"letters[k1]", "passed[k1,x]", "passed[k1,y]", "listed[k1]", "all"}
    assert result.output_for_node("letters") == {
        "k0,x": "x0",
        "k1,x": "x1",
        "k1,y": "y1",
        "k2,x": "x2",
        "k2,y": "y2",
        "k2,z": "z2",
    }
    assert result.output_for_node("passed") == result.output_for_node("letters")
    assert result.output_for_node("letters[k1]") == {"k1,x": "x1", "k1,y": "y1"}
    assert result.output_for_node("passed[k2,z]") == "z2"
    assert result.output_for_node("listed") == {
        "k0": ["x0"],
        "k1": ["x1", "y1"],
        "k2": ["x2", "y2", "z2"],
    }
    assert result.output_for_node("all") == [["x0"], ["x1", "y1"], ["x2", "y2", "z2"]]


def test_a_map_within_a_map_takes_values_of_both_levels(execute: Any) -> None:
    @job
    def nested() -> None:
        def work(number: Any) -> Any:
            more = inc(number)
            letter = letters(number)
            upper = letter.map(passed)
            joined = letter.map(
                lambda each: upper.map(lambda same: join(more, join.alias("twice")(each, same)))
            )
            return listed(joined.collect())

        listed.alias("all")(numbers().map(work).collect())

    result = execute(nested)
    assert result.output_for_node("join")["k1,y"] == "2-y1-y1"
    assert result.output_for_node("listed") == {
        "k0": ["1-x0-x0"],
        "k1": ["2-x1-x1", "2-y1-y1"],
        "k2": ["3-x2-x2", "3-y2-y2", "3-z2-z2"],
    }
    assert result.output_for_node("all") == list(result.output_for_node("listed").values())


def test_an_inner_dynamic_output_may_be_empty(execute: Any) -> None:
    @op(out=DynamicOut(int))
    def below(number: int) -> Iterator[DynamicOutput[int]]:
        for index in range(number):
            yield DynamicOutput(index, str(index))

    @job
    def uneven() -> None:
        inner = numbers().map(below).map(inc).collect()
        inner.map(listed)
        listed.alias("all")(inner.collect())

    result = execute(uneven)
    assert result.output_for_node("listed") == {"k0": [], "k1": [1], "k2": [1, 2]}
    assert result.output_for_node("all") == [[], [1], [1, 2]]


def test_a_graph_with_a_dynamic_output_is_mapped(execute: Any) -> None:
    @graph
    def words(number: Any) -> Any:
        return letters(number).map(passed)

    @job
    def nested_graphs() -> None:
        found = numbers().map(words)
        listed(found.collect().map(listed.alias("each")).collect())
        found.map(passed.alias("below"))

    result = execute(nested_graphs)
    assert "words.passed[k2,z]" in successes(result)
    assert result.output_for_node("words")["k2,z"] == "z2"
    assert result.output_for_node("below") == result.output_for_node("words.letters")
    assert result.output_for_node("listed") == [["x0"], ["x1", "y1"], ["x2", "y2", "z2"]]


def test_three_levels(execute: Any) -> None:
    @op(out=DynamicOut(str))
    def deeper(context: OpExecutionContext, word: str) -> list[str]:
        return [f"{word}{'/'.join(context.mapping_keys)}"]

    @job
    def deep() -> None:
        all_of_them = numbers().map(letters).map(deeper).map(passed).collect().collect().collect()
        passed.alias("all")(all_of_them)

    result = execute(deep)
    assert result.output_for_node("passed[k1,y,0]") == "y1k1/y"
    assert result.output_for_node("all") == [
        [["x0k0/x"]],
        [["x1k1/x"], ["y1k1/y"]],
        [["x2k2/x"], ["y2k2/y"], ["z2k2/z"]],
    ]


def test_outputs_that_are_lists_of_lists_are_read_as_they_were_collected(execute: Any) -> None:
    """In the order of the keys, with empty lists, and by outer keys without inner ones."""

    @op(out=DynamicOut(int))
    def below(number: int) -> list[int]:
        return [10 * number + each for each in range(number)]

    @graph
    def gathered(number: Any) -> Any:
        return below(number).map(inc).collect()

    @graph(out={"lists": GraphOut(), "by_number": GraphOut()})
    def whole() -> Any:
        return {
            "lists": numbers().map(gathered).collect(),
            "by_number": numbers.alias("again")().map(gathered),
        }

    result = execute(whole.to_job())
    assert result.output_value("lists") == [[], [11], [21, 22]]
    assert result.output_value("by_number") == {"k0": [], "k1": [11], "k2": [21, 22]}
    assert result.output_for_node("gathered") == {"k0": [], "k1": [11], "k2": [21, 22]}
    assert list(result.output_for_node("gathered.inc")) == ["k1,0", "k2,0", "k2,1"]


def test_an_output_that_lacks_what_failed_is_not_read_in_part(execute: Any) -> None:
    @op
    def picky(number: int) -> int:
        if number == 1:
            raise ValueError("not this one")
        return number

    @graph
    def whole() -> Any:
        return numbers().map(picky).collect()

    result = execute(whole.to_job())
    with pytest.raises(InvariantError, match="No value was yielded for output 'result'"):
        result.output_value()
    assert result.output_for_node("picky") == {"k0": 0, "k2": 2}


def test_priorities_hold_among_steps_that_come_while_the_run_goes_on() -> None:
    @op(tags={"dagster/priority": "-1"})
    def low(number: int) -> int:
        return number

    @op(tags={"dagster/priority": "5"})
    def high(number: int) -> int:
        return number

    @op
    def usual() -> int:
        return 0

    @job
    def urgent() -> None:
        values = numbers()
        values.map(low)
        values.map(high)
        usual()
        high.alias("late")(usual.alias("before")())

    order = [event.step_key for event in urgent.execute_in_process().get_step_success_events()]
    assert order.index("high[k2]") < order.index("usual")
    assert {*order[-3:]} == {"low[k0]", "low[k1]", "low[k2]"}
