"""Config classes as schemas of plain dicts: each of their fields as a Field."""

from __future__ import annotations

import inspect

import pydantic

from rayexec.definitions.config_fields import document_value, tags_of
from rayexec.definitions.schemas.config_types import (
    MISSING,
    Array,
    ConfigType,
    Enum,
    EnumValue,
    Field,
    Items,
    Map,
    Model,
    Noneable,
    OneOf,
    Opaque,
    Permissive,
    Selector,
    Shape,
)
from rayexec.definitions.schemas.schema_reading import (
    as_type,
    entries,
    is_enum,
    literals,
    nested_type,
)

__all__ = ["field_of_model", "fields_of_model"]


def field_of_model(cls: type[pydantic.BaseModel]) -> Field:
    """Return a Config class as a Field of plain dicts."""
    return Field(_plain_type(as_type(cls)), description=inspect.getdoc(cls))


def fields_of_model(cls: type[pydantic.BaseModel]) -> dict[str, Field]:
    """Return the fields of a Config class by key, for plain dicts."""
    made = {}
    for key, item in entries(as_type(cls)).items():
        info = cls.model_fields[item.name]
        default = item.fallback if item.default is MISSING else item.default
        if default is not MISSING:
            default = document_value(default, info.discriminator)
        made[key] = Field(
            _plain_type(item.type),
            default,
            item.required,
            info.description,
            item.is_secret,
        )
    return made


def _plain_type(config_type: ConfigType) -> ConfigType:
    """Return a type of plain values for a type of a model's field."""
    if isinstance(config_type, Model):
        kind = Permissive if config_type.cls.model_config.get("extra") == "allow" else Shape
        return kind(fields_of_model(config_type.cls))
    if isinstance(config_type, Noneable):
        return Noneable(_plain_type(nested_type(config_type.inner_type, "Noneable")))
    if isinstance(config_type, Map):
        inner = _plain_type(nested_type(config_type.inner_type, "Map"))
        return Map(config_type.key_type, inner)
    if isinstance(config_type, Items) and not config_type.fixed:
        return Array(_plain_type(config_type.inner[0]))
    if isinstance(config_type, OneOf) and config_type.tag:
        models = tuple(option.cls for option in config_type.options if isinstance(option, Model))
        arms = {}
        for tag, model in tags_of(models, config_type.tag).items():
            fields = fields_of_model(model)
            info = model.model_fields[config_type.tag]
            fields.pop(info.alias or config_type.tag, None)
            arms[tag] = Shape(fields)
        return Selector(arms)
    if isinstance(config_type, Opaque) and is_enum(config_type.annotation):
        return Enum.from_python_enum_direct_values(config_type.annotation)
    if isinstance(config_type, Opaque) and literals(config_type.annotation):
        values = [EnumValue(str(each), each) for each in literals(config_type.annotation)]
        return Enum(str(config_type.annotation), values)
    return config_type
