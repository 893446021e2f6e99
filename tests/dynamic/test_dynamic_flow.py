"""Values of dynamic outputs through a job, the same on every engine: map, collect, graphs."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from rayexec import (
    DynamicOut,
    DynamicOutput,
    GraphOut,
    Out,
    Output,
    graph,
    job,
    op,
)


@op(out=DynamicOut(int))
def numbers() -> Iterator[DynamicOutput[int]]:
    for number in range(3):
        yield DynamicOutput(number, f"k{number}", metadata={"number": number})


@op
def one() -> int:
    return 1


@op
def inc(n: int) -> int:
    return n + 1


@op
def dbl(n: int) -> int:
    return n * 2


@op
def add(a: int, b: int) -> int:
    return a + b


@op
def join(a: Any, b: Any) -> str:
    return f"{a}-{b}"


@op
def listed(values: list[Any]) -> list[Any]:
    return values


@op
def passed(value: Any) -> Any:
    return value


@graph
def inc_twice(n: Any) -> Any:
    return inc.alias("second")(inc.alias("first")(n))


def successes(result: Any) -> set[str]:
    return {event.step_key for event in result.get_step_success_events()}


def test_map_runs_a_step_for_each_key_and_collect_takes_them_in_the_order_of_the_keys(
    execute: Any,
) -> None:
    @op(out=DynamicOut(int))
    def unsorted() -> Iterator[DynamicOutput[int]]:
        for key in ("c", "a", "b"):
            yield DynamicOutput(ord(key), key)

    @job
    def mapped() -> None:
        listed(unsorted().map(inc).collect())

    result = execute(mapped)
    assert result.success
    assert successes(result) == {"unsorted", "inc[c]", "inc[a]", "inc[b]", "listed"}
    assert list(result.output_for_node("unsorted").items()) == [("c", 99), ("a", 97), ("b", 98)]
    assert list(result.output_for_node("inc").items()) == [("c", 100), ("a", 98), ("b", 99)]
    assert result.output_for_node("inc[b]") == 99
    assert result.output_for_node("listed") == [100, 98, 99]


def test_a_dynamic_output_is_collected_as_it_is(execute: Any) -> None:
    @job
    def unmapped() -> None:
        values = numbers()
        listed(values.collect())
        listed.alias("mapped")(values.map(inc).collect())

    result = execute(unmapped)
    assert result.output_for_node("listed") == [0, 1, 2]
    assert result.output_for_node("mapped") == [1, 2, 3]


def test_chained_maps_keep_the_keys(execute: Any) -> None:
    @job
    def chained() -> None:
        listed(numbers().map(inc).map(dbl).map(inc.alias("again")).collect())

    result = execute(chained)
    assert result.output_for_node("dbl") == {"k0": 2, "k1": 4, "k2": 6}
    assert result.output_for_node("listed") == [3, 5, 7]
    assert {"inc[k1]", "dbl[k1]", "again[k1]"} < successes(result)


def test_a_list_may_be_returned(execute: Any) -> None:
    @op(out=DynamicOut(int))
    def returned() -> list[DynamicOutput[int]]:
        return [DynamicOutput(5, "a"), DynamicOutput(6, "b")]

    @op(out=DynamicOut(int))
    def nothing() -> list[DynamicOutput[int]]:
        return []

    @job
    def lists() -> None:
        listed(returned().map(inc).collect())
        listed.alias("of_nothing")(nothing().map(inc.alias("never")).collect())

    result = execute(lists)
    assert result.success
    assert result.output_for_node("inc") == {"a": 6, "b": 7}
    assert result.output_for_node("listed") == [6, 7]
    assert result.output_for_node("of_nothing") == []


def test_plain_values_get_their_places_as_keys(execute: Any) -> None:
    @op(out=DynamicOut(int))
    def returned() -> list[int]:
        return [5, 6]

    @op(out={"named": DynamicOut(int)})
    def yielded() -> Iterator[int]:
        yield 7
        yield 8

    @job
    def plain() -> None:
        returned().map(inc.alias("of_returned"))
        yielded().map(inc.alias("of_yielded"))

    result = execute(plain)
    assert result.success
    assert result.output_for_node("of_returned") == {"0": 6, "1": 7}
    assert result.output_for_node("yielded", "named") == {"0": 7, "1": 8}
    assert result.output_for_node("of_yielded") == {"0": 8, "1": 9}


def test_async_ops_yield_and_return_them(execute: Any) -> None:
    @op(out=DynamicOut(int))
    async def yielded() -> AsyncIterator[DynamicOutput[int]]:
        for number in range(2):
            yield DynamicOutput(number, f"y{number}")

    @op(out=DynamicOut(int))
    async def returned() -> list[DynamicOutput[int]]:
        return [DynamicOutput(9, "r")]

    @op
    async def inc_async(n: int) -> int:
        return n + 1

    @job
    def both() -> None:
        listed(yielded().map(inc_async).collect())
        listed.alias("of_returned")(returned().map(inc).collect())

    result = execute(both)
    assert result.output_for_node("listed") == [1, 2]
    assert result.output_for_node("of_returned") == [10]


def test_one_op_has_several_dynamic_outputs_and_a_plain_one(execute: Any) -> None:
    outs = {"low": DynamicOut(int), "high": DynamicOut(int), "step": Out(int)}

    @op(out=outs)
    def yielded() -> Iterator[Any]:
        yield DynamicOutput(1, "a", "low")
        yield DynamicOutput(100, "a", "high")  # the keys of one output are no other's
        yield Output(5, "step")
        yield DynamicOutput(2, "b", "low")

    @op(out=outs)
    def returned() -> Any:
        return [DynamicOutput(1, "a"), DynamicOutput(2, "b", "low")], [DynamicOutput(100, "a")], 5

    @job
    def several() -> None:
        for definition in (yielded, returned):
            low, high, step = definition()
            sums = add.alias(f"low_of_{definition.name}")
            low.map(lambda n, sums=sums, step=step: sums(n, step))
            listed.alias(f"high_of_{definition.name}")(high.map(inc).collect())

    result = execute(several)
    assert result.success
    for name in ("yielded", "returned"):
        assert result.output_for_node(name, "low") == {"a": 1, "b": 2}
        assert result.output_for_node(name, "high") == {"a": 100}
        assert result.output_for_node(name, "step") == 5
        assert result.output_for_node(f"low_of_{name}") == {"a": 6, "b": 7}
        assert result.output_for_node(f"high_of_{name}") == [101]


def test_a_function_is_mapped_that_takes_outer_values_and_returns_several(execute: Any) -> None:
    @job
    def closed() -> None:
        outer = inc(one())

        def work(n: Any) -> Any:
            return add(n, outer), join(n, add.alias("inner")(n, outer))

        sums, words = numbers().map(work)
        listed(sums.collect())
        listed.alias("joined")(words.collect())

    result = execute(closed)
    assert result.output_for_node("listed") == [2, 3, 4]
    assert result.output_for_node("joined") == ["0-2", "1-3", "2-4"]


def test_outputs_of_one_dynamic_output_meet_by_key(execute: Any) -> None:
    @job
    def zipped() -> None:
        values = numbers()
        left, right = values.map(inc), values.map(dbl)
        left.map(lambda a: add.alias("as_argument")(a, right))
        left.map(lambda a: right.map(lambda b: add.alias("by_map")(a, b)))
        values.map(lambda n: add.alias("in_one")(inc.alias("i")(n), dbl.alias("d")(n)))
        listed(
            left.map(
                lambda a: right.map(
                    lambda b: values.map(lambda c: listed.alias("three")([a, b, c]))
                )
            ).collect()
        )

    result = execute(zipped)
    assert result.success
    for name in ("as_argument", "by_map", "in_one"):
        assert result.output_for_node(name) == {"k0": 1, "k1": 4, "k2": 7}, name
    assert result.output_for_node("listed") == [[1, 0, 0], [2, 2, 1], [3, 4, 2]]


def test_a_graph_is_mapped(execute: Any) -> None:
    @job
    def of_graph() -> None:
        listed(numbers().map(inc_twice).collect())

    result = execute(of_graph)
    assert successes(result) >= {"inc_twice.first[k0]", "inc_twice.second[k2]"}
    assert result.output_for_node("inc_twice.second") == {"k0": 2, "k1": 3, "k2": 4}
    assert result.output_for_node("inc_twice") == {"k0": 2, "k1": 3, "k2": 4}
    assert result.output_for_node("listed") == [2, 3, 4]
    keys = {event.step_key for event in result.events_for_node("inc_twice")}
    assert keys == {
        f"inc_twice.{name}[k{number}]" for name in ("first", "second") for number in range(3)
    }
    assert result.is_node_success("inc_twice")


def test_a_graph_returns_dynamic_mapped_and_collected_outputs(execute: Any) -> None:
    @graph(out={"raw": GraphOut(), "mapped": GraphOut(), "all": GraphOut()})
    def part() -> Any:
        values = numbers()
        mapped = values.map(inc)
        return {"raw": values, "mapped": mapped, "all": mapped.collect()}

    @job
    def outer() -> None:
        outputs = part()
        outputs.raw.map(dbl.alias("of_raw"))
        listed(outputs.mapped.map(dbl).collect())
        passed(outputs.all)

    result = execute(outer)
    assert result.output_for_node("of_raw") == {"k0": 0, "k1": 2, "k2": 4}
    assert result.output_for_node("dbl") == {"k0": 2, "k1": 4, "k2": 6}
    assert result.output_for_node("listed") == [2, 4, 6]
    assert result.output_for_node("passed") == [1, 2, 3]
    assert result.output_for_node("part", "raw") == {"k0": 0, "k1": 1, "k2": 2}
    assert result.output_for_node("part", "mapped") == {"k0": 1, "k1": 2, "k2": 3}
    assert result.output_for_node("part", "all") == [1, 2, 3]


def test_a_jobs_own_outputs_may_be_dynamic(execute: Any) -> None:
    @graph(out={"mapped": GraphOut(), "all": GraphOut()})
    def top() -> Any:
        mapped = numbers().map(inc)
        return {"mapped": mapped, "all": mapped.collect()}

    result = execute(top.to_job())
    assert result.output_value("mapped") == {"k0": 1, "k1": 2, "k2": 3}
    assert result.output_value("all") == [1, 2, 3]


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        (["*inc"], {"numbers", "inc[k0]", "inc[k1]", "inc[k2]"}),
        (["numbers+"], {"numbers", "inc[k0]", "inc[k1]", "inc[k2]"}),
        (["numbers"], {"numbers"}),
    ],
)
def test_a_part_of_the_job_is_selected(
    execute: Any, selection: list[str], expected: set[str]
) -> None:
    @job
    def whole() -> None:
        listed(numbers().map(inc).map(dbl).collect())

    result = execute(whole, op_selection=selection)
    assert result.success
    assert successes(result) == expected


def test_what_the_selection_cuts_off_from_its_dynamic_output_is_one_value(execute: Any) -> None:
    @job
    def whole() -> None:
        listed(numbers().map(inc).map(dbl).collect())

    result = execute(whole, {"ops": {"dbl": {"inputs": {"n": 4}}}}, op_selection=["+listed"])
    assert result.success
    assert successes(result) == {"dbl", "listed"}
    assert result.output_for_node("dbl") == 8
    assert result.output_for_node("listed") == [8]
