"""Ops, resources, hooks and loggers that tests call as functions."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any

from rayexec import (
    AssetMaterialization,
    Config,
    ConfigurableResource,
    DynamicOut,
    DynamicOutput,
    ExpectationResult,
    Field,
    In,
    Nothing,
    OpDefinition,
    OpExecutionContext,
    Out,
    Output,
    ResourceParam,
    configured,
    logger,
    op,
    resource,
    success_hook,
)

#: What closed, in order.
CLOSED: list[str] = []


class Client(ConfigurableResource):
    url: str = "here"


class Closing(ConfigurableResource):
    def teardown_after_execution(self, context: Any) -> None:
        CLOSED.append("closing")


class Settings(Config):
    n: int = 3


class Needed(Config):
    n: int


@resource
def plain(_: Any) -> str:
    return "plain"


@resource
def config_of(context: Any) -> Any:
    return context.resource_config


@resource
def without_context() -> int:
    return 7


@resource(config_schema={"n": int})
def with_config(context: Any) -> Any:
    return context.resource_config["n"]


@resource
def yielded(_: Any) -> Iterator[str]:
    try:
        yield "yielded"
    finally:
        CLOSED.append("yielded")


@resource
@contextmanager
def managed(_: Any) -> Iterator[str]:
    try:
        yield "managed"
    finally:
        CLOSED.append("managed")


@resource(required_resource_keys={"base"})
def above(context: Any) -> str:
    return f"{context.resources.base}!"


@op
def two(a: Any, b: Any = 5) -> tuple[Any, Any]:
    return a, b


@op
def of_context(context: OpExecutionContext, a: Any = 1) -> Any:
    return a


@op
def configurable(x: Any, config: Settings, y: Any = 2) -> Any:
    return x, config.n, y


@op
def needs_config(config: Needed) -> Any:
    return config.n


@op
def of_client(client: Client, x: Any = 1) -> Any:
    return client.url, x


@op
def of_thing(x: Any, thing: ResourceParam[Any]) -> Any:
    return x, thing


@op(required_resource_keys={"db"})
def by_key(context: OpExecutionContext) -> Any:
    return context.resources.db


@op(config_schema={"n": int, "m": Field(int, default_value=4)})
def by_schema(context: OpExecutionContext) -> Any:
    return context.op_config


@configured(by_schema, config_schema={"half": int})
def mapped(config: Any) -> Any:
    return {"n": config["half"] * 2}


@op
def any_config(context: OpExecutionContext) -> Any:
    return context.op_config


@op(out={"a": Out(int), "b": Out(str)})
def pair(given: Any) -> Any:
    return given


@op(out={"a": Out(int), "b": Out(str)})
def yields_pair(items: Any) -> Iterator[Any]:
    yield from items


@op(out={"a": Out(is_required=False), "b": Out(is_required=False)})
def both_optional(flag: Any) -> Any:
    return (1, 2) if flag else None


@op(out=DynamicOut(int))
def several(items: Any) -> Any:
    return items


@op(out=DynamicOut())
def yields_several() -> Iterator[DynamicOutput[int]]:
    yield DynamicOutput(1, "a")
    yield DynamicOutput(2, "b")


@op
async def awaited(x: Any) -> Any:
    return x


@op(out=Out(int))
async def awaited_text() -> Any:
    return "x"


@op
async def yields_async() -> AsyncIterator[Output[int]]:
    yield Output(3)


@op(ins={"start": In(Nothing)})
def after(n: Any = 1) -> Any:
    return n


@op(ins={"x": In(int)})
def by_keywords(**kwargs: Any) -> Any:
    return kwargs


@op
def nothing_returned() -> None:
    return 3  # type: ignore[return-value]


@op
def event_returned() -> Any:
    return AssetMaterialization("t")


by_dict = OpDefinition(lambda context, inputs: iter([Output(1)]), "by_dict")


@op
def logs(context: OpExecutionContext) -> Iterator[Any]:
    context.log_event(AssetMaterialization("t"))
    yield ExpectationResult(True)
    yield Output(1)


@op
def adds_metadata(context: OpExecutionContext) -> int:
    context.add_output_metadata({"a": 1})
    return 2


@op
def adds_metadata_twice(context: OpExecutionContext) -> int:
    context.add_output_metadata({"a": 1})
    context.add_output_metadata({"b": 1})
    return 2


@op(tags={"x": "1"})
def sees(context: OpExecutionContext) -> Any:
    return (
        context.op_def.name,
        context.op_def.tags,
        context.run_id,
        context.get_mapping_key(),
        context.has_partition_key,
        context.run_config,
        context.run_tags,
        context.get_tag("k"),
    )


@op
def is_bound(context: OpExecutionContext) -> Any:
    return context.is_bound  # type: ignore[attr-defined]


@op
def partition(context: OpExecutionContext) -> Any:
    return context.has_partition_key, context.partition_key


@success_hook(required_resource_keys={"slack"})
def slack(context: Any) -> Any:
    return context.resources.slack


@success_hook
def op_of(context: Any) -> Any:
    return context.op.name, context.op.tags, context.job_name, context.run_id


@logger({"level": Field(int, default_value=10)})
def leveled(context: Any) -> logging.Logger:
    made = logging.Logger("made")
    made.setLevel(context.logger_config["level"])
    return made
