"""Validators of config types, built with pydantic-core.

A Config class validates in two passes, as in Dagster. The first pass checks the types of the given
values strictly (no ``"4"`` for an int) and reads environment variables. The second pass runs the
class itself, with its constraints and validators, on the result. Both passes report.
"""

from __future__ import annotations

import copy
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any

import pydantic
from pydantic_core import CoreSchema, SchemaValidator
from pydantic_core import core_schema as core

from rayexec.definitions.config_fields import arm_of, tags_of
from rayexec.definitions.environment_values import MaskingModel, note_origins
from rayexec.definitions.schemas.config_types import (
    MISSING,
    Anything,
    Array,
    ConfigType,
    Enum,
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
    failure,
    finding_of,
    holds_env,
    mismatch,
)
from rayexec.definitions.schemas.given_values import (
    as_given,
    by_field,
    check_enum,
    enum_member,
    from_env,
    key_of,
    key_of_map,
    likeness,
    one_arm,
    origin_of_value,
    over_default,
    overlap,
    unaliased,
)
from rayexec.definitions.schemas.schema_reading import (
    Entry,
    as_type,
    entries,
    entry,
    is_enum,
    nested_type,
)
from rayexec.errors import DefaultConfigError, DefinitionError, Problem
from rayexec.names import nearest

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["check_default", "entry_with_validator", "run_validator"]


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


def check_default(item: Entry, owner: str) -> None:
    """Raise DefinitionError for a default that does not fit; ``owner`` is the entry in words."""
    if item.default is MISSING:
        return
    _, findings = run_validator(_compiled(item.type), item.type, copy.deepcopy(item.default))
    wrong = [finding for finding in findings if finding.kind != ENVIRONMENT]
    if wrong:
        problems = [Problem(finding.path, finding.message) for finding in wrong]
        raise DefaultConfigError(problems, subject=f"the default {item.default!r} of {owner}")


# Schemas of pydantic-core.


def _core(config_type: ConfigType) -> CoreSchema:
    if isinstance(config_type, Scalar):
        scalar = getattr(core, f"{config_type.kind.__name__}_schema")(strict=True)
        return (
            core.no_info_before_validator_function(partial(from_env, config_type), scalar)
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
            partial(one_arm, config_type), _dict(arms, "forbid")
        )
    if isinstance(config_type, Permissive) and not config_type.fields:
        return core.dict_schema(strict=True)
    if isinstance(config_type, Shape | Permissive):
        fields = {key: _field(item) for key, item in _checked_entries(config_type).items()}
        shape = _dict(fields, "allow" if isinstance(config_type, Permissive) else "forbid")
        if isinstance(config_type, Shape) and config_type.field_aliases:
            return core.no_info_before_validator_function(partial(unaliased, config_type), shape)
        return shape
    if isinstance(config_type, Items):
        inner = [_core(item) for item in config_type.inner]
        return core.tuple_schema(inner) if config_type.fixed else core.list_schema(inner[0])
    if isinstance(config_type, OneOf):
        return core.no_info_plain_validator_function(partial(_one_of, config_type))
    if isinstance(config_type, Opaque) and is_enum(config_type.annotation):
        return core.no_info_plain_validator_function(partial(enum_member, config_type))
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
        return max(results, key=partial(likeness, value))
    # The findings of an option that the value resembles say more than a mismatch of all options.
    inside = [
        findings
        for findings in failures
        if all(finding.path or finding.kind == ENVIRONMENT for finding in findings)
    ]
    if inside:
        raise failure(min(inside, key=len))
    raise mismatch(config_type, value)


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
        key = key_of(option, tag)
        if key in arm.fields:
            message = f"leave out {key!r}: the key {arm.tag!r} above it says it."
            raise failure([Finding(VALUE, (str(arm.tag), key), message)])
        fields, above = {**arm.fields, key: arm.tag}, (str(arm.tag),)
    else:
        option, fields = by_field(options, tags, tag, value), value
    result, findings = run_validator(_compiled(option), option, fields)
    if findings:
        raise failure([each._replace(path=(*above, *each.path)) for each in findings])
    return result


def _model(config_type: Model, value: object) -> pydantic.BaseModel:
    cls = config_type.cls
    if isinstance(value, cls):
        if not holds_env(value):
            return value
        cls, value = type(value), as_given(value)
    if not isinstance(value, dict):
        raise mismatch(config_type, value)
    fields = entries(as_type(cls))
    if cls.model_config.get("populate_by_name") or cls.model_config.get("validate_by_name"):
        fields = {**fields, **{item.name: item for item in fields.values()}}
    data = {key: item.default for key, item in fields.items() if holds_env(item.default)}
    data |= {key: {} for key, item in fields.items() if item.fallback == {} and key not in value}
    data |= {
        key: over_default(fields, key, given)
        for key, given in value.items()
        # None may be the default of a field of another type.
        if not (given is None and key in fields and fields[key].default is None)
    }
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
            if not any(overlap(finding.path, earlier.path) for earlier in findings)
        ]
    except Exception as error:
        findings = findings or [Finding(VALUE, (), f"{type(error).__name__}: {error}")]
    if result is None or findings:
        raise failure(findings)
    read = {fields[key].name: value for key, value in data.items() if key in fields}
    note_origins(
        result,
        {
            name: origin_of_value(given)
            for name, given in read.items()
            # A Config in a field has noted its own.
            if holds_env(given, dicts=True)
            and not isinstance(getattr(result, name, None), MaskingModel)
        },
    )
    return result
