"""Metadata of outputs, failures and definitions."""

from __future__ import annotations

import datetime
import os
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from rayexec.definitions.asset_key import AssetKey
from rayexec.definitions.metadata import metadata_kinds as kinds
from rayexec.definitions.metadata.table_schema import (
    TableColumnLineage,
    TableRecord,
    TableSchema,
)
from rayexec.errors import DefinitionError

__all__ = [
    "BoolMetadataValue",
    "DagsterAssetMetadataValue",
    "DagsterJobMetadataValue",
    "DagsterRunMetadataValue",
    "FloatMetadataValue",
    "IntMetadataValue",
    "JsonMetadataValue",
    "MarkdownMetadataValue",
    "MetadataValue",
    "NotebookMetadataValue",
    "NullMetadataValue",
    "PathMetadataValue",
    "PoolMetadataValue",
    "PythonArtifactMetadataValue",
    "TableColumnLineageMetadataValue",
    "TableMetadataValue",
    "TableSchemaMetadataValue",
    "TextMetadataValue",
    "TimestampMetadataValue",
    "UrlMetadataValue",
]

_CLASS_OF: dict[str, type[MetadataValue]] = {}  # by kind


class MetadataValue(kinds.MetadataKind):
    """One piece of metadata: a value and its kind. The static methods make one of each kind.

    Every subclass has ``value``, and a field of its own name (``text``, ``url``, ``path``, …). They
    raise DefinitionError for a value of another type.
    """

    #: ``"int"``, ``"path"``, ``"md"``, …, as records of runs have it.
    kind: ClassVar[str] = ""

    def __init_subclass__(cls) -> None:
        if cls.kind:
            _CLASS_OF[cls.kind] = cls

    def __init__(self, *_given: Any, **fields: Any) -> None:
        if type(self) is MetadataValue:
            raise TypeError("MetadataValue is abstract: write MetadataValue.text(…), .int(…), …")
        super().__init__(**fields)

    @staticmethod
    def of_kind(kind: str, value: Any = None) -> MetadataValue:
        """Return the metadata of that kind whose ``plain`` form is ``value``.

        A kind of a later version becomes JSON.
        """
        restored: MetadataValue = _CLASS_OF.get(kind, JsonMetadataValue).from_plain(value)
        return restored

    def __setstate__(self, state: Any) -> None:
        if isinstance(state, list):  # once one class had all kinds: its pickles hold kind and value
            restored = MetadataValue.of_kind(*state)
            object.__setattr__(self, "__class__", type(restored))
            state = restored.__dict__
        self.__dict__.update(state)

    def __first_form__(self) -> tuple[type, dict[str, Any]]:
        return MetadataValue, {"kind": self.kind, "value": self.plain}

    @staticmethod
    def text(text: str | None) -> TextMetadataValue:
        """Plain text."""
        return TextMetadataValue(text)

    @staticmethod
    def url(url: str | None) -> UrlMetadataValue:
        """A web address."""
        return UrlMetadataValue(url)

    @staticmethod
    def path(path: str | os.PathLike[str] | None) -> PathMetadataValue:
        """A path in a file system."""
        return PathMetadataValue(path)

    @staticmethod
    def notebook(path: str | os.PathLike[str] | None) -> NotebookMetadataValue:
        """The path of a notebook."""
        return NotebookMetadataValue(path)

    @staticmethod
    def json(data: Any) -> JsonMetadataValue:
        """JSON-able data."""
        return JsonMetadataValue(data)

    @staticmethod
    def md(data: str | None) -> MarkdownMetadataValue:
        """Markdown."""
        return MarkdownMetadataValue(data)

    @staticmethod
    def python_artifact(python_artifact: Callable[..., Any]) -> PythonArtifactMetadataValue:
        """The name of a class or function."""
        if not callable(python_artifact):
            raise DefinitionError(
                f"MetadataValue.python_artifact takes a class or function, got {python_artifact!r}."
            )
        return PythonArtifactMetadataValue(python_artifact.__module__, python_artifact.__name__)

    @staticmethod
    def timestamp(value: float | datetime.datetime) -> TimestampMetadataValue:
        """A moment: seconds since 1970 as a float, or a datetime with a time zone."""
        if isinstance(value, datetime.datetime):
            if value.tzinfo is None:
                raise DefinitionError(
                    f"MetadataValue.timestamp: {value.isoformat()} has no time zone, so it is no "
                    f"certain moment: give datetime(…, tzinfo=timezone.utc)."
                )
            value = value.timestamp()
        return TimestampMetadataValue(value)

    @staticmethod
    def dagster_run(run_id: str) -> DagsterRunMetadataValue:
        """The id of a run."""
        return DagsterRunMetadataValue(run_id)

    @staticmethod
    def asset(asset_key: AssetKey) -> DagsterAssetMetadataValue:
        """The key of an asset."""
        return DagsterAssetMetadataValue(asset_key)

    @staticmethod
    def job(
        job_name: str, location_name: str, *, repository_name: str | None = None
    ) -> DagsterJobMetadataValue:
        """The name of a job, and of the place of its definition."""
        return DagsterJobMetadataValue(job_name, location_name, repository_name)

    @staticmethod
    def table(
        records: Sequence[TableRecord], schema: TableSchema | None = None
    ) -> TableMetadataValue:
        """A small table; its schema is by default the one of the first record."""
        return TableMetadataValue(records, schema)

    @staticmethod
    def table_schema(schema: TableSchema) -> TableSchemaMetadataValue:
        """The schema of a table."""
        return TableSchemaMetadataValue(schema)

    @staticmethod
    def column_lineage(lineage: TableColumnLineage) -> TableColumnLineageMetadataValue:
        """The sources of a table's columns."""
        return TableColumnLineageMetadataValue(lineage)

    @staticmethod
    def null() -> NullMetadataValue:
        """Nothing."""
        return NullMetadataValue()

    @staticmethod
    def pool(pool: str) -> PoolMetadataValue:
        """The name of a concurrency pool."""
        return PoolMetadataValue(pool)

    @staticmethod
    def bool(value: bool | None) -> BoolMetadataValue:
        """Yes or no."""
        return BoolMetadataValue(value)

    @staticmethod
    def int(value: int | None) -> IntMetadataValue:
        """A whole number."""
        return IntMetadataValue(value)

    @staticmethod
    def float(value: float | None) -> FloatMetadataValue:
        """A number with a fraction."""
        return FloatMetadataValue(value)


