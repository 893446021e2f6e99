"""``job plan``: what a run would do, without doing it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from rayexec.cli.exit_codes import SUCCEEDED, with_exit_code
from rayexec.cli.parsing import RunOptions, parse_selection
from rayexec.cli.streams import results_on_stdout, write_json
from rayexec.cluster import capacity_here, connect, releasing
from rayexec.config.execution import ExecutionSettings
from rayexec.config.files import read_run_config
from rayexec.execute import prepare
from rayexec.launch.job_file import JobSource, load_job
from rayexec.placement.bound import bounds, longest_path
from rayexec.placement.capacity import Capacity
from rayexec.placement.choice import driver_placement
from rayexec.placement.limits import MAX_CONCURRENT, Placement
from rayexec.placement.preflight import notes, problems
from rayexec.plan import Plan
from rayexec.plan.model import MappedNode, Step
from rayexec.run.spec import RunSpec
from rayexec.views.mapped_names import at_least, fan_names, in_order, mapped_key, sources_of
from rayexec.views.run_summary import duration
from rayexec.views.step_times import Timings, given_timings, last_timings

__all__ = ["print_plan"]

_PATH_SHOWN = 8
# What a Ray of our own has of these is known only once it runs.
_UNKNOWN = frozenset({"GPU", "memory", "labels"})


@with_exit_code
def print_plan(
    source: JobSource, wanted: RunOptions, *, timings: Path | None = None, as_json: bool
) -> int:
    """Print the steps of a run with their requests, and its limits; asks a cluster only where an
    address is given.
    """
    with results_on_stdout() as results:
        selection = parse_selection(wanted.op_selection)
        config = read_run_config(wanted.config)
        spec = _with_options(prepare(load_job(source), config, op_selection=selection), wanted)
        known = last_timings(spec.plan) if timings is None else given_timings(spec.plan, timings)
        document = _describe(spec, _capacity(wanted.address, spec), known)
        if as_json:
            write_json(results, document)
        else:
            results.writelines(f"{line}\n" for line in _lines(document))
    return SUCCEEDED


def _with_options(spec: RunSpec, wanted: RunOptions) -> RunSpec:
    """Return ``spec`` with what the options say over its config, as a run takes them."""
    settings = spec.config.execution
    if wanted.address is not None:
        settings = replace(settings, address=wanted.address, engine="ray")
    if wanted.max_concurrent is not None and settings.engine == "ray":
        settings = replace(settings, max_concurrent=wanted.max_concurrent)
    return replace(spec, config=replace(spec.config, execution=settings))


def _capacity(address: str | None, spec: RunSpec) -> Capacity | None:
    """Return what there is to run on: the cluster's, this machine's, or None for a cluster that is
    not asked.
    """
    if address is not None:
        release = releasing()
        try:
            return connect(address, spec.config.execution.runtime_env)
        finally:
            release()
    # A process of its own begins its Ray with the run's environment.
    here = replace(capacity_here(), runtime_env=spec.config.execution.runtime_env)
    return None if spec.config.execution.address is not None else here


def _describe(spec: RunSpec, capacity: Capacity | None, timings: Timings | None) -> dict[str, Any]:
    settings, plan = spec.config.execution, spec.plan
    seconds = None if timings is None else timings.seconds
    on_ray = settings.engine == "ray"
    if on_ray:
        placement = spec.choose_placement(capacity or Capacity((), False, groups=None))
    else:
        placement = driver_placement(plan, slots=1, max_concurrent=1)
    lacking: list[str] = []
    told: list[str] = []
    if on_ray and capacity is not None:
        unknown = _UNKNOWN if capacity.is_own else frozenset()
        lacking = problems(plan, placement, capacity, unknown=unknown)
        told = notes(
            plan,
            placement,
            capacity,
            max_concurrent=settings.max_concurrent,
            runtime_env=settings.runtime_env,
            unknown=unknown,
        )
    path = longest_path(plan, seconds)
    least = bounds(plan, placement, seconds)[0] if seconds is not None and plan.steps else None
    return {
        "job": spec.info.job_name,
        "execution": _execution(settings, capacity, placement),
        "limits": _limits(plan, placement),
        "steps_at_least": len(plan.steps),
        "is_exact": not plan.mapped_nodes,
        "timings": None if timings is None else timings.source,
        "longest_path": [plan.steps[step].key for step in path],
        "longest_path_seconds": None if seconds is None else sum(seconds[step] for step in path),
        "makespan_bound": None
        if least is None
        else {"seconds": least.seconds, "because_of": least.reason},
        "problems": lacking,
        "notes": told,
        "steps": [_node(plan, placement, each, on_ray=on_ray) for each in in_order(plan)],
    }


def _node(plan: Plan, placement: Placement, step: Step | int, *, on_ray: bool) -> dict[str, Any]:
    """Describe a step, or what stands for all steps of the mapped node at a place."""
    node: Step | MappedNode
    if isinstance(step, int):
        node = plan.mapped_nodes[step]
        key, number, over = (
            mapped_key(node),
            placement.class_of_mapped[step],
            fan_names(plan, node.fan_outs),
        )
        only = [",".join(keys) for keys in plan.selected_keys.get(node.fan_outs[-1], ())]
    else:
        node = step
        key, number, over, only = step.key, placement.class_of[step.index], [], []
    known = placement.classes[number]
    limits = [(placement.limits[place].name, weight) for place, weight in known.limits]
    return {
        "key": key,
        "op": plan.templates[node.template].op.name,
        "for_each": over,
        "only": only,
        "after": sources_of(plan, node),
        "request": known.request.as_options() if on_ray else None,
        "asks_for": str(known.request) if on_ray else None,
        "limits": {name: weight for name, weight in limits if name != MAX_CONCURRENT},
        "tags": dict(node.tags),
    }


def _limits(plan: Plan, placement: Placement) -> list[dict[str, Any]]:
    counted = [0] * len(placement.classes)
    for number in placement.class_of:
        counted[number] += 1
    mapped: dict[int, list[str]] = {}
    for node, number in zip(plan.mapped_nodes, placement.class_of_mapped, strict=True):
        for place, _ in placement.classes[number].limits:
            mapped.setdefault(place, []).append(mapped_key(node))
    return [
        {
            "limit": limit.name,
            "most": limit.most,
            "steps": sum(
                counted[number]
                for number, known in enumerate(placement.classes)
                if any(each == place for each, _ in known.limits)
            ),
            "mapped": mapped.get(place, []),
            "held_by": limit.holder.value,
            "how": limit.description,
            "resource": limit.resource,
            "nodes": limit.nodes,
        }
        for place, limit in enumerate(placement.limits)
    ]


def _execution(
    settings: ExecutionSettings, capacity: Capacity | None, placement: Placement
) -> dict[str, Any]:
    if settings.engine == "in_process":
        return {
            "engine": "in_process",
            "where": "in this process, one step after another",
            "max_concurrent": {"limit": 1, "reason": "the process itself"},
            "retries": settings.retries,
        }
    limit, reason = settings.max_concurrent, "from the config or the command line"
    if limit is None and placement.limits and placement.limits[0].name == MAX_CONCURRENT:
        limit, reason = placement.limits[0].most, "the CPUs there are"
    where = "a Ray started on this machine for the run"
    if settings.address not in (None, "local"):
        where = f"the Ray cluster at {settings.address}"
    found = None if capacity is None else {"nodes": len(capacity.nodes), "cpus": capacity.cpus}
    return {
        "engine": "ray",
        "where": where,
        "capacity": found,
        "max_concurrent": {"limit": limit, "reason": reason}
        if limit is not None
        else {"limit": None, "reason": "as many as the cluster's CPUs take"},
        "processes": "a fresh one for each step"
        if settings.fresh_process
        else "warm workers, used again",
        "retries": settings.retries,
    }


def _lines(document: Mapping[str, Any]) -> Iterator[str]:
    steps, execution = document["steps"], document["execution"]
    yield f"{document['job']}: {_count(document)}, {execution['where']}"
    yield ""
    on_ray = execution["engine"] == "ray"
    is_limited = any(step["limits"] for step in steps)
    is_mapped = not document["is_exact"]
    header = [
        "",
        "step",
        *(["asks Ray for"] if on_ray else []),
        *(["counts in"] if is_limited else []),
    ]
    rows = [[*header, *(["one for each of"] if is_mapped else []), "after"]]
    for number, step in enumerate(steps, start=1):
        row = [str(number), step["key"]]
        if on_ray:
            row.append(step["asks_for"])
        if is_limited:
            names = [
                name if weight == 1 else f"{name} ({weight})"
                for name, weight in step["limits"].items()
            ]
            row.append(", ".join(names) or "-")
        if is_mapped:
            only = (
                f" (only {_shortened([f'[{keys}]' for keys in step['only']])})"
                if step["only"]
                else ""
            )
            row.append(f"{', '.join(step['for_each'])}{only}" or "-")
        rows.append([*row, _shortened(step["after"])])
    yield from _columns(rows)
    yield ""
    yield from _execution_lines(execution, document["limits"])
    yield from _path_lines(document)
    for kind in ("problems", "notes"):
        for number, words in enumerate(document[kind]):
            yield f"{kind.removesuffix('s') if not number else '':<14}  {words}"


def _count(document: Mapping[str, Any]) -> str:
    more = not document["is_exact"]
    known = at_least(document["steps_at_least"], "step", more=more)
    return f"{known}, and [?] once for each value that comes" if more else known


def _shortened(keys: Sequence[str]) -> str:
    return ", ".join(keys[:5]) + (f" and {len(keys) - 5:,} more" if len(keys) > 5 else "") or "-"


def _columns(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        number, *cells = row
        first = f"{number:>{widths[0]}}"
        yield "  ".join(
            [first, *(f"{cell:<{width}}" for cell, width in zip(cells, widths[1:], strict=True))]
        ).rstrip()


def _execution_lines(
    execution: Mapping[str, Any], limits: Sequence[Mapping[str, Any]]
) -> Iterator[str]:
    yield f"engine          {execution['engine']}: {execution['where']}"
    if execution.get("capacity"):
        found = execution["capacity"]
        yield (
            f"capacity        {found['cpus']:g} CPUs on {found['nodes']} "
            f"node{'' if found['nodes'] == 1 else 's'}"
        )
    most = execution["max_concurrent"]
    how = next((each["how"] for each in limits if each["limit"] == MAX_CONCURRENT), "held by Ray")
    if execution["engine"] != "ray":
        yield f"max_concurrent  1; held by {most['reason']}"
    elif most["limit"] is None:
        yield f"max_concurrent  {most['reason']}; held by Ray"
    else:
        yield f"max_concurrent  {most['limit']} ({most['reason']}); {how}"
    for each in limits:
        if each["limit"] != MAX_CONCURRENT:
            count = (
                [at_least(each["steps"], "step", more=False)]
                if each["steps"] or not each["mapped"]
                else []
            )
            who = " and ".join([*count, *([_shortened(each["mapped"])] if each["mapped"] else [])])
            yield (
                f"limit           {each['limit']}: {each['most']} at once, for {who}; {each['how']}"
            )
    if "processes" in execution:
        yield f"processes       {execution['processes']}"
    if not execution["retries"]:
        yield "retries         disabled"


def _path_lines(document: Mapping[str, Any]) -> Iterator[str]:
    path = document["longest_path"]
    if not path:
        return
    shown = path if len(path) <= _PATH_SHOWN else [*path[: _PATH_SHOWN - 2], "…", path[-1]]
    spent = document["longest_path_seconds"]
    took = "" if spent is None else f", {duration(spent)}"
    more = not document["is_exact"]
    uncounted = "; steps of dynamic outputs are not counted" if more else ""
    yield (
        f"longest path    {at_least(len(path), 'step', more=more)}{took}: "
        f"{' → '.join(shown)}{uncounted}"
    )
    least = document["makespan_bound"]
    if least is not None:
        because = f"because of {least['because_of']}, by the times of {document['timings']}"
        yield f"takes at least  {duration(least['seconds'])}, {because}{uncounted}"
