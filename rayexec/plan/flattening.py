"""Flattening of a job's graphs to steps, in one pass over the calls.

Composed calls come in dependency order, since an output exists only after its call. One pass in
that order makes the plan, in time linear in steps and connections.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rayexec.definitions.graphs.graph import GraphDefinition, Node
from rayexec.definitions.graphs.job_definition import JobDefinition
from rayexec.definitions.handles import Binding, Collected, GraphInput, NodeOutput
from rayexec.definitions.hooks import HookDefinition
from rayexec.definitions.op import OpDefinition
from rayexec.definitions.ports_by_name import item_type
from rayexec.definitions.retry import RetryPolicy
from rayexec.definitions.tags import priority
from rayexec.definitions.types.dagster_type import DagsterType
from rayexec.errors import DefinitionError, SelectionError
from rayexec.plan.model import (
    FanOut,
    FromCollected,
    FromConfig,
    FromMapped,
    FromStep,
    MappedInput,
    MappedNode,
    NodeSource,
    OpenInput,
    Step,
    StepInput,
    Template,
    fan_outs_of,
    innermost,
)
from rayexec.plan.static_plan import StaticPlan

__all__ = ["Flattening"]


class _Scope:
    """The path, hooks, retry policy and inputs that the nodes of one graph call inherit."""

    __slots__ = ("hooks", "inputs", "path", "retry_policy")

    def __init__(
        self,
        path: str,
        hooks: tuple[HookDefinition, ...],
        retry_policy: RetryPolicy | None,
        inputs: Mapping[str, tuple[Any, ...]],
    ) -> None:
        self.path = path
        self.hooks = hooks
        self.retry_policy = retry_policy
        self.inputs = inputs


class Flattening:
    """One pass over a job's graphs; ``chosen`` are the paths of the selected ops, None for all."""

    def __init__(self, job: JobDefinition, chosen: frozenset[str] | None) -> None:
        self._job = job
        self._chosen = chosen
        self._steps: list[Step] = []
        self._template_indices: dict[tuple[int, tuple[int, ...], int], int] = {}
        self._templates: list[Template] = []
        self._successors: list[list[int]] = []
        self._in_degrees: list[int] = []
        self._mapped_nodes: list[MappedNode] = []
        self._collected_inputs: dict[tuple[int, int], FromCollected] = {}
        self._outputs: dict[tuple[str, str], NodeSource] = {}
        self._open_inputs: dict[tuple[str, str], OpenInput] = {}
        self._node_paths: dict[str, OpDefinition | GraphDefinition] = {}

    def plan(self) -> StaticPlan:
        """Flatten the job and return its plan."""
        job = self._job
        inputs = {name: (FromConfig("", name),) for name in job.graph.inputs}
        self._add_graph(job.graph, _Scope("", job.hook_defs, job.op_retry_policy, inputs))
        return StaticPlan(
            job_name=job.name,
            steps=tuple(self._steps),
            templates=tuple(self._templates),
            successors=tuple(map(tuple, self._successors)),
            in_degrees=tuple(self._in_degrees),
            outputs=self._outputs,
            open_inputs=self._open_inputs,
            node_paths=self._node_paths,
            mapped_nodes=tuple(self._mapped_nodes),
            collected_inputs=self._collected_inputs,
        )

    def _add_graph(self, graph: GraphDefinition, scope: _Scope) -> None:
        """Add the steps of a graph, and its outputs under its path."""
        made: dict[NodeOutput, NodeSource] = {}
        prefix = f"{scope.path}." if scope.path else ""
        for node in graph.nodes:
            path = prefix + node.name
            self._node_paths[path] = node.definition
            if isinstance(node.definition, GraphDefinition):
                self._add_subgraph(node, node.definition, path, scope, made)
            elif self._chosen is None or path in self._chosen:
                self._add_node(node, node.definition, path, scope, made)
        for name, binding in graph.outputs.items():
            source = _source_of(binding, made)
            if source is not None:
                self._outputs[scope.path, name] = source

    def _add_subgraph(
        self,
        node: Node,
        graph: GraphDefinition,
        path: str,
        scope: _Scope,
        made: dict[NodeOutput, NodeSource],
    ) -> None:
        inputs: dict[str, tuple[Any, ...]] = {}
        for name in graph.inputs:
            sources = self._sources(node, name, scope, made)
            inputs[name] = (FromConfig(path, name),) if sources is None else sources
        hooks = _merge_hooks(scope.hooks, node.hooks)
        self._add_graph(graph, _Scope(path, hooks, node.retry_policy or scope.retry_policy, inputs))
        for name in graph.outputs:
            source = self._outputs.get((path, name))
            if source is not None:
                made[NodeOutput(node.name, name)] = source

    def _sources(
        self, node: Node, name: str, scope: _Scope, made: dict[NodeOutput, NodeSource]
    ) -> tuple[Any, ...] | None:
        """Return the sources of an input, None where nothing selected feeds it.

        A list as the only source is a fan-in.
        """
        binding = node.inputs.get(name)
        if binding is None:
            return None
        if type(binding) is tuple:
            members: list[Any] = []
            for member in binding:
                if isinstance(member, GraphInput):
                    members.extend(scope.inputs[member.name])
                elif member in made:
                    members.append(made[member])
            if any(isinstance(member, (list, FromCollected)) for member in members):
                raise DefinitionError(
                    f"{self._job.name}: input {name!r} of {node.name!r} is a list, one of whose "
                    f"members is a list already; pass each value on by an input of its own."
                )
            return (members,)
        if isinstance(binding, GraphInput):
            return scope.inputs[binding.name]
        source = _source_of(binding, made)
        return None if source is None else (source,)

    def _add_node(
        self,
        node: Node,
        op: OpDefinition,
        path: str,
        scope: _Scope,
        made: dict[NodeOutput, NodeSource],
    ) -> None:
        """Add a step; below a dynamic output add a mapped node."""
        inputs = [self._input(node, op, name, path, scope, made) for name in op.ins]
        tags = {**op.tags, **node.tags} if node.tags else op.tags
        template, urgency = self._template(node, op, scope), priority(tags, path) if tags else 0
        fan_outs = self._fan_outs_above(inputs, path)
        if fan_outs:
            index = len(self._mapped_nodes)
            mapped_node = MappedNode(path, template, tuple(inputs), tags, urgency, fan_outs)
            self._mapped_nodes.append(mapped_node)
        else:
            index = self._add_step(path, template, inputs, tags, urgency)
        for output in op.outs:
            made[NodeOutput(node.name, output)] = (
                FromMapped(index, output) if fan_outs else FromStep(index, output)
            )

    def _fan_outs_of(self, source: NodeSource) -> tuple[FanOut, ...]:
        return fan_outs_of(source, self._steps, self._mapped_nodes, self._templates)

    def _fan_outs_above(self, inputs: Sequence[MappedInput], path: str) -> tuple[FanOut, ...]:
        """Return the dynamic outputs above a node with these inputs, outermost first."""
        deepest: tuple[FanOut, ...] = ()
        above: list[tuple[MappedInput, NodeSource, tuple[FanOut, ...]]] = []
        for node_input in inputs:
            for source in node_input.sources:
                if type(source) is FromConfig:
                    continue
                fan_outs = self._fan_outs_of(source)
                above.append((node_input, source, fan_outs))
                if len(fan_outs) > len(deepest):
                    deepest = fan_outs
        for node_input, source, fan_outs in above:
            subject = f"{self._job.name}: input {node_input.name!r} of {path!r}"
            if fan_outs != deepest[: len(fan_outs)]:
                raise DefinitionError(
                    f"{subject} and others of its inputs are below different dynamic outputs. "
                    f"Collect one of them first."
                )
            if type(source) is FromCollected and fan_outs != deepest:
                raise DefinitionError(
                    f"{subject} is a collected list, and the op is mapped over other values. Hand "
                    f"the list through an op first, outside of the function that is mapped."
                )
        return deepest

    def _add_step(
        self,
        path: str,
        template: int,
        node_inputs: Sequence[MappedInput],
        tags: Mapping[str, str],
        urgency: int,
    ) -> int:
        index = len(self._steps)
        inputs = tuple(
            [
                self._step_input(index, input_index, node_input)
                for input_index, node_input in enumerate(node_inputs)
            ]
        )
        before = {
            source.step
            for step_input in inputs
            for source in step_input.sources
            if type(source) is FromStep
        }
        for producer in before:
            self._successors[producer].append(index)
        self._in_degrees.append(len(before))
        self._successors.append([])
        self._steps.append(Step(index, path, template, inputs, tags, urgency))
        return index

    def _step_input(self, step: int, index: int, node_input: MappedInput) -> StepInput:
        """Return an input of a step.

        The outermost dynamic output stands for collected values until the run has them.
        """
        name, collected = node_input.name, node_input.collected
        if collected is None:
            sources: Any = node_input.sources
            return StepInput(name, sources, node_input.is_fan_in, node_input.is_nothing)
        fan_out = self._fan_outs_of(innermost(collected))[0]
        self._collected_inputs[step, index] = collected
        return StepInput(
            name, (FromStep(fan_out.node, fan_out.output),), True, node_input.is_nothing
        )

    def _input(
        self,
        node: Node,
        op: OpDefinition,
        name: str,
        path: str,
        scope: _Scope,
        made: dict[NodeOutput, NodeSource],
    ) -> MappedInput:
        declared = op.ins[name]
        sources = self._sources(node, name, scope, made)
        is_nothing = declared.type.is_nothing
        is_fan_in = sources is not None and len(sources) == 1 and isinstance(sources[0], list)
        if is_fan_in and sources is not None:
            sources = tuple(sources[0])
        elif sources is not None and type(sources[0]) is FromCollected:
            sources, is_fan_in = (self._collected(sources[0], path, name),), True
        if is_nothing:
            steps = tuple(source for source in sources or () if type(source) is not FromConfig)
            return MappedInput(name, steps, is_fan_in, True)
        if sources is None:
            sources = (FromConfig(path, name),)
        for source in sources:
            if type(source) is FromConfig:
                is_required = not declared.has_default_value and declared.input_manager_key is None
                kind = item_type(declared.type) if is_fan_in else declared.type
                self._add_open_input(source, kind, is_required, f"{path}.{name}", node, name)
        return MappedInput(name, sources, is_fan_in, False)

    def _collected(self, collected: FromCollected, path: str, name: str) -> NodeSource:
        """Return the source of a collected list.

        It is a single value where the selection leaves out the dynamic output.
        """
        depth, output = 1, collected.source
        while type(output) is FromCollected:
            depth, output = depth + 1, output.source
        fan_outs = self._fan_outs_of(output)
        if depth <= len(fan_outs):
            return collected
        if fan_outs or depth > 1:
            raise SelectionError(
                f"{self._job.name}: input {name!r} of {path!r} is a list of lists, and the "
                f"selection leaves out an op whose dynamic output makes them up; select that one "
                f"too."
            )
        return output

    def _add_open_input(
        self,
        source: FromConfig,
        kind: DagsterType,
        required: bool,
        label: str,
        node: Node,
        name: str,
    ) -> None:
        earlier = self._open_inputs.get(source)
        is_cut = self._chosen is not None and name in node.inputs
        if earlier is not None:
            required, is_cut = required or earlier.required, is_cut or earlier.is_cut
        # The job's own inputs may be given as objects by input_values, whatever their type.
        if required and kind.loader is None and source.path != "":
            raise (SelectionError if is_cut else DefinitionError)(
                f"{self._job.name}: input {label!r} is of type {kind.name}, which run config "
                f"cannot give, and "
                + (
                    "the selection leaves out the op that feeds it; select that one too, or give "
                    "the input a default."
                    if is_cut
                    else "nothing is connected to it; connect an output or give it a default."
                )
            )
        self._open_inputs[source] = OpenInput(kind, required, is_cut)

    def _template(self, node: Node, op: OpDefinition, scope: _Scope) -> int:
        hooks = _merge_hooks(scope.hooks, node.hooks)
        policy = node.retry_policy or op.retry_policy or scope.retry_policy
        identity = (id(op), tuple(map(id, hooks)), id(policy))
        index = self._template_indices.get(identity)
        if index is None:
            index = self._template_indices[identity] = len(self._templates)
            self._templates.append(Template(op, hooks, policy))
        return index


def _source_of(binding: Binding, made: Mapping[NodeOutput, NodeSource]) -> Any:
    """Return the source behind a node's output or a collected list, None where it is left out."""
    if isinstance(binding, Collected):
        inner = _source_of(binding.source, made)
        return None if inner is None else FromCollected(inner)
    return made.get(binding)  # type: ignore[arg-type]  # an output of a node


def _merge_hooks(
    outer: tuple[HookDefinition, ...], inner: tuple[HookDefinition, ...]
) -> tuple[HookDefinition, ...]:
    if not inner:
        return outer
    return tuple({id(hook): hook for hook in (*outer, *inner)}.values())
