"""Type checks of values at inputs and outputs.

The rules are Dagster's: a bool passes as an int, an int does not pass as a float, ``list[int]``
checks every element, any other class is an ``isinstance`` check, and an annotation without a
checkable meaning checks nothing.
"""

from __future__ import annotations

import collections.abc
import inspect
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeGuard, TypeVar

__all__ = [
    "DagsterType",
    "Nothing",
    "RuntimeType",
    "TypeCheck",
    "annotations_of",
    "is_subclass",
    "runtime_type",
]

T = TypeVar("T")


class Nothing:
    """The type of an input or output without a value, for the order of two steps alone."""


@dataclass(frozen=True, slots=True)
class TypeCheck:
    """Result of a custom type check instead of a bool, with a description of a failure."""

    success: bool
    description: str | None = None
    metadata: Mapping[str, Any] | None = None


@dataclass(frozen=True, eq=False)
class DagsterType:
    """A type with its own check: ``type_check_fn(context, value)`` returns bool or TypeCheck."""

    type_check_fn: Callable[[Any, Any], bool | TypeCheck]
    name: str
    description: str | None = None
    typing_type: Any = Any


@dataclass(frozen=True, slots=True)
class RuntimeType:
    """An annotation with its check."""

    name: str
    #: None if every value passes.
    accepts: Callable[[Any], bool] | None
    #: Form of such a value in run config: ``"scalar"`` (itself, or ``{"value": …}``),
    #: ``"selector"`` (only ``{"value": …}``), or None (not allowed).
    loader: str | None
    annotation: Any = Any
    custom: DagsterType | None = None

    @property
    def is_nothing(self) -> bool:
        """Whether the type is Nothing."""
        return self.annotation is Nothing

    @property
    def typing_type(self) -> Any:
        """The annotation, for a DagsterType that of its own."""
        return self.custom.typing_type if self.custom is not None else self.annotation

    def check(self, value: object, context: object = None) -> str | None:
        """Return the mistake in ``value``, or None if it passes."""
        if self.custom is not None:
            verdict = self.custom.type_check_fn(context, value)
            if isinstance(verdict, TypeCheck):
                return (
                    None
                    if verdict.success
                    else verdict.description or f"does not pass the check of {self.name}"
                )
            return None if verdict else f"does not pass the check of {self.name}"
        if self.accepts is None or self.accepts(value):
            return None
        return (
            f"expected a value of type {self.name}, got {_show(value)} of type "
            f"{type(value).__name__}"
        )


def _show(value: object) -> str:
    try:
        text = repr(value)
    except Exception:  # a value's own __repr__ may raise anything
        return "a value"
    return text if len(text) <= 80 else f"{text[:77]}..."


ANY = RuntimeType("Any", None, "selector")
NOTHING = RuntimeType("Nothing", lambda value: value is None, None, Nothing)

_SCALARS: dict[Any, Callable[[Any], bool]] = {
    int: lambda value: isinstance(value, int),
    float: lambda value: isinstance(value, float),
    str: lambda value: isinstance(value, str),
    bool: lambda value: isinstance(value, bool),
    type(None): lambda value: value is None,
}
_CONTAINERS: dict[Any, type] = {
    list: list,
    set: set,
    frozenset: frozenset,
    collections.abc.Sequence: collections.abc.Sequence,
    collections.abc.Set: collections.abc.Set,
    collections.abc.Collection: collections.abc.Collection,
}
_MAPPINGS: tuple[Any, ...] = (dict, collections.abc.Mapping, collections.abc.MutableMapping)


def runtime_type(annotation: Any) -> RuntimeType:
    """Return the check of an annotation: class, typing construct, DagsterType, Nothing or Any."""
    try:
        return _runtime_type(annotation)
    except TypeError:  # an annotation without a hash, such as Literal[[]], checks nothing
        return ANY


@lru_cache(maxsize=1024)
def _runtime_type(annotation: Any) -> RuntimeType:
    if annotation is Any or annotation is inspect.Parameter.empty or annotation is object:
        return ANY
    if annotation is Nothing:
        return NOTHING
    if isinstance(annotation, DagsterType):
        loader = runtime_type(annotation.typing_type).loader
        return RuntimeType(annotation.name, None, loader, annotation, custom=annotation)
    if annotation is None:
        annotation = type(None)
    if annotation in _SCALARS:
        name = "None" if annotation is type(None) else annotation.__name__
        return RuntimeType(name, _SCALARS[annotation], "scalar", annotation)
    origin = typing.get_origin(annotation)
    if origin is None:
        return _of_class(annotation)
    return _of_generic(annotation, origin, typing.get_args(annotation))


