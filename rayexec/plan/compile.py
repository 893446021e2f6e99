"""Compilation of a job, or of a selection of its ops, to a plan."""

from __future__ import annotations

import gc
from collections.abc import Mapping, Sequence
from dataclasses import replace
from weakref import WeakKeyDictionary

from rayexec.definitions.graphs.job_definition import JobDefinition
from rayexec.errors import SelectionError
from rayexec.plan.flattening import Flattening
from rayexec.plan.model import (
    FanOut,
    FromCollected,
    FromMapped,
    FromStep,
    MappedInput,
    MappedNode,
    NodeSource,
    Step,
    StepInput,
    innermost,
)
from rayexec.plan.static_plan import StaticPlan
from rayexec.selection import select, selected_keys

__all__ = ["compile_job"]

# Plans by job and selection. A job is immutable, and so are its plans.
_PLANS: WeakKeyDictionary[JobDefinition, dict[object, StaticPlan]] = WeakKeyDictionary()


def compile_job(job: JobDefinition, op_selection: Sequence[str] | None = None) -> StaticPlan:
    """Return the plan of ``job``, or of the part of it that ``op_selection`` names.

    A job with a selection of its own is that part, and ``op_selection`` names parts of it. Raises
    SelectionError for clauses without a match, and for a selection without the only possible
    source of an input. Raises DefinitionError for a malformed job.
    """
    plans = _PLANS.setdefault(job, {})
    if None not in plans:
        plans[None] = _flatten(job, None)
    plan = plans[None]
    for clauses in (job.op_selection, op_selection):
        if clauses or isinstance(clauses, str):
            plan = _selected(job, plan, clauses)
    return plan


def _selected(job: JobDefinition, whole: StaticPlan, op_selection: Sequence[str]) -> StaticPlan:
    """Return the plan of the part of ``whole`` that ``op_selection`` names."""
    plans = _PLANS[job]
    chosen = select(op_selection, _parents(whole))
    if len(chosen) == len(whole.steps) + len(whole.mapped_nodes):
        plan = whole
    else:
        if chosen not in plans:
            plans[chosen] = _flatten(job, chosen)
        plan = plans[chosen]
    keys = selected_keys(op_selection)
    if not keys:
        return plan
    narrowed = (
        chosen,
        tuple(sorted((path, pattern) for path, patterns in keys.items() for pattern in patterns)),
    )
    if narrowed not in plans:
        plans[narrowed] = replace(plan, selected_keys=_keys_of_fan_outs(plan, whole, keys))
    return plans[narrowed]


def _flatten(job: JobDefinition, chosen: frozenset[str] | None) -> StaticPlan:
    # All objects made here stay, so the garbage collector would search them again and again for
    # nothing; on plans of 100,000 steps these searches take two thirds of the time.
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        return Flattening(job, chosen).plan()
    finally:
        if was_enabled:
            gc.enable()


def _keys_of_fan_outs(
    plan: StaticPlan, whole: StaticPlan, keys: Mapping[str, Sequence[tuple[str, ...]]]
) -> dict[FanOut, tuple[tuple[str, ...], ...]]:
    """Return the selected mapping keys by dynamic output.

    ``keys`` has the patterns that the selection names behind paths. Raises SelectionError for a
    pattern that does not fit its node.
    """
    patterns: dict[FanOut, dict[tuple[str, ...], None]] = {}
    for path, named_patterns in keys.items():
        node = _mapped_at(plan, path)
        for pattern in named_patterns:
            clause = f"{path}[{','.join(pattern)}]"
            if node is None:
                raise SelectionError(
                    f"Op selection clause {clause!r}: "
                    + (
                        f"{path!r} is mapped over a dynamic output from which the selection cuts "
                        f"it off, and nothing is stored of that here. Select all that is before "
                        f"it: ['*{clause}']."
                        if _mapped_at(whole, path) is not None
                        else f"{path!r} is not mapped over a dynamic output, so it has no mapping "
                        f"keys."
                    ),
                    clause=clause,
                )
            if len(pattern) != len(node.fan_outs):
                form = ",".join(["?"] * len(node.fan_outs))
                raise SelectionError(
                    f"Op selection clause {clause!r}: {path!r} is below {len(node.fan_outs)} "
                    f"dynamic outputs, and takes as many mapping keys, outermost first: "
                    f"{path}[{form}].",
                    clause=clause,
                )
            for depth, fan_out in enumerate(node.fan_outs, start=1):
                patterns.setdefault(fan_out, {})[pattern[:depth]] = None
    return {fan_out: tuple(fitting) for fan_out, fitting in patterns.items()}


def _mapped_at(plan: StaticPlan, path: str) -> MappedNode | None:
    """Return the mapped node at a path; for a graph the one in it below fewest dynamic outputs."""
    inside = [
        node for node in plan.mapped_nodes if node.key == path or node.key.startswith(f"{path}.")
    ]
    return min(inside, key=lambda node: len(node.fan_outs), default=None)


def _parents(plan: StaticPlan) -> dict[str, list[str]]:
    """Return for each node the keys of the nodes that feed it."""

    def origin(source: NodeSource) -> str | None:
        if isinstance(source, FromCollected):
            source = innermost(source)
        if type(source) is FromMapped:
            return plan.mapped_nodes[source.node].key
        return plan.steps[source.step].key if type(source) is FromStep else None

    parents: dict[str, list[str]] = {}
    nodes: list[Step | MappedNode] = [*plan.steps, *plan.mapped_nodes]
    for node in nodes:
        inputs: Sequence[StepInput | MappedInput] = node.inputs
        sources: list[NodeSource] = []
        for index, node_input in enumerate(inputs):
            # In a step, the dynamic output stands for the values collected below it.
            collected = (
                plan.collected_inputs.get((node.index, index)) if isinstance(node, Step) else None
            )
            sources += node_input.sources if collected is None else (collected,)
        parents[node.key] = [key for key in dict.fromkeys(map(origin, sources)) if key is not None]
    return parents