class BoolMetadataValue(kinds.YesOrNo, MetadataValue):
    """Yes or no."""

    kind = "bool"


class DagsterAssetMetadataValue(kinds.AssetName, MetadataValue):
    """The key of an asset."""

    kind = "asset"


class DagsterJobMetadataValue(kinds.JobName, MetadataValue):
    """The name of a job, and of the place of its definition."""

    kind = "job"


class DagsterRunMetadataValue(kinds.RunName, MetadataValue):
    """The id of a run."""

    kind = "run"


class FloatMetadataValue(kinds.Fraction, MetadataValue):
    """A number with a fraction."""

    kind = "float"


class IntMetadataValue(kinds.WholeNumber, MetadataValue):
    """A whole number."""

    kind = "int"


class JsonMetadataValue(kinds.JsonData, MetadataValue):
    """JSON-able data, as JSON gives it back: tuples are lists, keys are text."""

    kind = "json"


class MarkdownMetadataValue(kinds.Markdown, MetadataValue):
    """Markdown."""

    kind = "md"


class NotebookMetadataValue(kinds.FilePath, MetadataValue):  # type: ignore[misc]
    """The path of a notebook."""

    kind = "notebook"


class NullMetadataValue(kinds.Nothing, MetadataValue):
    """Nothing."""

    kind = "null"


class PathMetadataValue(kinds.FilePath, MetadataValue):  # type: ignore[misc]
    """A path in a file system."""

    kind = "path"


class PoolMetadataValue(kinds.PoolName, MetadataValue):  # type: ignore[misc]
    """The name of a concurrency pool."""

    kind = "pool"


class PythonArtifactMetadataValue(kinds.Artifact, MetadataValue):
    """The module and the name of a class or function."""

    kind = "python_artifact"


class TableColumnLineageMetadataValue(kinds.Lineage, MetadataValue):  # type: ignore[misc]
    """The sources of a table's columns."""

    kind = "column_lineage"


class TableMetadataValue(kinds.SmallTable, MetadataValue):
    """A small table: records with the same columns, and their schema."""

    kind = "table"


class TableSchemaMetadataValue(kinds.Schema, MetadataValue):
    """The schema of a table."""

    kind = "table_schema"


class TextMetadataValue(kinds.Text, MetadataValue):  # type: ignore[misc]
    """Plain text."""

    kind = "text"


class TimestampMetadataValue(kinds.Moment, MetadataValue):
    """A moment, in seconds since 1970."""

    kind = "timestamp"


class UrlMetadataValue(kinds.WebAddress, MetadataValue):  # type: ignore[misc]
    """A web address."""

    kind = "url"
