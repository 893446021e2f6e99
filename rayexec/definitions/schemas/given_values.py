"""Given values of config types: variables, arms, enums and tags read before the validation."""

from __future__ import annotations

import copy
import enum
import os
from collections.abc import Mapping, Sequence
from typing import Any

import pydantic

from rayexec.definitions.environment_values import EnvVar
from rayexec.definitions.schemas.config_types import (
    MISSING,
    ConfigType,
    Enum,
    EnumValue,
    Map,
    Model,
    Opaque,
    Scalar,
    Selector,
    Shape,
)
from rayexec.definitions.schemas.findings import (
    ENVIRONMENT,
    VALUE,
    Finding,
    env_name,
    failure,
    got,
    mismatch,
    problem,
)
from rayexec.definitions.schemas.schema_description import describe_type, literal_value
from rayexec.definitions.schemas.schema_reading import (
    Entry,
    as_type,
    empty,
    entries,
    needs_value,
    nested_type,
)
from rayexec.errors import DefinitionError
from rayexec.names import nearest

__all__ = [
    "as_given",
    "by_field",
    "check_enum",
    "enum_member",
    "from_env",
    "key_of",
    "key_of_map",
    "likeness",
    "one_arm",
    "origin_of_value",
    "over_default",
    "overlap",
    "unaliased",
]

_TRUE = frozenset({"true", "1", "yes", "on"})
_FALSE = frozenset({"false", "0", "no", "off", "none", ""})


def from_env(config_type: Scalar, value: object) -> object:
    """Return the value of the environment variable in ``value``, or ``value`` without one."""
    name = env_name(value)
    if name is None:
        return value
    text = os.environ.get(name)
    if text is None:
        raise problem(f"the environment variable {name!r} is not set.", ENVIRONMENT)
    if config_type.kind is bool and text.lower() in _TRUE | _FALSE:
        return text.lower() in _TRUE
    try:
        if config_type.kind is not bool:
            return config_type.kind(text)
    except ValueError:
        pass
    # The message leaves out the text itself, which may be a secret.
    raise problem(
        f"the environment variable {name!r} does not hold a valid {config_type.kind.__name__}.",
        ENVIRONMENT,
    )


def unaliased(config_type: Shape, value: object) -> object:
    """Return a value with the keys of its fields for their other keys."""
    if not isinstance(value, dict):
        return value
    renamed = dict(value)
    for key, alias in (config_type.field_aliases or {}).items():
        if alias in renamed:
            if key in renamed:
                raise problem(f"give {key!r} or its other key {alias!r}, and not both.")
            renamed[key] = renamed.pop(alias)
    return renamed


def one_arm(config_type: Selector, value: object) -> object:
    """Return the value of a Selector with the config of its arm."""
    if not isinstance(value, dict):
        return value
    arms = entries(config_type)
    if not value and not needs_value(config_type):
        ((key, arm),) = arms.items()
        content = empty(arm.type) if arm.default is MISSING else copy.deepcopy(arm.default)
    elif len(value) == 1:
        ((key, content),) = value.items()
    else:
        given = ", ".join(map(repr, value)) or "none"
        raise problem(
            f"expected exactly one of the keys {', '.join(map(repr, arms))}, got {given}."
        )
    if content is None and key in arms and empty(arms[key].type) == {}:
        content = {}
    return {key: content}


def enum_member(config_type: Opaque, value: object) -> enum.Enum:
    """Return the member of a Python enum that a value names."""
    cls: type[enum.Enum] = config_type.annotation
    if isinstance(value, cls):
        return value
    if isinstance(value, str) and value in cls.__members__:
        return cls[value]
    hint = nearest(value, cls.__members__) if isinstance(value, str) else ""
    raise mismatch(config_type, value, hint)


def by_field(
    options: Mapping[type[pydantic.BaseModel], Model],
    tags: Mapping[Any, type[pydantic.BaseModel]],
    tag: str,
    value: Mapping[Any, object],
) -> Model:
    """Return the option that the field of ``value`` names."""
    keys = {key_of(option, tag) for option in options.values()}
    key = next(iter(keys & value.keys()), next(iter(keys)))
    listed = ", ".join(map(repr, tags))
    if key not in value:
        message = f"required key {key!r} is missing. Expected: one of {listed}"
        raise failure([Finding(VALUE, (key,), message)])
    given = literal_value(value[key])
    if not isinstance(given, str | int) or given not in tags:
        hint = nearest(given, map(str, tags)) if isinstance(given, str) else ""
        message = f"expected one of {listed}, got {got(given)}.{hint}"
        raise failure([Finding(VALUE, (key,), message)])
    return options[tags[given]]


def key_of(option: Model, name: str) -> str:
    """Return the key of a model's field in run config."""
    return next((key for key, item in entries(option).items() if item.name == name), name)


def over_default(fields: Mapping[str, Entry], key: str, given: object) -> object:
    """Return a given dict with the values of the default Config in its field, as in Dagster."""
    default = fields[key].default if key in fields else MISSING
    if not isinstance(given, dict) or not isinstance(default, pydantic.BaseModel):
        return given
    if not isinstance(fields[key].type, Model):
        return given
    own = type(default).model_fields
    changed = {
        inner: getattr(default, item.name)
        for inner, item in entries(as_type(type(default))).items()
        if not isinstance(item.type, Model)
        and getattr(default, item.name) != own[item.name].default
    }
    return {**changed, **given}


def origin_of_value(value: object) -> object:
    """Return what names the variable of a value, for ``repr``."""
    name = env_name(value)
    return "(from the environment)" if name is None else EnvVar(name)


def as_given(instance: pydantic.BaseModel) -> dict[str, object]:
    """Return a model as a dict with keys as in run config."""
    keys = {item.name: key for key, item in entries(as_type(type(instance))).items()}
    return {keys.get(name, name): value for name, value in instance}


def overlap(one: Sequence[str], other: Sequence[str]) -> bool:
    """Return whether one of two paths begins with the other."""
    return all(left == right for left, right in zip(one, other, strict=False))


def likeness(value: object, result: object) -> tuple[bool, int]:
    """Return how well a result fits the value it was made of, to compare."""
    fields = result.model_fields_set if isinstance(result, pydantic.BaseModel) else ()
    return type(result) is type(value), len(fields)


def key_of_map(config_type: Map) -> ConfigType:
    """Return the type of a Map's keys; raises DefinitionError unless it is a scalar."""
    key = nested_type(config_type.key_type, "Map")
    if not isinstance(key, Scalar | Opaque):
        raise DefinitionError(f"The keys of a Map are scalars, not {describe_type(key)}.")
    return key


def check_enum(config_type: Enum) -> None:
    """Raise DefinitionError for values that are no EnumValues, or that occur twice."""
    items = config_type.enum_values
    if not items or not all(
        isinstance(item, EnumValue) and isinstance(item.config_value, str) for item in items
    ):
        raise DefinitionError(
            f"The Enum {config_type.name!r} takes at least one EnumValue, and only strings as "
            f"config values."
        )
    names = [item.config_value for item in items]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise DefinitionError(f"The Enum {config_type.name!r} has the value {twice!r} twice.")
