"""Completion tree of run config: keys, values and descriptions for an editor, as JSON-able data.

Types refer to each other by id, so that ops of one definition share theirs, and a Config class may
contain itself.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator, Mapping
from typing import Any, TypedDict

from rayexec.config.run_config_schema import NO_EFFECT, UNSELECTED, RunConfigSchema
from rayexec.definitions.config_fields import tags_of
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
from rayexec.definitions.schemas.given_values import key_of
from rayexec.definitions.schemas.schema_description import describe_type, literal_value, plain
from rayexec.definitions.schemas.schema_reading import (
    Entry,
    as_type,
    entries,
    entry,
    is_enum,
    literals,
    nested_type,
)

__all__ = [
    "CompletionKey",
    "CompletionTree",
    "CompletionType",
    "CompletionValue",
    "completion_tree",
]

# Above these, one line of words for a type would be too long.
_MOST_KEYS_IN_LINE = 8
_MOST_CHARACTERS = 200


class CompletionValue(TypedDict, total=False):
    """A value that an editor offers."""

    value: Any
    description: str


class CompletionKey(TypedDict, total=False):
    """A key that an editor offers; absent parts are unknown or false."""

    #: Id of the type of its value.
    type: str
    required: bool
    default: Any
    description: str
    is_secret: bool


class CompletionType(TypedDict, total=False):
    """The type of a value; only ``kind`` and ``summary`` are always there."""

    #: ``dict``, ``selector`` (a dict of exactly one of its keys), ``map`` (a dict of any keys),
    #: ``list``, ``union``, ``scalar`` or ``any``.
    kind: str
    #: The type in one line.
    summary: str
    description: str
    #: Keys of a dict or selector.
    keys: dict[str, CompletionKey]
    #: A dict takes further keys of any name.
    is_open: bool
    #: Values of a bool, an enum or a Literal.
    values: list[CompletionValue]
    #: Type of the items of a list, or of the values of a map.
    items: str
    #: Types of the items of a list of fixed length.
    fixed: list[str]
    #: Types of a union, and the key that tells them apart.
    options: list[str]
    tag: str
    #: Null is a value too.
    takes_null: bool
    #: ``{env: NAME}`` may stand for the value.
    takes_env: bool


class CompletionTree(TypedDict):
    """All types of a run config by id, and the id of the whole document's."""

    root: str
    types: dict[str, CompletionType]


def completion_tree(schema: RunConfigSchema | object) -> CompletionTree:
    """Return the completion tree of a run config schema, or of any config schema.

    Raises DefinitionError for a malformed schema.
    """
    given = schema.root if isinstance(schema, RunConfigSchema) else as_type(schema)
    writer = _Writer()
    root = writer.id_of(given)
    return {"root": root, "types": writer.types}


