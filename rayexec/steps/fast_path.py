"""The short way to make an attempt, for ops that are a function of their inputs and nothing more.

An op takes it that has one output and no context, config, resources, hooks, timeout or checks of
the user's own. It does what ``run.step`` does for such an op; whatever else turns up in a call (an
error, an Output, a value of another type) is left to the latter.
"""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable, Sequence
from typing import Any

from rayexec.definitions.ports import DynamicOutput, Output
from rayexec.plan.model import Template

__all__ = ["PlainOp", "plain_op"]

# Results that ``run.step`` must look into.
_SPECIAL = (
    Output,
    DynamicOutput,
    types.CoroutineType,
    types.GeneratorType,
    types.AsyncGeneratorType,
)
# Results that surely are none of them: asking a set is cheaper than isinstance.
_ORDINARY = frozenset({type(None), bool, int, float, str, bytes, list, tuple, dict, set})


class PlainOp:
    """An op in its short form: ``call`` takes the values of ``inputs``, in their order; ``output``
    is what it yields.

    ``what`` names that output in messages.
    """

    __slots__ = ("_accepts", "_checks", "call", "inputs", "output", "what")

    def __init__(self, template: Template) -> None:
        op = template.op
        declared = [(name, each) for name, each in op.ins.items() if not each.type.is_nothing]
        self.inputs = tuple((name, each.default_value) for name, each in declared)
        self._checks = tuple(
            (place, each.type.accepts)
            for place, (_, each) in enumerate(declared)
            if each.type.accepts is not None
        )
        ((self.output, out),) = op.outs.items()
        self.what = f'output "{self.output}" of op "{op.name}"'
        self._accepts = out.type.accepts
        self.call = _by_position(op.fn, tuple(name for name, _ in declared))

    def takes(self, values: Sequence[Any]) -> bool:
        """Whether every input's value is of its type."""
        for place, accepts in self._checks:  # noqa: SIM110  # a generator would cost as much as the checks
            if not accepts(values[place]):
                return False
        return True

    def is_plain(self, result: Any) -> bool:
        """Whether a result is the output's value itself, and of its type."""
        if type(result) not in _ORDINARY and isinstance(result, _SPECIAL):
            return False
        return self._accepts is None or self._accepts(result)


def _by_position(fn: Callable[..., Any], names: tuple[str, ...]) -> Callable[..., Any]:
    """Return a function that takes the values of ``names`` in their order; ``fn`` itself where it
    surely does.
    """
    # What a decorator returned may show another signature than it has.
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
    """Return the short form of a template's op, None where it has none."""
    op, parameters = template.op, template.op.parameters
    if template.hooks or op.timeout is not None or op.required_resource_keys or len(op.outs) != 1:
        return None
    if parameters.context is not None or parameters.config is not None or parameters.resources:
        return None
    if (
        inspect.isgeneratorfunction(op.fn)
        or inspect.iscoroutinefunction(op.fn)
        or inspect.isasyncgenfunction(op.fn)
    ):
        return None
    kinds = [*(each.type for each in op.ins.values()), *(each.type for each in op.outs.values())]
    return (
        None
        if op.is_dynamic or any(each.custom is not None for each in kinds)
        else PlainOp(template)
    )
