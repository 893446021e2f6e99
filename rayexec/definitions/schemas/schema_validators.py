"""Validators of config types, built with pydantic-core.

A Config class validates in two passes, as in Dagster. The first pass checks the types of the given
values strictly (no ``"4"`` for an int) and reads environment variables. The second pass runs the
class itself, with its constraints and validators, on the result. Both passes report.
"""

from __future__ import annotations

import copy
import os
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any

import pydantic
from pydantic_core import CoreSchema, SchemaValidator
from pydantic_core import core_schema as core

from rayexec.definitions.config_fields import arm_of, tags_of
from rayexec.definitions.config_models import Config, EnvVar, note_origins
from rayexec.definitions.schemas.config_types import (
    MISSING,
    Anything,
    Array,
    ConfigType,
    Enum,
    EnumValue,
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
from rayexec.definitions.schemas.findings import (
    ENVIRONMENT,
    VALUE,
    Finding,
    env_name,
    failure,
    finding_of,
    got,
    holds_env,
    mismatch,
    problem,
)
from rayexec.definitions.schemas.schema_description import describe_type, literal_value
from rayexec.definitions.schemas.schema_reading import (
    Entry,
    as_type,
    empty,
    entries,
    entry,
    is_enum,
    needs_value,
    nested_type,
)
from rayexec.errors import DefinitionError
from rayexec.names import nearest

if TYPE_CHECKING:
    import enum
    from collections.abc import Mapping, Sequence

__all__ = ["check_default", "check_enum", "entry_with_validator", "key_of_map", "run_validator"]

_TRUE = frozenset({"true", "1", "yes", "on"})
_FALSE = frozenset({"false", "0", "no", "off", "none", ""})


def entry_with_validator(schema: object) -> tuple[Entry, SchemaValidator]:
    """Return a schema as an entry with its validator; raises DefinitionError if malformed."""
    item = entry(as_type(schema))
    # A plain dict or list becomes a new config type each time, and would only push others out of
    # the cache.
    validator = (_build if isinstance(schema, dict | list) else _compiled)(item.type)
    check_default(item, "a Field")
    return item, validator


def _build(config_type: ConfigType) -> SchemaValidator:
    return SchemaValidator(_core(config_type))


# By identity: a config type never changes, and the cache keeps it alive as long as it uses its id.
_compiled = lru_cache(maxsize=512)(_build)


def run_validator(
    validator: SchemaValidator, config_type: ConfigType, value: object
) -> tuple[object, list[Finding]]:
    """Return the validated value with all findings; with findings, the value as it came."""
    try:
        return validator.validate_python(value), []
    except pydantic.ValidationError as error:
        return value, [finding_of(config_type, item) for item in error.errors(include_url=False)]


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


def check_default(item: Entry, owner: str) -> None:
    """Raise DefinitionError for a default that does not fit; ``owner`` is the entry in words."""
    if item.default is MISSING:
        return
    _, findings = run_validator(_compiled(item.type), item.type, copy.deepcopy(item.default))
    wrong = [finding for finding in findings if finding.kind != ENVIRONMENT]
    if wrong:
        path = ":".join(("", *wrong[0].path))
        raise DefinitionError(
            f"The default {item.default!r} of {owner} does not fit it{path}: {wrong[0].message}"
        )


# Schemas of pydantic-core.


def _core(config_type: ConfigType) -> CoreSchema:
    if isinstance(config_type, Scalar):
        scalar = getattr(core, f"{config_type.kind.__name__}_schema")(strict=True)
        return (
            core.no_info_before_validator_function(partial(_from_env, config_type), scalar)
            if config_type.env
            else scalar
        )
    if isinstance(config_type, Model):
        return core.no_info_plain_validator_function(partial(_model, config_type))
    if isinstance(config_type, Noneable):
        return core.nullable_schema(_core(nested_type(config_type.inner_type, "Noneable")))
    if isinstance(config_type, Array):
        return core.list_schema(_core(nested_type(config_type.inner_type, "Array")), strict=True)
    if isinstance(config_type, Map):
        key = key_of_map(config_type)
        values = _core(nested_type(config_type.inner_type, "Map"))
        return core.dict_schema(_core(key), values, strict=True)
    if isinstance(config_type, Enum):
        return _enum(config_type)
    if isinstance(config_type, ScalarUnion):
        return core.no_info_plain_validator_function(partial(_scalar_or_not, config_type))
    if isinstance(config_type, Selector):
        arms = {
            key: core.typed_dict_field(_core(arm.type), required=False)
            for key, arm in _checked_entries(config_type).items()
        }
        return core.no_info_before_validator_function(
            partial(_one_arm, config_type), _dict(arms, "forbid")
        )
    if isinstance(config_type, Permissive) and not config_type.fields:
        return core.dict_schema(strict=True)
    if isinstance(config_type, Shape | Permissive):
        fields = {key: _field(item) for key, item in _checked_entries(config_type).items()}
        shape = _dict(fields, "allow" if isinstance(config_type, Permissive) else "forbid")
        if isinstance(config_type, Shape) and config_type.field_aliases:
            return core.no_info_before_validator_function(partial(_unaliased, config_type), shape)
        return shape
    if isinstance(config_type, Items):
        inner = [_core(item) for item in config_type.inner]
        return core.tuple_schema(inner) if config_type.fixed else core.list_schema(inner[0])
    if isinstance(config_type, OneOf):
        return core.no_info_plain_validator_function(partial(_one_of, config_type))
    if isinstance(config_type, Opaque) and is_enum(config_type.annotation):
        return core.no_info_plain_validator_function(partial(_member, config_type))
    if isinstance(config_type, Anything | Opaque):
        return core.any_schema()
    raise DefinitionError(f"{config_type!r} is not a config type.")


def _checked_entries(config_type: ConfigType) -> Mapping[str, Entry]:
    items = entries(config_type)
    for key, item in items.items():
        check_default(item, repr(key))
    return items


def _dict(fields: dict[str, core.TypedDictField], extra: Any) -> CoreSchema:
    return core.typed_dict_schema(fields, extra_behavior=extra, strict=True)


def _field(item: Entry) -> core.TypedDictField:
    schema = _core(item.type)
    if item.fallback is not MISSING:
        fallback = partial(copy.deepcopy, item.fallback)
        schema = core.with_default_schema(schema, default_factory=fallback, validate_default=True)
    return core.typed_dict_field(schema, required=item.required)


def _enum(config_type: Enum) -> CoreSchema:
    check_enum(config_type)
    values = {item.config_value: item for item in config_type.enum_values}

    def resolve(value: str) -> object:
        if value not in values:
            raise mismatch(config_type, value, nearest(value, values))
        item = values[value]
        return item.config_value if item.python_value is None else item.python_value

    return core.no_info_after_validator_function(resolve, core.str_schema(strict=True))


# Validation of config types without a schema in pydantic-core.


def _from_env(config_type: Scalar, value: object) -> object:
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


def _one_arm(config_type: Selector, value: object) -> object:
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


def _unaliased(config_type: Shape, value: object) -> object:
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


def _scalar_or_not(config_type: ScalarUnion, value: object) -> object:
    schema = (
        config_type.non_scalar_schema if isinstance(value, dict | list) else config_type.scalar_type
    )
    inner = nested_type(schema, "ScalarUnion")
    result, findings = run_validator(_compiled(inner), inner, value)
    if findings:
        raise failure(findings)
    return result


def _one_of(config_type: OneOf, value: object) -> object:
    if config_type.tag and isinstance(value, dict):
        return _tagged(config_type, config_type.tag, value)
    results, failures = [], []
    for option in config_type.options:
        result, findings = run_validator(_compiled(option), option, value)
        if findings:
            failures.append(findings)
        else:
            results.append(result)
    if results:
        return max(results, key=partial(_likeness, value))
    # The findings of an option that the value resembles say more than a mismatch of all options.
    inside = [
        findings
        for findings in failures
        if all(finding.path or finding.kind == ENVIRONMENT for finding in findings)
    ]
    if inside:
        raise failure(min(inside, key=len))
    raise mismatch(config_type, value)


def _likeness(value: object, result: object) -> tuple[bool, int]:
    fields = result.model_fields_set if isinstance(result, pydantic.BaseModel) else ()
    return type(result) is type(value), len(fields)


def _tagged(config_type: OneOf, tag: str, value: dict[Any, object]) -> object:
    """Return a value of the option that the tag of ``value`` names, in one of two forms.

    They are ``{"kind": "cat", …}``, and Dagster's ``{"cat": {…}}``.
    """
    options = {option.cls: option for option in config_type.options if isinstance(option, Model)}
    tags = tags_of(tuple(options), tag)
    arm = arm_of(value, tag, tags)
    above: tuple[str, ...] = ()
    if arm is not None:
        option = options[tags[arm.tag]]
        key = _key_of(option, tag)
        if key in arm.fields:
            message = f"leave out {key!r}: the key {arm.tag!r} above it says it."
            raise failure([Finding(VALUE, (str(arm.tag), key), message)])
        fields, above = {**arm.fields, key: arm.tag}, (str(arm.tag),)
    else:
        option, fields = _by_field(options, tags, tag, value), value
    result, findings = run_validator(_compiled(option), option, fields)
    if findings:
        raise failure([each._replace(path=(*above, *each.path)) for each in findings])
    return result


def _by_field(
    options: Mapping[type[pydantic.BaseModel], Model],
    tags: Mapping[Any, type[pydantic.BaseModel]],
    tag: str,
    value: Mapping[Any, object],
) -> Model:
    """Return the option that the field of ``value`` names."""
    keys = {_key_of(option, tag) for option in options.values()}
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


def _key_of(option: Model, name: str) -> str:
    """Return the key of a model's field in run config."""
    return next((key for key, item in entries(option).items() if item.name == name), name)


def _member(config_type: Opaque, value: object) -> enum.Enum:
    cls: type[enum.Enum] = config_type.annotation
    if isinstance(value, cls):
        return value
    if isinstance(value, str) and value in cls.__members__:
        return cls[value]
    hint = nearest(value, cls.__members__) if isinstance(value, str) else ""
    raise mismatch(config_type, value, hint)


def _model(config_type: Model, value: object) -> pydantic.BaseModel:
    cls = config_type.cls
    if isinstance(value, cls):
        if not holds_env(value):
            return value
        cls, value = type(value), _as_given(value)
    if not isinstance(value, dict):
        raise mismatch(config_type, value)
    fields = entries(as_type(cls))
    if cls.model_config.get("populate_by_name") or cls.model_config.get("validate_by_name"):
        fields = {**fields, **{item.name: item for item in fields.values()}}
    data = {key: item.default for key, item in fields.items() if holds_env(item.default)}
    data |= {key: {} for key, item in fields.items() if item.fallback == {} and key not in value}
    data |= {key: _over_default(fields, key, given) for key, given in value.items()}
    resolved = dict(data)
    findings: list[Finding] = []
    for key in [key for key in data if key in fields]:
        inner = fields[key].type
        resolved[key], inside = run_validator(_compiled(inner), inner, data[key])
        findings += [finding._replace(path=(key, *finding.path)) for finding in inside]
    result = None
    try:
        result = cls.model_validate(resolved)
    except pydantic.ValidationError as error:
        more = [finding_of(config_type, item, data) for item in error.errors(include_url=False)]
        # An error of pydantic at the path of a finding, above or below it, may only be its
        # consequence.
        findings += [
            finding
            for finding in more
            if not any(_overlap(finding.path, earlier.path) for earlier in findings)
        ]
    except Exception as error:
        findings = findings or [Finding(VALUE, (), f"{type(error).__name__}: {error}")]
    if result is None or findings:
        raise failure(findings)
    read = {fields[key].name: value for key, value in data.items() if key in fields}
    note_origins(
        result,
        {
            name: _origin(given)
            for name, given in read.items()
            # A Config in a field has noted its own.
            if holds_env(given, dicts=True) and not isinstance(getattr(result, name, None), Config)
        },
    )
    return result


def _over_default(fields: Mapping[str, Entry], key: str, given: object) -> object:
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


def _origin(value: object) -> object:
    name = env_name(value)
    return "(from the environment)" if name is None else EnvVar(name)


def _as_given(instance: pydantic.BaseModel) -> dict[str, object]:
    keys = {item.name: key for key, item in entries(as_type(type(instance))).items()}
    return {keys.get(name, name): value for name, value in instance}


def _overlap(one: Sequence[str], other: Sequence[str]) -> bool:
    return all(left == right for left, right in zip(one, other, strict=False))
