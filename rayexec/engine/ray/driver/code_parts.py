"""Parts of a job's code with much data in them: the ops, and the variables that they use."""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from rayexec.definitions.resource import ResourceDefinition
from rayexec.plan.base import Plan

__all__ = ["code_parts", "describe_large_parts"]

_LARGE_SHARE = 0.1  # of all; smaller parts are not worth a word
_MOST_NAMED = 5
MIB = 2**20


class _Variable(NamedTuple):
    name: str
    size: int


def code_parts(
    plan: Plan, resources: Mapping[str, ResourceDefinition]
) -> Iterator[tuple[str, Any]]:
    """Yield each op and each resource of a plan, with its name in words."""
    for template in plan.templates:
        yield f"op {template.op.name!r}", template
    for key, resource in resources.items():
        yield f"resource {key!r}", resource


def describe_large_parts(plan: Plan, resources: Mapping[str, ResourceDefinition]) -> str:
    """Return the largest parts and their largest variables in words."""
    sizes = [(_size_of(part), what, part) for what, part in code_parts(plan, resources)]
    sizes.sort(key=lambda sized: -sized[0])
    least = _LARGE_SHARE * sizes[0][0] if sizes else 0.0
    large = [_described(*sized) for sized in sizes[:_MOST_NAMED] if sized[0] >= least]
    return "; ".join(large)


def _described(size: int, what: str, part: Any) -> str:
    functions = _functions_of(part)
    variables = [variable for fn in functions for variable in _variables_of(fn, set())]
    largest = max(variables, key=lambda variable: variable.size, default=_Variable("", 0))
    if largest.size < size / 2:
        return f"{what} has {_mib(size)}"
    return f"{what} has {_mib(largest.size)} in the variable {largest.name!r}"


def _mib(size: int) -> str:
    return f"{size / MIB:,.1f} MiB"


def _functions_of(part: Any) -> list[Any]:
    if isinstance(part, ResourceDefinition):
        return [part.fn]
    return [part.op.fn, *(hook.fn for hook in part.hooks)]


def _size_of(value: Any) -> int:
    from ray import cloudpickle

    try:
        return len(cloudpickle.dumps(value, protocol=5))
    except Exception:  # what cannot be pickled has no size
        return 0


def _variables_of(fn: Any, seen: set[int]) -> Iterator[_Variable]:
    """Yield the variables that travel with a function, and with functions and classes it uses."""
    fn = getattr(fn, "__wrapped__", fn)
    fn = getattr(fn, "__func__", fn)
    if id(fn) in seen or not isinstance(fn, types.FunctionType):
        return
    seen.add(id(fn))
    for name, value in _used_by(fn):
        if isinstance(value, types.FunctionType):
            yield from _variables_of(value, seen)
        elif isinstance(value, type):
            for member in list(vars(value).values()):
                yield from _variables_of(member, seen)
        elif not isinstance(value, types.ModuleType):
            yield _Variable(name, _size_of(value))


def _used_by(fn: types.FunctionType) -> Iterator[tuple[str, Any]]:
    for name, cell in zip(fn.__code__.co_freevars, fn.__closure__ or (), strict=True):
        try:
            yield name, cell.cell_contents
        except ValueError:  # not assigned yet
            continue
    for name in _names_in(fn.__code__):
        if name in fn.__globals__:
            yield name, fn.__globals__[name]
    parameters = fn.__code__.co_varnames[: fn.__code__.co_argcount]
    defaults = fn.__defaults__ or ()
    yield from zip(parameters[len(parameters) - len(defaults) :], defaults, strict=True)
    yield from (fn.__kwdefaults__ or {}).items()


def _names_in(code: types.CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _names_in(constant)
