"""Direct calls: what Dagster 1.13 answers to the same calls.

Each row has the call as text, and its result as text, or the error.
"""

from __future__ import annotations

import asyncio
import pdb
from typing import Any
from unittest.mock import MagicMock

import called_things
import pytest
from called_things import CLOSED, logs

import rayexec
from rayexec import (
    ConfigError,
    DefinitionError,
    InvariantError,
    InvocationError,
    ResourceError,
    TypeCheckError,
    build_op_context,
    job,
)

ANSWERS: dict[str, str | type[Exception]] = {
    # Arguments
    "two(1)": "(1, 5)",
    "two(b=1, a=2)": "(2, 1)",
    "two(build_op_context(), 1)": "(1, 5)",
    "two.alias('x').tag({'a': 'b'})(1)": "(1, 5)",
    "two()": InvocationError,
    "two(1, 2, 3)": InvocationError,
    "two(1, a=2)": InvocationError,
    "of_context(None, 4)": "4",
    "of_context(context=None, a=3)": "3",
    "of_context(a=3, context=build_op_context())": "3",
    "of_context()": InvocationError,
    "of_context(a=3)": InvocationError,
    "of_context(5)": InvocationError,
    "of_context(MagicMock())": InvocationError,
    "after()": "1",
    "after(2)": "2",
    "after(start=None)": InvocationError,
    "by_keywords(x=1)": "{'x': 1}",
    "by_keywords()": "{}",
    "by_keywords(1)": InvocationError,
    "by_keywords(x='s')": TypeCheckError,
    # Config
    "configurable(1)": "(1, 3, 2)",
    "configurable(1, Settings(n=4))": "(1, 4, 2)",
    "configurable(1, Settings(n=9), 5)": "(1, 9, 5)",
    "configurable(1, config=Settings(n=5), y=4)": "(1, 5, 4)",
    "configurable(1, {'n': 6})": "(1, 6, 2)",
    "configurable(1, {'n': 'x'})": ConfigError,
    "configurable(build_op_context(op_config={'n': 7}), 1)": "(1, 7, 2)",
    "configurable(build_op_context(config={'n': 7}), 1)": "(1, 7, 2)",
    "configurable(build_op_context(op_config={'n': 1}), 1, Settings())": InvocationError,
    "configurable.configured({'n': 31}, name='fixed')(1)": "(1, 31, 2)",
    "needs_config(Needed(n=1))": "1",
    "needs_config()": ConfigError,
    "needs_config(build_op_context())": ConfigError,
    "by_schema(build_op_context(op_config={'n': 2}))": "{'n': 2, 'm': 4}",
    "by_schema(None)": ConfigError,
    "by_schema(build_op_context(op_config={'n': 'x'}))": ConfigError,
    "by_schema(build_op_context(op_config={'n': 1, 'z': 2}))": ConfigError,
    "by_schema.configured({'n': 3}, name='c')(None)": "{'n': 3, 'm': 4}",
    "mapped(build_op_context(op_config={'half': 4}))": "{'n': 8, 'm': 4}",
    "mapped(build_op_context(op_config={'n': 4}))": ConfigError,
    "any_config(build_op_context(op_config={'q': 1}))": "{'q': 1}",
    "any_config(None)": "None",
    "build_op_context(op_config={'a': 1}, config={'b': 1})": InvocationError,
    # Resources
    "of_client(Client(url='u'))": "('u', 1)",
    "of_client(Client(url='u'), 5)": "('u', 5)",
    "of_client(client=Client(url='k'))": "('k', 1)",
    "of_client(build_op_context(resources={'client': Client(url='c')}))": "('c', 1)",
    "of_client(build_op_context(resources={'client': Client()}), Client())": InvocationError,
    "type(of_client(MagicMock())[0]).__name__": "'MagicMock'",
    "of_thing(1, 'object')": "(1, 'object')",
    "of_thing(thing='object', x=1)": "(1, 'object')",
    "type(of_thing(1, MagicMock())[1]).__name__": "'MagicMock'",
    "of_thing(1, plain)": "(1, 'plain')",
    "of_thing(build_op_context(resources={'thing': plain}), 1)": "(1, 'plain')",
    "by_key(build_op_context(resources={'db': 5}))": "5",
    "by_key(build_op_context({'db': plain}))": "'plain'",
    "by_key(build_op_context(resources={'db': without_context}))": "7",
    "by_key(build_op_context(resources={'db': Client(url='z')})).url": "'z'",
    "by_key(build_op_context(resources={'db': with_config.configured({'n': 9})}))": "9",
    "by_key(build_op_context({'db': with_config}, None, {'db': {'config': {'n': 4}}}))": "4",
    "by_key(build_op_context(resources={'db': with_config}))": ConfigError,
    "build_op_context(resources={'db': plain}, resources_config={'x': {}})": ConfigError,
    "build_op_context(resources={'a': above, 'base': plain}).resources.a": "'plain!'",
    "build_op_context(resources={'db': resource(lambda _: 1 / 0)})": ResourceError,
    "by_key(None)": DefinitionError,
    "by_key(build_op_context())": DefinitionError,
    "by_key(build_op_context(resources={'db': yielded}))": InvariantError,
    "by_key(build_op_context(resources={'db': Closing()}))": InvariantError,
    "entered(build_op_context(resources={'db': yielded}), by_key)": "'yielded'",
    # Outputs
    "pair((1, 'a'))": "(1, 'a')",
    "[each.value for each in pair((Output(1, 'a'), Output('z', 'b')))]": "[1, 'z']",
    "pair([1, 'a'])": InvariantError,
    "pair((1,))": InvariantError,
    "pair((1, 2))": TypeCheckError,
    "pair(None)": InvariantError,
    "pair(Output(1, 'a'))": InvariantError,
    "pair({'a': 1, 'b': 'x'})": InvariantError,
    "[each.value for each in yields_pair([Output('z', 'b'), Output(1, 'a')])]": "['z', 1]",
    "list(yields_pair([Output(1, 'a')]))": InvariantError,
    "list(yields_pair([Output(1, 'a'), Output(1, 'a')]))": InvariantError,
    "list(yields_pair([1]))": InvariantError,
    "list(yields_pair([Output('q', 'a')]))": TypeCheckError,
    "type(yields_pair([1])).__name__": "'generator'",
    "[each.mapping_key for each in several([DynamicOutput(1, 'a')])]": "['a']",
    "several([])": "[]",
    "several([DynamicOutput('x', 'a')])": TypeCheckError,
    "several(DynamicOutput(1, 'a'))": InvariantError,
    "several(None)": InvariantError,
    "[each.value for each in yields_several()]": "[1, 2]",
    "asyncio.run(awaited(3))": "3",
    "asyncio.run(awaited_text())": TypeCheckError,
    "asyncio.run(collected(yields_async()))": "[3]",
    "nothing_returned()": TypeCheckError,
    "event_returned()": InvariantError,
    "by_dict(None)": InvocationError,
    # The context
    "sees.alias('seen').tag({'y': '2'})(build_op_context(run_tags={'k': 'v'}, mapping_key='m'))": (
        "('sees', {'x': '1'}, 'EPHEMERAL', 'm', False, {'resources': {}}, {'k': 'v'}, 'v')"
    ),
    "partition(build_op_context(partition_key='2020'))": "(True, '2020')",
    "build_op_context(mapping_key='m').get_mapping_key()": "'m'",
    "build_op_context(op_config={'a': 1}).op_config": "{'a': 1}",
    "build_op_context(resources={'a': 1}).resources.a": "1",
    "adds_metadata_twice(build_op_context())": InvariantError,
    "type(build_op_context().instance).__name__": "'DagsterInstance'",
    "build_op_context(instance=INSTANCE).instance is INSTANCE": "True",
    "build_hook_context(instance=INSTANCE).instance is INSTANCE": "True",
    "build_hook_context().instance": InvariantError,
    "type(build_init_resource_context().instance).__name__": "'DagsterInstance'",
    "both_optional(False)": InvariantError,
    # Resources, called
    "plain(None)": "'plain'",
    "plain(build_init_resource_context())": "'plain'",
    "without_context()": "7",
    "with_config(build_init_resource_context(config={'n': 5}))": "5",
    "with_config.configured({'n': 6})(None)": "6",
    "above(build_init_resource_context(resources={'base': plain}))": "'plain!'",
    "entered(yielded(None))": "'yielded'",
    "entered(managed(None))": "'managed'",
    "plain()": InvocationError,
    "plain(None, 3)": InvocationError,
    "without_context(None)": InvocationError,
    "with_config(None)": InvocationError,
    "with_config(build_init_resource_context(config={'n': 'q'}))": ConfigError,
    "above(None)": InvocationError,
    "above(build_init_resource_context())": DefinitionError,
    "build_init_resource_context({'a': 1}).resource_config": "{'a': 1}",
    "build_init_resource_context().resource_config": "{}",
    "config_of(None)": "None",
    "config_of(build_init_resource_context())": "None",
    "build_init_resource_context({'a': 1}).replace_config({'b': 2}).resource_config": "{'b': 2}",
    "build_init_resource_context(resources={'a': yielded}).resources": InvariantError,
    "entered(build_init_resource_context(resources={'base': yielded}), above)": "'yielded!'",
    # Contexts of IO managers
    "build_input_context(resources={'a': plain}).resources.a": "'plain'",
    "build_input_context(resources={'a': yielded}).resources": InvariantError,
    "entered(build_input_context(resources={'a': yielded}), resource_a)": "'yielded'",
    "build_output_context(resources={'a': plain}).resources.a": "'plain'",
    "build_output_context(resources={'a': yielded}).resources": InvariantError,
    "entered(build_output_context(resources={'a': yielded}), resource_a)": "'yielded'",
    "build_output_context('s', 'o', run_id='r', mapping_key='k').get_identifier()": (
        "['r', 's', 'o', 'k']"
    ),
    "build_output_context(asset_key=['a', 'b']).get_asset_identifier()": "['a', 'b']",
    "build_input_context(partition_key='p').partition_key": "'p'",
    "build_input_context().name": InvariantError,
    # Hooks and loggers, called
    "slack(build_hook_context(resources={'slack': plain}))": "'plain'",
    "slack(build_hook_context({'slack': 1}))": "1",
    "slack(build_hook_context())": DefinitionError,
    "slack(None)": DefinitionError,
    "slack(build_hook_context(resources={'slack': yielded}))": InvariantError,
    "entered(build_hook_context(resources={'slack': yielded}), slack)": "'yielded'",
    "op_of(build_hook_context(op=two.alias('x').tag({'a': 'b'}), run_id='r', job_name='j'))": (
        "('x', {'a': 'b'}, 'j', 'r')"
    ),
    "leveled(build_init_logger_context()).level": "10",
    "leveled(None).level": "10",
    "leveled(build_init_logger_context({'level': 20})).level": "20",
    "leveled.configured({'level': 40})(None).level": "40",
    "leveled(build_init_logger_context(logger_config={'level': 'x'}))": ConfigError,
    "leveled()": InvocationError,
}


