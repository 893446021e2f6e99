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

from rayexec.config.problems import (
    ENVIRONMENT,
    VALUE,
    Found,
    env_name,
    failure,
    got,
    holds_env,
    mismatch,
    outline,
    problem,
    worded,
)
from rayexec.config.schema_outline import describe_word, plain, scaffold_word
from rayexec.config.schema_reading import (
    Entry,
    as_word,
    empty,
    entries,
    entry,
    inner_word,
    is_enum,
    literals,
    needs_value,
)
from rayexec.config.types import (
    MISSING,
    Anything,
    Array,
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
    Word,
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
        given = empty(item.word)
        if given is MISSING or not needs_value(item.word):
            return value, [Problem(path, f"a value is required. Expected: {outline(item.word)}")]
    result, found = _run(validator, item.word, given)
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
    return describe_word(as_word(schema))


def scaffold(schema: object, *, only_required: bool = False) -> object:
    """Return a value to start from, of what YAML can hold; with ``only_required``, without the
    optional keys.

    It is valid, except that the constraints and validators of a Config class may refuse its
    placeholders. A Selector shows its first arm. Raises DefinitionError for a malformed schema.
    """
    _read(schema)
    return scaffold_word(as_word(schema), only_required)


def _read(schema: object) -> tuple[Entry, SchemaValidator]:
    """Return ``schema`` as an entry with its validator, which has checked that all of it is sound."""
    item = entry(as_word(schema))
    # A plain dict or list becomes another word each time, which would only push others out of the
    # cache.
    validator = (_build if isinstance(schema, dict | list) else _compiled)(item.word)
    _check_default(item, "a Field")
    return item, validator


def _build(word: Word) -> SchemaValidator:
    return SchemaValidator(_core(word))


# By identity: a word cannot change, and the cache keeps it alive for as long as its id is in use
# here.
_compiled = lru_cache(maxsize=512)(_build)


def _run(validator: SchemaValidator, word: Word, value: object) -> tuple[object, list[Found]]:
    try:
        return validator.validate_python(value), []
    except pydantic.ValidationError as error:
        return value, [worded(word, item) for item in error.errors(include_url=False)]


def _check_default(item: Entry, what: str) -> None:
    if item.default is MISSING:
        return
    _, found = _run(_compiled(item.word), item.word, copy.deepcopy(item.default))
    wrong = [one for one in found if one.kind != ENVIRONMENT]
    if wrong:
        where = ":".join(("", *wrong[0].path))
        raise DefinitionError(
            f"The default {item.default!r} of {what} does not fit it{where}: {wrong[0].message}"
        )


# From words to pydantic-core.


def _core(word: Word) -> CoreSchema:
    if isinstance(word, Scalar):
        scalar = getattr(core, f"{word.kind.__name__}_schema")(strict=True)
        return (
            core.no_info_before_validator_function(partial(_from_env, word), scalar)
            if word.env
            else scalar
        )
    if isinstance(word, Model):
        return core.no_info_plain_validator_function(partial(_model, word))
    if isinstance(word, Noneable):
        return core.nullable_schema(_core(inner_word(word.inner, "Noneable")))
    if isinstance(word, Array):
        return core.list_schema(_core(inner_word(word.inner, "Array")), strict=True)
    if isinstance(word, Map):
        key = inner_word(word.key_type, "Map")
        if not isinstance(key, Scalar | Opaque):
            raise DefinitionError(f"The keys of a Map are scalars, not {describe_word(key)}.")
        return core.dict_schema(_core(key), _core(inner_word(word.inner_type, "Map")), strict=True)
    if isinstance(word, Enum):
        return _enum(word)
    if isinstance(word, Selector):
        arms = {
            key: core.typed_dict_field(_core(arm.word), required=False)
            for key, arm in _checked(word).items()
        }
        return core.no_info_before_validator_function(
            partial(_one_arm, word), _dict(arms, "forbid")
        )
    if isinstance(word, Permissive) and not word.fields:
        return core.dict_schema(strict=True)
    if isinstance(word, Shape | Permissive):
        fields = {key: _field(item) for key, item in _checked(word).items()}
        return _dict(fields, "allow" if isinstance(word, Permissive) else "forbid")
    if isinstance(word, Items):
        inner = [_core(item) for item in word.inner]
        return core.tuple_schema(inner) if word.fixed else core.list_schema(inner[0])
    if isinstance(word, OneOf):
        return core.no_info_plain_validator_function(partial(_one_of, word))
    if isinstance(word, Opaque) and is_enum(word.annotation):
        return core.no_info_plain_validator_function(partial(_member, word))
    if isinstance(word, Anything | Opaque):
        return core.any_schema()
    raise DefinitionError(f"{word!r} is not a config type.")


def _checked(word: Word) -> Mapping[str, Entry]:
    found = entries(word)
    for key, item in found.items():
        _check_default(item, repr(key))
    return found


def _dict(fields: dict[str, core.TypedDictField], extra: Any) -> CoreSchema:
    return core.typed_dict_schema(fields, extra_behavior=extra, strict=True)


def _field(item: Entry) -> core.TypedDictField:
    schema = _core(item.word)
    if item.fallback is not MISSING:
        fallback = partial(copy.deepcopy, item.fallback)
        schema = core.with_default_schema(schema, default_factory=fallback, validate_default=True)
    return core.typed_dict_field(schema, required=item.required)


def _enum(word: Enum) -> CoreSchema:
    items = word.enum_values
    if not items or not all(
        isinstance(item, EnumValue) and isinstance(item.config_value, str) for item in items
    ):
        raise DefinitionError(
            f"The Enum {word.name!r} takes at least one EnumValue, and only strings as config "
            f"values."
        )
    values = {item.config_value: item for item in items}

    def resolve(value: str) -> object:
        if value not in values:
            raise mismatch(word, value, nearest(value, values))
        item = values[value]
        return item.config_value if item.python_value is None else item.python_value

    return core.no_info_after_validator_function(resolve, core.str_schema(strict=True))


# What the words mean where pydantic-core has no schema for it.


def _from_env(word: Scalar, value: object) -> object:
    """Return the value of the environment variable that ``value`` names, or ``value`` where it
    names none.
    """
    name = env_name(value)
    if name is None:
        return value
    text = os.environ.get(name)
    if text is None:
        raise problem(f"the environment variable {name!r} is not set.", ENVIRONMENT)
    if word.kind is bool and text.lower() in _TRUE | _FALSE:
        return text.lower() in _TRUE
    try:
        if word.kind is not bool:
            return word.kind(text)
    except ValueError:
        pass
    # Without the text itself, which may be a secret.
    raise problem(
        f"the environment variable {name!r} does not hold a valid {word.kind.__name__}.",
        ENVIRONMENT,
    )


def _one_arm(word: Selector, value: object) -> object:
    if not isinstance(value, dict):
        return value
    arms = entries(word)
    if not value and not needs_value(word):
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
        content = empty(arm.word) if arm.default is MISSING else copy.deepcopy(arm.default)
    if content is MISSING:
        return value
    return {key: content}


def _one_of(word: OneOf, value: object) -> object:
    options = (
        _tagged(word, word.tag, value) if word.tag and isinstance(value, dict) else word.options
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
    raise mismatch(word, value)


def _likeness(value: object, result: object) -> tuple[bool, int]:
    fields = result.model_fields_set if isinstance(result, pydantic.BaseModel) else ()
    return type(result) is type(value), len(fields)


def _tagged(word: OneOf, tag: str, value: Mapping[str, object]) -> list[Word]:
    """Return the options whose tag ``value`` has."""
    tags: dict[object, Word] = {}
    key = tag
    for option in word.options:
        for alias, item in entries(option).items():
            if item.name == tag and isinstance(item.word, Opaque):
                key = alias
                tags |= {plain(one): option for one in literals(item.word.annotation)}
    known = ", ".join(map(repr, tags))
    if key not in value:
        raise failure(
            [Found(VALUE, (key,), f"required key {key!r} is missing. Expected: one of {known}")]
        )
    given = plain(value[key])
    if not isinstance(given, str | int) or given not in tags:
        hint = nearest(given, map(str, tags)) if isinstance(given, str) else ""
        raise failure([Found(VALUE, (key,), f"expected one of {known}, got {got(given)}.{hint}")])
    return [tags[given]]


def _member(word: Opaque, value: object) -> enum.Enum:
    cls: type[enum.Enum] = word.annotation
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
    raise mismatch(word, value, nearest(value, cls.__members__) if isinstance(value, str) else "")


def _model(word: Model, value: object) -> pydantic.BaseModel:
    cls = word.cls
    if isinstance(value, cls):
        if not holds_env(value):
            return value
        cls, value = type(value), _as_given(value)
    if not isinstance(value, dict):
        raise mismatch(word, value)
    fields = entries(as_word(cls))
    if cls.model_config.get("populate_by_name") or cls.model_config.get("validate_by_name"):
        fields = {**fields, **{item.name: item for item in fields.values()}}
    data = {key: item.default for key, item in fields.items() if holds_env(item.default)} | value
    resolved = dict(data)
    found: list[Found] = []
    for key in [key for key in data if key in fields]:
        inner = fields[key].word
        resolved[key], wrong = _run(_compiled(inner), inner, data[key])
        found += [one._replace(path=(key, *one.path)) for one in wrong]
    result = None
    try:
        result = cls.model_validate(resolved)
    except pydantic.ValidationError as error:
        more = [worded(word, item, data) for item in error.errors(include_url=False)]
        # What pydantic says about a place that is already known to be wrong, or about all that
        # holds it, may only be a consequence.
        found += [one for one in more if not any(_overlap(one.path, known.path) for known in found)]
    except Exception as error:
        found = found or [Found(VALUE, (), f"{type(error).__name__}: {error}")]
    if result is None or found:
        raise failure(found)
    return result


def _as_given(instance: pydantic.BaseModel) -> dict[str, object]:
    keys = {item.name: key for key, item in entries(as_word(type(instance))).items()}
    return {keys.get(name, name): value for name, value in instance}


def _overlap(one: Sequence[str], other: Sequence[str]) -> bool:
    return all(left == right for left, right in zip(one, other, strict=False))
