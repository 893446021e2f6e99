from __future__ import annotations

from typing import TYPE_CHECKING

from dagster import job, op

if TYPE_CHECKING:
    from collections.abc import Sequence


def unused(values: Sequence[int]) -> None: ...


@op
def start(context) -> int:
    return len(context.op.name)


@op
def lists(n: int) -> list[int]:
    return [n]


@op
def use(values: list[int]) -> dict[str, int]:
    return {"n": values[0]}


@job
def annotated():
    use(lists(start()))