class _Writer:
    def __init__(self) -> None:
        self.types: dict[str, CompletionType] = {}
        self._ids: dict[object, str] = {}
        self._seen: list[ConfigType] = []  # keeps ids in use

    # A type without a summary is being written.

    def id_of(self, config_type: ConfigType) -> str:
        """Return the id of a type, which is written first unless it is already."""
        if isinstance(config_type, Field):
            return self.id_of(entry(config_type).type)
        key: object = config_type.cls if isinstance(config_type, Model) else id(config_type)
        if key not in self._ids:
            self._seen.append(config_type)
            name = self._ids[key] = str(len(self._ids))
            written: CompletionType = {"kind": "any", "summary": ""}
            self.types[name] = written  # before its inner types: it may be inside of itself
            written.update(self._written(config_type))
            written["summary"] = _summary(config_type)
            if description := _description(config_type):
                written["description"] = description
        return self._ids[key]

    def _written(self, config_type: ConfigType) -> CompletionType:
        if isinstance(config_type, Shape | Permissive | Selector | Model):
            return self._dict(config_type)
        if isinstance(config_type, Noneable):
            name = self.id_of(nested_type(config_type.inner_type, "Noneable"))
            if not self.types[name]["summary"]:  # This is inside of it.
                return {"kind": "union", "options": [name], "takes_null": True}
            return {**self.types[name], "takes_null": True}
        if isinstance(config_type, Map):
            inner = nested_type(config_type.inner_type, "Map")
            return {"kind": "map", "items": self.id_of(inner)}
        if isinstance(config_type, Array):
            inner = nested_type(config_type.inner_type, "Array")
            return {"kind": "list", "items": self.id_of(inner)}
        if isinstance(config_type, Items):
            inner_ids = [self.id_of(item) for item in config_type.inner]
            if config_type.fixed:
                return {"kind": "list", "fixed": inner_ids}
            return {"kind": "list", "items": inner_ids[0]}
        if isinstance(config_type, ScalarUnion):
            schemas = (config_type.scalar_type, config_type.non_scalar_schema)
            options = [nested_type(schema, "ScalarUnion") for schema in schemas]
            return {"kind": "union", "options": [self.id_of(option) for option in options]}
        if isinstance(config_type, OneOf):
            written: CompletionType = {
                "kind": "union",
                "options": [self.id_of(option) for option in config_type.options],
            }
            if config_type.tag:
                written["tag"] = config_type.tag
                written["options"].append(self._arms(config_type, config_type.tag))
            return written
        return _leaf(config_type)

    def _arms(self, config_type: OneOf, tag: str) -> str:
        """Write Dagster's form of a tagged union, ``{TAG: {…}}``; return its id."""
        models = {option.cls: option for option in config_type.options if isinstance(option, Model)}
        keys: dict[str, CompletionKey] = {}
        for value, model in tags_of(tuple(models), tag).items():
            name = self.id_of(models[model])
            whole = self.types[name]
            if not whole["summary"]:  # This is inside of it.
                keys[str(value)] = {"type": name, "required": False}
                continue
            own = key_of(models[model], tag)
            rest = {key: inner for key, inner in whole["keys"].items() if key != own}
            name = self._add({**whole, "keys": rest})
            keys[str(value)] = {"type": name, "required": False}
        line = f"exactly one of {', '.join(keys)}"
        return self._add({"kind": "selector", "keys": keys, "summary": line})

    def _add(self, written: CompletionType) -> str:
        name = self._ids[object()] = str(len(self._ids))
        self.types[name] = written
        return name

    def _dict(self, config_type: ConfigType) -> CompletionType:
        is_open = isinstance(config_type, Permissive)
        if isinstance(config_type, Model):
            is_open = config_type.cls.model_config.get("extra") == "allow"
        kind = "selector" if isinstance(config_type, Selector) else "dict"
        keys = {key: self._key(item) for key, item in offered(config_type)}
        written: CompletionType = {"kind": kind, "keys": keys}
        if is_open:
            written["is_open"] = True
        return written

    def _key(self, item: Entry) -> CompletionKey:
        written: CompletionKey = {"type": self.id_of(item.type), "required": item.required}
        if item.is_secret:
            written["is_secret"] = True
        elif item.default is not MISSING and (default := _json(item.default)) is not MISSING:
            written["default"] = default
        if item.description:
            written["description"] = item.description
        return written


def offered(config_type: ConfigType) -> Iterator[tuple[str, Entry]]:
    """Yield the entries of a dict that are of use; empty sections of run config are not."""
    declared: Mapping[str, object] = (
        config_type.fields or {} if isinstance(config_type, Shape) else {}
    )
    for key, item in entries(config_type).items():
        if declared.get(key) in (NO_EFFECT, UNSELECTED):
            continue
        if isinstance(item.type, Shape) and not any(offered(item.type)):
            continue
        yield key, item


def _leaf(config_type: ConfigType) -> CompletionType:
    if isinstance(config_type, Enum):
        return {"kind": "scalar", "values": list(_enum_values(config_type))}
    if isinstance(config_type, Scalar):
        written: CompletionType = {"kind": "scalar"}
        if config_type.kind is bool:
            written["values"] = [{"value": True}, {"value": False}]
        if config_type.env:
            written["takes_env"] = True
        return written
    if isinstance(config_type, Opaque):
        names = list(config_type.annotation.__members__) if is_enum(config_type.annotation) else []
        values = names or [literal_value(value) for value in literals(config_type.annotation)]
        if values:
            return {"kind": "scalar", "values": [{"value": value} for value in values]}
    return {"kind": "any"}


def _enum_values(config_type: Enum) -> Iterator[CompletionValue]:
    for value in config_type.enum_values:
        written: CompletionValue = {"value": value.config_value}
        if value.description:
            written["description"] = value.description
        yield written


def _summary(config_type: ConfigType) -> str:
    keys = len(list(offered(config_type)))
    if keys > _MOST_KEYS_IN_LINE:
        kind = "exactly one of" if isinstance(config_type, Selector) else "a dict of"
        return f"{kind} {keys} keys"
    line = describe_type(config_type, depth=1)
    return line if len(line) <= _MOST_CHARACTERS else f"{line[: _MOST_CHARACTERS - 1]}…"


def _description(config_type: ConfigType) -> str | None:
    if isinstance(config_type, Shape | Permissive | Selector):
        return config_type.description
    if isinstance(config_type, Noneable):
        return _description(nested_type(config_type.inner_type, "Noneable"))
    if isinstance(config_type, Model):
        own = config_type.cls.__dict__.get("__doc__")
        return inspect.cleandoc(own) if own else None
    return None


def _json(value: object) -> Any:
    """Return a default as JSON has it, MISSING for one that JSON lacks."""
    try:
        return json.loads(json.dumps(plain(value), allow_nan=False))
    except (TypeError, ValueError):
        return MISSING
