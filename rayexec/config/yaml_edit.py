"""Edits of run config as text: scaffolds, defaults, and removal of what has no effect."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal, TypeAlias, cast

from rayexec.config.run_config_scaffold import execution_comment
from rayexec.config.run_config_schema import NO_EFFECT, UNSELECTED, RunConfigSchema
from rayexec.config.yaml_changes import Edit, KeyPath, with_comment, with_values, without_keys
from rayexec.config.yaml_text import YamlTextError, read_yaml_text
from rayexec.definitions.schemas.config_types import (
    MISSING,
    ConfigType,
    Field,
    Noneable,
    Selector,
    Shape,
)
from rayexec.definitions.schemas.findings import env_name
from rayexec.definitions.schemas.schema import scaffold
from rayexec.definitions.schemas.schema_description import scaffold_type
from rayexec.definitions.schemas.schema_reading import entries, entry, nested_type

__all__ = ["Action", "Edit", "edited", "missing_paths", "unused_paths"]

Action: TypeAlias = Literal["scaffold_missing", "scaffold_all", "remove_unused", "defaults"]


def edited(text: str, schema: RunConfigSchema, action: Action) -> Edit:
    """Return a run config after an action.

    ``scaffold_missing`` adds what a run must give, ``scaffold_all`` everything that it can give,
    and ``defaults`` the job's own run config; none changes a value that is there.
    ``remove_unused`` removes unknown keys and config of unselected ops. A key that no edit of the
    text can add or remove (such as one that a merge brings) stays as it is. Raises YamlTextError.
    """
    read = read_yaml_text(text)
    if read.root is not None and not read.root.is_mapping and read.value is not None:
        message = f"run config is a mapping, not a {type(read.value).__name__}"
        raise YamlTextError([read.placed(read.root.start, read.root.start, (), message)])
    if action == "remove_unused":
        return without_keys(read, unused_paths(schema, read.value))
    if action == "defaults":
        return with_values(read, list(_leaves(schema.defaults)))
    whole = with_values(read, list(_lacking(schema, read.value, action == "scaffold_missing")))
    if action == "scaffold_all" and "execution" not in (read.value or {}):
        return with_comment(whole, execution_comment(schema.executor))
    return whole


def missing_paths(schema: RunConfigSchema, value: Any) -> list[KeyPath]:
    """Return the paths of the values that a run must give and a document lacks."""
    return [path for path in schema.required() if not _has(value, path)]


def unused_paths(schema: RunConfigSchema, value: Any) -> list[KeyPath]:
    """Return the paths of a document's keys that are unknown or without effect."""
    return list(_unused(schema.root, value, ()))


def _unused(kind: ConfigType, value: Any, path: KeyPath) -> Iterator[KeyPath]:
    if not isinstance(kind, Shape) or not isinstance(value, Mapping):
        return
    items = entries(kind)
    for key, inner in value.items():
        here = (*path, str(key))
        if key not in items or kind.fields[key] in (NO_EFFECT, UNSELECTED):
            yield here
        else:
            yield from _unused(items[key].type, inner, here)


def _has(value: Any, path: KeyPath) -> bool:
    for key in path:
        if not isinstance(value, Mapping) or key not in value:
            return False
        value = value[key]
    return True


def _leaves(value: Any, path: KeyPath = ()) -> Iterator[tuple[KeyPath, Any]]:
    """Yield the values of nested mappings by path."""
    if isinstance(value, Mapping) and (value or not path):
        for key, inner in value.items():
            yield from _leaves(inner, (*path, str(key)))
    else:
        yield path, value


def _lacking(
    schema: RunConfigSchema, document: Any, only_required: bool
) -> Iterator[tuple[KeyPath, Any]]:
    """Yield the values that a document lacks, each with its path."""
    for path, value in schema.values.items():
        given = document
        for key in path:
            given = given.get(key, MISSING) if isinstance(given, Mapping) else MISSING
        if given is not MISSING:
            yield from _lacking_in(value, given, path, only_required)
        elif value.is_required or not only_required:
            yield path, scaffold(value, only_required=only_required)


def _lacking_in(
    kind: ConfigType, given: Any, path: KeyPath, only_required: bool
) -> Iterator[tuple[KeyPath, Any]]:
    if isinstance(kind, Field):
        kind = entry(kind).type
    if isinstance(kind, Noneable):
        kind = nested_type(kind.inner_type, "Noneable")
    items = entries(kind)
    if not isinstance(given, Mapping) or not items or env_name(given) is not None:
        return
    if not isinstance(kind, Selector) or not given:
        for key, value in cast("dict[str, Any]", scaffold_type(kind, only_required)).items():
            if key not in given and items[key].name not in given:
                yield (*path, key), value
    for key, inner in given.items():
        if key in items:
            yield from _lacking_in(items[key].type, inner, (*path, key), only_required)
