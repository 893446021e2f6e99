"""Types of inputs and outputs: checks of values at run time, and loaders of values from config.

``type_resolution`` makes a type of any annotation; here are the types themselves.
"""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ForwardRef, TypeGuard, TypeVar, Union, get_args, get_type_hints

from rayexec.definitions.metadata.plain_metadata import normalize_metadata
from rayexec.definitions.types.type_loaders import DagsterTypeLoader
from rayexec.errors import DefinitionError, InvariantError

__all__ = [
    "DagsterType",
    "Nothing",
    "PythonObjectDagsterType",
    "TypeCheck",
    "annotations_of",
    "is_subclass",
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

    def __post_init__(self) -> None:
        if not isinstance(self.success, bool):
            raise DefinitionError(f"TypeCheck: success is a bool, got {self.success!r}.")
        if self.metadata is not None:
            object.__setattr__(self, "metadata", normalize_metadata(self.metadata))


class DagsterType:
    """A type with its own check: ``type_check_fn(context, value)`` returns bool or TypeCheck.

    ``key`` is by default the ``name``, and the other way round. ``loader`` makes values from run
    config. The check uses the resources of ``required_resource_keys``. ``typing_type`` is the
    Python type of the values. Two types with one key are equal.

    Raises DefinitionError for a type without name and key, and a check with other parameters.
    """

    #: The check of a type without context, None if every value passes; a custom type has none.
    accepts: Callable[[Any], bool] | None = None
    #: Whether the check is a user's, or has one inside, and takes a context.
    is_custom = True
    #: Whether several outputs may be connected to an input of the type, as a list.
    takes_list = False
    #: The annotation that the type was made of; for a declared type the type itself.
    annotation: Any

    def __init__(
        self,
        type_check_fn: Callable[[Any, Any], bool | TypeCheck],
        key: str | None = None,
        name: str | None = None,
        *,
        is_builtin: bool = False,
        description: str | None = None,
        loader: DagsterTypeLoader | None = None,
        required_resource_keys: Iterable[str] | None = None,
        typing_type: Any = Any,
        metadata: Mapping[str, Any] | None = None,
    ) -> None:
        shown = name or key
        if not isinstance(shown, str):
            raise DefinitionError("a DagsterType needs a name: DagsterType(type_check_fn, name=…).")
        _check_type_check_fn(type_check_fn, shown)
        if loader is not None and not isinstance(loader, DagsterTypeLoader):
            raise DefinitionError(
                f"type {shown!r}: loader must come from @dagster_type_loader, got {loader!r}."
            )
        self.key = key or shown
        #: The name in messages.
        self.name = shown
        self.type_check_fn = type_check_fn
        self.is_builtin = is_builtin
        self.description = description
        self.loader = loader
        self.required_resource_keys = frozenset(required_resource_keys or ())
        self.typing_type = typing_type
        self.metadata = normalize_metadata(metadata)
        self.annotation = self
        self._unique_name = name

    def __eq__(self, other: object) -> bool:
        return isinstance(other, DagsterType) and self.key == other.key

    def __hash__(self) -> int:
        return hash(self.key)

    def __repr__(self) -> str:
        return self.name

    @property
    def display_name(self) -> str:
        """The name for people, in Dagster's spelling."""
        return self.name

    @property
    def has_unique_name(self) -> bool:
        """Whether the type has a name of its own, as a list of another type has not."""
        return self._unique_name is not None

    @property
    def unique_name(self) -> str:
        """The name of its own; raises InvariantError for a type without one."""
        if self._unique_name is None:
            raise InvariantError(f"the type {self.display_name} has no name of its own.")
        return self._unique_name

    @property
    def is_nothing(self) -> bool:
        """Whether the type is Nothing."""
        return self.annotation is Nothing

    @property
    def resource_keys(self) -> frozenset[str]:
        """The resources of the check and of the loader."""
        if self.loader is None:
            return self.required_resource_keys
        return self.required_resource_keys | self.loader.required_resource_keys()

    @property
    def no_reason(self) -> str:
        """The words for a failed check that has no description."""
        return f"does not pass the check of {self.name}"

    def accepts_plainly(self, value: object) -> bool:
        """Whether a value surely passes; a check of a user is for ``type_check``."""
        return not self.is_custom and (self.accepts is None or self.accepts(value))

    def type_check(self, context: object, value: object) -> TypeCheck:
        """Return the verdict on a value; raises InvariantError if the check returns anything else.

        ``context`` goes to the check of a user.
        """
        verdict = self.type_check_fn(context, value)
        if isinstance(verdict, TypeCheck):
            return verdict
        if not isinstance(verdict, bool):
            raise InvariantError(
                f"the check of type {self.name} must return a bool or a TypeCheck, and returned "
                f"{show_value(verdict)}."
            )
        return TypeCheck(verdict)

    def check(self, value: object, context: object = None) -> str | None:
        """Return the mistake in ``value``, or None if it passes."""
        verdict = self.type_check(context, value)
        if verdict.success:
            return None
        return verdict.description or self.no_reason


def _check_type_check_fn(fn: Any, name: str) -> None:
    if not callable(fn):
        raise DefinitionError(f"type {name!r}: type_check_fn must be a function, got {fn!r}.")
    try:
        parameters = inspect.signature(fn).parameters.values()
    except (TypeError, ValueError):  # a callable without a signature
        return
    if any(each.kind in (each.VAR_POSITIONAL, each.VAR_KEYWORD) for each in parameters):
        return
    if len(parameters) != 2:
        raise DefinitionError(
            f"type {name!r}: type_check_fn takes a context and the value: def check(context, "
            f"value). It has {len(parameters)} parameters."
        )


def mismatch(name: str, value: object) -> str:
    """Return the words for a value that is not of the type ``name``."""
    return (
        f"expected a value of type {name}, got {show_value(value)} of type {type(value).__name__}"
    )


def show_value(value: object) -> str:
    """Return a value as text for a message, cut if it is long."""
    try:
        text = repr(value)
    except Exception:  # a value's own __repr__ may raise anything
        return "a value"
    return text if len(text) <= 80 else f"{text[:77]}..."


class PythonObjectDagsterType(DagsterType):
    """A type of the instances of a class, or of any class of a tuple."""

    def __init__(
        self,
        python_type: type | tuple[type, ...],
        key: str | None = None,
        name: str | None = None,
        **settings: Any,
    ) -> None:
        classes = python_type if isinstance(python_type, tuple) else (python_type,)
        if not classes or not all(isinstance(each, type) for each in classes):
            raise DefinitionError(
                f"PythonObjectDagsterType takes a class or a tuple of classes, got {python_type!r}."
            )
        self.python_type = python_type
        names = ", ".join(each.__name__ for each in classes)
        self.type_str = f"Union[{names}]" if isinstance(python_type, tuple) else names
        settings.setdefault("typing_type", Union[classes])  # noqa: UP007  # built at run time
        super().__init__(self._is_instance, key, name or self.type_str, **settings)

    def _is_instance(self, _context: object, value: object) -> TypeCheck:
        if isinstance(value, self.python_type):
            return TypeCheck(True)
        return TypeCheck(False, mismatch(self.name, value))


def annotations_of(fn: Callable[..., Any]) -> dict[str, Any]:
    """Return the evaluated annotations of ``fn``, with Any for one that fails.

    Each string (of ``from __future__ import annotations``) is evaluated by itself, in the
    function's globals and closure: a name for type checkers only spoils no other annotation.
    """
    try:
        names = inspect.getclosurevars(fn).nonlocals
    except (TypeError, ValueError):  # no plain function, or one with an empty cell
        names = {}
    scope = getattr(fn, "__globals__", {})
    return {
        name: _evaluated(annotation, scope, names)
        if isinstance(annotation, str) or get_args(annotation)
        else annotation
        for name, annotation in getattr(fn, "__annotations__", {}).items()
    }


def _evaluated(annotation: Any, scope: dict[str, Any], names: Mapping[str, Any]) -> Any:
    """Return an annotation with its strings evaluated, also those inside, as in ``list["K"]``."""
    holder = types.SimpleNamespace(__annotations__={"it": _with_references(annotation)})
    try:
        # Quotes are doubled where a module has all annotations as strings.
        while isinstance(holder.__annotations__["it"], str):
            given = eval(holder.__annotations__["it"], scope, dict(names))
            if given is None:
                return None
            holder.__annotations__["it"] = _with_references(given)
        return get_type_hints(holder, scope, dict(names), include_extras=True)["it"]
    except Exception:  # the user's expression may raise anything
        return Any


def _with_references(annotation: Any) -> Any:
    """Return ``list["K"]`` with a forward reference: Python 3.10 evaluates no string in there."""
    if not isinstance(annotation, types.GenericAlias):
        return annotation
    arguments = (
        ForwardRef(each) if isinstance(each, str) else _with_references(each)
        for each in annotation.__args__
    )
    origin: Any = annotation.__origin__
    return types.GenericAlias(origin, tuple(arguments))


def is_subclass(annotation: Any, base: type[T]) -> TypeGuard[type[T]]:
    """Whether an annotation is a class below ``base``.

    ``list[int]`` is none, although Python 3.10 counts it among the types.
    """
    return (
        isinstance(annotation, type)
        and not isinstance(annotation, types.GenericAlias)
        and issubclass(annotation, base)
    )
