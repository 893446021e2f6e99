"""The words of a config schema, as in Dagster: ``Field``, ``Shape``, ``Selector`` and the like.

A schema is any of:

    int, str, float, bool              that scalar, and nothing that would have to be converted to it
    Any, list, dict                    anything; a list, a dict of anything
    {"n": int, "name": Field(...)}     short for Shape: a dict with these keys and no others
    [int]                              short for Array
    a Config class                     what its fields say
    a word of this module              Field only at the root, as an entry of a dict, or as an arm of a Selector

Words compare by identity and hold copies of the dicts that they are given, so that a schema never
changes once it is made. They do not check what they hold: a malformed word raises DefinitionError
where it is first used.
"""

from __future__ import annotations

import copy
import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from rayexec.errors import DefinitionError

if TYPE_CHECKING:
    import pydantic

__all__ = [
    "MISSING",
    "Any",
    "Array",
    "BoolSource",
    "Enum",
    "EnumValue",
    "Field",
    "IntSource",
    "Map",
    "Missing",
    "Noneable",
    "Permissive",
    "Selector",
    "Shape",
    "StringSource",
]


class Missing(enum.Enum):
    """The type of ``MISSING``: no value at all, as against null."""

    MISSING = "MISSING"

    def __repr__(self) -> str:
        return "MISSING"


MISSING: Final = Missing.MISSING


class ConfigType:
    """Base of all words."""

    __slots__ = ()


def frozen(schema: object) -> object:
    """Return ``schema`` with its plain dicts and lists turned into words, which later changes to
    them cannot reach.
    """
    if isinstance(schema, dict):
        return Shape(schema)
    if isinstance(schema, list) and len(schema) == 1:
        return Array(schema[0])
    return schema


@dataclass(frozen=True, slots=True, eq=False)
class Field(ConfigType):
    """One entry of a dict, with its default.

    Without ``is_required``, an entry is required unless it has a default or its config needs
    nothing. An optional entry without a default is left out of the resolved dict.
    """

    config: object
    default_value: object = MISSING
    is_required: bool | None = None
    description: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "config", frozen(self.config))
        object.__setattr__(self, "default_value", copy.deepcopy(self.default_value))


@dataclass(frozen=True, slots=True, eq=False)
class Shape(ConfigType):
    """A dict with these keys and no others."""

    fields: Mapping[str, object]
    description: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "fields", _frozen_fields(self.fields, "Shape"))


@dataclass(frozen=True, slots=True, eq=False)
class Permissive(ConfigType):
    """A dict with these keys, and any others."""

    fields: Mapping[str, object] | None = None
    description: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "fields", _frozen_fields(self.fields or {}, "Permissive"))


@dataclass(frozen=True, slots=True, eq=False)
class Selector(ConfigType):
    """A dict with exactly one of these keys.

    ``{arm: null}`` stands for the arm's defaults, and ``{}`` for the only arm where there is only
    one and it needs nothing.
    """

    fields: Mapping[str, object]
    description: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "fields", _frozen_fields(self.fields, "Selector"))


def _frozen_fields(fields: object, word: str) -> dict[Any, object]:
    if not isinstance(fields, Mapping):
        raise DefinitionError(f"{word} takes a dict of its fields, not {fields!r}.")
    return {key: frozen(schema) for key, schema in fields.items()}


@dataclass(frozen=True, slots=True, eq=False)
class Noneable(ConfigType):
    """The inner config, or null; null where it is left out."""

    inner: object

    def __post_init__(self) -> None:
        object.__setattr__(self, "inner", frozen(self.inner))


@dataclass(frozen=True, slots=True, eq=False)
class EnumValue:
    """One value of an Enum: the string in the config, and what the op gets for it (by default, the
    same string).
    """

    config_value: str
    python_value: object = None
    description: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Enum(ConfigType):
    """One of a few strings, each of which may stand for a Python value."""

    name: str
    enum_values: Sequence[EnumValue]

    def __post_init__(self) -> None:
        object.__setattr__(self, "enum_values", tuple(self.enum_values))

    @classmethod
    def from_python_enum(cls, enum: type[enum.Enum], name: str | None = None) -> Enum:
        """Return the Enum whose strings are the names of ``enum``'s members, and whose values are
        the members.
        """
        values = [
            EnumValue(member_name, python_value=member)
            for member_name, member in enum.__members__.items()
        ]
        return cls(name or enum.__name__, values)


@dataclass(frozen=True, slots=True, eq=False)
class Array(ConfigType):
    """A list of the inner config."""

    inner: object

    def __post_init__(self) -> None:
        object.__setattr__(self, "inner", frozen(self.inner))


@dataclass(frozen=True, slots=True, eq=False)
class Map(ConfigType):
    """A dict from any scalar keys of one type to values of one config; ``key_label_name`` only
    describes the keys.
    """

    key_type: object
    inner_type: object
    key_label_name: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "inner_type", frozen(self.inner_type))


# The words below have no constructor that users call: reading a schema makes them.


@dataclass(frozen=True, slots=True, eq=False)
class Scalar(ConfigType):
    """An int, float, str or bool; ``env`` lets ``{"env": NAME}`` stand for it, and ``label``
    describes it.
    """

    kind: type[int | float | str | bool]
    env: bool = False
    label: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Anything(ConfigType):
    """Any value, null included."""


@dataclass(frozen=True, slots=True, eq=False)
class Model(ConfigType):
    """A pydantic model; its own fields and validators have the last word."""

    cls: type[pydantic.BaseModel]


@dataclass(frozen=True, slots=True, eq=False)
class Items(ConfigType):
    """A list, tuple or set in a model: all items of ``inner[0]``, or (``fixed``) each of its own."""

    inner: tuple[ConfigType, ...]
    fixed: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class OneOf(ConfigType):
    """A union in a model; ``tag`` is the field that tells its models apart, if any."""

    options: tuple[ConfigType, ...]
    tag: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Opaque(ConfigType):
    """Any other annotation in a model, which only pydantic reads."""

    annotation: Any


StringSource: Final = Scalar(str, True, "str or {env: NAME}")
IntSource: Final = Scalar(int, True, "int or {env: NAME}")
BoolSource: Final = Scalar(bool, True, "bool or {env: NAME}")
