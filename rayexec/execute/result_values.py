"""Values of mapped and collected outputs: dictionaries by mapping keys, and lists."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from rayexec.names import mapping_keys, output_name
from rayexec.plan import Plan
from rayexec.plan.model import FanOut, FromCollected, FromConfig, FromMapped, FromStep, NodeSource
from rayexec.scheduler.messages import StepStatus

__all__ = ["DynamicValues"]

# Returns the value of an output by step and name; raises KeyError for none.
ValueOf: TypeAlias = Callable[[int, str], Any]


class _NotMadeError(KeyError):
    """Value of a step that failed or never ran."""


class DynamicValues:
    """Finds values by their sources in the plan of a run that is over.

    ``status`` is by step. ``yields`` has the names of dynamic values (``result[k]``) by step.
    """

    def __init__(
        self,
        plan: Plan,
        status: Sequence[StepStatus],
        yields: Mapping[int, Mapping[str, Any]],
        value_of: ValueOf,
    ) -> None:
        self._plan = plan
        self._status = status
        self._yields = yields
        self._value_of = value_of

    def find(self, symbol: NodeSource) -> Any:
        """Return a value, or a dictionary of values by mapping keys (``"a,0"``), in order.

        Raises KeyError for none.
        """
        level = self._plan.fan_outs_of(symbol)
        if not level:
            return self._one(symbol, ())
        if self._keys(level[0], ()) is None:
            raise KeyError(symbol)
        values = {}
        above = (
            mapping_keys(self._plan.steps[symbol.step].key) if isinstance(symbol, FromStep) else ()
        )
        for keys in self._walk(level, ()):
            try:
                values[",".join((*above, *keys))] = self._one(symbol, keys)
            except KeyError:  # Its step failed or was skipped, or the output is optional.
                continue
        if not values and isinstance(symbol, FromMapped):
            raise KeyError(symbol)
        return values

    def _walk(self, level: tuple[FanOut, ...], above: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
        """Yield the mapping keys of the values, in their order."""
        if len(above) == len(level):
            yield above
            return
        for key in self._keys(level[len(above)], above) or ():
            yield from self._walk(level, (*above, key))

    def _step(self, node: int, keys: tuple[str, ...]) -> int | None:
        """Return the step of a node, as in ``FanOut``, with these keys or the first of them."""
        if node >= 0:
            return node
        mapped = self._plan.mapped_nodes[-1 - node]
        return self._plan.by_key.get(f"{mapped.key}[{','.join(keys[: len(mapped.fan_outs)])}]")

    def _keys(self, fan: FanOut, above: tuple[str, ...]) -> list[str] | None:
        """Return the mapping keys of a step's values, None for a step that never yielded."""
        step = self._step(fan.node, above)
        if step is None or step not in self._yields:
            return None
        return [
            mapping_keys(name)[0]
            for name in self._yields[step]
            if name[-1] == "]" and output_name(name) == fan.output
        ]

    def _one(self, symbol: NodeSource, keys: tuple[str, ...]) -> Any:
        if isinstance(symbol, FromCollected):
            return self._list(symbol, keys)
        if isinstance(symbol, FromConfig):
            raise KeyError(symbol)
        node = symbol.step if isinstance(symbol, FromStep) else -1 - symbol.node
        step = self._step(node, keys)
        if step is None:
            raise _NotMadeError(symbol)
        is_dynamic = self._plan.op_of(step).outs[symbol.output].is_dynamic
        name = f"{symbol.output}[{keys[-1]}]" if is_dynamic else symbol.output
        if self._status[step] is not StepStatus.SUCCESS and name not in self._yields.get(step, ()):
            raise (
                KeyError(name) if self._status[step] is StepStatus.SKIPPED else _NotMadeError(name)
            )
        return self._value_of(step, name)

    def _check_empty(self, fan: FanOut, above: tuple[str, ...]) -> None:
        """Raise KeyError for an absent list; an empty list is of a successful step."""
        step = self._step(fan.node, above)
        status = StepStatus.WAITING if step is None else self._status[step]
        if step is None or status not in (StepStatus.SUCCESS, StepStatus.SKIPPED):
            raise _NotMadeError(fan)
        if status is StepStatus.SKIPPED or not self._plan.op_of(step).outs[fan.output].is_required:
            raise KeyError(fan)

    def _list(self, gathered: FromCollected, above: tuple[str, ...]) -> list[Any]:
        """Return a collected list; raises KeyError if one of its members failed."""
        fan = self._plan.fan_outs_of(gathered.source)[len(above)]
        keys = self._keys(fan, above)
        if not keys:
            self._check_empty(fan, above)
        values = []
        for key in keys or ():
            try:
                values.append(self._one(gathered.source, (*above, key)))
            except _NotMadeError:
                raise
            except KeyError:  # Its step was skipped, or the output is optional.
                continue
        return values
