"""Dagster's names of types: ``String``, ``List[Int]``, ``Optional[String]`` and the like.

The names of scalars are Python's classes, as in Dagster, so they are types in config too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rayexec.definitions.contexts import OpExecutionContext
from rayexec.definitions.retry import Failure
from rayexec.definitions.types.dagster_type import DagsterType, TypeCheck
from rayexec.definitions.types.type_resolution import GenericName, optional_type, resolve_type
from rayexec.errors import DefinitionError

__all__ = [
    "Any",
    "Bool",
    "Dict",
    "Float",
    "Int",
    "List",
    "Optional",
    "Set",
    "String",
    "Tuple",
    "check_dagster_type",
]

Bool = bool
Float = float
Int = int
String = str


class _DictName(GenericName):
    def __getitem__(self, inner: Any) -> DagsterType:
        if not isinstance(inner, tuple) or len(inner) != 2:
            raise DefinitionError(
                f"Dict takes two types, of the keys and of the values: Dict[String, Int], "
                f"got {inner!r}."
            )
        return super().__getitem__(inner)


class _OptionalName:
    def __getitem__(self, inner: Any) -> DagsterType:
        return optional_type(inner)

    def __repr__(self) -> str:
        return "Optional"


if TYPE_CHECKING:  # a type checker has a meaning for those of typing only
    from typing import Dict, List, Optional, Set, Tuple  # noqa: UP035
else:
    Dict = _DictName(dict)
    List = GenericName(list)
    Optional = _OptionalName()
    Set = GenericName(set)
    Tuple = GenericName(tuple)


def check_dagster_type(dagster_type: Any, value: Any) -> TypeCheck:
    """Return the verdict of a type on a value, as in a step without resources.

    A ``Failure`` that the check of a user raises counts as a failed check.
    """
    kind = resolve_type(dagster_type)
    try:
        return kind.type_check(OpExecutionContext.of_no_step(), value)
    except Failure as failure:
        return TypeCheck(False, failure.description)
