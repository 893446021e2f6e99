"""Types of annotations: the check and the loader of a class, ``list[int]``, ``int | None`` ….

The rules are Dagster's: a bool passes as an int, an int does not pass as a float, ``list[int]``
checks every element, any other class is an ``isinstance`` check. An annotation from ``typing``
without a checkable meaning checks nothing.
"""

from __future__ import annotations

import collections.abc
import inspect
import types
import typing
from collections.abc import Callable
from typing import Any

from rayexec.definitions.types.annotated_type import AnnotatedType
from rayexec.definitions.types.dagster_type import DagsterType, Nothing, show_value
from rayexec.definitions.types.type_loaders import (
    DagsterTypeLoader,
    DictLoader,
    ItemsLoader,
    MappingLoader,
    OptionalLoader,
    PlainLoader,
    TupleLoader,
)
from rayexec.definitions.types.type_registry import declared_type, note_use
from rayexec.errors import DefinitionError

__all__ = [
    "GenericName",
    "optional_type",
    "resolve_type",
]

Passes = Callable[[Any], bool]

_MOST_CACHED = 1024
_CACHE: dict[Any, DagsterType] = {}


ANY = AnnotatedType(Any, None, name="Any", loader=PlainLoader(), unique=True, takes_list=True)
NOTHING = AnnotatedType(
    Nothing,
    lambda value: value is None,
    name="Nothing",
    typing_type=type(None),
    unique=True,
    takes_list=True,
)


def _instances(
    annotation: type, display: str, loader: DagsterTypeLoader | None = None, key: str = ""
) -> AnnotatedType:
    return AnnotatedType(
        annotation,
        lambda value: isinstance(value, annotation),
        name=annotation.__name__,
        key=key or display,
        display=display,
        loader=loader,
        unique=True,
    )


_BUILT_IN: dict[Any, DagsterType] = {
    int: _instances(int, "Int", PlainLoader(int)),
    float: _instances(float, "Float", PlainLoader(float)),
    str: _instances(str, "String", PlainLoader(str)),
    bool: _instances(bool, "Bool", PlainLoader(bool)),
    dict: _instances(dict, "dict", MappingLoader(), "PythonDict"),
    set: _instances(set, "set", key="PythonSet"),
    tuple: _instances(tuple, "tuple", key="PythonTuple"),
    list: AnnotatedType(
        list,
        lambda value: isinstance(value, list),
        name="list",
        key="List.Any",
        display="[Any]",
        typing_type=typing.List[Any],  # noqa: UP006  # the spelling of Dagster
        loader=ItemsLoader(list, PlainLoader()),
        takes_list=True,
    ),
    type(None): NOTHING,
    None: NOTHING,
    Nothing: NOTHING,
    Any: ANY,
    inspect.Parameter.empty: ANY,
    # Not checked, like Any.
    object: AnnotatedType(object, None, name="object", takes_list=True),
}
_BARE: dict[Any, Any] = {
    typing.List: list,  # noqa: UP006
    typing.Dict: dict,  # noqa: UP006
    typing.Set: set,  # noqa: UP006
    typing.Tuple: tuple,  # noqa: UP006
}
_ITERABLES: dict[Any, type] = {
    list: list,
    set: set,
    frozenset: frozenset,
    collections.abc.Sequence: collections.abc.Sequence,
    collections.abc.Set: collections.abc.Set,
    collections.abc.Collection: collections.abc.Collection,
}
_MAPPINGS: tuple[Any, ...] = (dict, collections.abc.Mapping, collections.abc.MutableMapping)


def resolve_type(annotation: Any) -> DagsterType:
    """Return the type of an annotation: class, construct of typing, DagsterType, Nothing or Any.

    Raises DefinitionError for an object that is none of them.
    """
    if isinstance(annotation, DagsterType):
        return annotation
    try:
        resolved = _CACHE.get(annotation)
    except TypeError:  # without a hash, such as a dict, or Literal[[]]
        if isinstance(annotation, (dict, list, set)):
            raise DefinitionError(_no_type(annotation)) from None
        return ANY
    if resolved is None:
        resolved = _resolve(annotation)
        if isinstance(resolved, AnnotatedType):
            resolved.made_by = resolve_type, (annotation,)
        # Two types of users may be equal, and so may be what has them inside.
        if not resolved.is_custom:
            if len(_CACHE) >= _MOST_CACHED:
                _CACHE.clear()
            _CACHE[annotation] = resolved
    return resolved


