"""Ops that make numbers, add to them and pass them on."""

from typing import Any

from rayexec import Out, op


@op
def one() -> int:
    return 1


@op
def add_one(n: int) -> int:
    return n + 1


@op
def total(values: list[int]) -> int:
    return sum(values)


@op
def listed(values: list[Any]) -> list[Any]:
    return values


@op
def passed(value: Any) -> Any:
    return value


@op(out={"low": Out(int), "high": Out(int)})
def bounds() -> tuple[int, int]:
    return 3, 9
