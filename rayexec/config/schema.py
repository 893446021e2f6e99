"""What a config schema does: check and fill in a value, describe itself, and sketch a value to
start from.

Words and scalars become one pydantic-core validator. A Config class is checked in two passes, as in
Dagster: first the types of the values that were given, strictly (so no ``"4"`` for an int) and with
environment variables put in; then the class itself, with its constraints and validators, on what
the first pass made of them. Both passes report.
"""

from __future__ import annotations

import copy
import os
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any

import pydantic
from pydantic_core import CoreSchema, SchemaValidator
from pydantic_core import core_schema as core

from rayexec.config.config_types import (
    MISSING,
    Anything,
    Array,
    ConfigType,
    Enum,
    EnumValue,
    Items,
    Map,
    Missing,
    Model,
    Noneable,
    OneOf,
    Opaque,
    Permissive,
    Scalar,
    Selector,
    Shape,
)
from rayexec.config.findings import (
    ENVIRONMENT,
    VALUE,
    Finding,
    env_name,
    failure,
    finding_of,
    got,
    holds_env,
    mismatch,
    outline,
    problem,
)
from rayexec.config.schema_description import describe_type, plain, scaffold_type
from rayexec.config.schema_reading import (
    Entry,
    as_type,
    empty,
    entries,
    entry,
    is_enum,
    literals,
    needs_value,
    nested_type,
)
from rayexec.errors import DefinitionError, Problem
from rayexec.names import nearest

if TYPE_CHECKING:
    import enum
    from collections.abc import Mapping, Sequence

__all__ = ["MISSING", "Missing", "describe", "is_required", "scaffold", "validate"]

_TRUE = frozenset({"true", "1", "yes", "on"})
_FALSE = frozenset({"false", "0", "no", "off", "none", ""})


def validate(
    schema: object, value: object = MISSING, *, path: tuple[str, ...] = ()
) -> tuple[object, list[Problem]]:
    """Return ``value`` as ``schema`` resolves it, and every problem with it.

    Resolved means: defaults filled in, environment variables read, the Python values of Enums, an
    instance of each Config class. MISSING stands for what the schema needs least, and stays MISSING
    where that is nothing at all. With problems, the first of the two is the value as it was given.
    Each problem's path is ``path`` and the place inside.

    Raises DefinitionError for a malformed schema, and never for a value.
    """
    item, validator = _read(schema)
    given: object = copy.deepcopy(item.fallback) if value is MISSING else value
    if given is MISSING:
        if not item.required:
            return MISSING, []
        # The keys that an empty dict lacks say more than that there is no dict.
        given = empty(item.config_type)
        if given is MISSING or not needs_value(item.config_type):
            return value, [
                Problem(path, f"a value is required. Expected: {outline(item.config_type)}")
            ]
    result, found = _run(validator, item.config_type, given)
    if found:
        return value, [Problem(path + one.path, one.message) for one in found]
    return result, []


def is_required(schema: object) -> bool:
    """Return whether something must be given for ``schema``; raises DefinitionError for a malformed
    one.
    """
    return _read(schema)[0].required


def describe(schema: object) -> str:
    """Return ``schema`` in one line, such as ``{n: int, name?: str = "x"}``; raises DefinitionError
    if malformed.
    """
    _read(schema)
    return describe_type(as_type(schema))


def scaffold(schema: object, *, only_required: bool = False) -> object:
    """Return a value to start from, of what YAML can hold; with ``only_required``, without the
    optional keys.

    It is valid, except that the constraints and validators of a Config class may refuse its
    placeholders. A Selector shows its first arm. Raises DefinitionError for a malformed schema.
    """
    _read(schema)
    return scaffold_type(as_type(schema), only_required)


def _read(schema: object) -> tuple[Entry, SchemaValidator]:
    """Return ``schema`` as an entry with its validator, which has checked that all of it is sound."""
    item = entry(as_type(schema))
    # A plain dict or list becomes another config_type each time, which would only push others out of the
    # cache.
    validator = (_build if isinstance(schema, dict | list) else _compiled)(item.config_type)
    _check_default(item, "a Field")
    return item, validator


