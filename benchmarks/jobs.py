"""Jobs of no-op steps in three shapes, for rayexec and for whatever else has its decorators."""

from __future__ import annotations

from typing import Any

SHAPES = ("chain", "fan-out", "layered")
WIDTH = 10


def make_job(api: Any, shape: str, steps: int) -> Any:
    """Return a new job of ``steps`` steps, made with the ``op`` and ``job`` of the module ``api``.

    A chain is one step after another; a fan-out is one step and all others behind it; layered is rows of ten steps,
    each of which takes the outputs of two steps of the row above.
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
    def layered() -> None:
        row = [source() for _ in range(WIDTH)]
        for _ in range(steps // WIDTH - 1):
            row = [merge(row[each], row[(each + 1) % WIDTH]) for each in range(WIDTH)]

    return {"chain": chain, "fan-out": fan_out, "layered": layered}[shape]
