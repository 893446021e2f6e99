"""Outline of a job: its ops in order, and its nodes as a tree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rayexec.definitions.graphs.job_definition import JobDefinition
from rayexec.plan import compile_job
from rayexec.views.graph_outline import NodeOutline, outline_of_graph
from rayexec.views.mapped_names import fan_names, in_order

__all__ = ["JobListing", "JobOutline", "list_job", "outline_of_job"]


@dataclass(frozen=True, slots=True)
class JobListing:
    """A job of a file, with its ops in an order in which they can run."""

    name: str
    #: Name in the file.
    attribute: str
    description: str | None
    ops: list[str]

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON-able data."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class JobOutline:
    """A job, or the selected part of it, as a tree of nodes."""

    job: str
    description: str | None
    inputs: list[str]
    nodes: list[NodeOutline]

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON-able data."""
        return {
            "job": self.job,
            "description": self.description,
            "inputs": self.inputs,
            "nodes": [node.to_dict() for node in self.nodes],
        }


def list_job(attribute: str, job: JobDefinition) -> JobListing:
    """Return the listing of a job; ``attribute`` is its name in the file."""
    plan = compile_job(job)
    ops = [
        plan.mapped_nodes[node].key if isinstance(node, int) else node.key
        for node in in_order(plan)
    ]
    return JobListing(job.name, attribute, job.description, ops)


def outline_of_job(job: JobDefinition, op_selection: Sequence[str] | None) -> JobOutline:
    """Return the outline of the selected ops of a job, of all without a selection."""
    plan = compile_job(job, op_selection)
    mapped = {node.key: fan_names(plan, node.fan_outs) for node in plan.mapped_nodes}
    nodes = outline_of_graph(job.graph, "", plan.ops_by_key.keys(), mapped)
    return JobOutline(job.name, job.description, list(job.graph.inputs), nodes)
