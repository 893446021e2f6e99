"""From a job to its plan: graphs made flat, connections resolved to the steps behind them.

The calls in a composed body stand in an order in which each node follows those it takes from, since
a handle exists only after its call; so one pass in that order makes the plan, in time linear in
steps and connections.
"""

from __future__ import annotations

import gc
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any
from weakref import WeakKeyDictionary

from rayexec.definitions.graph import GraphDefinition, Node
from rayexec.definitions.handles import Binding, Collected, GraphInput, NodeOutput
from rayexec.definitions.hooks import HookDefinition
from rayexec.definitions.job import JobDefinition
from rayexec.definitions.op import OpDefinition
from rayexec.definitions.retry import RetryPolicy
from rayexec.definitions.tags import priority
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
    Plan,
    Step,
    StepInput,
    Template,
    fan_outs_of,
    innermost,
)
from rayexec.selection import select, selected_keys

__all__ = ["compile_job"]

# Plans by job and selection: a job is immutable, so is what it compiles to.
_PLANS: WeakKeyDictionary[JobDefinition, dict[object, Plan]] = WeakKeyDictionary()


def compile_job(job: JobDefinition, op_selection: Sequence[str] | None = None) -> Plan:
    """Return the plan of ``job``, or of the part of it that ``op_selection`` names.

    Raises SelectionError for clauses that name nothing and for selections that cut an input off
    that nothing else can give; DefinitionError for ops whose resources the job lacks.
    """
    plans = _PLANS.setdefault(job, {})
    if None not in plans:
        plans[None] = _compile(job, None)
    whole = plans[None]
    if not op_selection and not isinstance(op_selection, str):
        return whole
    chosen = select(op_selection or (), _parents(whole))
    if len(chosen) == len(whole.steps) + len(whole.mapped_nodes):
        plan = whole
    else:
        if chosen not in plans:
            plans[chosen] = _compile(job, chosen)
        plan = plans[chosen]
    keys = selected_keys(op_selection)
    if not keys:
        return plan
    narrowed = (
        chosen,
        tuple(sorted((path, each) for path, several in keys.items() for each in several)),
    )
    if narrowed not in plans:
        plans[narrowed] = replace(plan, selected_keys=_fans_of(plan, whole, keys))
    return plans[narrowed]


def _fans_of(
    plan: Plan, whole: Plan, keys: Mapping[str, Sequence[tuple[str, ...]]]
) -> dict[FanOut, tuple[tuple[str, ...], ...]]:
    """Return the mapping keys that a selection narrows dynamic outputs to; raises SelectionError
    where it cannot.
    """
    found: dict[FanOut, dict[tuple[str, ...], None]] = {}
    for path, several in keys.items():
        node = _mapped_at(plan, path)
        for named in several:
            clause = f"{path}[{','.join(named)}]"
            if node is None:
                raise SelectionError(
                    f"Op selection clause {clause!r}: "
                    + (
                        f"{path!r} is mapped over a dynamic output from which the selection cuts "
                        f"it off, and nothing "
                        f"is stored of that here. Select all that is before it: ['*{clause}']."
                        if _mapped_at(whole, path) is not None
                        else f"{path!r} is not mapped over a dynamic output, so it has no mapping "
                        f"keys."
                    ),
                    clause=clause,
                )
            if len(named) != len(node.fan_outs):
                raise SelectionError(
                    f"Op selection clause {clause!r}: {path!r} is below {len(node.fan_outs)} dynamic "
                    f"outputs, and takes "
                    f"as many mapping keys, outermost first: "
                    f"{path}[{','.join(['?'] * len(node.fan_outs))}].",
                    clause=clause,
                )
            for depth, fan in enumerate(node.fan_outs, start=1):
                found.setdefault(fan, {})[named[:depth]] = None
    return {fan: tuple(patterns) for fan, patterns in found.items()}


