"""Kinds of plain values in metadata."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from rayexec.definitions.asset_key import AssetKey
from rayexec.definitions.metadata.metadata_value import (
    BoolMetadataValue,
    DagsterAssetMetadataValue,
    FloatMetadataValue,
    IntMetadataValue,
    JsonMetadataValue,
    MetadataValue,
    NullMetadataValue,
    PathMetadataValue,
    TableColumnLineageMetadataValue,
    TableSchemaMetadataValue,
    TextMetadataValue,
)
from rayexec.definitions.metadata.table_schema import TableColumnLineage, TableSchema
from rayexec.errors import DefinitionError

__all__ = ["MetadataEntry", "normalize_metadata"]

# The kinds of plain values; a bool is an int too, so it comes first.
_KIND_OF_TYPE: tuple[tuple[Any, Callable[[Any], MetadataValue]], ...] = (
    (str, TextMetadataValue),
    (float, FloatMetadataValue),
    (bool, BoolMetadataValue),
    (int, IntMetadataValue),
    ((list, dict), JsonMetadataValue),
    (os.PathLike, PathMetadataValue),
    (AssetKey, DagsterAssetMetadataValue),
    (TableSchema, TableSchemaMetadataValue),
    (TableColumnLineage, TableColumnLineageMetadataValue),
    (type(None), lambda _: NullMetadataValue()),
)


def normalize_metadata(metadata: Mapping[str, Any] | None) -> dict[str, MetadataValue]:
    """Return ``metadata`` with every plain value wrapped by its kind.

    Raises DefinitionError for what is no mapping, for another key than a string, and for a value
    without a kind.
    """
    if metadata and not isinstance(metadata, Mapping):
        raise DefinitionError(f"metadata must map names to values, got {metadata!r:.80}.")
    normal: dict[str, MetadataValue] = {}
    for key, value in (metadata or {}).items():
        if not isinstance(key, str):
            raise DefinitionError(f"metadata keys are strings, got {key!r}.")
        normal[key] = value if isinstance(value, MetadataValue) else _wrap(key, value)
    return normal


def _wrap(key: str, value: Any) -> MetadataValue:
    for kind, wrap in _KIND_OF_TYPE:
        if isinstance(value, kind):
            return wrap(value)
    raise DefinitionError(
        f"metadata {key!r} holds a {type(value).__name__}: wrap it with one of MetadataValue's "
        f"kinds, or give text, a number, a path, or JSON-able data."
    )


class _Entry(NamedTuple):
    label: str
    description: str | None
    entry_data: MetadataValue


class MetadataEntry(_Entry):
    """A label and a value of metadata, for old files; ops and outputs take ``metadata={…}``.

    Raises DefinitionError for a value without a kind.
    """

    __slots__ = ()

    def __new__(
        cls,
        label: str,
        description: str | None = None,
        entry_data: Any = None,
        value: Any = None,
    ) -> MetadataEntry:
        given = entry_data if value is None else value
        return super().__new__(cls, label, description, normalize_metadata({label: given})[label])

    @property
    def value(self) -> MetadataValue:
        """The value, with its kind."""
        return self.entry_data
