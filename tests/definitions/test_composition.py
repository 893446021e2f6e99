"""Wiring of ops in the body of a graph or job: names, connections, and refusals."""

from typing import Any

import pytest

from rayexec import (
    DefinitionError,
    GraphIn,
    GraphOut,
    In,
    InvariantError,
    InvocationError,
    Nothing,
    Out,
    RetryPolicy,
    failure_hook,
    graph,
    job,
    op,
    success_hook,
)


@op
def one() -> int:
    return 1


@op
def add(left: int, right: int = 0) -> int:
    return left + right


@op(out={"p": Out(), "q": Out()})
def pair() -> tuple[int, int]:
    return 1, 2


@op(ins={"start": In(Nothing)})
def after() -> None:
    pass


@graph
def plus(n: Any) -> Any:
    return add(n)


loose: Any = one  # for calls that type checkers would not let through


def names(made: Any) -> list[str]:
    return [node.name for node in made.graph.nodes]


def test_calls_get_names_that_do_not_clash() -> None:
    @job
    def named() -> None:
        one()
        one()
        one.alias("one_3")()
        one()
        plus(one.alias("x")())
        plus(one())

    assert names(named) == ["one", "one_2", "one_3", "one_4", "x", "plus", "one_5", "plus_2"]


def wrong(body: Any) -> Any:
    """Return what making a job of the body raises."""
    with pytest.raises(DefinitionError) as raised:
        job(name="wrong")(body)
    return raised.value


def none(*_: Any) -> None:
    """Take handles and return nothing, as the body of a job does."""


class _Elsewhere:
    handle: Any = None


@job
def elsewhere() -> None:
    _Elsewhere.handle = one()


def _hook_fn(context: object) -> None: ...


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (lambda: none(one.alias("x")(), one.alias("x")()), "@job wrong: two nodes are called 'x'"),
        (
            lambda: none(one(), op(name="one")(lambda: 2)()),
            "two different ops or graphs are called 'one'",
        ),
        (
            lambda: none(add(3)),
            r"input 'left' of add received invalid type int.*In\(default_value=3\)",
        ),
        (lambda: none(add([one(), 3])), "input 'left' of add received invalid type int"),
        (lambda: none(add([[one()]])), "input 'left' of add is a list within a list"),
        (
            lambda: none(add(one)),
            r"input 'left' of add got 'one' itself.*forget parentheses\? Call it: one\(\)",
        ),
        (lambda: none(add(one.alias("y"))), "input 'left' of add got 'one' itself"),
        (
            lambda: none(add(pair())),
            "input 'left' of add got <outputs p, q of node pair>: pick one of them",
        ),
        (lambda: none(add(one(), one(), one())), r"add takes 2 inputs \(left, right\), got 3"),
        (lambda: none(add(one(), left=one())), "add got input 'left' twice"),
        (
            lambda: add(one(), rihgt=one()) and None,
            r"add has no input 'rihgt'; it has left, right\. Did you mean 'right'\?",
        ),
        (lambda: none(after(one(), one())), r"after takes 1 input \(start\), got 2"),
        (lambda: none(one(one())), r"one_2 takes 0 inputs \(none\), got 1"),
        (lambda: none(add(_Elsewhere.handle)), "was made in another body"),
        (lambda: none(add(one()[0])), "index it inside an op"),
        (lambda: none(*one()), "is one output and cannot be unpacked"),
        (lambda: one(), "@job wrong: the body returns a value.*, but a job has no outputs"),
        (lambda: {"a": one()}, "@job wrong: the body returns a value.*, but a job has no outputs"),
        (lambda: (yield), "the body wires ops and is a plain function"),
        (lambda *values: None, r"@job wrong: \*values is not supported"),
        (
            lambda output: None,
            "'output' is a reserved word and cannot name an input of @job wrong",
        ),
        (lambda unused: None, "@job wrong: nothing takes its input 'unused'"),
        (
            lambda: none(elsewhere()),
            r"job 'elsewhere' was called like a function; run it by elsewhere\.execute_in_process",
        ),
    ],
)
def test_wiring_that_makes_no_sense_is_told(body: Any, message: str) -> None:
    import re

    assert re.search(message, str(wrong(body)))


def test_outputs_by_a_name_that_is_not_there() -> None:
    with pytest.raises(
        AttributeError,
        match=r"node 'pair' has no output named 'pp'; it has p, q\. Did you mean 'p'\?",
    ):

        @job
        def misnamed() -> None:
            pair().pp


def test_a_body_that_fails_leaves_no_composition_behind() -> None:
    with pytest.raises(ZeroDivisionError):

        @job
        def failing() -> None:
            one()
            1 / 0

    assert one() == 1


def test_graphs_are_for_bodies_only() -> None:
    with pytest.raises(InvocationError, match=r"graph 'plus' was called outside the body"):
        plus(1)
    with pytest.raises(InvariantError):  # Dagster's class for it
        plus(1)


def test_a_prepared_op_is_called_like_the_op() -> None:
    assert one.alias("x")() == 1
    assert add.tag({"a": "b"})(1, right=2) == 3