async def collected(items: Any) -> list[Any]:
    return [each.value async for each in items]


def entered(manager: Any, call: Any = lambda value: value) -> Any:
    with manager as value:
        return call(value)


def resource_a(context: Any) -> Any:
    return context.resources.a


NAMES = {
    **{name: getattr(rayexec, name) for name in ("DynamicOutput", "Output", "resource")},
    **{name: getattr(rayexec, name) for name in dir(rayexec) if name.startswith("build_")},
    **vars(called_things),
    "asyncio": asyncio,
    "resource_a": resource_a,
    "INSTANCE": rayexec.DagsterInstance.ephemeral(),
    "collected": collected,
    "entered": entered,
    "MagicMock": MagicMock,
}


@pytest.mark.parametrize("call", ANSWERS)
def test_an_answer_is_that_of_dagster(call: str) -> None:
    expected = ANSWERS[call]
    if isinstance(expected, str):
        assert repr(eval(call, NAMES)) == expected
    else:
        with pytest.raises(expected):
            eval(call, NAMES)


def test_a_context_is_bound_from_the_call_to_the_last_item() -> None:
    context = build_op_context()
    items = logs(context)
    assert context.is_bound
    next(items)
    with pytest.raises(InvocationError, match="this context is in use by op 'logs'"):
        called_things.of_context(context)
    list(items)
    assert not context.is_bound
    assert called_things.is_bound(context) is True
    assert not context.is_bound


