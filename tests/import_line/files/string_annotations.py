from __future__ import annotations

from typing import TYPE_CHECKING

from dagster import Config, ConfigurableResource, OpExecutionContext, In, Out, job, op

if TYPE_CHECKING:
    from collections.abc import Sequence


class Settings(Config):
    n: int = 2


class Source(ConfigurableResource):
    base: int = 40

    def value(self) -> int:
        return self.base


@op
def start(context: OpExecutionContext, config: Settings, source: Source) -> int:
    return source.value() + config.n


@op
def lists(n: int) -> list[int]:
    return [n]


@op
def use(values: list[int]) -> dict[str, int]:
    return {"n": values[0]}


@job(resource_defs={"source": Source()})
def annotated():
    use(lists(start()))
