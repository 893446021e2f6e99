"""Read interface of plans, common to compiled plans and the plans of dynamic runs."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

from rayexec.definitions.op import OpDefinition
from rayexec.errors import StepNotFoundError
from rayexec.events import OutputRecord
from rayexec.names import nearest
from rayexec.plan.model import (
    Call,
    FanOut,
    FromCollected,
    FromStep,
    MappedNode,
    NodeSource,
    OpenInput,
    Step,
    Template,
    fan_outs_of,
    feeds_of,
)

__all__ = ["Plan"]


class Plan:
    """The steps of a job, or of a selection from it.

    Each step follows all steps that it depends on. ``StaticPlan`` holds tuples; ``RunPlan`` holds
    lists and appends the steps of mapped nodes. Both are read by plain attributes: columns hold
    one value for each step, by its index.
    """

    job_name: str
    steps: Sequence[Step]
    templates: tuple[Template, ...]
    #: For each step the steps that depend on it.
    successors: Sequence[Sequence[int]]
    #: For each step the number of steps that it depends on.
    in_degrees: Sequence[int]
    #: The source behind each output of a graph, by (node path, output name); the job's path is "".
    outputs: Mapping[tuple[str, str], NodeSource]
    open_inputs: Mapping[tuple[str, str], OpenInput]
    #: All nodes of the job by path, selected or not.
    node_paths: Mapping[str, Any]
    #: The nodes with one step for each value of a dynamic output, each behind those above it.
    mapped_nodes: tuple[MappedNode, ...]
    #: The inputs that collect values below a dynamic output, by (step, index of the input).
    collected_inputs: Mapping[tuple[int, int], FromCollected]
    #: The patterns of mapping keys that the selection names, outermost key first; "?" is any key.
    selected_keys: Mapping[FanOut, tuple[tuple[str, ...], ...]]

    @property
    def by_key(self) -> Mapping[str, int]:
        """Step indices by step key."""
        raise NotImplementedError

    @property
    def depth_order(self) -> Sequence[Any]:
        """For each step its rank in a depth-first run by one worker."""
        raise NotImplementedError

    @property
    def is_dynamic(self) -> bool:
        """Whether a run adds steps to the plan, or collects values below dynamic outputs."""
        return bool(self.mapped_nodes or self.collected_inputs)

    @property
    def collecting_steps(self) -> Collection[int]:
        """The steps whose collected inputs are not complete."""
        return ()

    @property
    def future_sources(self) -> Mapping[int, tuple[int, ...]]:
        """For steps with dynamic outputs the steps that feed the mapped steps below them."""
        return {}

    def close_collected(self, step: int) -> None:
        """Fix the collected inputs of a step, complete now."""

    def sources_of(self, step: int) -> Iterator[FromStep]:
        """Yield the outputs that a step takes values from, as far as they exist."""
        for step_input in self.steps[step].inputs:
            if not step_input.is_nothing:
                for source in step_input.sources:
                    if type(source) is FromStep:
                        yield source

    def steps_of_node(self, node: int, first: int = 0) -> Iterable[Step]:
        """Return the steps of a mapped node, beginning at index ``first``."""
        return ()

    @cached_property
    def fan_out_steps(self) -> Collection[int]:
        """The steps with dynamic outputs that mapped nodes or collected inputs consume."""
        nodes = {node.fan_outs[-1].node for node in self.mapped_nodes}
        for step, input_index in self.collected_inputs:
            (source,) = self.steps[step].inputs[input_index].sources
            if isinstance(source, FromStep):
                nodes.add(source.step)
        return frozenset([node for node in nodes if node >= 0])

    @cached_property
    def dynamic_templates(self) -> frozenset[int]:
        """The indices of templates whose ops have dynamic outputs."""
        return frozenset(
            [index for index, template in enumerate(self.templates) if template.op.is_dynamic]
        )

    @cached_property
    def predecessors(self) -> Sequence[Sequence[int]]:
        """For each step the steps that it depends on, in the order of the plan."""
        before: list[list[int]] = [[] for _ in self.steps]
        for index, following in enumerate(self.successors):
            for successor in following:
                before[successor].append(index)
        return tuple(map(tuple, before))

    @cached_property
    def feeds(self) -> Sequence[tuple[FromStep, ...] | None]:
        """For each step the source of each input, or None (see ``feeds_of``)."""
        return tuple([feeds_of(step.inputs) for step in self.steps])

    @cached_property
    def chain_inputs(self) -> Sequence[tuple[str, ...] | None]:
        """For each step in a chain the outputs of its predecessor, one for each input, else None.

        Steps with equal inputs share one tuple.
        """
        shared: dict[tuple[str, ...], tuple[str, ...]] = {}
        column: list[tuple[str, ...] | None] = []
        for sources, in_degree in zip(self.feeds, self.in_degrees, strict=True):
            if sources is None or in_degree != 1 or len(set(sources)) < len(sources):
                column.append(None)
            else:
                outputs = tuple([source.output for source in sources])
                column.append(shared.setdefault(outputs, outputs))
        return tuple(column)

    @cached_property
    def chain_next(self) -> Sequence[int]:
        """For each step its successor in a chain, or -1.

        The successor is the only one, and depends on this step alone. A fan-out step has none,
        since the run appends its successors later.
        """
        in_degrees, fan_out_steps = self.in_degrees, self.fan_out_steps
        return tuple(
            [
                following[0]
                if len(following) == 1
                and in_degrees[following[0]] == 1
                and index not in fan_out_steps
                else -1
                for index, following in enumerate(self.successors)
            ]
        )

    @cached_property
    def template_of(self) -> Sequence[int]:
        """For each step the index of its template."""
        return tuple([step.template for step in self.steps])

    @cached_property
    def first_calls(self) -> Sequence[Call]:
        """For each step its first attempt; all runs of a plan share these."""
        return tuple([Call(index, 0) for index in range(len(self.steps))])

    @cached_property
    def output_records(self) -> Sequence[tuple[OutputRecord, ...]]:
        """For each step the plain records of all its outputs."""
        by_template = self.records_by_template
        return tuple([by_template[step.template] for step in self.steps])

    @cached_property
    def records_by_template(self) -> tuple[tuple[OutputRecord, ...], ...]:
        """For each template the plain records of its op's outputs."""
        return tuple([tuple(map(OutputRecord, template.op.outs)) for template in self.templates])

    @cached_property
    def priorities(self) -> Sequence[int] | None:
        """For each step its priority; None where all are equal."""
        column = [step.priority for step in self.steps]
        different = {*column, *(node.priority for node in self.mapped_nodes)}
        return tuple(column) if len(different) > 1 else None

    @cached_property
    def starting_orders(self) -> dict[int, list[int]]:
        """The order of a run's start, before any step's duration shows, by slots; runs share it."""
        return {}

    @cached_property
    def ops_by_key(self) -> Mapping[str, OpDefinition]:
        """The op behind each node, mapped or not, by the node's path."""
        nodes: list[Step | MappedNode] = [*self.steps, *self.mapped_nodes]
        return {node.key: self.templates[node.template].op for node in nodes}

    def op_of(self, step: int) -> OpDefinition:
        """Return the op of a step."""
        return self.templates[self.steps[step].template].op

    def index_of(self, key: str) -> int:
        """Return the index of the step with this key; raises StepNotFoundError."""
        try:
            return self.by_key[key]
        except KeyError:
            raise StepNotFoundError(
                f"{self.job_name} has no step {key!r}.{nearest(key, self.by_key)}"
            ) from None

    def fan_outs_of(self, source: NodeSource) -> tuple[FanOut, ...]:
        """Return the dynamic outputs that multiply a source, outermost first."""
        return fan_outs_of(source, self.steps, self.mapped_nodes, self.templates)

    def upstream_names(self, step: int) -> tuple[str, ...]:
        """Return the names of the inputs that take values of other steps."""
        names = []
        for step_input in self.steps[step].inputs:
            if step_input.is_nothing:
                continue
            for source in step_input.sources:
                if type(source) is FromStep:
                    names.append(step_input.name)
                    break
        return tuple(names)