def test_a_call_that_fails_unbinds_its_context() -> None:
    context = build_op_context()
    with pytest.raises(TypeCheckError):
        called_things.by_keywords(context, x="s")
    with pytest.raises(InvariantError):
        list(called_things.yields_pair(context, [1]))
    assert not context.is_bound
    assert called_things.by_keywords(context, x=1) == {"x": 1}


def test_events_and_metadata_of_the_last_call_stay() -> None:
    context = build_op_context()
    assert [type(each).__name__ for each in logs(context)] == ["ExpectationResult", "Output"]
    assert [each.label for each in context.get_events()] == ["t"]
    called_things.adds_metadata(context)
    assert context.get_events() == []
    assert context.get_output_metadata("result") == {"a": 1}


def test_a_context_has_a_debugger_for_its_caller() -> None:
    assert isinstance(build_op_context().pdb, pdb.Pdb)


def test_a_run_refuses_an_event_that_is_returned() -> None:
    @job
    def returning() -> None:
        called_things.event_returned()

    with pytest.raises(InvariantError, match=r"returned a AssetMaterialization: log it by"):
        returning.execute_in_process()


def test_resources_close_once() -> None:
    CLOSED.clear()
    with build_op_context(resources={"db": called_things.yielded}) as context:
        called_things.by_key(context)
        assert CLOSED == []
    assert CLOSED == ["yielded"]
    del context
    assert CLOSED == ["yielded"]
    dropped = build_op_context(
        resources={"db": called_things.yielded, "other": called_things.Closing()}
    )
    assert CLOSED == ["yielded"]
    del dropped
    assert CLOSED == ["yielded", "closing", "yielded"]
