"""Checks of config schemas where they are declared."""

from __future__ import annotations

from typing import Any

import pydantic

from rayexec.definitions.schemas.config_types import (
    MISSING,
    Array,
    Enum,
    Field,
    Map,
    Model,
    Noneable,
    Permissive,
    ScalarUnion,
    Selector,
    Shape,
)
from rayexec.definitions.schemas.given_values import check_enum, key_of_map
from rayexec.definitions.schemas.schema_reading import (
    as_type,
    entries,
    entry,
    models_in,
    nested_type,
)
from rayexec.definitions.schemas.schema_validators import check_default
from rayexec.errors import DefinitionError

__all__ = ["check_schema"]


def check_schema(schema: Any) -> None:
    """Raise DefinitionError for a malformed schema, or a default in it that does not fit."""
    config_type = as_type(schema)
    if isinstance(config_type, Field):
        if callable(config_type.default_value):
            raise DefinitionError(
                f"A Field's default is a value, not {config_type.default_value!r}: call it."
            )
        item = entry(config_type)
        check_schema(item.type)
        check_default(item, "a Field")
    elif isinstance(config_type, Shape | Permissive | Selector):
        for key, item in entries(config_type).items():
            check_schema(item.type)
            check_default(item, repr(key))
    elif isinstance(config_type, Noneable | Array):
        check_schema(nested_type(config_type.inner_type, type(config_type).__name__))
    elif isinstance(config_type, Map):
        key_of_map(config_type)
        check_schema(nested_type(config_type.inner_type, "Map"))
    elif isinstance(config_type, ScalarUnion):
        check_schema(nested_type(config_type.scalar_type, "ScalarUnion"))
        check_schema(nested_type(config_type.non_scalar_schema, "ScalarUnion"))
    elif isinstance(config_type, Enum):
        check_enum(config_type)
    elif isinstance(config_type, Model):
        _check_model(config_type)


def _check_model(config_type: Model, within: tuple[type, ...] = ()) -> None:
    cls = config_type.cls
    try:
        cls.model_rebuild()
    except pydantic.errors.PydanticUndefinedAnnotation:
        return  # a class that the module defines below; the first run config checks it
    for key, item in entries(config_type).items():
        # None is the default of many a field of another type.
        if item.default is not MISSING and item.default is not None:
            check_default(item, f"{cls.__name__}.{key}")
        for model in models_in(item.type):
            if model.cls not in (*within, cls):
                _check_model(model, (*within, cls))