def _build(config_type: ConfigType) -> SchemaValidator:
    return SchemaValidator(_core(config_type))


# By identity: a config_type cannot change, and the cache keeps it alive for as long as its id is in use
# here.
_compiled = lru_cache(maxsize=512)(_build)


def _run(
    validator: SchemaValidator, config_type: ConfigType, value: object
) -> tuple[object, list[Finding]]:
    try:
        return validator.validate_python(value), []
    except pydantic.ValidationError as error:
        return value, [finding_of(config_type, item) for item in error.errors(include_url=False)]


def _check_default(item: Entry, what: str) -> None:
    if item.default is MISSING:
        return
    _, found = _run(_compiled(item.config_type), item.config_type, copy.deepcopy(item.default))
    wrong = [one for one in found if one.kind != ENVIRONMENT]
    if wrong:
        where = ":".join(("", *wrong[0].path))
        raise DefinitionError(
            f"The default {item.default!r} of {what} does not fit it{where}: {wrong[0].message}"
        )


# From words to pydantic-core.


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
        return core.nullable_schema(_core(nested_type(config_type.inner, "Noneable")))
    if isinstance(config_type, Array):
        return core.list_schema(_core(nested_type(config_type.inner, "Array")), strict=True)
    if isinstance(config_type, Map):
        key = nested_type(config_type.key_type, "Map")
        if not isinstance(key, Scalar | Opaque):
            raise DefinitionError(f"The keys of a Map are scalars, not {describe_type(key)}.")
        return core.dict_schema(
            _core(key), _core(nested_type(config_type.inner_type, "Map")), strict=True
        )
    if isinstance(config_type, Enum):
        return _enum(config_type)
    if isinstance(config_type, Selector):
        arms = {
            key: core.typed_dict_field(_core(arm.config_type), required=False)
            for key, arm in _checked(config_type).items()
        }
        return core.no_info_before_validator_function(
            partial(_one_arm, config_type), _dict(arms, "forbid")
        )
    if isinstance(config_type, Permissive) and not config_type.fields:
        return core.dict_schema(strict=True)
    if isinstance(config_type, Shape | Permissive):
        fields = {key: _field(item) for key, item in _checked(config_type).items()}
        return _dict(fields, "allow" if isinstance(config_type, Permissive) else "forbid")
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


def _checked(config_type: ConfigType) -> Mapping[str, Entry]:
    found = entries(config_type)
    for key, item in found.items():
        _check_default(item, repr(key))
    return found


def _dict(fields: dict[str, core.TypedDictField], extra: Any) -> CoreSchema:
    return core.typed_dict_schema(fields, extra_behavior=extra, strict=True)


def _field(item: Entry) -> core.TypedDictField:
    schema = _core(item.config_type)
    if item.fallback is not MISSING:
        fallback = partial(copy.deepcopy, item.fallback)
        schema = core.with_default_schema(schema, default_factory=fallback, validate_default=True)
    return core.typed_dict_field(schema, required=item.required)


def _enum(config_type: Enum) -> CoreSchema:
    items = config_type.enum_values
    if not items or not all(
        isinstance(item, EnumValue) and isinstance(item.config_value, str) for item in items
    ):
        raise DefinitionError(
            f"The Enum {config_type.name!r} takes at least one EnumValue, and only strings as config "
            f"values."
        )
    values = {item.config_value: item for item in items}

    def resolve(value: str) -> object:
        if value not in values:
            raise mismatch(config_type, value, nearest(value, values))
        item = values[value]
        return item.config_value if item.python_value is None else item.python_value

    return core.no_info_after_validator_function(resolve, core.str_schema(strict=True))


# What the words mean where pydantic-core has no schema for it.


def _from_env(config_type: Scalar, value: object) -> object:
    """Return the value of the environment variable that ``value`` names, or ``value`` where it
    names none.
    """
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
    # Without the text itself, which may be a secret.
    raise problem(
        f"the environment variable {name!r} does not hold a valid {config_type.kind.__name__}.",
        ENVIRONMENT,
    )


