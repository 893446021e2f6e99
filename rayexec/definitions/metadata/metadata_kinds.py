"""Fields, values and JSON-able forms of the kinds of metadata."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from typing import Any

from rayexec.definitions.asset_key import AssetKey
from rayexec.definitions.frozen_record import PlainRecord
from rayexec.definitions.metadata.table_schema import (
    TableColumnLineage,
    TableRecord,
    TableSchema,
    column_type,
    schema_of,
)
from rayexec.errors import DefinitionError

_NOTHING = type(None)


class MetadataKind(PlainRecord):
    """One kind of metadata."""

    @property
    def value(self) -> Any:
        """The value; text that is None counts as empty."""
        return self.__dict__[self.main_field]


class _Text(MetadataKind):
    """Metadata that is text."""

    @property
    def value(self) -> str:
        """The text; empty for None."""
        return self.__dict__[self.main_field] or ""


class Text(_Text):
    """Plain text."""

    main_field = "text"
    text: str | None

    def __init__(self, text: str | None = "") -> None:
        self._check("text", text, str, _NOTHING)
        super().__init__(text=text)


class WebAddress(_Text):
    """A web address."""

    main_field = "url"
    url: str | None

    def __init__(self, url: str | None = "") -> None:
        self._check("url", url, str, _NOTHING)
        super().__init__(url=url)


class Markdown(_Text):
    """Markdown."""

    main_field = "md_str"
    md_str: str | None

    def __init__(self, md_str: str | None = "") -> None:
        self._check("md_str", md_str, str, _NOTHING)
        super().__init__(md_str=md_str)


class FilePath(_Text):
    """A path in a file system."""

    main_field = "fspath"
    fspath: str

    def __init__(self, path: str | os.PathLike[str] | None) -> None:
        self._check("path", path, str, os.PathLike, _NOTHING)
        super().__init__(fspath="" if path is None else os.fspath(path))

    @property
    def path(self) -> str:
        """The path."""
        return self.fspath


class JsonData(MetadataKind):
    """JSON-able data, as JSON gives it back: tuples are lists, keys are text."""

    main_field = "data"
    data: Any

    def __init__(self, data: Any) -> None:
        try:
            normal = json.loads(json.dumps(data))
        except (TypeError, ValueError, RecursionError) as error:
            raise DefinitionError(f"metadata of kind json must be JSON-able: {error}") from None
        self._check("data", data, Mapping, Sequence, _NOTHING)
        super().__init__(data=normal)


class Fraction(MetadataKind):
    """A number with a fraction."""

    def __init__(self, value: float | None) -> None:
        self._check("value", value, float, _NOTHING)
        super().__init__(value=value)


class WholeNumber(MetadataKind):
    """A whole number."""

    def __init__(self, value: int | None) -> None:
        self._check("value", value, int, _NOTHING)
        super().__init__(value=value)


class YesOrNo(MetadataKind):
    """Yes or no."""

    def __init__(self, value: bool | None) -> None:
        self._check("value", value, bool, _NOTHING)
        super().__init__(value=value)


class Moment(MetadataKind):
    """A moment, in seconds since 1970."""

    def __init__(self, value: float) -> None:
        self._check("value", value, float)
        super().__init__(value=value)


class RunName(_Text):
    """The id of a run."""

    main_field = "run_id"
    run_id: str

    def __init__(self, run_id: str) -> None:
        self._check("run_id", run_id, str)
        super().__init__(run_id=run_id)


class PoolName(_Text):
    """The name of a concurrency pool."""

    main_field = "name"
    name: str

    def __init__(self, pool: str) -> None:
        self._check("pool", pool, str)
        super().__init__(name=pool)

    @property
    def pool(self) -> str:
        """The name."""
        return self.name


class Nothing(MetadataKind):
    """Nothing."""

    def __init__(self) -> None:
        super().__init__()

    value = plain = None

    @classmethod
    def from_plain(cls, plain: Any) -> Any:
        return cls()


class AssetName(MetadataKind):
    """The key of an asset."""

    main_field = "asset_key"
    asset_key: AssetKey

    def __init__(self, asset_key: AssetKey) -> None:
        self._check("asset_key", asset_key, AssetKey)
        super().__init__(asset_key=asset_key)

    plain = property(lambda self: self.asset_key.path)

    @classmethod
    def from_plain(cls, plain: Any) -> Any:
        return cls(AssetKey(plain))


class Schema(MetadataKind):
    """The schema of a table."""

    main_field = "schema"
    schema: TableSchema

    def __init__(self, schema: TableSchema) -> None:
        self._check("schema", schema, TableSchema)
        super().__init__(schema=schema)

    @classmethod
    def from_plain(cls, plain: Any) -> Any:
        return cls(TableSchema.from_plain(plain))


class Lineage(MetadataKind):
    """The sources of a table's columns."""

    main_field = "lineage"

    def __init__(self, column_lineage: TableColumnLineage) -> None:
        self._check("column_lineage", column_lineage, TableColumnLineage)
        super().__init__(lineage=column_lineage)

    @property
    def column_lineage(self) -> TableColumnLineage:
        """The sources."""
        lineage: TableColumnLineage = self.value
        return lineage

    @classmethod
    def from_plain(cls, plain: Any) -> Any:
        return cls(TableColumnLineage.from_plain(plain))


class _ItsOwnValue(MetadataKind):
    """Metadata of several fields; its value is itself."""

    value = property(lambda self: self)

    @property
    def plain(self) -> Any:
        return dict(self.__dict__)

    @classmethod
    def from_plain(cls, plain: Any) -> Any:
        return cls.unchecked(**plain)


class Artifact(_ItsOwnValue):
    """The module and the name of a class or function."""

    module: str
    name: str

    def __init__(self, module: str, name: str) -> None:
        self._check("module", module, str)
        self._check("name", name, str)
        super().__init__(module=module, name=name)


class JobName(_ItsOwnValue):
    """The name of a job, and of the place of its definition."""

    job_name: str
    location_name: str
    repository_name: str | None

    def __init__(self, job_name: str, location_name: str, repository_name: str | None = None):
        self._check("job_name", job_name, str)
        self._check("location_name", location_name, str)
        self._check("repository_name", repository_name, str, _NOTHING)
        names = {"job_name": job_name, "location_name": location_name}
        super().__init__(**names, repository_name=repository_name)


class SmallTable(_ItsOwnValue):
    """A small table: records with the same columns, and their schema."""

    records: Sequence[TableRecord]
    schema: TableSchema

    def __init__(self, records: Sequence[TableRecord], schema: TableSchema | None = None) -> None:
        super().__init__(records=list(records), schema=schema_of(records, schema))

    infer_column_type = staticmethod(column_type)

    @property
    def plain(self) -> Any:
        rows = [dict(record.data) for record in self.records]
        return {"records": rows, "schema": self.schema.plain}

    @classmethod
    def from_plain(cls, plain: Any) -> Any:
        records = [TableRecord(data) for data in plain["records"]]
        return cls(records, TableSchema.from_plain(plain["schema"]))
