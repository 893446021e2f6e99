"""Functions of ops that take all inputs in one dict, in the form that steps call."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from rayexec.definitions.op_signature import Parameters
from rayexec.definitions.ports import In
from rayexec.errors import InvariantError

__all__ = ["function_of", "parameters_of", "takes_dict"]


def function_of(compute_fn: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that takes inputs by name, for one of a context and a dict of inputs.

    It is asynchronous if that is, and a generator otherwise. Steps raise InvariantError for a
    ``compute_fn`` that returns a value.
    """
    made = _by_name(compute_fn)
    vars(made)["takes_dict"] = True
    return made


def takes_dict(fn: Callable[..., Any]) -> bool:
    """Whether ``function_of`` made a function."""
    return bool(getattr(fn, "takes_dict", False))


def _by_name(compute_fn: Callable[..., Any]) -> Callable[..., Any]:
    if inspect.isasyncgenfunction(compute_fn):

        async def generates_later(context: Any, **inputs: Any) -> Any:
            async for output in compute_fn(context, inputs):
                yield output

        return generates_later
    if inspect.iscoroutinefunction(compute_fn):

        async def returns_later(context: Any, **inputs: Any) -> Any:
            return await compute_fn(context, inputs)

        return returns_later

    def generates(context: Any, **inputs: Any) -> Any:
        yield from _yielded(compute_fn(context, inputs))

    return generates


def _yielded(returned: Any) -> Iterable[Any]:
    """Return the iterator that a compute_fn returned: a generator, or none for no outputs."""
    if returned is None:
        return ()
    if isinstance(returned, Iterator):
        return returned
    raise InvariantError(
        f"The compute_fn returned {type(returned).__name__}, and an OpDefinition's yields its "
        f"outputs: write `yield Output(value)` in it, or declare the op with @op."
    )


def parameters_of(ins: Mapping[str, In]) -> Parameters:
    """Return the roles of the parameters of such a function."""
    names = tuple(name for name, declared in ins.items() if not declared.type.is_nothing)
    return Parameters("context", None, (), names, catches_all=True)
