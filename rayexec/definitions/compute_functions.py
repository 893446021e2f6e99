"""Functions of ops that take all inputs in one dict, in the form that steps call."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from rayexec.definitions.op_signature import Parameters
from rayexec.definitions.ports import In

__all__ = ["function_of", "parameters_of", "takes_dict"]


def function_of(compute_fn: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that takes inputs by name, for one of a context and a dict of inputs.

    It is of the same kind: plain, a generator, or asynchronous.
    """
    made = _by_name(compute_fn)
    vars(made)["takes_dict"] = True
    return made


def takes_dict(fn: Callable[..., Any]) -> bool:
    """Whether ``function_of`` made a function."""
    return bool(getattr(fn, "takes_dict", False))


def _by_name(compute_fn: Callable[..., Any]) -> Callable[..., Any]:
    if inspect.isgeneratorfunction(compute_fn):

        def generates(context: Any, **inputs: Any) -> Any:
            return (yield from compute_fn(context, inputs))

        return generates
    if inspect.isasyncgenfunction(compute_fn):

        async def generates_later(context: Any, **inputs: Any) -> Any:
            async for output in compute_fn(context, inputs):
                yield output

        return generates_later
    if inspect.iscoroutinefunction(compute_fn):

        async def returns_later(context: Any, **inputs: Any) -> Any:
            return await compute_fn(context, inputs)

        return returns_later

    def returns(context: Any, **inputs: Any) -> Any:
        return compute_fn(context, inputs)

    return returns


def parameters_of(ins: Mapping[str, In]) -> Parameters:
    """Return the roles of the parameters of such a function."""
    names = tuple(name for name, declared in ins.items() if not declared.type.is_nothing)
    return Parameters("context", None, (), names, catches_all=True)
