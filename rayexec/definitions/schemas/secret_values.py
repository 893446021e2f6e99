"""Secret values of config: masks for them where config is recorded, and messages without them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pydantic

from rayexec.definitions.config_fields import config_dict
from rayexec.definitions.environment_values import MASKED
from rayexec.definitions.schemas.config_types import (
    Array,
    ConfigType,
    Items,
    Map,
    Noneable,
    OneOf,
    ScalarUnion,
)
from rayexec.definitions.schemas.findings import Finding, env_name
from rayexec.definitions.schemas.schema_reading import (
    Entry,
    as_type,
    entries,
    entry,
    nested_type,
)

__all__ = ["mask_secrets", "without_secrets"]


def mask_secrets(schema: object, value: object) -> object:
    """Return config with masks for its secret values; names of variables stay.

    Values of lists are masked one by one, and a Config with secrets becomes a dict.
    """
    return _of_entry(entry(as_type(schema)), value)


def _of_entry(item: Entry, value: object) -> object:
    if item.is_secret:
        return value if value is None or env_name(value) is not None else MASKED
    return _of_type(item.type, value)


def _of_type(config_type: ConfigType, value: object) -> object:
    if isinstance(value, pydantic.BaseModel):
        plain = config_dict(value, for_document=True)
        masked = _of_type(config_type, plain)
        return value if masked == plain else masked
    if isinstance(config_type, Noneable):
        return _of_type(nested_type(config_type.inner_type, "Noneable"), value)
    if isinstance(config_type, ScalarUnion):
        return _of_type(nested_type(config_type.non_scalar_schema, "ScalarUnion"), value)
    if isinstance(config_type, OneOf):
        return _of_options(config_type, value)
    if isinstance(value, dict):
        return _of_dict(config_type, value)
    if isinstance(value, list):
        kind = _type_of_items(config_type)
        return value if kind is None else [_of_type(kind, inner) for inner in value]
    return value


def _of_options(config_type: OneOf, value: object) -> object:
    for option in config_type.options:
        value = _of_type(option, value)
        if isinstance(value, dict) and len(value) == 1:  # Dagster's form: {TAG: {…}}
            value = {tag: _of_type(option, inner) for tag, inner in value.items()}
    return value


def _of_dict(config_type: ConfigType, value: Mapping[object, object]) -> dict[object, object]:
    if isinstance(config_type, Map):
        kind = nested_type(config_type.inner_type, "Map")
        return {key: _of_type(kind, inner) for key, inner in value.items()}
    fields = entries(config_type)
    return {
        key: _of_entry(fields[key], inner) if isinstance(key, str) and key in fields else inner
        for key, inner in value.items()
    }


def _type_of_items(config_type: ConfigType) -> ConfigType | None:
    if isinstance(config_type, Array):
        return nested_type(config_type.inner_type, "Array")
    if isinstance(config_type, Items) and not config_type.fixed:
        return config_type.inner[0]
    return None


def without_secrets(item: Entry, findings: Sequence[Finding], given: object) -> list[Finding]:
    """Return findings whose messages quote no secret value of ``given``."""
    masked = _of_entry(item, given)
    return [
        finding._replace(message=_without_value(finding.message))
        if _at(masked, finding.path) == MASKED != _at(given, finding.path)
        else finding
        for finding in findings
    ]


def _without_value(message: str) -> str:
    # The message of a validator of users may quote the value anywhere.
    expected = message.partition(", got ")[0] if message.startswith("expected ") else "does not fit"
    return f"{expected}. The value is secret, so it is not shown here."


def _at(value: object, path: Sequence[str]) -> object:
    """Return the value at a path; above all below a mask, the mask."""
    for key in path:
        if isinstance(value, dict) and key in value:
            value = value[key]
        elif isinstance(value, list) and key.isdigit() and int(key) < len(value):
            value = value[int(key)]
        else:
            return value if value == MASKED else None
    return value
