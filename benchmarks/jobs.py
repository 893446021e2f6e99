"""Jobs of no-op steps in three shapes, for rayexec and for whatever else has its decorators."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

SHAPES = ("chain", "fan-out", "layered")
WIDTH = 10


def make_job(api: Any, shape: str, steps: int) -> Any:
    """Return a new job of ``steps`` steps, made with the ``op`` and ``job`` of the module ``api``.

    A chain is one step after another; a fan-out is one step and all others behind it; a join is a
    fan-out and one last step that takes all of its outputs; layered is rows of ten steps, each of
    which takes the outputs of two steps of the row above.
    """

    @api.op  # type: ignore[untyped-decorator]  # the module is not known here
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
    """Return a new job of one dynamic output of ``size`` values, a chain of ops below each, and one
    op for all.
    """

    @api.op(out=api.DynamicOut())  # type: ignore[untyped-decorator]
    def fan() -> Any:
        for number in range(size):
            yield api.DynamicOutput(1, str(number))

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
        for number in range(chain):
            values = values.map(follow.alias(f"follow_{number}"))
        add_up(values.collect())

    return mapped


def make_nested_job(api: Any, outer: int, inner: int) -> Any:
    """Return a new job with a map of ``inner`` values below one of ``outer``, which collects by
    level.
    """

    @api.op(out=api.DynamicOut())  # type: ignore[untyped-decorator]
    def fan() -> Any:
        for number in range(outer):
            yield api.DynamicOutput(1, str(number))

    @api.op(out=api.DynamicOut())  # type: ignore[untyped-decorator]
    def split(value: int) -> Any:
        for number in range(inner):
            yield api.DynamicOutput(value, str(number))

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
    """Return a new job whose steps sleep along ``dag``, by seconds and the steps taken from, and
    its run config.
    """

    @api.op(config_schema=float)  # type: ignore[untyped-decorator]
    def nap(context, values: Any) -> int:  # type: ignore[no-untyped-def]  # Dagster allows no type but its own
        time.sleep(context.op_config)
        return 1 + int(sum(values)) % 997

    @api.job  # type: ignore[untyped-decorator]
    def napping() -> None:
        made: list[Any] = []
        for number, (_, before) in enumerate(dag):
            made.append(nap.alias(f"s{number}")([made[each] for each in before]))

    return napping, {
        "ops": {f"s{number}": {"config": length} for number, (length, _) in enumerate(dag)}
    }
