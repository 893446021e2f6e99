"""The preview of a run as lines."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rayexec.placement.limits import MAX_CONCURRENT
from rayexec.views.plan_preview import ExecutionPreview, LimitPreview, PlanPreview, StepPreview
from rayexec.views.quantities import at_least, duration

__all__ = ["plan_lines"]

_PATH_SHOWN = 8
_KEYS_SHOWN = 5


def plan_lines(preview: PlanPreview) -> Iterator[str]:
    """Yield the lines of a preview: a table of its steps, then what holds for all of them."""
    yield f"{preview.job}: {_count(preview)}, {preview.execution.where}"
    yield ""
    yield from _columns(list(_rows(preview)))
    yield ""
    yield from _execution_lines(preview.execution, preview.limits)
    yield from _path_lines(preview)
    for label, texts in (("problem", preview.problems), ("note", preview.notes)):
        for index, text in enumerate(texts):
            yield f"{'' if index else label:<14}  {text}"


def _rows(preview: PlanPreview) -> Iterator[list[str]]:
    on_ray = preview.execution.is_on_ray
    is_limited = any(step.limits for step in preview.steps)
    is_mapped = not preview.is_exact
    yield [
        "",
        "step",
        *(["asks Ray for"] if on_ray else []),
        *(["counts in"] if is_limited else []),
        *(["one for each of"] if is_mapped else []),
        "after",
    ]
    for count, step in enumerate(preview.steps, start=1):
        row = [str(count), step.key]
        if on_ray:
            row.append(step.asks_for or "-")
        if is_limited:
            row.append(_limits(step))
        if is_mapped:
            only = f" (only {_shortened([f'[{keys}]' for keys in step.only])})" if step.only else ""
            row.append(f"{', '.join(step.for_each)}{only}" or "-")
        yield [*row, _shortened(step.after)]


def _limits(step: StepPreview) -> str:
    names = [name if weight == 1 else f"{name} ({weight})" for name, weight in step.limits.items()]
    return ", ".join(names) or "-"


def _count(preview: PlanPreview) -> str:
    more = not preview.is_exact
    steps = at_least(preview.steps_at_least, "step", more=more)
    return f"{steps}, and [?] once for each value that comes" if more else steps


def _shortened(keys: Sequence[str]) -> str:
    more = f" and {len(keys) - _KEYS_SHOWN:,} more" if len(keys) > _KEYS_SHOWN else ""
    return ", ".join(keys[:_KEYS_SHOWN]) + more or "-"


def _columns(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for first, *cells in rows:
        padded = [f"{cell:<{width}}" for cell, width in zip(cells, widths[1:], strict=True)]
        yield "  ".join([f"{first:>{widths[0]}}", *padded]).rstrip()


def _execution_lines(execution: ExecutionPreview, limits: Sequence[LimitPreview]) -> Iterator[str]:
    yield f"engine          {execution.engine}: {execution.where}"
    if execution.capacity is not None:
        nodes, cpus = execution.capacity.nodes, execution.capacity.cpus
        yield f"capacity        {cpus:g} CPUs on {nodes} node{'' if nodes == 1 else 's'}"
    most = execution.max_concurrent
    how = next((limit.how for limit in limits if limit.limit == MAX_CONCURRENT), "held by Ray")
    if not execution.is_on_ray:
        yield f"max_concurrent  {most.limit or 'unknown'}; held by {most.reason}"
    elif most.limit is None:
        yield f"max_concurrent  {most.reason}; held by Ray"
    else:
        yield f"max_concurrent  {most.limit} ({most.reason}); {how}"
    for limit in limits:
        if limit.limit == MAX_CONCURRENT:
            continue
        counted = [at_least(limit.steps, "step", more=False)]
        if limit.mapped:
            counted = [*(counted if limit.steps else []), _shortened(limit.mapped)]
        yield (
            f"limit           {limit.limit}: {limit.most} at once, for {' and '.join(counted)}; "
            f"{limit.how}"
        )
    if execution.processes is not None:
        yield f"processes       {execution.processes}"
    if not execution.retries:
        yield "retries         disabled"


def _path_lines(preview: PlanPreview) -> Iterator[str]:
    path = preview.longest_path
    if not path:
        return
    shown = path if len(path) <= _PATH_SHOWN else [*path[: _PATH_SHOWN - 2], "…", path[-1]]
    seconds = preview.longest_path_seconds
    took = "" if seconds is None else f", {duration(seconds)}"
    more = not preview.is_exact
    uncounted = "; steps of dynamic outputs are not counted" if more else ""
    yield (
        f"longest path    {at_least(len(path), 'step', more=more)}{took}: "
        f"{' → '.join(shown)}{uncounted}"
    )
    bound = preview.makespan_bound
    if bound is not None:
        cause = f"because of {bound.because_of}, by the times of {preview.timings}"
        yield f"takes at least  {duration(bound.seconds)}, {cause}{uncounted}"
