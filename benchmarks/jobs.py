"""Jobs of no-op steps in three shapes, for rayexec and other packages with its decorators."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

SHAPES = ("chain", "fan-out", "layered")
WIDTH = 10


def make_job(api: Any, shape: str, steps: int) -> Any:
    """Return a new job of ``steps`` steps, made with the ``op`` and ``job`` of the module ``api``.

    A chain is one step after another; a fan-out is one step and all others behind it; a join is a
    fan-out and one last step that takes all of its outputs; layered is rows of ten steps, each with
    inputs from two steps of the row above.
    """

    @api.op  # type: ignore[untyped-decorator]  # an unknown module
    def source() -> int:
        return 1

    @api.op  # type: ignore[untyped-decorator]
    def follow(value: int) -> int:
        return value

    @api.op  # type: ignore[untyped-decorator]
    def merge(left: int, right: int) -> int:
        return left

    @api.op  # type: ignore[untyped-decorator]
    def add_up(values: list[int]) -> int:
        return sum(values)

    @api.job  # type: ignore[untyped-decorator]
    def chain() -> None:
        value = source()
        for _ in range(steps - 1):
            value = follow(value)

    @api.job  # type: ignore[untyped-decorator]
    def fan_out() -> None:
        value = source()
        for _ in range(steps - 1):
            follow(value)

    @api.job  # type: ignore[untyped-decorator]
    def join() -> None:
        value = source()
        add_up([follow(value) for _ in range(steps - 2)])

    @api.job  # type: ignore[untyped-decorator]
    def layered() -> None:
        row = [source() for _ in range(WIDTH)]
        for _ in range(steps // WIDTH - 1):
            row = [merge(row[each], row[(each + 1) % WIDTH]) for each in range(WIDTH)]

    return {"chain": chain, "fan-out": fan_out, "join": join, "layered": layered}[shape]


def make_mapped_job(api: Any, size: int, *, chain: int = 1, nap: float = 0.0) -> Any:
    """Return a new job of ``size`` dynamic values, a chain of ops below each, and one collect."""

    @api.op(out=api.DynamicOut())  # type: ignore[untyped-decorator]
    def fan() -> Any:
        for index in range(size):
            yield api.DynamicOutput(1, str(index))

    @api.op  # type: ignore[untyped-decorator]
    def follow(value: int) -> int:
        if nap:
            time.sleep(nap)
        return value

    @api.op  # type: ignore[untyped-decorator]
    def add_up(values: list[int]) -> int:
        return sum(values)

    @api.job  # type: ignore[untyped-decorator]
    def mapped() -> None:
        values = fan()
        for index in range(chain):
            values = values.map(follow.alias(f"follow_{index}"))
        add_up(values.collect())

    return mapped


def make_nested_job(api: Any, outer: int, inner: int) -> Any:
    """Return a new job of ``inner`` values mapped below ``outer`` ones, and nested collects."""

    @api.op(out=api.DynamicOut())  # type: ignore[untyped-decorator]
    def fan() -> Any:
        for index in range(outer):
            yield api.DynamicOutput(1, str(index))

    @api.op(out=api.DynamicOut())  # type: ignore[untyped-decorator]
    def split(value: int) -> Any:
        for index in range(inner):
            yield api.DynamicOutput(value, str(index))

    @api.op  # type: ignore[untyped-decorator]
    def follow(value: int) -> int:
        return value

    @api.op  # type: ignore[untyped-decorator]
    def add_up(values: list[int]) -> int:
        return sum(values)

    @api.job  # type: ignore[untyped-decorator]
    def nested() -> None:
        add_up.alias("all")(
            fan().map(lambda value: add_up(split(value).map(follow).collect())).collect()
        )

    return nested


def make_napping_job(
    api: Any, dag: Sequence[tuple[float, Sequence[int]]]
) -> tuple[Any, dict[str, Any]]:
    """Return a new job of sleeping steps along ``dag``, and its run config."""

    # Dagster allows no annotation of the context but its own.
    @api.op(config_schema=float)  # type: ignore[untyped-decorator]
    def nap(context, values: Any) -> int:  # type: ignore[no-untyped-def]
        time.sleep(context.op_config)
        return 1 + int(sum(values)) % 997

    @api.job  # type: ignore[untyped-decorator]
    def napping() -> None:
        made: list[Any] = []
        for index, (_, before) in enumerate(dag):
            made.append(nap.alias(f"s{index}")([made[each] for each in before]))

    return napping, {
        "ops": {f"s{index}": {"config": length} for index, (length, _) in enumerate(dag)}
    }
