"""Types of config schemas, as in Dagster: ``Field``, ``Shape``, ``Selector`` and the like.

A schema is any of:

    int, str, float, bool              that scalar, without any conversion
    Any, list, dict                    anything; a list, a dict of anything
    {"n": int, "name": Field(...)}     short for Shape: a dict with these keys and no others
    {str: int}                         short for Map
    [int]                              short for Array
    a Config class                     the fields of the class
    a type of this module              Field only at the root, as an entry of a dict, or as an arm

Config types compare by identity and copy the dicts that they get, so a schema never changes. These
here are data and do not check their content; users make those of ``declarations``, which do.
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
    "ScalarUnion",
    "Selector",
    "Shape",
    "StringSource",
]


class Missing(enum.Enum):
    """The type of ``MISSING``, the absent value; null is a value."""

    MISSING = "MISSING"

    def __repr__(self) -> str:
        return "MISSING"


MISSING: Final = Missing.MISSING


class ConfigType:
    """Base of all config types."""

    __slots__ = ()

    def __post_init__(self) -> None:
        """Copy what users may change later."""


def frozen(schema: object) -> object:
    """Return a plain dict as a Shape or Map, and a plain list as an Array, safe from changes."""
    if isinstance(schema, dict):
        if len(schema) == 1:
            ((key, inner_type),) = schema.items()
            if not isinstance(key, str):
                return Map(key, inner_type)
        return Shape(schema)
    if isinstance(schema, list) and len(schema) == 1:
        return Array(schema[0])
    return schema


@dataclass(frozen=True, slots=True, eq=False)
class Field(ConfigType):
    """One entry of a dict, with its default.

    Unless ``is_required`` says so, an entry is required if it has no default and its config needs a
    value. The resolved dict lacks an optional entry without a default and a value. Messages show no
    value of a secret entry.
    """

    config: object
    default_value: object = MISSING
    is_required: bool | None = None
    description: str | None = None
    is_secret: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "config", frozen(self.config))
        object.__setattr__(self, "default_value", copy.deepcopy(self.default_value))

    @property
    def config_type(self) -> object:
        """The schema of the value."""
        return self.config

    @property
    def default_provided(self) -> bool:
        """Whether there is a default."""
        return self.default_value is not MISSING


@dataclass(frozen=True, slots=True, eq=False)
class Shape(ConfigType):
    """A dict with these keys and no others."""

    fields: Mapping[str, object]
    description: str | None = None
    #: Other keys for fields.
    field_aliases: Mapping[str, str] | None = None

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

    ``{arm: null}`` means the defaults of the arm. ``{}`` means the only arm, if it needs no value.
    """

    fields: Mapping[str, object]
    description: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "fields", _frozen_fields(self.fields, "Selector"))


def _frozen_fields(fields: object, owner: str) -> dict[Any, object]:
    if not isinstance(fields, Mapping):
        raise DefinitionError(f"{owner} takes a dict of its fields, not {fields!r}.")
    return {key: frozen(schema) for key, schema in fields.items()}


@dataclass(frozen=True, slots=True, eq=False)
class Noneable(ConfigType):
    """The inner config, or null; null is the default."""

    inner_type: object

    def __post_init__(self) -> None:
        object.__setattr__(self, "inner_type", frozen(self.inner_type))


@dataclass(frozen=True, slots=True, eq=False)
class EnumValue:
    """One value of an Enum: the string in config, and the op's value (by default the string)."""

    config_value: str
    python_value: object = None
    description: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Enum(ConfigType):
    """One of a few strings, with a Python value behind each."""

    name: str
    enum_values: Sequence[EnumValue]

    def __post_init__(self) -> None:
        object.__setattr__(self, "enum_values", tuple(self.enum_values))

    @classmethod
    def from_python_enum(cls, enum: type[enum.Enum], name: str | None = None) -> Enum:
        """Return the Enum of a Python enum: names in config, members for the op."""
        values = [
            EnumValue(member_name, python_value=member)
            for member_name, member in enum.__members__.items()
        ]
        return cls(name or enum.__name__, values)

    @classmethod
    def from_python_enum_direct_values(cls, enum: type[enum.Enum], name: str | None = None) -> Enum:
        """Return the Enum of a Python enum: names in config, the members' values for the op."""
        values = [
            EnumValue(member_name, python_value=member.value)
            for member_name, member in enum.__members__.items()
        ]
        return cls(name or enum.__name__, values)


@dataclass(frozen=True, slots=True, eq=False)
class ScalarUnion(ConfigType):
    """A scalar, or a dict or list of another schema."""

    scalar_type: object
    non_scalar_schema: object

    def __post_init__(self) -> None:
        object.__setattr__(self, "non_scalar_schema", frozen(self.non_scalar_schema))


@dataclass(frozen=True, slots=True, eq=False)
class Array(ConfigType):
    """A list of the inner config."""

    inner_type: object

    def __post_init__(self) -> None:
        object.__setattr__(self, "inner_type", frozen(self.inner_type))


@dataclass(frozen=True, slots=True, eq=False)
class Map(ConfigType):
    """A dict of any scalar keys of one type, with values of one config.

    ``key_label_name`` only describes the keys.
    """

    key_type: object
    inner_type: object
    key_label_name: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "inner_type", frozen(self.inner_type))


# Users do not construct the types below; the reading of a schema does.


@dataclass(frozen=True, slots=True, eq=False)
class Scalar(ConfigType):
    """An int, float, str or bool.

    With ``env``, ``{"env": NAME}`` may stand for it. ``label`` describes it.
    """

    kind: type[int | float | str | bool]
    env: bool = False
    label: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Anything(ConfigType):
    """Any value, null included."""


@dataclass(frozen=True, slots=True, eq=False)
class Model(ConfigType):
    """A pydantic model; its own fields and validators decide in the end."""

    cls: type[pydantic.BaseModel]


@dataclass(frozen=True, slots=True, eq=False)
class Items(ConfigType):
    """A list, tuple or set in a model: items of one type, or (``fixed``) one type for each item."""

    inner: tuple[ConfigType, ...]
    fixed: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class OneOf(ConfigType):
    """A union in a model; ``tag`` is the discriminating field, if any."""

    options: tuple[ConfigType, ...]
    tag: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Opaque(ConfigType):
    """Any other annotation in a model; only pydantic reads it."""

    annotation: Any


StringSource: Final = Scalar(str, True, "str or {env: NAME}")
IntSource: Final = Scalar(int, True, "int or {env: NAME}")
BoolSource: Final = Scalar(bool, True, "bool or {env: NAME}")