def _one_arm(config_type: Selector, value: object) -> object:
    if not isinstance(value, dict):
        return value
    arms = entries(config_type)
    if not value and not needs_value(config_type):
        (key,) = arms
        content = None
    elif len(value) == 1:
        ((key, content),) = value.items()
    else:
        given = ", ".join(map(repr, value)) or "none"
        raise problem(
            f"expected exactly one of the keys {', '.join(map(repr, arms))}, got {given}."
        )
    if content is None and key in arms:
        arm = arms[key]
        content = empty(arm.config_type) if arm.default is MISSING else copy.deepcopy(arm.default)
    if content is MISSING:
        return value
    return {key: content}


def _one_of(config_type: OneOf, value: object) -> object:
    options = (
        _tagged(config_type, config_type.tag, value)
        if config_type.tag and isinstance(value, dict)
        else config_type.options
    )
    results, failures = [], []
    for option in options:
        result, found = _run(_compiled(option), option, value)
        if found:
            failures.append(found)
        else:
            results.append(result)
    if results:
        return max(results, key=partial(_likeness, value))
    # An option that the value resembles says more than that no option fits.
    inside = [
        found for found in failures if all(one.path or one.kind == ENVIRONMENT for one in found)
    ]
    if inside:
        raise failure(min(inside, key=len))
    raise mismatch(config_type, value)


def _likeness(value: object, result: object) -> tuple[bool, int]:
    fields = result.model_fields_set if isinstance(result, pydantic.BaseModel) else ()
    return type(result) is type(value), len(fields)


def _tagged(config_type: OneOf, tag: str, value: Mapping[str, object]) -> list[ConfigType]:
    """Return the options whose tag ``value`` has."""
    tags: dict[object, ConfigType] = {}
    key = tag
    for option in config_type.options:
        for alias, item in entries(option).items():
            if item.name == tag and isinstance(item.config_type, Opaque):
                key = alias
                tags |= {plain(one): option for one in literals(item.config_type.annotation)}
    known = ", ".join(map(repr, tags))
    if key not in value:
        raise failure(
            [Finding(VALUE, (key,), f"required key {key!r} is missing. Expected: one of {known}")]
        )
    given = plain(value[key])
    if not isinstance(given, str | int) or given not in tags:
        hint = nearest(given, map(str, tags)) if isinstance(given, str) else ""
        raise failure([Finding(VALUE, (key,), f"expected one of {known}, got {got(given)}.{hint}")])
    return [tags[given]]


def _member(config_type: Opaque, value: object) -> enum.Enum:
    cls: type[enum.Enum] = config_type.annotation
    if isinstance(value, cls):
        return value
    try:
        member: enum.Enum | None = cls(value)
    except Exception:
        member = None
    # 1.0 and True equal 1, and would be taken for it.
    if member is not None and (type(member.value) is type(value) or member.value != value):
        return member
    if isinstance(value, str) and value in cls.__members__:
        return cls[value]
    raise mismatch(
        config_type, value, nearest(value, cls.__members__) if isinstance(value, str) else ""
    )


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
    data = {key: item.default for key, item in fields.items() if holds_env(item.default)} | value
    resolved = dict(data)
    found: list[Finding] = []
    for key in [key for key in data if key in fields]:
        inner = fields[key].config_type
        resolved[key], wrong = _run(_compiled(inner), inner, data[key])
        found += [one._replace(path=(key, *one.path)) for one in wrong]
    result = None
    try:
        result = cls.model_validate(resolved)
    except pydantic.ValidationError as error:
        more = [finding_of(config_type, item, data) for item in error.errors(include_url=False)]
        # What pydantic says about a place that is already known to be wrong, or about all that
        # holds it, may only be a consequence.
        found += [one for one in more if not any(_overlap(one.path, known.path) for known in found)]
    except Exception as error:
        found = found or [Finding(VALUE, (), f"{type(error).__name__}: {error}")]
    if result is None or found:
        raise failure(found)
    return result


def _as_given(instance: pydantic.BaseModel) -> dict[str, object]:
    keys = {item.name: key for key, item in entries(as_type(type(instance))).items()}
    return {keys.get(name, name): value for name, value in instance}


def _overlap(one: Sequence[str], other: Sequence[str]) -> bool:
    return all(left == right for left, right in zip(one, other, strict=False))
