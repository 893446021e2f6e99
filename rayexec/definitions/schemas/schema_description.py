"""Descriptions of config types in one line, and scaffolds of values for them."""

from __future__ import annotations

import enum
import json
from datetime import date
from typing import Any

import pydantic

from rayexec.definitions.environment_values import MASKED, EnvVar
from rayexec.definitions.schemas.config_types import (
    MISSING,
    Array,
    ConfigType,
    Enum,
    Field,
    Items,
    Map,
    Model,
    Noneable,
    OneOf,
    Opaque,
    Permissive,
    Scalar,
    ScalarUnion,
    Selector,
    Shape,
)
from rayexec.definitions.schemas.schema_reading import (
    Entry,
    entries,
    entry,
    is_enum,
    literals,
    nested_type,
)

__all__ = ["describe_type", "example", "literal_value", "plain", "scaffold_type"]

_UNLIMITED = 1_000


def describe_type(
    config_type: ConfigType, depth: int = _UNLIMITED, within: tuple[object, ...] = ()
) -> str:
    """Return a config type in one line, with ``depth`` levels of braces.

    A model inside of itself (``within``) appears by name only.
    """

    def inner(schema: object, name: str) -> str:
        return describe_type(nested_type(schema, name), depth, within)

    if isinstance(config_type, Field):
        item = entry(config_type)
        return describe_type(item.type, depth, within) + _default(item)
    if isinstance(config_type, Model) and config_type.cls in within:
        return config_type.cls.__name__
    if isinstance(config_type, Shape | Permissive | Selector | Model):
        return ("one of " if isinstance(config_type, Selector) else "") + _braces(
            config_type, depth, within
        )
    if isinstance(config_type, Noneable):
        return f"{inner(config_type.inner_type, 'Noneable')} or null"
    if isinstance(config_type, Array):
        return f"list of {inner(config_type.inner_type, 'Array')}"
    if isinstance(config_type, ScalarUnion):
        scalar = inner(config_type.scalar_type, "ScalarUnion")
        return f"{scalar} or {inner(config_type.non_scalar_schema, 'ScalarUnion')}"
    if isinstance(config_type, Map):
        label = f"{config_type.key_label_name}: " if config_type.key_label_name else ""
        keys, values = inner(config_type.key_type, "Map"), inner(config_type.inner_type, "Map")
        return f"map of {label}{keys} to {values}"
    if isinstance(config_type, Items):
        items = ", ".join(describe_type(item, depth, within) for item in config_type.inner)
        return f"list of ({items})" if config_type.fixed else f"list of {items}"
    if isinstance(config_type, OneOf):
        return " or ".join(describe_type(option, depth, within) for option in config_type.options)
    if isinstance(config_type, Enum):
        return _choice([value.config_value for value in config_type.enum_values])
    if isinstance(config_type, Opaque):
        return _opaque(config_type.annotation)
    return config_type.label if isinstance(config_type, Scalar) else "any value"


def _braces(config_type: ConfigType, depth: int, within: tuple[object, ...]) -> str:
    items = entries(config_type)
    others = isinstance(config_type, Permissive)
    if isinstance(config_type, Model):
        others = config_type.cls.model_config.get("extra") == "allow"
        within = (*within, config_type.cls)
    if others and not items:
        return "dict"
    if items and depth == 0:
        return "{…}"
    parts = [
        f"{key}{'' if item.required else '?'}: "
        f"{describe_type(item.type, depth - 1, within)}{_default(item)}"
        for key, item in items.items()
    ]
    return f"{{{', '.join(parts + ['...'] * others)}}}"


def _default(item: Entry) -> str:
    if item.default is MISSING or item.default == {}:
        return ""
    shown = MASKED if item.is_secret else plain(item.default)
    return f" = {json.dumps(shown, ensure_ascii=False, default=str)}"


def _choice(values: list[Any]) -> str:
    return repr(values[0]) if len(values) == 1 else f"one of {', '.join(map(repr, values))}"


def _opaque(annotation: Any) -> str:
    if is_enum(annotation):
        return _choice(list(annotation.__members__))
    if values := literals(annotation):
        return _choice([literal_value(value) for value in values])
    return (
        annotation.__name__
        if isinstance(annotation, type)
        else str(annotation).replace("typing.", "")
    )


def scaffold_type(
    config_type: ConfigType, only_required: bool, within: tuple[object, ...] = ()
) -> object:
    """Return a value that YAML can hold: the default, or a placeholder of the type.

    A model inside of itself (``within``) stays empty.
    """
    if isinstance(config_type, Field):
        return _entry(entry(config_type), only_required, within)
    if isinstance(config_type, Model):
        if config_type.cls in within:
            return {}
        within = (*within, config_type.cls)
    if isinstance(config_type, Shape | Permissive | Selector | Model):
        items = list(entries(config_type).items())
        if isinstance(config_type, Selector):
            chosen = items[:1]
        else:
            chosen = [
                (key, item)
                for key, item in items
                if item.required or not (only_required or _has_secret_default(item))
            ]
        return {key: _entry(item, only_required, within) for key, item in chosen}
    if isinstance(config_type, Scalar):
        return config_type.kind()
    if isinstance(config_type, ScalarUnion):
        scalar = nested_type(config_type.scalar_type, "ScalarUnion")
        return scaffold_type(scalar, only_required, within)
    if isinstance(config_type, Array):
        return []
    if isinstance(config_type, Items):
        return (
            [scaffold_type(item, only_required, within) for item in config_type.inner]
            if config_type.fixed
            else []
        )
    if isinstance(config_type, Map):
        return {}
    if isinstance(config_type, Enum):
        return config_type.enum_values[0].config_value
    if isinstance(config_type, OneOf):
        return scaffold_type(config_type.options[0], only_required, within)
    if isinstance(config_type, Opaque):
        if is_enum(config_type.annotation):
            return next(iter(config_type.annotation.__members__), None)
        values = literals(config_type.annotation)
        return literal_value(values[0]) if values else f"<{_opaque(config_type.annotation)}>"
    return None


def _has_secret_default(item: Entry) -> bool:
    return item.is_secret and item.default is not MISSING


def _entry(item: Entry, only_required: bool, within: tuple[object, ...]) -> object:
    return (
        scaffold_type(item.type, only_required, within)
        if item.default is MISSING
        else plain(item.default)
    )


def example(item: Entry) -> str:
    """Return the least value for an entry, as YAML in one line."""
    return json.dumps(scaffold_type(item.type, only_required=True), ensure_ascii=False, default=str)


def literal_value(value: object) -> Any:
    """Return a value of a Literal as run config gives it."""
    return value.value if isinstance(value, enum.Enum) else value


def plain(value: object) -> Any:
    """Return a value in a form that YAML can hold."""
    if isinstance(value, EnvVar):
        return value.as_config()
    if isinstance(value, enum.Enum):
        return value.name
    if isinstance(value, pydantic.BaseModel):
        names = {item.name: key for key, item in entries(Model(type(value))).items()}
        return {names.get(name, name): plain(inner) for name, inner in value}
    if isinstance(value, dict):
        return {plain(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(inner) for inner in value]
    if value is None or isinstance(value, str | int | float | bool):
        return value
    return value.isoformat() if isinstance(value, date) else str(value)
