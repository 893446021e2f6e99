"""Descriptions of tables, for metadata: their records, columns, constraints and lineage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rayexec.definitions.asset_key import AssetKey, CoercibleToAssetKey
from rayexec.definitions.frozen_record import FrozenRecord
from rayexec.errors import DefinitionError

__all__ = [
    "TableColumn",
    "TableColumnConstraints",
    "TableColumnDep",
    "TableColumnLineage",
    "TableConstraints",
    "TableRecord",
    "TableSchema",
    "column_type",
    "schema_of",
]

_CELLS = (str, int, float, bool, type(None))


class TableRecord(FrozenRecord):
    """One row of a table: text, numbers, bools and None by column."""

    data: Mapping[str, Any]

    def __init__(self, data: Mapping[str, Any]) -> None:
        self._check("data", data, Mapping)
        for key, value in data.items():
            self._check("a column", key, str)
            self._check(f"the value of {key!r}", value, *_CELLS)
        super().__init__(data=dict(data))


class TableConstraints(FrozenRecord):
    """Constraints on several columns or on rows, in words."""

    other: Sequence[str]

    def __init__(self, other: Sequence[str]) -> None:
        self._check("other", other, list, tuple)
        super().__init__(other=list(other))


class TableColumnConstraints(FrozenRecord):
    """Constraints on one column; ``other`` are those in words."""

    nullable: bool
    unique: bool
    other: Sequence[str]

    def __init__(
        self, nullable: bool = True, unique: bool = False, other: Sequence[str] | None = None
    ) -> None:
        self._check("nullable", nullable, bool)
        self._check("unique", unique, bool)
        self._check("other", other, list, tuple, type(None))
        super().__init__(nullable=nullable, unique=unique, other=list(other or ()))


class TableColumn(FrozenRecord):
    """A column of a table; ``type`` is any word, by default ``"string"``."""

    name: str
    type: str
    description: str | None
    constraints: TableColumnConstraints
    tags: Mapping[str, str]

    def __init__(
        self,
        name: str,
        type: str = "string",
        description: str | None = None,
        constraints: TableColumnConstraints | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        nothing = None.__class__
        self._check("name", name, str)
        self._check("type", type, str)
        self._check("description", description, str, nothing)
        self._check("constraints", constraints, TableColumnConstraints, nothing)
        self._check("tags", tags, Mapping, nothing)
        super().__init__(
            name=name,
            type=type,
            description=description,
            constraints=constraints or TableColumnConstraints(),
            tags=dict(tags or {}),
        )


class TableSchema(FrozenRecord):
    """The columns of a table, and the constraints on several of them."""

    columns: Sequence[TableColumn]
    constraints: TableConstraints

    def __init__(
        self, columns: Sequence[TableColumn], constraints: TableConstraints | None = None
    ) -> None:
        self._check("columns", columns, list, tuple)
        for column in columns:
            self._check("a column", column, TableColumn)
        self._check("constraints", constraints, TableConstraints, type(None))
        super().__init__(columns=list(columns), constraints=constraints or TableConstraints([]))

    @staticmethod
    def from_name_type_dict(name_type_dict: Mapping[str, str]) -> TableSchema:
        """Return the schema of types by column."""
        return TableSchema([TableColumn(name, kind) for name, kind in name_type_dict.items()])

    @property
    def plain(self) -> dict[str, Any]:
        """The schema as JSON-able data."""
        columns = [
            {**vars(column), "constraints": dict(vars(column.constraints))}
            for column in self.columns
        ]
        return {"columns": columns, "constraints": dict(vars(self.constraints))}

    @staticmethod
    def from_plain(plain: Mapping[str, Any]) -> TableSchema:
        """Return the schema that became ``plain``."""
        columns = [
            TableColumn(
                **{**column, "constraints": TableColumnConstraints(**column["constraints"])}
            )
            for column in plain["columns"]
        ]
        return TableSchema(columns, TableConstraints(**plain["constraints"]))


class TableColumnDep(FrozenRecord):
    """A column of another asset as the source of a column."""

    asset_key: AssetKey
    column_name: str

    def __init__(self, asset_key: CoercibleToAssetKey, column_name: str) -> None:
        super().__init__(asset_key=AssetKey.from_coercible(asset_key), column_name=column_name)


class TableColumnLineage(FrozenRecord):
    """The columns that each column of a table is made of; no source may be there twice."""

    deps_by_column: Mapping[str, Sequence[TableColumnDep]]

    def __init__(self, deps_by_column: Mapping[str, Sequence[TableColumnDep]]) -> None:
        self._check("deps_by_column", deps_by_column, Mapping)
        ordered = {}
        for column, deps in deps_by_column.items():
            self._check(f"the sources of {column!r}", deps, list)
            ordered[column] = sorted(deps, key=lambda dep: (dep.asset_key, dep.column_name))
            if len(set(deps)) != len(deps):
                raise DefinitionError(f"TableColumnLineage: {column!r} names a source twice.")
        super().__init__(deps_by_column=ordered)

    @property
    def plain(self) -> dict[str, Any]:
        """The lineage as JSON-able data."""
        return {
            column: [[dep.asset_key.path, dep.column_name] for dep in deps]
            for column, deps in self.deps_by_column.items()
        }

    @staticmethod
    def from_plain(plain: Mapping[str, Any]) -> TableColumnLineage:
        """Return the lineage that became ``plain``."""
        return TableColumnLineage(
            {column: [TableColumnDep(*dep) for dep in deps] for column, deps in plain.items()}
        )


def column_type(value: object) -> str:
    """Return the type of a column with this value: its Python type, or ``"string"``."""
    kind = type(value)
    return kind.__name__ if kind in (bool, int, float) else "string"


def schema_of(records: Sequence[TableRecord], schema: TableSchema | None) -> TableSchema:
    """Return the schema of records, by default the one of the first; raises DefinitionError."""
    if not isinstance(records, (list, tuple)) or not all(
        isinstance(record, TableRecord) for record in records
    ):
        raise DefinitionError(f"a table is a list of TableRecords, got {records!r}.")
    if schema is not None and not isinstance(schema, TableSchema):
        raise DefinitionError(f"the schema of a table is a TableSchema, got {schema!r}.")
    if schema is None and not records:
        raise DefinitionError("a table without records needs its schema.")
    if any(record.data.keys() != records[0].data.keys() for record in records):
        raise DefinitionError("all records of a table must have the same columns.")
    if schema is not None:
        return schema
    columns = records[0].data.items()
    return TableSchema([TableColumn(name, column_type(value)) for name, value in columns])
