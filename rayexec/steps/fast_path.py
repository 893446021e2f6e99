"""Fast path for ops that are plain functions of their inputs.

Such an op has one output, and no context, config, resources, hooks, timeout or type checks of
users. A call with anything unusual (an error, an Output, a value of another type) goes to the
executor in ``step_executor`` instead.
"""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable, Sequence
from typing import Any

from rayexec.definitions.ports import DynamicOutput, Output
from rayexec.definitions.types.dagster_type import DagsterType
from rayexec.definitions.user_events import USER_EVENTS
from rayexec.plan.model import Template

__all__ = ["PlainOp", "plain_op"]

# Results that need the executor.
_SPECIAL = (
    Output,
    DynamicOutput,
    types.CoroutineType,
    types.GeneratorType,
    types.AsyncGeneratorType,
    *USER_EVENTS,
)
# Results that are surely none of them: a lookup in a set is cheaper than isinstance.
_ORDINARY = frozenset({type(None), bool, int, float, str, bytes, list, tuple, dict, set})


class PlainOp:
    """Fast form of an op: ``call`` takes the values of ``inputs`` in order and returns ``output``.

    ``what`` names the output in messages.
    """

    __slots__ = ("_accepts", "_checks", "call", "inputs", "output", "what")

    def __init__(self, template: Template) -> None:
        op = template.op
        declared = [(name, each) for name, each in op.ins.items() if not each.type.is_nothing]
        self.inputs = tuple((name, each.default_value) for name, each in declared)
        self._checks = tuple(
            (index, each.type.accepts)
            for index, (_, each) in enumerate(declared)
            if each.type.accepts is not None
        )
        ((self.output, out),) = op.outs.items()
        self.what = f'output "{self.output}" of op "{op.name}"'
        self._accepts = out.type.accepts
        self.call = _by_position(op.fn, tuple(name for name, _ in declared))

    def takes(self, values: Sequence[Any]) -> bool:
        """Whether all values have the types of their inputs."""
        # A generator would cost as much as the checks.
        for index, accepts in self._checks:  # noqa: SIM110
            if not accepts(values[index]):
                return False
        return True

    def is_plain(self, result: Any) -> bool:
        """Whether a result is a plain value of the output's type."""
        if type(result) not in _ORDINARY and isinstance(result, _SPECIAL):
            return False
        return self._accepts is None or self._accepts(result)


def _by_position(fn: Callable[..., Any], names: tuple[str, ...]) -> Callable[..., Any]:
    """Return a function of the values of ``names`` in order, if possible ``fn`` itself."""
    # A decorated function may show another signature than it has.
    if (
        type(fn) is types.FunctionType
        and not hasattr(fn, "__wrapped__")
        and not hasattr(fn, "__signature__")
    ):
        parameters = list(inspect.signature(fn).parameters.values())[: len(names)]
        if [each.name for each in parameters if each.kind is each.POSITIONAL_OR_KEYWORD] == list(
            names
        ):
            return fn
    return lambda *values: fn(**dict(zip(names, values, strict=True)))


def plain_op(template: Template) -> PlainOp | None:
    """Return the fast form of a template's op; None if it has none."""
    op, parameters = template.op, template.op.parameters
    if template.hooks or op.timeout is not None or op.resource_keys or len(op.outs) != 1:
        return None
    if True in op.as_output.values():  # the value is inside an Output
        return None
    if parameters.context is not None or parameters.config is not None or parameters.resources:
        return None
    if (
        inspect.isgeneratorfunction(op.fn)
        or inspect.iscoroutinefunction(op.fn)
        or inspect.isasyncgenfunction(op.fn)
    ):
        return None
    if "OpExecutionContext" in getattr(getattr(op.fn, "__code__", None), "co_names", ()):
        return None  # it may ask for the context of the running step
    kinds = [*(each.type for each in op.ins.values()), *(each.type for each in op.outs.values())]
    return (
        None if op.is_dynamic or any(_needs_context(each) for each in kinds) else PlainOp(template)
    )


def _needs_context(kind: DagsterType) -> bool:
    return kind.is_custom or (kind.loader is not None and kind.loader.runs_in_step)
