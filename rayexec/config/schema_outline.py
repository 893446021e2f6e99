"""What a config schema looks like: a line that describes it, and a skeleton of a value for it."""

from __future__ import annotations

import enum
import json
from datetime import date
from typing import Any

import pydantic

from rayexec.config.schema_reading import Entry, entries, entry, inner_word, is_enum, literals
from rayexec.config.types import (
    MISSING,
    Array,
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
    Selector,
    Shape,
    Word,
)
from rayexec.definitions.config import EnvVar

__all__ = ["describe_word", "example", "plain", "scaffold_word"]

_UNLIMITED = 1_000


def describe_word(word: Word, depth: int = _UNLIMITED, within: tuple[object, ...] = ()) -> str:
    """Return ``word`` in one line, with ``depth`` levels of braces written out.

    A model inside itself (``within``) is only named.
    """

    def inner(schema: object, name: str) -> str:
        return describe_word(inner_word(schema, name), depth, within)

    if isinstance(word, Field):
        item = entry(word)
        return describe_word(item.word, depth, within) + _default(item)
    if isinstance(word, Model) and word.cls in within:
        return word.cls.__name__
    if isinstance(word, Shape | Permissive | Selector | Model):
        return ("one of " if isinstance(word, Selector) else "") + _braces(word, depth, within)
    if isinstance(word, Noneable):
        return f"{inner(word.inner, 'Noneable')} or null"
    if isinstance(word, Array):
        return f"list of {inner(word.inner, 'Array')}"
    if isinstance(word, Map):
        label = f"{word.key_label_name}: " if word.key_label_name else ""
        return f"map of {label}{inner(word.key_type, 'Map')} to {inner(word.inner_type, 'Map')}"
    if isinstance(word, Items):
        items = ", ".join(describe_word(item, depth, within) for item in word.inner)
        return f"list of ({items})" if word.fixed else f"list of {items}"
    if isinstance(word, OneOf):
        return " or ".join(describe_word(option, depth, within) for option in word.options)
    if isinstance(word, Enum):
        return _choice([value.config_value for value in word.enum_values])
    if isinstance(word, Opaque):
        return _opaque(word.annotation)
    return word.label if isinstance(word, Scalar) else "any value"


def _braces(word: Word, depth: int, within: tuple[object, ...]) -> str:
    found = entries(word)
    others = isinstance(word, Permissive)
    if isinstance(word, Model):
        others = word.cls.model_config.get("extra") == "allow"
        within = (*within, word.cls)
    if others and not found:
        return "dict"
    if found and depth == 0:
        return "{…}"
    parts = [
        f"{key}{'' if item.required else '?'}: "
        f"{describe_word(item.word, depth - 1, within)}{_default(item)}"
        for key, item in found.items()
    ]
    return f"{{{', '.join(parts + ['...'] * others)}}}"


def _default(item: Entry) -> str:
    return (
        ""
        if item.default is MISSING
        else f" = {json.dumps(_shown(item), ensure_ascii=False, default=str)}"
    )


def _shown(item: Entry) -> object:
    """Return the default of ``item`` as a config would give it; a member of an enum by name, as it
    is described.
    """
    default = item.default
    if (
        isinstance(item.word, Opaque)
        and is_enum(item.word.annotation)
        and isinstance(default, enum.Enum)
    ):
        # Unless the name would be taken for the value of another member.
        return (
            plain(default)
            if any(default.name == one.value for one in type(default))
            else default.name
        )
    return plain(default)


def _choice(values: list[Any]) -> str:
    return repr(values[0]) if len(values) == 1 else f"one of {', '.join(map(repr, values))}"


def _opaque(annotation: Any) -> str:
    if is_enum(annotation):
        return _choice(list(annotation.__members__))
    if values := literals(annotation):
        return _choice([plain(value) for value in values])
    return (
        annotation.__name__
        if isinstance(annotation, type)
        else str(annotation).replace("typing.", "")
    )


def scaffold_word(word: Word, only_required: bool, within: tuple[object, ...] = ()) -> object:
    """Return a value for ``word``, of what YAML can hold: its default, or a placeholder of its
    type.

    A model inside itself (``within``) is left empty.
    """
    if isinstance(word, Field):
        return _entry(entry(word), only_required, within)
    if isinstance(word, Model):
        if word.cls in within:
            return {}
        within = (*within, word.cls)
    if isinstance(word, Shape | Permissive | Selector | Model):
        found = list(entries(word).items())
        if isinstance(word, Selector):
            chosen = found[:1]
        else:
            chosen = [(key, item) for key, item in found if item.required or not only_required]
        return {key: _entry(item, only_required, within) for key, item in chosen}
    if isinstance(word, Scalar):
        return word.kind()
    if isinstance(word, Array):
        return []
    if isinstance(word, Items):
        return (
            [scaffold_word(item, only_required, within) for item in word.inner]
            if word.fixed
            else []
        )
    if isinstance(word, Map):
        return {}
    if isinstance(word, Enum):
        return word.enum_values[0].config_value
    if isinstance(word, OneOf):
        return scaffold_word(word.options[0], only_required, within)
    if isinstance(word, Opaque):
        if is_enum(word.annotation):
            return next(iter(word.annotation.__members__), None)
        values = literals(word.annotation)
        return plain(values[0]) if values else f"<{_opaque(word.annotation)}>"
    return None


def _entry(item: Entry, only_required: bool, within: tuple[object, ...]) -> object:
    return (
        scaffold_word(item.word, only_required, within) if item.default is MISSING else _shown(item)
    )


def example(item: Entry) -> str:
    """Return the least value for ``item``, as YAML takes it in a line."""
    return json.dumps(scaffold_word(item.word, only_required=True), ensure_ascii=False, default=str)


def plain(value: object) -> Any:
    """Return ``value`` as YAML can hold it."""
    if isinstance(value, EnvVar):
        return value.as_config()
    if isinstance(value, enum.Enum):
        return plain(value.value) if isinstance(value.value, str | int | float) else value.name
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
