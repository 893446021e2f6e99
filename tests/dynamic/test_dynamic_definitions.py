"""Declarations of dynamic outputs, and messages for bodies that connect them wrongly."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, List  # noqa: UP035  # as job files of older Pythons have it

import pytest

from rayexec import (
    DefinitionError,
    DynamicOut,
    DynamicOutput,
    InvocationError,
    OpExecutionContext,
    Out,
    build_op_context,
    graph,
    job,
    op,
)


@op(out=DynamicOut(int))
def numbers() -> Iterator[DynamicOutput[int]]:
    yield DynamicOutput(1, "a")


@op(out=DynamicOut(int))
def below(n: int) -> Iterator[DynamicOutput[int]]:
    yield DynamicOutput(n, "b")


@op
def one() -> int:
    return 1


@op
def inc(n: int) -> int:
    return n + 1


@op
def add(a: int, b: int) -> int:
    return a + b


@op
def listed(values: list[Any]) -> list[Any]:
    return values


def the_list() -> List[DynamicOutput[int]]:  # noqa: UP006
    return []


def the_bare_list() -> list[DynamicOutput]:  # type: ignore[type-arg]  # which is the point
    return []


def values_alone() -> list[int]:
    return []


def a_sequence() -> Sequence[DynamicOutput[str]]:
    return []


def a_tuple() -> tuple[DynamicOutput[int], ...]:
    return ()


def an_iterator() -> Iterator[DynamicOutput[int]]:
    yield from ()


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (the_list, "int"),
        (the_bare_list, "Any"),
        (values_alone, "int"),
        (a_sequence, "str"),
        (a_tuple, "int"),
        (an_iterator, "Any"),
    ],
)
def test_the_type_of_each_value_is_what_is_in_the_annotated_list(
    function: Callable[[], Any], expected: str
) -> None:
    assert op(out=DynamicOut())(function).outs["result"].type.name == expected
    assert op(out={"named": DynamicOut()})(function).outs["named"].type.name == expected
    assert op(out=DynamicOut(float))(function).outs["result"].type.name == "float"


def test_each_of_several_outputs_has_its_own_type() -> None:
    @op(out={"many": DynamicOut(), "one": Out()})
    def both() -> tuple[list[DynamicOutput[int]], str]:
        return [], ""

    assert [each.type.name for each in both.outs.values()] == ["int", "str"]


def test_a_list_of_dynamic_outputs_that_is_annotated_need_not_be_declared() -> None:
    made = op(the_list)
    assert made.is_dynamic
    assert made.outs["result"].type.name == "int"
    assert not op(values_alone).is_dynamic


def test_direct_calls_give_what_the_function_does() -> None:
    assert [each.mapping_key for each in numbers()] == ["a"]
    assert values_alone() == []


def test_a_context_for_a_unit_test_has_mapping_keys() -> None:
    @op
    def keys(context: OpExecutionContext) -> Any:
        return context.get_mapping_key(), context.mapping_keys

    assert keys(build_op_context()) == (None, ())
    assert keys(build_op_context(mapping_key="a")) == ("a", ("a",))
    assert keys(build_op_context(mapping_key="a,0")) == ("0", ("a", "0"))


def passed_directly() -> None:
    inc(numbers())


def passed_directly_below() -> None:
    inc(numbers().map(inc))


def mapped_over_a_plain_output() -> None:
    one().map(inc)


def collected_plain_output() -> None:
    one().collect()


def mapped_over_one_of_its_values() -> None:
    numbers().map(lambda n: n.map(inc))


def mapped_over_what_one_value_becomes() -> None:
    numbers().map(lambda n: inc(n).map(inc))


def collected_where_it_is_one_value() -> None:
    numbers().map(lambda n: listed(n.collect()))


def mapped_over_a_collected_list() -> None:
    numbers().collect().map(inc)


def collected_too_often() -> None:
    numbers().collect().collect()


def function_that_returns_a_number() -> None:
    numbers().map(lambda _: 5)


def function_that_returns_a_number_among_others() -> None:
    numbers().map(lambda n: (inc(n), 5))


def no_function() -> None:
    numbers().map(5)


def function_of_no_argument() -> None:
    numbers().map(one)


def two_that_do_not_depend_on_each_other() -> None:
    left, right = numbers(), numbers()
    left.map(lambda a: add(a, right))


def map_of_another_within_a_map() -> None:
    left, right = numbers(), numbers()
    left.map(lambda a: right.map(lambda b: add(a, b)))


def two_below_one() -> None:
    def work(n: Any) -> None:
        left, right = below(n), below(n)
        left.map(lambda a: add(a, right))

    numbers().map(work)


def inner_one_used_outside() -> None:
    inner = []
    values = numbers()
    values.map(lambda n: inner.append(below(n)))
    values.map(lambda n: add(n, inner[0]))


def list_in_a_list() -> None:
    listed([numbers().collect()])


def dynamic_output_in_a_list() -> None:
    listed([one(), numbers()])


def unpacked() -> None:
    _left, _right = numbers()


def indexed() -> None:
    numbers()[0]


ONE_VALUE = (
    r"is one value here, so there is nothing to {}\. Declare the output that shall be several "
    r"values DynamicOut"
)
ONE_OF_SEVERAL = (
    r"is one value here, where what runs is mapped over 'numbers\.result', so there is nothing to "
    r"{}\. .* DynamicOut"
)
INDEPENDENT = (
    r"would be below two dynamic outputs that do not depend on each other, {} and {}\. Collect one "
    r"of them first"
)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (
            passed_directly,
            (
                r"@job passed_directly: input 'n' of inc is <output 'result' of node 'numbers' in "
                r"@job passed_directly>"
                r", which is dynamic: as many values as 'numbers\.result' yields\. Run inc for "
                r"each of them by "
                r"\.map\(inc\), or pass all of them in a list by \.collect\(\)\."
            ),
        ),
        (
            passed_directly_below,
            r"output 'result' of node 'inc' .* as many values as 'numbers\.result' yields",
        ),
        (mapped_over_a_plain_output, ONE_VALUE.format("map")),
        (collected_plain_output, ONE_VALUE.format("collect")),
        (mapped_over_one_of_its_values, r"node 'numbers' .*" + ONE_OF_SEVERAL.format("map")),
        (mapped_over_what_one_value_becomes, r"node 'inc' .*" + ONE_OF_SEVERAL.format("map")),
        (collected_where_it_is_one_value, ONE_OF_SEVERAL.format("collect")),
        (mapped_over_a_collected_list, r"<collected output .*" + ONE_VALUE.format("map")),
        (collected_too_often, r"<collected output .*" + ONE_VALUE.format("collect")),
        (
            function_that_returns_a_number,
            r"what <.*> is mapped by must return outputs of nodes, and returned a int\.",
        ),
        (
            function_that_returns_a_number_among_others,
            r"must return outputs of nodes, and returned a int\.",
        ),
        (no_function, r"map takes an op or a function, got 5\."),
        (function_of_no_argument, r"one takes 0 inputs \(none\), got 1\."),
        (
            two_that_do_not_depend_on_each_other,
            INDEPENDENT.format(r"'numbers\.result'", r"'numbers_2\.result'"),
        ),
        (
            map_of_another_within_a_map,
            r"input 'a' of add " + INDEPENDENT.format(r"'numbers_2\.result'", r"'numbers\.result'"),
        ),
        (two_below_one, INDEPENDENT.format(r"'below\.result'", r"'below_2\.result'")),
        (
            inner_one_used_outside,
            r"input 'b' of add is .*, which is dynamic: as many values as 'below\.result' yields",
        ),
        (
            list_in_a_list,
            r"input 'values' of listed is a list within a list; a fan-in is one flat list\.",
        ),
        (dynamic_output_in_a_list, r"input 'values' of listed is .*, which is dynamic"),
        (
            unpacked,
            r"so the body of a job cannot go through them: run an op for each by \.map\(op\)",
        ),
        (indexed, r"stands for a value that exists only at run time"),
    ],
    ids=lambda body: body.__name__ if callable(body) else "",
)
def test_what_is_connected_wrongly_is_told_while_the_body_runs(
    body: Callable[[], None], message: str
) -> None:
    with pytest.raises(InvocationError, match=message):
        job(body)


def test_a_body_is_told_in_a_graph_as_well() -> None:
    def part(n: Any) -> Any:
        return inc(below(n))

    with pytest.raises(
        InvocationError,
        match=r"@graph part: input 'n' of inc is .* as many values as 'below\.result'",
    ):
        graph(part)


def test_a_graph_whose_output_is_dynamic_is_not_passed_on_directly() -> None:
    @graph
    def part() -> Any:
        return numbers().map(inc)

    def outer() -> None:
        inc(part())

    with pytest.raises(InvocationError, match=r"as many values as 'part\.numbers\.result' yields"):
        job(outer)


def test_a_function_may_return_nothing_and_be_several_outputs() -> None:
    handles: list[Any] = []

    @job
    def free() -> None:
        values = numbers()
        assert values.map(lambda _: None) is None
        handles.append(values.map(lambda n: {"a": inc(n), "b": inc.alias("b")(n)}))
        handles.append(values.map(lambda n: [inc.alias("c")(n)]))

    assert list(handles[0]) == ["a", "b"]
    assert len(handles[1]) == 1


def test_a_step_that_is_mapped_does_not_take_the_list_of_all_as_well() -> None:
    @op
    def share(n: int, values: list[int]) -> float:
        return n / sum(values)

    with pytest.raises(
        DefinitionError,
        match=r"share takes <collected output .*, and is mapped over 'numbers\.result'",
    ):

        @job
        def shares() -> None:
            values = numbers()
            everything = values.map(inc).collect()
            values.map(lambda n: share(n, everything))

    @job
    def handed_through() -> None:
        values = numbers()
        everything = listed(values.map(inc).collect())
        values.map(lambda n: share(n, everything))

    assert handed_through.execute_in_process().output_for_node("share") == {"a": 0.5}


@op(out=DynamicOut(int))
def three() -> list[DynamicOutput[int]]:
    return [DynamicOutput(each, f"k{each}") for each in (1, 2, 3)]


@op
def summed(values: list[int]) -> int:
    return sum(values)


@op(name="plus")
def plus(left: int, right: int) -> int:
    return left + right


def collected_inside() -> None:
    values = three()
    values.map(lambda n: plus(n, summed(values.collect())))


def mapped_and_collected_inside() -> None:
    values = three()
    values.map(lambda n: plus(n, summed(values.map(inc).collect())))


def a_mapped_one_collected_inside() -> None:
    values = three()
    larger = values.map(inc)
    values.map(lambda n: plus(n, summed(larger.collect())))


def an_independent_one_collected_inside() -> None:
    others, values = three(), three()
    values.map(lambda n: plus(n, summed(others.collect())))


def an_independent_one_mapped_inside() -> None:
    others, values = three(), three()
    values.map(lambda n: plus(n, summed(others.map(inc).collect())))


@pytest.mark.parametrize(
    ("body", "total"),
    [
        (collected_inside, 6),
        (mapped_and_collected_inside, 9),
        (a_mapped_one_collected_inside, 9),
        (an_independent_one_collected_inside, 6),
        (an_independent_one_mapped_inside, 9),
    ],
)
def test_a_list_of_all_is_collected_inside_of_a_mapped_function(
    body: Callable[[], None], total: int
) -> None:
    result = job(body).execute_in_process()
    assert result.output_for_node("plus") == {f"k{n}": n + total for n in (1, 2, 3)}
    assert result.output_for_node("summed") == total  # once, and not for each value


def test_an_output_is_true_in_a_body() -> None:
    @job
    def chain() -> None:
        last: Any = None
        for _ in range(3):
            last = inc(last) if last else one()

    assert chain.execute_in_process().output_for_node("inc_2") == 3
