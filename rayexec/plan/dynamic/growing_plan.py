"""Plan of lists, so that a run can append steps to it."""

from __future__ import annotations

from rayexec.events import OutputRecord
from rayexec.plan.base import Plan
from rayexec.plan.model import Call, FromStep, Step

__all__ = ["GrowingPlan"]


class GrowingPlan(Plan):
    """A plan that begins with the steps of a compiled one and owns a list for each column.

    Whoever appends a step appends to every list. The lists never change their identity, so that
    the scheduler and the engines may hold on to them.
    """

    steps: list[Step]
    successors: list[tuple[int, ...] | list[int]]
    in_degrees: list[int]
    predecessors: list[tuple[int, ...] | list[int]]
    feeds: list[tuple[FromStep, ...] | None]
    chain_inputs: list[tuple[str, ...] | None]
    chain_next: list[int]
    template_of: list[int]
    first_calls: list[Call]
    output_records: list[tuple[OutputRecord, ...]]
    priorities: list[int] | None
    fan_out_steps: set[int]

    def __init__(self, compiled: Plan) -> None:
        self.compiled = compiled
        self.job_name = compiled.job_name
        self.templates = compiled.templates
        self.outputs = compiled.outputs
        self.open_inputs = compiled.open_inputs
        self.node_paths = compiled.node_paths
        self.mapped_nodes = compiled.mapped_nodes
        self.collected_inputs = compiled.collected_inputs
        self.selected_keys = compiled.selected_keys
        self.starting_orders = compiled.starting_orders
        self.steps = list(compiled.steps)
        self.successors = list(map(tuple, compiled.successors))
        self.in_degrees = list(compiled.in_degrees)
        self.predecessors = list(map(tuple, compiled.predecessors))
        self.feeds = list(compiled.feeds)
        self.chain_inputs = list(compiled.chain_inputs)
        self.chain_next = list(compiled.chain_next)
        self.template_of = list(compiled.template_of)
        self.first_calls = list(compiled.first_calls)
        self.output_records = list(compiled.output_records)
        self.priorities = None if compiled.priorities is None else list(compiled.priorities)
        self.fan_out_steps = set(compiled.fan_out_steps)