def _mapped_at(plan: Plan, path: str) -> MappedNode | None:
    """Return the mapped node at a path, or of those in the graph there the one that is below fewest
    dynamic outputs.
    """
    inside = [
        node for node in plan.mapped_nodes if node.key == path or node.key.startswith(f"{path}.")
    ]
    return min(inside, key=lambda node: len(node.fan_outs), default=None)


def _compile(job: JobDefinition, chosen: frozenset[str] | None) -> Plan:
    # Everything made here stays, so a collector that looked through it, over and over, would find
    # nothing; on plans of 100,000 steps that looking would be two thirds of the time.
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        return _Compiler(job, chosen).compile()
    finally:
        if was_enabled:
            gc.enable()


def _parents(plan: Plan) -> dict[str, list[str]]:
    def origin(symbol: NodeSource) -> str | None:
        if isinstance(symbol, FromCollected):
            symbol = innermost(symbol)
        if type(symbol) is FromMapped:
            return plan.mapped_nodes[symbol.node].key
        return plan.steps[symbol.step].key if type(symbol) is FromStep else None

    parents: dict[str, list[str]] = {}
    nodes: list[Step | MappedNode] = [*plan.steps, *plan.mapped_nodes]
    for node in nodes:
        inputs: Sequence[StepInput | MappedInput] = node.inputs
        symbols: list[NodeSource] = []
        for place, each in enumerate(inputs):
            # In a step the dynamic output stands for what is collected below it.
            gathered = (
                plan.collected_inputs.get((node.index, place)) if isinstance(node, Step) else None
            )
            symbols += each.sources if gathered is None else (gathered,)
        parents[node.key] = [key for key in dict.fromkeys(map(origin, symbols)) if key is not None]
    return parents


class _Scope:
    """What the nodes of one graph invocation inherit: path, hooks, and the sources behind the
    graph's inputs.
    """

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


