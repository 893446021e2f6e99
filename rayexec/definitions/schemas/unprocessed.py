"""Config schemas that only check: enums stay strings, and variables stay names."""

from __future__ import annotations

from rayexec.definitions.schemas.config_types import (
    Array,
    ConfigType,
    Enum,
    EnumValue,
    Field,
    Map,
    Noneable,
    OneOf,
    Permissive,
    Scalar,
    Selector,
    Shape,
)
from rayexec.definitions.schemas.schema_reading import as_type

__all__ = ["unprocessed"]


def unprocessed(schema: object) -> ConfigType:
    """Return a schema with the same values and defaults, which it passes on as they are."""
    config_type = as_type(schema)
    if isinstance(config_type, Field):
        return Field(
            unprocessed(config_type.config), config_type.default_value, config_type.is_required
        )
    if isinstance(config_type, Shape | Permissive | Selector):
        fields = {key: unprocessed(inner) for key, inner in (config_type.fields or {}).items()}
        return type_of(config_type)(fields)
    if isinstance(config_type, Noneable):
        return Noneable(unprocessed(config_type.inner_type))
    if isinstance(config_type, Array):
        return Array(unprocessed(config_type.inner_type))
    if isinstance(config_type, Map):
        return Map(config_type.key_type, unprocessed(config_type.inner_type))
    if isinstance(config_type, Enum):
        values = [EnumValue(value.config_value) for value in config_type.enum_values]
        return Enum(config_type.name, values)
    if isinstance(config_type, Scalar) and config_type.env:
        plain = Scalar(config_type.kind, label=config_type.label)
        return OneOf((plain, Shape({"env": str})))
    return config_type


def type_of(
    config_type: Shape | Permissive | Selector,
) -> type[Shape] | type[Permissive] | type[Selector]:
    """Return the plain class of a dict's type."""
    return next(each for each in (Shape, Permissive, Selector) if isinstance(config_type, each))
