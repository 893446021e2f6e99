"""From a job to its plan: graphs made flat, connections resolved to the steps behind them.

The calls in a composed body stand in an order in which each node follows those it takes from, since a handle exists
only after its call; so one pass in that order makes the plan, in time linear in steps and connections.
"""

from __future__ import annotations

import gc
from collections.abc import Mapping, Sequence
from typing import Any
from weakref import WeakKeyDictionary

from rayexec.definitions.composition import GraphInput, Invocation, NodeOutput
from rayexec.definitions.graph import GraphDefinition
from rayexec.definitions.hooks import HookDefinition
from rayexec.definitions.job import JobDefinition
from rayexec.definitions.op import OpDefinition
from rayexec.definitions.retry import RetryPolicy
from rayexec.definitions.tags import priority
from rayexec.errors import DefinitionError, SelectionError
from rayexec.plan.model import FromConfig, FromStep, OpenInput, Plan, Step, StepInput, Template
from rayexec.selection import select

__all__ = ["compile_job"]

# Plans by job and selection: a job is immutable, so is what it compiles to.
_PLANS: WeakKeyDictionary[JobDefinition, dict[frozenset[str] | None, Plan]] = WeakKeyDictionary()


def compile_job(job: JobDefinition, op_selection: Sequence[str] | None = None) -> Plan:
    """Return the plan of ``job``, or of the part of it that ``op_selection`` names.

    Raises SelectionError for clauses that name nothing and for selections that cut an input off that nothing else
    can give; DefinitionError for ops whose resources the job lacks.
    """
    plans = _PLANS.setdefault(job, {})
    if None not in plans:
        plans[None] = _compile(job, None)
    whole = plans[None]
    if not op_selection and not isinstance(op_selection, str):
        return whole
    chosen = select(op_selection or (), _parents(whole))
    if len(chosen) == len(whole.steps):
        return whole
    if chosen not in plans:
        plans[chosen] = _compile(job, chosen)
    return plans[chosen]


def _compile(job: JobDefinition, chosen: frozenset[str] | None) -> Plan:
    # Everything made here stays, so a collector that looked through it, over and over, would find nothing; on plans
    # of 100,000 steps that looking would be two thirds of the time.
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        return _Compiler(job, chosen).compile()
    finally:
        if was_enabled:
            gc.enable()


def _parents(plan: Plan) -> dict[str, list[str]]:
    parents: dict[str, list[str]] = {step.key: [] for step in plan.steps}
    for step in plan.steps:
        for successor in plan.successors[step.index]:
            parents[plan.steps[successor].key].append(step.key)
    return parents


class _Scope:
    """What the nodes of one graph invocation inherit: path, hooks, and the sources behind the graph's inputs."""

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
        self._outputs: dict[tuple[str, str], FromStep] = {}
        self._open: dict[tuple[str, str], OpenInput] = {}
        self._paths: dict[str, OpDefinition | GraphDefinition] = {}
        self._checked: set[int] = set()

    def compile(self) -> Plan:
        job = self._job
        scope = _Scope("", job.hooks, job.op_retry_policy, {each: (FromConfig("", each),) for each in job.graph.inputs})
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
        )

    def _graph(self, graph: GraphDefinition, scope: _Scope) -> None:
        """Add the steps of ``graph``; its outputs go into ``self._outputs`` under its path."""
        made: dict[NodeOutput, FromStep] = {}
        prefix = f"{scope.path}." if scope.path else ""
        for node in graph.nodes:
            path = prefix + node.name
            self._paths[path] = node.definition
            if isinstance(node.definition, GraphDefinition):
                self._subgraph(node, node.definition, path, scope, made)
            elif self._chosen is None or path in self._chosen:
                index = self._step(node, node.definition, path, scope, made)
                for output in node.definition.outs:
                    made[NodeOutput(node.name, output)] = FromStep(index, output)
        for name, source in graph.outputs.items():
            if source in made:
                self._outputs[scope.path, name] = made[source]

    def _subgraph(
        self, node: Invocation, graph: GraphDefinition, path: str, scope: _Scope, made: dict[NodeOutput, FromStep]
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
        self, node: Invocation, name: str, scope: _Scope, made: dict[NodeOutput, FromStep]
    ) -> tuple[Any, ...] | None:
        """Return what feeds an input (a list wrapped in a tuple is a fan-in), or None where nothing selected does."""
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
            if any(isinstance(each, list) for each in members):
                raise DefinitionError(
                    f"{self._job.name}: input {name!r} of {node.name!r} is a list, one of whose members is a list "
                    "already; pass each value on by an input of its own."
                )
            return (members,)
        if isinstance(binding, GraphInput):
            return scope.inputs[binding.name]
        behind = made.get(binding)  # type: ignore[arg-type]  # a single source that is not a GraphInput
        return None if behind is None else (behind,)

    def _step(
        self, node: Invocation, op: OpDefinition, path: str, scope: _Scope, made: dict[NodeOutput, FromStep]
    ) -> int:
        index = len(self._steps)
        inputs = tuple([self._input(node, op, name, path, scope, made) for name in op.ins])
        tags = {**op.tags, **node.tags} if node.tags else op.tags
        before = {source.step for each in inputs for source in each.sources if type(source) is FromStep}
        for producer in before:
            self._successors[producer].append(index)
        self._in_degrees.append(len(before))
        self._successors.append([])
        self._steps.append(
            Step(index, path, self._template(node, op, scope), inputs, tags, priority(tags, path) if tags else 0)
        )
        return index

    def _input(
        self,
        node: Invocation,
        op: OpDefinition,
        name: str,
        path: str,
        scope: _Scope,
        made: dict[NodeOutput, FromStep],
    ) -> StepInput:
        declared = op.ins[name]
        sources = self._sources(node, name, scope, made)
        is_nothing = declared.type.is_nothing
        is_fan_in = sources is not None and len(sources) == 1 and isinstance(sources[0], list)
        if is_fan_in and sources is not None:
            sources = tuple(sources[0])
        if is_nothing:
            return StepInput(name, tuple(each for each in sources or () if type(each) is FromStep), is_fan_in, True)
        if sources is None:
            sources = (FromConfig(path, name),)
        for source in sources:
            if type(source) is FromConfig:
                is_required = not declared.has_default_value and declared.input_manager_key is None
                self._open_input(source, declared.type, is_required, f"{path}.{name}", node, name)
        return StepInput(name, sources, is_fan_in)

    def _open_input(
        self, source: FromConfig, kind: Any, required: bool, where: str, node: Invocation, name: str
    ) -> None:
        known = self._open.get(source)
        if known is not None:
            required = required or known.required
        # The job's own inputs may be given as objects by input_values, whatever their type.
        if required and kind.loader is None and source.path != "":
            cut = self._chosen is not None and name in node.inputs
            raise (SelectionError if cut else DefinitionError)(
                f"{self._job.name}: input {where!r} is of type {kind.name}, which run config cannot give, and "
                + (
                    "the selection leaves out the op that feeds it; select that one too, or give the input a default."
                    if cut
                    else "nothing is connected to it; connect an output or give it a default."
                )
            )
        self._open[source] = OpenInput(kind, required)

    def _template(self, node: Invocation, op: OpDefinition, scope: _Scope) -> int:
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


def _merge_hooks(outer: tuple[HookDefinition, ...], inner: tuple[HookDefinition, ...]) -> tuple[HookDefinition, ...]:
    if not inner:
        return outer
    return tuple({id(hook): hook for hook in (*outer, *inner)}.values())