_NO_HOOKS: Any = [1]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: one.alias("not ok"), "'not ok' is not a valid name for a node"),
        (lambda: one.tag({"a": object()}), "one.tag: tag 'a' holds a object"),
        (
            lambda: loose.with_hooks([print]),
            "one.with_hooks: hooks must be made by @success_hook or @failure_hook",
        ),
        (lambda: loose.with_retry_policy(3), "one.with_retry_policy takes a RetryPolicy, got int"),
        (
            lambda: graph(name="g", ins={"x": GraphIn()})(lambda n: add(n)),
            "@graph g: ins names 'x', which is not a parameter",
        ),
        (
            lambda: graph(name="g")(lambda: 3),
            "@graph g: the body must return outputs of its nodes, .* it returned a int",
        ),
        (
            lambda: graph(name="g")(lambda n: n),
            "@graph g: output 'result' is its input 'n'; pass it through an op",
        ),
        (
            lambda: graph(name="g", out={"x": GraphOut()})(lambda: {"x": 3}),
            "@graph g: output 'x' is a int, not the output of a node",
        ),
        (
            lambda: graph(name="g", out={"x": GraphOut(), "y": GraphOut()})(lambda: (one(),)),
            "@graph g: out declares x, y, but the body returns 1 of them",
        ),
        (
            lambda: graph(name="g")(lambda: [one()]),
            "@graph g: the body must return outputs .* it returned a list",
        ),
        (
            lambda: graph(name="g", out=GraphOut())(lambda: None),
            "@graph g: out declares result, but the body returns nothing",
        ),
        (
            lambda: graph(name="g", out={"x": GraphOut()})(lambda: {"y": one()}),
            r"@graph g: the body returns 'y', which out does not declare. Write out={'y'",
        ),
        (
            lambda: graph(name="g", out={"x": GraphOut(), "y": GraphOut()})(lambda: {"x": one()}),
            r"@graph g: out declares 'y', which the body does not return",
        ),
        (
            lambda: graph(name="g", out={"not ok": GraphOut()})(lambda: {"not ok": one()}),
            "'not ok' is not a valid name for an output",
        ),
        (
            lambda: plus.to_job(input_values={"m": 1}),
            r"job 'plus': input_values names 'm'; its inputs are n",
        ),
        (
            lambda: plus.to_job(op_retry_policy=1),
            "job 'plus': op_retry_policy must be a RetryPolicy, got int",
        ),
        (
            lambda: plus.to_job(executor_def="ray"),
            "job 'plus': executor_def must be one of in_process_executor",
        ),
        (lambda: plus.to_job(hooks=[1]), "job 'plus': hooks must be made by"),
        (lambda: plus.to_job(tags={"a": {1}}), "job 'plus': tag 'a' holds a set"),
        (lambda: plus.to_job(name="no!"), "'no!' is not a valid name for a job"),
        (lambda: plus.to_job().with_hooks(_NO_HOOKS), "job 'plus': hooks must be made by"),
        (
            lambda: success_hook(name="no!")(lambda context: None),
            "'no!' is not a valid name for a hook",
        ),
    ],
)
def test_settings_that_make_no_sense_are_told(make: Any, message: str) -> None:
    with pytest.raises(DefinitionError, match=message):
        make()


def test_graph_outputs_in_every_form() -> None:
    single = graph(name="single")(lambda: one())
    named = graph(name="named", out={"x": GraphOut()})(lambda: one())
    several = {"x": GraphOut(), "y": GraphOut()}
    mapping = graph(name="mapping", out=several)(lambda: {"x": one(), "y": pair().q})
    unpacked = graph(name="unpacked", out={"x": GraphOut(), "y": GraphOut()})(lambda: pair())
    none = graph(name="none")(_only_one)
    assert list(single.outputs) == ["result"]
    assert list(named.outputs) == ["x"]
    assert list(mapping.outputs) == ["x", "y"]
    assert str(unpacked.outputs["y"]) == "NodeOutput(node='pair', output='q')"
    assert none.outputs == {}
    assert unpacked.levels_by_output() == {"x": (), "y": ()}
    assert mapping.node_named("one").definition is one
    assert not mapping.has_node_named("none")
    with pytest.raises(InvariantError, match="graph 'mapping' has no node 'ones'"):
        mapping.node_named("ones")
    with pytest.warns(UserWarning, match="returns 2 outputs, and the graph has result only"):
        first = graph(name="first")(lambda: pair())
    assert str(first.outputs["result"]) == "NodeOutput(node='pair', output='p')"


def _only_one() -> None:
    one()


def test_settings_of_one_call_do_not_reach_another() -> None:
    @success_hook
    def hook(context: Any) -> None:
        pass

    policy = RetryPolicy(max_retries=7)
    special = (
        one.tag({"a": "1"})
        .tag({"b": "2"})
        .with_hooks({hook})
        .with_retry_policy(policy)
        .alias("special")
    )

    @job
    def settings() -> None:
        special()
        one()

    first, second = settings.graph.nodes
    assert (first.name, dict(first.tags), first.hooks, first.retry_policy) == (
        "special",
        {"a": "1", "b": "2"},
        (hook,),
        policy,
    )
    assert (second.name, dict(second.tags), second.hooks, second.retry_policy) == (
        "one",
        {},
        (),
        None,
    )


def test_hooks_are_a_set_ordered_by_name() -> None:
    @success_hook
    def zz(context: Any) -> None:
        pass

    @failure_hook(name="aa", required_resource_keys={"r"})
    def other(context: Any) -> None:
        pass

    @job(hooks={zz})
    def hooked() -> None:
        one()

    more = hooked.with_hooks([other, zz])
    assert [hook.name for hook in more.hook_defs] == ["aa", "zz"]
    assert hooked.hook_defs == (zz,)
    assert more.hook_defs[0].required_resource_keys == {"r"}


def test_a_job_takes_name_and_description_from_its_body() -> None:
    @job
    def described() -> None:
        """What it does."""
        one()

    renamed = job(name="renamed", description="d", tags={"n": 1})(_only_one)
    assert (described.name, described.description) == ("described", "What it does.")
    assert (renamed.name, renamed.description, renamed.tags, renamed.run_tags) == (
        "renamed",
        "d",
        {"n": "1"},
        {"n": "1"},
    )
