"""Random nested graphs: a job yields the same as plain Python."""

from typing import Any

from compiled_ops import add, check, one, total
from hypothesis import given, settings
from hypothesis import strategies as st

from rayexec import (
    Out,
    graph,
    op,
)
from rayexec.jobs import Job
from rayexec.plan import compile_job

# ("one",) | ("add", Tree, Tree) | ("total", [Tree]) | ("graph", Tree, Tree) | ("same", int)
Tree = Any


def trees() -> Any:
    leaves = st.one_of(st.just(("one",)), st.tuples(st.just("same"), st.integers(0, 5)))
    return st.recursive(
        leaves,
        lambda inner: st.one_of(
            st.tuples(st.just("add"), inner, inner),
            st.tuples(st.just("total"), st.lists(inner, min_size=1, max_size=3)),
            st.tuples(st.just("graph"), inner, inner),
            st.tuples(st.just("split"), inner),
        ),
        max_leaves=12,
    )


@op(out={"half": Out(int), "rest": Out(int)})
def split(n: int) -> tuple[int, int]:
    return n // 2, n - n // 2


def evaluate(tree: Tree, given: list[int]) -> int:
    kind = tree[0]
    if kind == "one":
        value = 1
    elif kind == "same":
        return given[tree[1] % len(given)] if given else 1
    elif kind == "add":
        value = evaluate(tree[1], given) + evaluate(tree[2], given)
    elif kind == "total":
        value = sum([evaluate(each, given) for each in tree[1]])
    elif kind == "split":
        value = evaluate(tree[1], given)
        value = value - value // 2
    else:
        argument = evaluate(tree[1], given)
        value = argument + evaluate(tree[2], [argument])
    given.append(value)
    return value


def wire(tree: Tree, given: list[Any]) -> Any:
    kind = tree[0]
    if kind == "one":
        handle = one()
    elif kind == "same":
        return given[tree[1] % len(given)] if given else one()
    elif kind == "add":
        left = wire(tree[1], given)
        handle = add(left, wire(tree[2], given))
    elif kind == "total":
        handle = total([wire(each, given) for each in tree[1]])
    elif kind == "split":
        handle = split(wire(tree[1], given)).rest
    else:
        argument = wire(tree[1], given)

        @graph(name=f"part_{id(tree)}")
        def part(n: Any) -> Any:
            return add(n, wire(tree[2], [n]))

        handle = part(argument)
    given.append(handle)
    return handle


def job_of(tree: Tree) -> Job:
    @graph
    def whole() -> Any:
        return add.alias("final")(wire(tree, []), one.alias("final_one")())

    made: Job = whole.to_job()
    return made


@settings(max_examples=120, deadline=None)
@given(trees())
def test_random_graphs_give_what_plain_python_gives(tree: Tree) -> None:
    made = job_of(tree)
    check(compile_job(made))
    result = made.execute_in_process()
    assert result.output_value() == evaluate(tree, []) + 1
    assert result.counts()["succeeded"] == len(compile_job(made).steps)
