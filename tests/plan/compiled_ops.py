"""Ops to compile into plans, and a check that a plan agrees with itself."""

from rayexec import (
    op,
)
from rayexec.plan import FromStep, Plan


@op
def one() -> int:
    return 1


@op
def add(left: int, right: int = 10) -> int:
    return left + right


@op
def total(values: list[int]) -> int:
    return sum(values)


def keys(plan: Plan) -> list[str]:
    return [step.key for step in plan.steps]


def check(plan: Plan) -> None:
    """The indices of a plan agree with each other, and each step follows its predecessors."""
    before: list[set[int]] = []
    for index, step in enumerate(plan.steps):
        assert step.index == index
        sources = {
            source.step
            for each in step.inputs
            for source in each.sources
            if isinstance(source, FromStep)
        }
        assert all(source < index for source in sources)
        before.append(sources)
    assert plan.in_degrees == tuple(map(len, before))
    for index, successors in enumerate(plan.successors):
        assert sorted(successors) == [
            each for each, sources in enumerate(before) if index in sources
        ]
    assert sorted(plan.depth_order) == list(range(len(plan.steps)))
    assert all(
        plan.depth_order[each] < plan.depth_order[index]
        for index, expected in enumerate(before)
        for each in expected
    )