class _Compiler:
    def __init__(self, job: JobDefinition, chosen: frozenset[str] | None) -> None:
        self._job = job
        self._chosen = chosen
        self._steps: list[Step] = []
        self._templates: dict[tuple[int, tuple[int, ...], int], int] = {}
        self._template_list: list[Template] = []
        self._successors: list[list[int]] = []
        self._in_degrees: list[int] = []
        self._mapped: list[MappedNode] = []
        self._collected_inputs: dict[tuple[int, int], FromCollected] = {}
        self._outputs: dict[tuple[str, str], NodeSource] = {}
        self._open: dict[tuple[str, str], OpenInput] = {}
        self._paths: dict[str, OpDefinition | GraphDefinition] = {}
        self._checked: set[int] = set()

    def compile(self) -> Plan:
        job = self._job
        scope = _Scope(
            "",
            job.hooks,
            job.op_retry_policy,
            {each: (FromConfig("", each),) for each in job.graph.inputs},
        )
        self._graph(job.graph, scope)
        return Plan(
            job_name=job.name,
            steps=tuple(self._steps),
            templates=tuple(self._template_list),
            successors=tuple(map(tuple, self._successors)),
            in_degrees=tuple(self._in_degrees),
            outputs=self._outputs,
            open_inputs=self._open,
            node_paths=self._paths,
            mapped_nodes=tuple(self._mapped),
            collected_inputs=self._collected_inputs,
        )

    def _graph(self, graph: GraphDefinition, scope: _Scope) -> None:
        """Add the steps of ``graph``; its outputs go into ``self._outputs`` under its path."""
        made: dict[NodeOutput, NodeSource] = {}
        prefix = f"{scope.path}." if scope.path else ""
        for node in graph.nodes:
            path = prefix + node.name
            self._paths[path] = node.definition
            if isinstance(node.definition, GraphDefinition):
                self._subgraph(node, node.definition, path, scope, made)
            elif self._chosen is None or path in self._chosen:
                self._node(node, node.definition, path, scope, made)
        for name, source in graph.outputs.items():
            behind = _behind(source, made)
            if behind is not None:
                self._outputs[scope.path, name] = behind

    def _subgraph(
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
        self._graph(graph, _Scope(path, hooks, node.retry_policy or scope.retry_policy, inputs))
        for name in graph.outputs:
            behind = self._outputs.get((path, name))
            if behind is not None:
                made[NodeOutput(node.name, name)] = behind

    def _sources(
        self, node: Node, name: str, scope: _Scope, made: dict[NodeOutput, NodeSource]
    ) -> tuple[Any, ...] | None:
        """Return what feeds an input (a list wrapped in a tuple is a fan-in), or None where nothing
        selected does.
        """
        binding = node.inputs.get(name)
        if binding is None:
            return None
        if type(binding) is tuple:
            members: list[Any] = []
            for each in binding:
                if isinstance(each, GraphInput):
                    members.extend(scope.inputs[each.name])
                elif each in made:
                    members.append(made[each])
            if any(isinstance(each, (list, FromCollected)) for each in members):
                raise DefinitionError(
                    f"{self._job.name}: input {name!r} of {node.name!r} is a list, one of whose "
                    f"members is a list "
                    "already; pass each value on by an input of its own."
                )
            return (members,)
        if isinstance(binding, GraphInput):
            return scope.inputs[binding.name]
        behind = _behind(binding, made)
        return None if behind is None else (behind,)

    def _node(
        self,
        node: Node,
        op: OpDefinition,
        path: str,
        scope: _Scope,
        made: dict[NodeOutput, NodeSource],
    ) -> None:
        """Add a step, or a mapped node where any of what it takes is below a dynamic output."""
        inputs = [self._input(node, op, name, path, scope, made) for name in op.ins]
        tags = {**op.tags, **node.tags} if node.tags else op.tags
        template, urgency = self._template(node, op, scope), priority(tags, path) if tags else 0
        level = self._level(inputs, path)
        if level:
            place = len(self._mapped)
            self._mapped.append(MappedNode(path, template, tuple(inputs), tags, urgency, level))
        else:
            index = self._step(path, template, inputs, tags, urgency)
        for output in op.outs:
            made[NodeOutput(node.name, output)] = (
                FromMapped(place, output) if level else FromStep(index, output)
            )

    def _level(self, inputs: Sequence[MappedInput], path: str) -> tuple[FanOut, ...]:
        """Return the dynamic outputs that a node with these inputs is below."""
        deepest: tuple[FanOut, ...] = ()
        found: list[tuple[MappedInput, NodeSource, tuple[FanOut, ...]]] = []
        for each in inputs:
            for source in each.sources:
                if type(source) is FromConfig:
                    continue
                level = fan_outs_of(source, self._steps, self._mapped, self._template_list)
                found.append((each, source, level))
                if len(level) > len(deepest):
                    deepest = level
        for each, source, level in found:
            where = f"{self._job.name}: input {each.name!r} of {path!r}"
            if level != deepest[: len(level)]:
                raise DefinitionError(
                    f"{where} and others of its inputs are below different dynamic outputs. "
                    f"Collect one of them first."
                )
            if type(source) is FromCollected and level != deepest:
                raise DefinitionError(
                    f"{where} is a collected list, and the op is mapped over other values. Hand "
                    f"the list through an op "
                    "first, outside of the function that is mapped."
                )
        return deepest

    def _step(
        self,
        path: str,
        template: int,
        symbols: Sequence[MappedInput],
        tags: Mapping[str, str],
        urgency: int,
    ) -> int:
        index = len(self._steps)
        inputs = tuple([self._step_input(index, place, each) for place, each in enumerate(symbols)])
        before = {
            source.step for each in inputs for source in each.sources if type(source) is FromStep
        }
        for producer in before:
            self._successors[producer].append(index)
        self._in_degrees.append(len(before))
        self._successors.append([])
        self._steps.append(Step(index, path, template, inputs, tags, urgency))
        return index

    def _step_input(self, index: int, place: int, given: MappedInput) -> StepInput:
        """Return an input of a step; what it gathers stands for the dynamic output that must be
        known before.
        """
        gathered = given.collected
        if gathered is None:
            return StepInput(given.name, given.sources, given.is_fan_in, given.is_nothing)  # type: ignore[arg-type]
        fan = fan_outs_of(innermost(gathered), self._steps, self._mapped, self._template_list)[0]
        self._collected_inputs[index, place] = gathered
        return StepInput(given.name, (FromStep(fan.node, fan.output),), True, given.is_nothing)

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
            sources, is_fan_in = (self._gathered(sources[0], path, name),), True
        if is_nothing:
            return MappedInput(
                name,
                tuple(each for each in sources or () if type(each) is not FromConfig),
                is_fan_in,
                True,
            )
        if sources is None:
            sources = (FromConfig(path, name),)
        for source in sources:
            if type(source) is FromConfig:
                is_required = not declared.has_default_value and declared.input_manager_key is None
                self._open_input(source, declared.type, is_required, f"{path}.{name}", node, name)
        return MappedInput(name, sources, is_fan_in, False)

    def _gathered(self, gathered: FromCollected, path: str, name: str) -> NodeSource:
        """Return what a list is made of: one value where the selection left the dynamic output out."""
        depth, inner = 1, gathered.source
        while type(inner) is FromCollected:
            depth, inner = depth + 1, inner.source
        levels = fan_outs_of(inner, self._steps, self._mapped, self._template_list)
        if depth <= len(levels):
            return gathered
        if levels or depth > 1:
            raise SelectionError(
                f"{self._job.name}: input {name!r} of {path!r} is a list of lists, and the "
                f"selection leaves out an op "
                "whose dynamic output makes them up; select that one too."
            )
        return inner

    def _open_input(
        self, source: FromConfig, kind: Any, required: bool, where: str, node: Node, name: str
    ) -> None:
        known = self._open.get(source)
        cut = self._chosen is not None and name in node.inputs
        if known is not None:
            required, cut = required or known.required, cut or known.is_cut
        # The job's own inputs may be given as objects by input_values, whatever their type.
        if required and kind.loader is None and source.path != "":
            raise (SelectionError if cut else DefinitionError)(
                f"{self._job.name}: input {where!r} is of type {kind.name}, which run config "
                f"cannot give, and "
                + (
                    "the selection leaves out the op that feeds it; select that one too, or give "
                    "the input a default."
                    if cut
                    else "nothing is connected to it; connect an output or give it a default."
                )
            )
        self._open[source] = OpenInput(kind, required, cut)

    def _template(self, node: Node, op: OpDefinition, scope: _Scope) -> int:
        hooks = _merge_hooks(scope.hooks, node.hooks)
        policy = node.retry_policy or op.retry_policy or scope.retry_policy
        identity = (id(op), tuple(map(id, hooks)), id(policy))
        found = self._templates.get(identity)
        if found is None:
            self._check_resources(op, hooks)
            found = self._templates[identity] = len(self._template_list)
            self._template_list.append(Template(op, hooks, policy))
        return found

    def _check_resources(self, op: OpDefinition, hooks: tuple[HookDefinition, ...]) -> None:
        # Keys only: what a run adds by resources= is known when it starts, and checked there.
        for key in op.required_resource_keys:
            if not isinstance(key, str):
                raise DefinitionError(f"op {op.name!r}: resource keys are strings, got {key!r}.")


def _behind(binding: Binding, made: Mapping[NodeOutput, NodeSource]) -> Any:
    """Return what is behind an output of a node, or behind the list of its values; None where it is
    not selected.
    """
    if isinstance(binding, Collected):
        inner = _behind(binding.source, made)
        return None if inner is None else FromCollected(inner)
    return made.get(binding)  # type: ignore[arg-type]  # an output of a node


def _merge_hooks(
    outer: tuple[HookDefinition, ...], inner: tuple[HookDefinition, ...]
) -> tuple[HookDefinition, ...]:
    if not inner:
        return outer
    return tuple({id(hook): hook for hook in (*outer, *inner)}.values())
