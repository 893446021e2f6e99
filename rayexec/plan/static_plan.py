"""Immutable plan, as compiled from a job."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from rayexec.plan.base import Plan
from rayexec.plan.model import (
    FanOut,
    FromCollected,
    MappedNode,
    NodeSource,
    OpenInput,
    Step,
    Template,
)

__all__ = ["StaticPlan"]


@dataclass(frozen=True, eq=False)
class StaticPlan(Plan):
    """A compiled plan; all runs of the job share it.

    ``Plan`` documents the fields.
    """

    job_name: str
    steps: tuple[Step, ...]
    templates: tuple[Template, ...]
    successors: tuple[tuple[int, ...], ...]
    in_degrees: tuple[int, ...]
    outputs: Mapping[tuple[str, str], NodeSource]
    open_inputs: Mapping[tuple[str, str], OpenInput]
    node_paths: Mapping[str, Any] = field(repr=False)
    mapped_nodes: tuple[MappedNode, ...] = ()
    collected_inputs: Mapping[tuple[int, int], FromCollected] = field(default_factory=dict)
    selected_keys: Mapping[FanOut, tuple[tuple[str, ...], ...]] = field(default_factory=dict)

    @cached_property
    def by_key(self) -> Mapping[str, int]:
        """Step indices by step key."""
        return {step.key: step.index for step in self.steps}

    @cached_property
    def heights(self) -> tuple[int, ...]:
        """For each step the number of steps on the longest path to an end of the plan."""
        heights = [1] * len(self.steps)
        for index in range(len(self.steps) - 1, -1, -1):
            following = self.successors[index]
            if following:
                heights[index] = 1 + max(map(heights.__getitem__, following))
        return tuple(heights)

    @cached_property
    def depth_order(self) -> tuple[int, ...]:
        """For each step its rank in a depth-first run by one worker.

        Of the steps that one step releases, the one on the longest path comes first.
        """
        heights, successors = self.heights, self.successors
        waiting = list(self.in_degrees)
        ranks = [0] * len(self.steps)
        stack = [step for step, in_degree in enumerate(waiting) if in_degree == 0]
        stack.sort(key=lambda step: (heights[step], -step))
        for rank in range(len(ranks)):
            step = stack.pop()
            ranks[step] = rank
            released = []
            for successor in successors[step]:
                waiting[successor] -= 1
                if waiting[successor] == 0:
                    released.append(successor)
            if len(released) > 1:
                released.sort(key=lambda successor: (heights[successor], -successor))
            stack += released
        return tuple(ranks)
