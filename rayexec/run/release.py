"""Which outputs may go, as soon as nothing in the run can ask for them again."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, TypeAlias

from rayexec.plan.model import Plan

__all__ = ["KeepOutputs", "Uses"]

# Which outputs outlive the steps that take them: all, those that nothing takes and the job's own, or none.
KeepOutputs: TypeAlias = Literal["all", "leaves", "none"]


class Uses:
    """Counts, for each step, the steps that have yet to take its outputs.

    A step that failed keeps what it took, since it may be run again; so does one that never ran because of that.
    """

    def __init__(self, plan: Plan, keep: KeepOutputs) -> None:
        self._plan = plan
        self.keeps_all = keep == "all"
        self._left = [] if self.keeps_all else [len(following) for following in plan.successors]
        self._kept: set[int] = set()
        if keep == "leaves":
            self._kept = {index for index, count in enumerate(self._left) if count == 0}
            self._kept |= {source.step for (path, _), source in plan.outputs.items() if path == ""}

    def over(self, steps: Iterable[int]) -> list[int]:
        """Take in that steps succeeded or were skipped; return those whose outputs may go."""
        predecessors, left, kept = self._plan.predecessors, self._left, self._kept
        unused = []
        for step in steps:
            if left[step] == 0 and step not in kept:
                unused.append(step)
            for each in predecessors[step]:
                left[each] -= 1
                if left[each] == 0 and each not in kept:
                    unused.append(each)
        return unused
