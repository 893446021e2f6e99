"""Outputs of an op, from its declaration and from the annotation of what its function returns."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from rayexec.definitions.ports import NO_DEFAULT, DynamicOut, DynamicOutput, Out, Output
from rayexec.definitions.types.dagster_type import Nothing
from rayexec.errors import DefinitionError, InvariantError
from rayexec.names import check_name

__all__ = ["DeclaredOutputs", "read_outputs"]

_GENERATORS = frozenset(
    {"Generator", "Iterator", "Iterable", "AsyncGenerator", "AsyncIterator", "AsyncIterable"}
)


class OutputAnnotationError(DefinitionError, InvariantError):
    """The outputs of an op contradict the annotation of its function."""


class DeclaredOutputs(NamedTuple):
    """Outputs of an op by name."""

    outs: dict[str, Out]
    #: Outputs with an annotation, and whether it is Output: a returned value must be one then,
    #: and must not be one otherwise.
    as_output: dict[str, bool]


def read_outputs(
    where: str,
    out: Out | Mapping[str, Out] | None,
    fn: Callable[..., Any],
    annotations: Mapping[str, Any],
    description: str | None,
) -> DeclaredOutputs:
    """Return the outputs of ``fn`` by name, with their types from its annotations.

    ``description`` is that of a single output in the docstring. Raises DefinitionError, with
    ``where`` in its message, for a malformed declaration, and its subclass OutputAnnotationError
    for an annotation that does not fit the declared outputs.
    """
    returns = annotations.get("return", Any)
    if _is_generator(fn, returns):  # it yields Outputs, and its annotation tells nothing of them
        if out is None and any(_is_dynamic(each) for each in typing.get_args(returns)):
            raise OutputAnnotationError(
                f"{where}: an op that yields DynamicOutput must declare out=DynamicOut()."
            )
        returns = Any
    if out is None:
        out = _inferred(where, returns)
    if isinstance(out, Out):
        out = {"result": out}
    if not isinstance(out, Mapping) or not all(isinstance(each, Out) for each in out.values()):
        raise OutputAnnotationError(
            f"{where}: out must be an Out or a mapping of names to Out, got {out!r}."
        )
    by_name = dict(zip(out, _annotations(where, out, returns), strict=True))
    outs = {
        check_name(name, f"an output of {where}"): _typed(where, name, each, by_name[name])
        for name, each in out.items()
    }
    if len(outs) == 1 and description is not None:
        outs = {
            name: replace(each, description=each.description or description)
            for name, each in outs.items()
        }
    as_output = {
        name: _is_output(annotation)
        for name, annotation in by_name.items()
        if annotation is not Any and not outs[name].is_dynamic
    }
    return DeclaredOutputs(outs, as_output)


def _inferred(where: str, returns: Any) -> Out:
    if _is_dynamic(returns):
        raise OutputAnnotationError(
            f"{where}: an op that returns one DynamicOutput: return a list of them, or yield each, "
            f"and declare out=DynamicOut()."
        )
    return DynamicOut() if _lists_dynamic(returns) else Out()


def _is_generator(fn: Callable[..., Any], returns: Any) -> bool:
    if inspect.isgeneratorfunction(fn) or inspect.isasyncgenfunction(fn):
        return True
    # A function that hands on the generator of another, for example a decorated one.
    return getattr(typing.get_origin(returns) or returns, "__name__", None) in _GENERATORS


def _annotations(where: str, out: Mapping[str, Out], returns: Any) -> list[Any]:
    """Return the part of the annotation for each output."""
    if len(out) == 1:
        return [returns]
    if returns is Any or (not out and returns is None):
        return [Any] * len(out)
    members = typing.get_args(returns)
    if typing.get_origin(returns) is not tuple or Ellipsis in members or len(members) != len(out):
        name = getattr(returns, "__name__", None) if not typing.get_args(returns) else None
        raise OutputAnnotationError(
            f"{where}: the annotation of what it returns, {name or returns}, does not fit its "
            f"{len(out)} outputs ({', '.join(out) or 'none'}): annotate a tuple with a type for "
            f"each, such as tuple[{', '.join(['int'] * len(out)) or '()'}]."
        )
    return list(members)


def _typed(where: str, name: str, out: Out, returns: Any) -> Out:
    """Return an output with its declared type, or else with that of the annotation."""
    if not out.is_dynamic and (_is_dynamic(returns) or _lists_dynamic(returns)):
        raise OutputAnnotationError(
            f"{where}: output {name!r} has one value, and the function returns DynamicOutput: "
            f"declare it DynamicOut()."
        )
    if _is_dynamic(returns):
        raise OutputAnnotationError(
            f"{where}: output {name!r} is DynamicOut(), and the function returns one "
            f"DynamicOutput: return a list of them, or yield each."
        )
    if out.dagster_type is not NO_DEFAULT:
        return out
    try:
        return replace(
            out, dagster_type=_item_type(returns) if out.is_dynamic else _unwrap(returns)
        )
    except DefinitionError as error:
        raise DefinitionError(f"{where}: output {name!r}: {error}") from None


def _item_type(returns: Any) -> Any:
    """Return the type of a dynamic output's values: that of the items of an annotated list."""
    origin, args = typing.get_origin(returns), typing.get_args(returns)
    is_list = origin in (list, Sequence) or (origin is tuple and args[1:] == (Ellipsis,))
    if is_list:
        return _unwrap(args[0])
    return Any if returns in (list, tuple) else _unwrap(returns)


def _is_output(annotation: Any) -> bool:
    return annotation is Output or typing.get_origin(annotation) is Output


def _is_dynamic(annotation: Any) -> bool:
    return annotation is DynamicOutput or typing.get_origin(annotation) is DynamicOutput


def _lists_dynamic(annotation: Any) -> bool:
    return typing.get_origin(annotation) in (list, Sequence) and any(
        _is_dynamic(each) for each in typing.get_args(annotation)
    )


def _unwrap(returns: Any) -> Any:
    """Return the type of the returned value; for an Output, the type inside."""
    if returns is None or returns is type(None):
        return Nothing
    if returns in (Output, DynamicOutput):
        return Any
    if _is_output(returns) or _is_dynamic(returns):
        return typing.get_args(returns)[0]
    return returns
