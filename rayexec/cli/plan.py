"""``job plan``: what a run would do, without doing it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from rayexec.cli.config_files import read_run_config
from rayexec.cli.exits import SUCCEEDED, with_exit_code
from rayexec.cli.load import JobSource, load_job
from rayexec.cli.options import Wanted, parse_selection
from rayexec.cli.show import write_json
from rayexec.cli.streams import results_on_stdout
from rayexec.cluster import connect, disconnect
from rayexec.config.execution import ExecutionSettings
from rayexec.engine.requests import requests_for, token
from rayexec.execute import prepare
from rayexec.plan import FromStep, Plan
from rayexec.plan.capacity import Capacity
from rayexec.plan.request import Request
from rayexec.run.spec import RunSpec

__all__ = ["print_plan"]

_DRIVER = "the driver"
_UNITS = (("TiB", 1024**4), ("GiB", 1024**3), ("MiB", 1024**2), ("KiB", 1024))


@with_exit_code
def print_plan(source: JobSource, wanted: Wanted, *, as_json: bool) -> int:
    """Print the steps of a run with their requests, and its limits; asks a cluster only where an address is given."""
    with results_on_stdout() as results:
        selection = parse_selection(wanted.op_selection)
        config = read_run_config(wanted.config)
        spec = _with_options(prepare(load_job(source), config, op_selection=selection), wanted)
        capacity = _capacity(wanted.address, spec)
        document = _describe(spec, capacity)
        if as_json:
            write_json(results, document)
        else:
            results.writelines(f"{line}\n" for line in _lines(document))
    return SUCCEEDED


def _with_options(spec: RunSpec, wanted: Wanted) -> RunSpec:
    """Return ``spec`` with what the options say over its config, as a run takes them."""
    settings = spec.config.execution
    if wanted.address is not None:
        settings = replace(settings, address=wanted.address, engine="ray")
    if wanted.max_concurrent is not None and settings.engine == "ray":
        settings = replace(settings, max_concurrent=wanted.max_concurrent)
    return replace(spec, config=replace(spec.config, execution=settings))


def _capacity(address: str | None, spec: RunSpec) -> Capacity | None:
    """Return what there is to run on: the cluster's, this machine's, or None for a cluster that is not asked."""
    if address is not None:
        try:
            return connect(address, spec.config.execution.runtime_env)
        finally:
            disconnect()
    if spec.config.execution.address is not None:
        return None
    return Capacity(({"CPU": float(_cpus())},), True)


def _cpus() -> int:
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on every system
        return os.cpu_count() or 1


def _describe(spec: RunSpec, capacity: Capacity | None) -> dict[str, Any]:
    settings = spec.config.execution
    on_ray = settings.engine == "ray"
    requests = requests_for(spec, capacity or Capacity((), False)) if on_ray else ()
    return {
        "job": spec.info.job_name,
        "execution": _execution(settings, capacity),
        "steps": [
            {
                "key": step.key,
                "op": spec.plan.op_of(step.index).name,
                "after": _waits_for(spec.plan, step.index),
                "request": requests[step.template].as_options() if on_ray else None,
                "asks_for": _asks_for(requests[step.template]) if on_ray else None,
                "lacking": _lacking(requests[step.template], capacity) if on_ray else None,
                "tags": dict(step.tags),
            }
            for step in spec.plan.steps
        ],
    }


def _holder(limit: int, capacity: Capacity | None) -> str:
    share = token(limit, capacity) if capacity is not None else None
    return _DRIVER if share is None else f"Ray, each step taking {share:g} of a resource of the run's own"


def _waits_for(plan: Plan, step: int) -> list[str]:
    sources = (source for each in plan.steps[step].inputs for source in each.sources)
    return list(dict.fromkeys(plan.steps[source.step].key for source in sources if isinstance(source, FromStep)))


def _lacking(request: Request, capacity: Capacity | None) -> str | None:
    if capacity is None:
        return None
    # What this machine has of these is known only to a Ray that runs; custom resources a Ray of our own never has.
    unknown = {"GPU", "memory"} if capacity.is_own else set()
    amounts = {name: amount for name, amount in request.amounts().items() if name not in unknown}
    return capacity.lacks(amounts)


def _execution(settings: ExecutionSettings, capacity: Capacity | None) -> dict[str, Any]:
    if settings.engine == "in_process":
        return {
            "engine": "in_process",
            "where": "in this process, one step after another",
            "max_concurrent": {"limit": 1, "held_by": "the process itself"},
            "tag_limits": [],
            "retries": settings.retries,
        }
    limit, reason = settings.max_concurrent, "from the config or the command line"
    if limit is None and capacity is not None and capacity.slots is not None:
        limit, reason = capacity.slots, "the CPUs there are"
    where = "a Ray started on this machine for the run"
    if settings.address not in (None, "local"):
        where = f"the Ray cluster at {settings.address}"
    found = None if capacity is None else {"nodes": len(capacity.nodes), "cpus": capacity.cpus}
    return {
        "engine": "ray",
        "where": where,
        "capacity": found,
        "max_concurrent": {"limit": limit, "reason": reason, "held_by": _holder(limit, capacity)}
        if limit is not None
        else {"limit": None, "reason": "as many as the cluster's CPUs take", "held_by": "Ray"},
        "tag_limits": [
            {
                "key": each.key,
                "value": each.value,
                "per_unique_value": each.per_unique_value,
                "limit": each.limit,
                "held_by": _DRIVER,
            }
            for each in settings.tag_limits
        ],
        "processes": "a fresh one for each step" if settings.fresh_process else "warm workers, used again",
        "retries": settings.retries,
    }


def _asks_for(request: Request) -> str:
    parts = []
    for name, amount in request.amounts().items():
        parts.append(f"{_bytes(amount)} {name}" if name == "memory" else f"{amount:g} {name}")
    parts += [f"label {name}={value}" for name, value in request.label_selector.items()]
    if request.runtime_env:
        parts.append(f"runtime_env with {', '.join(request.runtime_env)}")
    return ", ".join(parts) or "nothing"


def _bytes(amount: float) -> str:
    for unit, size in _UNITS:
        if amount >= size:
            return f"{amount / size:.3g} {unit}"
    return f"{amount:g} bytes of"


def _lines(document: dict[str, Any]) -> Iterator[str]:
    steps, execution = document["steps"], document["execution"]
    yield f"{document['job']}: {len(steps):,} step{'' if len(steps) == 1 else 's'}, {execution['where']}"
    yield ""
    on_ray = execution["engine"] == "ray"
    header = ("", "step", "asks Ray for", "after") if on_ray else ("", "step", "after")
    rows = [header]
    for number, step in enumerate(steps, start=1):
        after = _shortened(step["after"])
        asks = step["asks_for"] or ""
        if step["lacking"]:
            asks += f" (cannot be met: {step['lacking']})"
        rows.append((str(number), step["key"], asks, after) if on_ray else (str(number), step["key"], after))
    yield from _columns(rows)
    yield ""
    yield from _execution_lines(execution)


def _shortened(keys: Sequence[str]) -> str:
    return ", ".join(keys[:5]) + (f" and {len(keys) - 5:,} more" if len(keys) > 5 else "") or "-"


def _columns(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        number, *cells = row
        first = f"{number:>{widths[0]}}"
        yield "  ".join([first, *(f"{cell:<{width}}" for cell, width in zip(cells, widths[1:], strict=True))]).rstrip()


def _execution_lines(execution: dict[str, Any]) -> Iterator[str]:
    yield f"engine          {execution['engine']}: {execution['where']}"
    if execution.get("capacity"):
        found = execution["capacity"]
        yield f"capacity        {found['cpus']:g} CPUs on {found['nodes']} node{'' if found['nodes'] == 1 else 's'}"
    most = execution["max_concurrent"]
    if most["limit"] is None:
        yield f"max_concurrent  {most['reason']}; held by {most['held_by']}"
    else:
        reason = f" ({most['reason']})" if "reason" in most else ""
        yield f"max_concurrent  {most['limit']}{reason}; held by {most['held_by']}"
    for each in execution["tag_limits"]:
        tag = each["key"] if each["value"] is None else f"{each['key']}={each['value']}"
        which = f"steps of each value of tag {tag}" if each["per_unique_value"] else f"steps with tag {tag}"
        yield f"tag limit       {each['limit']} at once of the {which}; held by {each['held_by']}"
    if "processes" in execution:
        yield f"processes       {execution['processes']}"
    if not execution["retries"]:
        yield "retries         disabled"
