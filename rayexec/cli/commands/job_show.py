"""``job list`` and ``job print``: what jobs a file holds, and what one of them is made of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rayexec.cli.exit_codes import SUCCEEDED, with_exit_code
from rayexec.cli.parsing import parse_selection
from rayexec.cli.streams import results_on_stdout, write_json
from rayexec.definitions.job import JobDefinition
from rayexec.launch.job_file import JobSource, find_jobs, load_job
from rayexec.plan import compile_job
from rayexec.views.graph_tree import describe_graph, draw
from rayexec.views.mapped_names import fan_names, in_order

__all__ = ["list_jobs", "print_job"]

_OPS_LISTED = 20


@with_exit_code
def list_jobs(source: JobSource, *, as_json: bool) -> int:
    """Print the jobs of a file, each with its description and its ops in an order in which they can
    run.
    """
    with results_on_stdout() as results:
        jobs = [_describe(attribute, job) for attribute, job in find_jobs(source).items()]
        if as_json:
            write_json(results, {"jobs": jobs})
        else:
            results.write("\n\n".join("\n".join(_listed(job)) for job in jobs) + "\n")
    return SUCCEEDED


def _describe(attribute: str, job: JobDefinition) -> dict[str, Any]:
    plan = compile_job(job)
    ops = [
        plan.mapped_nodes[each].key if isinstance(each, int) else each.key
        for each in in_order(plan)
    ]
    return {"name": job.name, "attribute": attribute, "description": job.description, "ops": ops}


def _listed(job: Mapping[str, Any]) -> Iterator[str]:
    yield (
        job["name"]
        if job["name"] == job["attribute"]
        else f"{job['name']} (attribute {job['attribute']})"
    )
    if job["description"]:
        yield from (f"  {line}".rstrip() for line in job["description"].splitlines())
    ops: Sequence[str] = job["ops"]
    more = f" and {len(ops) - _OPS_LISTED:,} more" if len(ops) > _OPS_LISTED else ""
    yield f"  {len(ops):,} op{'' if len(ops) == 1 else 's'}: {', '.join(ops[:_OPS_LISTED])}{more}"


@with_exit_code
def print_job(source: JobSource, op_selection: tuple[str, ...], *, as_json: bool) -> int:
    """Print a job as a tree of its nodes."""
    with results_on_stdout() as results:
        selection = parse_selection(op_selection)
        job = load_job(source)
        plan = compile_job(job, selection)
        mapped = {node.key: fan_names(plan, node.fan_outs) for node in plan.mapped_nodes}
        nodes = describe_graph(job.graph, "", plan.ops_by_key.keys(), mapped)
        inputs = list(job.graph.inputs)
        if as_json:
            write_json(
                results,
                {"job": job.name, "description": job.description, "inputs": inputs, "nodes": nodes},
            )
        else:
            results.writelines(
                f"{line}\n" for line in draw(job.name, job.description, inputs, nodes)
            )
    return SUCCEEDED
