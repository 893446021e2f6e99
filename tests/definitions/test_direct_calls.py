"""Calling an op as a function, with a context where one is needed."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from declared_op_parts import Client, body

from rayexec import (
    Config,
    DefinitionError,
    In,
    InvocationError,
    Nothing,
    OpExecutionContext,
    Output,
    TypeCheckError,
    build_hook_context,
    build_init_resource_context,
    build_op_context,
    op,
    resource,
    success_hook,
)


def test_direct_calls_run_the_function() -> None:
    made = op(body)
    assert made(1) == 3
    assert made(1, 5) == 6
    assert made(m=1, n=2) == 3


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda made: made(), "op 'body' needs a value for input 'n'"),
        (lambda made: made(1, 2, 3), "op 'body' takes 2 inputs by position, got 3"),
        (lambda made: made(1, n=2), "op 'body' got input 'n' twice"),
        (lambda made: made(1, mm=2), r"op 'body' has no input 'mm'\. Did you mean 'm'\?"),
    ],
)
def test_direct_calls_that_do_not_fit_are_told(call: Any, message: str) -> None:
    with pytest.raises(InvocationError, match=message):
        call(op(body))


def test_direct_calls_check_types() -> None:
    with pytest.raises(
        TypeCheckError,
        match='Type check failed for input "n" of op "body": expected a value of type int',
    ):
        op(body)("x")


def test_direct_calls_with_context_config_and_resources() -> None:
    class Settings(Config):
        n: int

    @op
    def all_of(context: OpExecutionContext, x: int, config: Settings, client: Client) -> list[Any]:
        context.log.info("said")
        return [x, config.n, client.url, context.run_id, context.get_tag("a"), context.retry_number]

    context = build_op_context(
        op_config={"n": 3},
        resources={"client": Client(url="there")},
        run_tags={"a": "b"},
        retry_number=2,
    )
    assert all_of(context, 1) == [1, 3, "there", "EPHEMERAL", "b", 2]
    assert [line.message for line in context.log.lines] == ["said"]
    assert all_of(None, 1, config=Settings(n=4), client=Client())[1:3] == [4, "here"]
    with pytest.raises(InvocationError, match="op 'all_of' takes a context"):
        all_of(1)

    @op(required_resource_keys={"db"})
    def by_key(context: OpExecutionContext) -> Any:
        return context.resources.db

    assert by_key(build_op_context(resources={"db": 5})) == 5
    with pytest.raises(DefinitionError, match="op 'by_key' requires resource 'db': give it in"):
        by_key(build_op_context())


def test_direct_calls_without_need_of_a_context() -> None:
    @op
    def unused(context: Any, x: int) -> int:
        return x

    @op
    def needs(client: Client) -> str:
        return client.url

    assert unused(None, 3) == 3
    assert unused(x=3, context=None) == 3
    assert needs(client=Client(url="u")) == "u"
    with pytest.raises(DefinitionError, match=r"'needs' requires resource 'client'.*an argument"):
        needs()


def test_direct_calls_of_generators_and_coroutines() -> None:
    @op
    def yields() -> Iterator[Output[int]]:
        yield Output(1)

    @op
    async def awaits() -> int:
        return 2

    assert [each.value for each in yields()] == [1]
    assert asyncio.run(awaits()) == 2


def test_direct_calls_skip_nothing() -> None:
    @op(ins={"start": In(Nothing)})
    def after(n: int) -> int:
        return n

    assert after(1) == 1
    with pytest.raises(InvocationError, match="input 'start' is Nothing, which passes no value"):
        after(n=2, start=None)


def test_contexts_for_hooks_and_resources() -> None:
    seen: list[Any] = []

    @success_hook
    def hook(context: Any) -> None:
        seen.append((context.op.name, context.op_output_values, context.resources.slack))

    @resource(config_schema={"n": int})
    def made(context: Any) -> int:
        return int(context.resource_config["n"]) + int(context.resources.base)

    hook(build_hook_context(op=op(body), resources={"slack": 1}, op_output_values={"result": 2}))
    assert seen == [("body", {"result": 2}, 1)]
    with made.open(build_init_resource_context(config={"n": 1}, resources={"base": 2})) as value:
        assert value == 3