def _of_class(annotation: Any) -> RuntimeType:
    supertype = getattr(annotation, "__supertype__", None)  # typing.NewType
    if supertype is not None:
        return runtime_type(supertype)
    if not isinstance(annotation, type):
        return ANY  # a TypeVar, or an annotation that could not be evaluated
    if getattr(annotation, "_is_protocol", False) and not getattr(
        annotation, "_is_runtime_protocol", False
    ):
        return ANY
    loader = "scalar" if annotation in (list, dict) else None
    return RuntimeType(
        annotation.__name__, lambda value: isinstance(value, annotation), loader, annotation
    )


def _of_generic(annotation: Any, origin: Any, args: tuple[Any, ...]) -> RuntimeType:
    if origin is typing.Annotated:
        return runtime_type(args[0])
    if origin is typing.Literal:
        return RuntimeType(_name(annotation), lambda value: value in args, "scalar", annotation)
    if origin is typing.Union or origin is types.UnionType:
        return _of_union(annotation, args)
    if origin is collections.abc.Callable:
        return RuntimeType("Callable", callable, None, annotation)
    if origin is tuple:
        return _of_tuple(annotation, args)
    if origin in _CONTAINERS and len(args) == 1:
        return _of_container(annotation, _CONTAINERS[origin], runtime_type(args[0]))
    if origin in _MAPPINGS and len(args) == 2:
        return _of_mapping(annotation, origin, runtime_type(args[0]), runtime_type(args[1]))
    if isinstance(origin, type):
        return RuntimeType(
            _name(annotation), lambda value: isinstance(value, origin), None, annotation
        )
    return ANY


def _of_union(annotation: Any, args: tuple[Any, ...]) -> RuntimeType:
    members = [runtime_type(arg) for arg in args]
    if any(member.accepts is None for member in members):
        return ANY
    loader = "scalar" if all(member.loader == "scalar" for member in members) else None
    checks = [member.accepts for member in members if member.accepts is not None]
    return RuntimeType(
        _name(annotation), lambda value: any(check(value) for check in checks), loader, annotation
    )


def _of_container(annotation: Any, kind: type, inner: RuntimeType) -> RuntimeType:
    accepts_item = inner.accepts
    loader = "scalar" if kind is list and inner.loader is not None else None
    if accepts_item is None:
        return RuntimeType(
            _name(annotation), lambda value: isinstance(value, kind), loader, annotation
        )

    def accepts(value: Any) -> bool:
        items: Any = value
        return isinstance(value, kind) and all(map(accepts_item, items))

    return RuntimeType(_name(annotation), accepts, loader, annotation)


def _of_mapping(annotation: Any, kind: Any, key: RuntimeType, inner: RuntimeType) -> RuntimeType:
    def accepts(value: Any) -> bool:
        if not isinstance(value, kind):
            return False
        return (key.accepts is None or all(map(key.accepts, value))) and (
            inner.accepts is None or all(map(inner.accepts, value.values()))
        )

    loader = "scalar" if kind is dict and inner.loader is not None else None
    return RuntimeType(_name(annotation), accepts, loader, annotation)


def _of_tuple(annotation: Any, args: tuple[Any, ...]) -> RuntimeType:
    if len(args) == 2 and args[1] is Ellipsis:
        accepts_item = runtime_type(args[0]).accepts
        return RuntimeType(
            _name(annotation),
            lambda value: (
                isinstance(value, tuple) and (accepts_item is None or all(map(accepts_item, value)))
            ),
            None,
            annotation,
        )
    members = [runtime_type(arg).accepts for arg in args]

    def accepts(value: Any) -> bool:
        return (
            isinstance(value, tuple)
            and len(value) == len(members)
            and all(
                check is None or check(item) for check, item in zip(members, value, strict=True)
            )
        )

    return RuntimeType(_name(annotation), accepts, None, annotation)


def _name(annotation: Any) -> str:
    return str(annotation).replace("typing.", "").replace("NoneType", "None")


def annotations_of(fn: Callable[..., Any]) -> dict[str, Any]:
    """Return the evaluated annotations of ``fn``, with Any for one that fails.

    Each string (of ``from __future__ import annotations``) is evaluated by itself, in the
    function's globals and closure: a name for type checkers only spoils no other annotation.
    """
    try:
        names = inspect.getclosurevars(fn).nonlocals
    except (TypeError, ValueError):  # no plain function, or one with an empty cell
        names = {}
    evaluated: dict[str, Any] = {}
    for name, annotation in getattr(fn, "__annotations__", {}).items():
        if isinstance(annotation, str):
            try:
                evaluated[name] = eval(annotation, getattr(fn, "__globals__", {}), dict(names))
            except Exception:  # the user's expression may raise anything
                evaluated[name] = Any
        else:
            evaluated[name] = annotation
    return evaluated


def is_subclass(annotation: Any, base: type[T]) -> TypeGuard[type[T]]:
    """Whether an annotation is a class below ``base``.

    ``list[int]`` is none, although Python 3.10 counts it among the types.
    """
    return (
        isinstance(annotation, type)
        and not isinstance(annotation, types.GenericAlias)
        and issubclass(annotation, base)
    )