def _no_type(annotation: object) -> str:
    return (
        f"{show_value(annotation)} is not a type: give a class, an annotation such as list[int], "
        f"or a DagsterType."
    )


def _resolve(annotation: Any) -> DagsterType:
    annotation = _BARE.get(annotation, annotation)
    built_in = _BUILT_IN.get(annotation)
    if built_in is not None:
        return built_in
    origin = typing.get_origin(annotation)
    if origin is None:
        return _of_class(annotation)
    return _of_generic(annotation, origin, typing.get_args(annotation))


def _of_class(annotation: Any) -> DagsterType:
    supertype = getattr(annotation, "__supertype__", None)  # typing.NewType
    if supertype is not None:
        return resolve_type(supertype)
    if isinstance(annotation, GenericName):
        return resolve_type(annotation.plain_class)
    if not isinstance(annotation, type):
        # A TypeVar, or another construct that says nothing about a value.
        if type(annotation).__module__ in ("typing", "typing_extensions", "types", "annotationlib"):
            return ANY
        raise DefinitionError(_no_type(annotation))
    if issubclass(annotation, DagsterType):
        raise DefinitionError(f"{annotation.__name__} itself is not a type: give an instance.")
    declared = declared_type(annotation)
    if declared is not None:
        return declared
    if getattr(annotation, "_is_protocol", False) and not getattr(
        annotation, "_is_runtime_protocol", False
    ):
        return ANY
    note_use(annotation)
    return AnnotatedType(
        annotation,
        lambda value: isinstance(value, annotation),
        name=annotation.__name__,
        key=f"_TypeHintInferred[{annotation.__module__}.{annotation.__name__}]",
        takes_list=_has_lists(annotation),
    )


def _has_lists(cls: type) -> bool:
    """Whether a list is an instance of a class, such as ``collections.abc.Sequence``."""
    try:
        return issubclass(list, cls)
    except TypeError:  # a protocol with other members than methods
        return True


def _of_generic(annotation: Any, origin: Any, args: tuple[Any, ...]) -> DagsterType:
    name = _name(annotation)
    if origin is typing.Annotated:
        return resolve_type(args[0])
    if origin is typing.Literal:
        return AnnotatedType(
            annotation, lambda value: value in args, name=name, loader=PlainLoader(object)
        )
    if origin is typing.Union or origin is types.UnionType:
        return _of_union(annotation, args)
    if origin is collections.abc.Callable:
        return AnnotatedType(annotation, callable, name="Callable")
    if origin is tuple:
        return _of_tuple(annotation, args)
    if origin in _ITERABLES and len(args) == 1:
        return _of_iterable(annotation, _ITERABLES[origin], _inside(args[0], name))
    if origin in _MAPPINGS and len(args) == 2:
        return _of_mapping(annotation, origin, _inside(args[0], name), _inside(args[1], name))
    if isinstance(origin, type):
        return AnnotatedType(
            annotation,
            lambda value: isinstance(value, origin),
            name=name,
            takes_list=_has_lists(origin),
        )
    return ANY


def optional_type(inner: Any) -> DagsterType:
    """Return the type of None and the values of ``inner``; raises DefinitionError for Nothing."""
    kind = _of_optional(None, _inside(inner, "Optional"))
    kind.made_by = optional_type, (inner,)
    return kind


def _inside(annotation: Any, where: str) -> DagsterType:
    inner = resolve_type(annotation)
    if annotation is Nothing:
        raise DefinitionError(f"Nothing passes no value, so it cannot be inside of {where}.")
    return inner


def _of_union(annotation: Any, args: tuple[Any, ...]) -> DagsterType:
    name = _name(annotation)
    members = [_inside(arg, name) for arg in args]
    others = [each for each in members if each is not NOTHING]
    if len(others) == 1 < len(members):
        return _of_optional(annotation, others[0])
    if any(each.accepts is None and not each.is_custom for each in members):
        return ANY
    scalar = all(isinstance(each.loader, PlainLoader) for each in others)

    def test(*passes_and_value: Any) -> bool:
        *passes, value = passes_and_value
        return any(check(value) for check in passes)

    return AnnotatedType(
        annotation,
        test,
        *members,
        name=name,
        loader=PlainLoader(object) if scalar else None,
        takes_list=any(each.takes_list for each in others),
    )


