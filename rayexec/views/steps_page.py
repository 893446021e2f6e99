"""Pages of a run's steps, filtered and sorted on columns."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

from rayexec.events import UNKNOWN_BYTES, StepEnd
from rayexec.names import is_of_node
from rayexec.views.arrow_columns import arrow_of, equal, grouped, numbers_of, scalar
from rayexec.views.read_columns import ReadColumns
from rayexec.views.step_columns import END_CODES, NOT_RUN

__all__ = ["SORT_COLUMNS", "StepFilter", "StepsTable"]

#: Columns to sort by.
SORT_COLUMNS = (
    "key",
    "op",
    "state",
    "attempts",
    "seconds",
    "queue",
    "waited",
    "started",
    "memory",
    "bytes",
)
_RUNNING = len(END_CODES)
_STATES = [*(end.value for end in StepEnd), "running"]


@dataclass(frozen=True)
class StepFilter:
    """Condition on steps; an empty part counts for all.

    ``op`` is the name of an op, or the path of a node. ``text`` is part of the key in any case.
    """

    state: str = ""
    op: str = ""
    text: str = ""
    waited_for: str = ""


class StepsTable:
    """Steps of a run at one moment, as columns with a row each."""

    def __init__(self, columns: ReadColumns) -> None:
        self.version = columns.version
        self._columns = columns
        self._table = _table(columns)
        self._orders: dict[tuple[str, bool], Any] = {}

    def page(
        self,
        condition: StepFilter,
        sort: str = "",
        *,
        desc: bool = False,
        first: int = 0,
        count: int = 100,
        running: Collection[int] = (),
    ) -> dict[str, Any]:
        """Return a page as JSON-able data; ``running`` are the steps that run now.

        Without ``sort`` the steps have the order of the plan. ValueError for an unknown column.
        """
        from pyarrow import compute

        if sort and sort not in SORT_COLUMNS:
            raise ValueError(f"steps cannot be sorted by {sort!r}: {', '.join(SORT_COLUMNS)}.")
        table = self._with_states(running)
        if sort:
            table = table.take(self._order(table, sort, desc=desc, is_cached=not running))
        elif desc:
            table = table.take(compute.array_sort_indices(table["step"], order="descending"))
        chosen = self._chosen(table, condition)
        by_state = _counts(chosen)
        if condition.state:
            if condition.state not in _STATES:
                raise ValueError(f"steps have no state {condition.state!r}: {', '.join(_STATES)}.")
            code = _STATES.index(condition.state)
            chosen = chosen.filter(equal(chosen["state"], code))
        page = chosen.slice(max(0, first), max(0, count))
        return {"total": len(chosen), "by_state": by_state, "rows": list(self._rows(page))}

    def _with_states(self, running: Collection[int]) -> Any:
        if not running:
            return self._table
        states = bytearray(self._columns.steps.ends)
        for step in running:
            if 0 <= step < len(states) and states[step] == NOT_RUN:
                states[step] = _RUNNING
        index = self._table.column_names.index("state")
        return self._table.set_column(index, "state", arrow_of(states)[: len(self._table)])

    def _order(self, table: Any, sort: str, *, desc: bool, is_cached: bool) -> Any:
        from pyarrow import compute

        order = self._orders.get((sort, desc)) if is_cached else None
        if order is None:
            columns: Any = [(sort, "descending" if desc else "ascending"), ("step", "ascending")]
            if sort == "key":
                table = table.append_column("key", self._columns.steps.keys)
            elif sort == "op":
                names = self._columns.steps.ops
                ranks = {name: rank for rank, name in enumerate(sorted(names))}
                by_rank = [ranks[name] for name in names]
                ops = numbers_of(table["op"])
                for step, op in enumerate(ops):
                    ops[step] = by_rank[op]
                table = table.set_column(table.column_names.index("op"), "op", arrow_of(ops))
            order = compute.sort_indices(table, sort_keys=columns)
            if is_cached:
                self._orders = {(sort, desc): order}
        return order

    def _chosen(self, table: Any, condition: StepFilter) -> Any:
        from pyarrow import compute

        steps = self._columns.steps
        if condition.op in steps.ops:
            table = table.filter(equal(table["op"], steps.ops.index(condition.op)))
        elif condition.op:
            paths, path_of_step = steps.node_paths()
            chosen = [is_of_node(path, condition.op) for path in paths]
            flags = bytearray(chosen[path] for path in numbers_of(path_of_step))
            mask = equal(arrow_of(flags).take(table["step"]), 1)
            table = table.filter(mask)
        if condition.text:
            keys = steps.keys.take(table["step"]) if len(table) < len(steps) else None
            if keys is None:
                keys = steps.keys.take(table["step"])
            mask = compute.match_substring(keys, condition.text, ignore_case=True)
            table = table.filter(mask)
        if condition.waited_for:
            limits = self._columns.limits
            limit = limits.index(condition.waited_for) if condition.waited_for in limits else -1
            table = table.filter(equal(table["limit"], limit))
        return table

    def _rows(self, page: Any) -> Iterator[dict[str, Any]]:
        steps, limits = self._columns.steps, self._columns.limits
        for row in page.to_pylist():
            memory, size = row["memory"], row["bytes"]
            yield {
                "step": row["step"],
                "key": steps.key(row["step"]),
                "op": steps.ops[row["op"]],
                "state": _STATES[row["state"]],
                "attempts": row["attempts"],
                "seconds": row["seconds"],
                "queue_s": row["queue"],
                "waited_s": row["waited"],
                "waited_for": None if row["limit"] is None else limits[row["limit"]],
                "started": row["started"],
                "memory": memory,
                "bytes": size,
            }


def _counts(table: Any) -> dict[str, int]:
    states = numbers_of(table["state"])
    counts = {state: states.count(code) for code, state in enumerate(_STATES)}
    return {state: count for state, count in counts.items() if count}


def _table(columns: ReadColumns) -> Any:
    """Return the table of all steps in the order of the plan."""
    from array import array

    import pyarrow as pa

    steps = columns.steps
    count = len(steps)
    figures = [("row", "count"), ("seconds", "sum"), ("started", "min"), ("row", "max")]
    tried = grouped(columns.attempts.table(), ["step"], *figures)
    position_of = array("i", bytes(4 * count))
    for position, step in enumerate(numbers_of(tried["step"]), 1):
        position_of[step] = position
    positions = _null_at_zero(position_of)
    last_rows = tried["row_max"].combine_chunks()
    attempts = columns.attempts
    queues, memory = array("d"), array("q")
    batch_facts = {
        batch: (-1.0 if facts.queued is None else facts.queued, facts.peak_rss)
        for batch, facts in columns.batches.items()
    }
    for batch in numbers_of(arrow_of(attempts.batch).take(last_rows)):
        queued, peak_rss = batch_facts.get(batch, (-1.0, UNKNOWN_BYTES))
        queues.append(queued)
        memory.append(peak_rss)
    sizes = arrow_of(attempts.output_bytes).take(last_rows)
    waited, limits = array("d", bytes(8 * count)), array("i", [-1]) * count
    for (step, _), blocked in columns.blocked.items():
        if 0 <= step < count:
            waited[step] += blocked.seconds
            limits[step] = blocked.limit
    step_limits = _null_if_negative(arrow_of(limits))
    tries = tried["row_count"].combine_chunks().take(positions)
    data = {
        "step": arrow_of(array("i", range(count))),
        "op": steps.arrow_ops(),
        "state": steps.arrow_ends(),
        "attempts": tries.fill_null(scalar(0, tries.type)),
        "seconds": tried["seconds_sum"].combine_chunks().take(positions),
        "queue": _null_if_negative(arrow_of(queues)).take(positions),
        "waited": _where(step_limits.is_valid(), arrow_of(waited)),
        "limit": step_limits,
        "started": tried["started_min"].combine_chunks().take(positions),
        "memory": _null_if_negative(arrow_of(memory)).take(positions),
        "bytes": _null_if_negative(sizes).take(positions),
    }
    return pa.table(list(data.values()), list(data))


def _null_at_zero(positions: Any) -> Any:
    """Return positions from 1 as indices, null for 0."""
    import pyarrow as pa
    from pyarrow import compute

    one = scalar(1, pa.int32())
    return _null_if_negative(compute.subtract(arrow_of(positions), one))


def _null_if_negative(column: Any) -> Any:
    from pyarrow import compute

    zero = scalar(0, column.type)
    return _where(compute.greater_equal(column, zero), column)


def _where(mask: Any, column: Any) -> Any:
    from pyarrow import compute

    return compute.if_else(mask, column, scalar(None, column.type))
