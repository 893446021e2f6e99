"""Classes of users with a DagsterType of their own, for annotations that name the class."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, overload
from weakref import WeakSet

from rayexec.definitions.types.dagster_type import DagsterType, PythonObjectDagsterType, show_value
from rayexec.definitions.types.type_loaders import DagsterTypeLoader
from rayexec.errors import DefinitionError

__all__ = [
    "declared_type",
    "make_python_type_usable_as_dagster_type",
    "note_use",
    "usable_as_dagster_type",
]

ClassT = TypeVar("ClassT", bound=type)

_declared: dict[type, DagsterType] = {}
_used: WeakSet[type] = WeakSet()


def declared_type(python_type: type) -> DagsterType | None:
    """Return the DagsterType of a class, None for a class without one."""
    return _declared.get(python_type)


def note_use(python_type: type) -> None:
    """Note that an op uses a class without a DagsterType: it can get none later."""
    _used.add(python_type)


def make_python_type_usable_as_dagster_type(python_type: type, dagster_type: DagsterType) -> None:
    """Have annotations with the class ``python_type`` mean ``dagster_type``.

    Raises DefinitionError for a class that has another type already, or that an op has used.
    """
    if not isinstance(python_type, type) or not isinstance(dagster_type, DagsterType):
        raise DefinitionError(
            f"make_python_type_usable_as_dagster_type takes a class and a DagsterType, got "
            f"{show_value(python_type)} and {show_value(dagster_type)}."
        )
    if _declared.get(python_type, dagster_type) is not dagster_type:
        raise DefinitionError(f"the class {python_type.__name__} already has a DagsterType.")
    if python_type in _used and python_type not in _declared:
        raise DefinitionError(
            f"an op already uses the class {python_type.__name__} as a type: give the class its "
            f"DagsterType before that op."
        )
    _declared[python_type] = dagster_type


@overload
def usable_as_dagster_type(name: ClassT, /) -> ClassT: ...
@overload
def usable_as_dagster_type(
    name: str | None = ..., description: str | None = ..., loader: DagsterTypeLoader | None = ...
) -> Callable[[ClassT], ClassT]: ...
def usable_as_dagster_type(
    name: Any = None, description: str | None = None, loader: DagsterTypeLoader | None = None
) -> Any:
    """Give a class a DagsterType of its instances, with a name, a description and a loader."""

    def decorate(cls: ClassT) -> ClassT:
        kind = PythonObjectDagsterType(
            cls,
            name=cls.__name__ if name is None or name is cls else name,
            description=description,
            loader=loader,
        )
        make_python_type_usable_as_dagster_type(cls, kind)
        return cls

    return decorate(name) if isinstance(name, type) else decorate