def _of_optional(annotation: Any, inner: DagsterType) -> AnnotatedType:
    def test(passes: Passes | None, value: Any) -> bool:
        return value is None or passes is None or passes(value)

    return AnnotatedType(
        annotation,
        test if inner.is_custom or inner.accepts is not None else None,
        inner,
        name=f"{inner.name} | None",
        key=f"Optional.{inner.key}",
        display=f"{inner.display_name}?",
        typing_type=typing.Optional[inner.typing_type],  # noqa: UP045  # built at run time
        loader=None if inner.loader is None else OptionalLoader(inner.loader),
        takes_list=inner.takes_list,
    )


def _of_iterable(annotation: Any, kind: type, inner: DagsterType) -> DagsterType:
    def test(passes: Passes | None, value: Any) -> bool:
        items: Any = value
        return isinstance(value, kind) and (passes is None or all(map(passes, items)))

    name = _name(annotation)
    if kind not in (list, set, collections.abc.Sequence):
        return AnnotatedType(annotation, test, inner, name=name, takes_list=_has_lists(kind))
    shown, made = inner.display_name, set if kind is set else list
    generic: Any = typing.Set if made is set else typing.List  # noqa: UP006
    return AnnotatedType(
        annotation,
        test,
        inner,
        name=name,
        key=f"{'TypedPythonSet' if made is set else 'List'}.{inner.key}",
        display=f"Set[{shown}]" if made is set else f"[{shown}]",
        typing_type=generic[inner.typing_type],
        loader=None if inner.loader is None else ItemsLoader(made, inner.loader),
        takes_list=made is list,
    )


def _of_mapping(annotation: Any, kind: Any, key: DagsterType, inner: DagsterType) -> DagsterType:
    def test(key_passes: Passes | None, passes: Passes | None, value: Any) -> bool:
        return (
            isinstance(value, kind)
            and (key_passes is None or all(map(key_passes, value)))
            and (passes is None or all(map(passes, value.values())))
        )

    loadable = inner.loader is not None and key.annotation is str
    generic: Any = typing.Dict  # noqa: UP006
    return AnnotatedType(
        annotation,
        test,
        key,
        inner,
        name=_name(annotation),
        key=f"TypedPythonDict.{key.key}.{inner.key}",
        display=f"Dict[{key.display_name},{inner.display_name}]",
        typing_type=generic[key.typing_type, inner.typing_type],
        loader=DictLoader(inner.loader) if inner.loader is not None and loadable else None,
    )


def _of_tuple(annotation: Any, args: tuple[Any, ...]) -> DagsterType:
    name = _name(annotation)
    if len(args) == 2 and args[1] is Ellipsis:

        def all_pass(passes: Passes | None, value: Any) -> bool:
            return isinstance(value, tuple) and (passes is None or all(map(passes, value)))

        return AnnotatedType(annotation, all_pass, _inside(args[0], name), name=name)
    members = [_inside(arg, name) for arg in args]

    def test(*passes_and_value: Any) -> bool:
        *passes, value = passes_and_value
        return (
            isinstance(value, tuple)
            and len(value) == len(passes)
            and all(check is None or check(item) for check, item in zip(passes, value, strict=True))
        )

    loaders = [each.loader for each in members if each.loader is not None]
    return AnnotatedType(
        annotation,
        test,
        *members,
        name=name,
        key="TypedPythonTuple" + ".".join(each.key for each in members),
        display=f"Tuple[{','.join(each.display_name for each in members)}]",
        typing_type=typing.Tuple[tuple(each.typing_type for each in members)],  # noqa: UP006
        loader=TupleLoader(*loaders) if loaders and len(loaders) == len(members) else None,
    )


def _name(annotation: Any) -> str:
    return str(annotation).replace("typing.", "").replace("NoneType", "None")


class GenericName:
    """A name such as ``List``: a type that takes others in brackets, of anything without them."""

    def __init__(self, plain_class: type) -> None:
        self.plain_class = plain_class

    def __getitem__(self, inner: Any) -> DagsterType:
        # typing.List would mix up equal types of users.
        return resolve_type(types.GenericAlias(self.plain_class, inner))

    def __call__(self, inner: Any) -> DagsterType:
        return self[inner]

    def __repr__(self) -> str:
        return self.plain_class.__name__.capitalize()
