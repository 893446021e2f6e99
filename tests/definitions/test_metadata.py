"""Metadata: its classes, the values that they take and refuse, and their way through a store.

Accepted and refused values are those of Dagster 1.13, found by running the same code there.
"""

import datetime
import enum
import math
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import rayexec
from rayexec import (
    AssetKey,
    DagsterInvalidDefinitionError,
    Failure,
    MetadataValue,
    Output,
    TableColumn,
    TableColumnConstraints,
    TableColumnDep,
    TableColumnLineage,
    TableConstraints,
    TableRecord,
    TableSchema,
)
from rayexec.events import OutputRecord
from rayexec.store.encoding import outputs_text, read_outputs

M = MetadataValue
UTC = datetime.datetime(2020, 1, 1, tzinfo=datetime.timezone.utc)


class Number(int, enum.Enum):
    ONE = 1


class Word(str, enum.Enum):
    X = "x"


class Plain(enum.Enum):
    A = 1


RECORD = TableRecord({"a": 1, "b": "x", "c": 1.5, "d": True, "e": None})
COLUMN = TableColumn(
    "a", "int", "d", TableColumnConstraints(nullable=False, other=["> 0"]), {"t": "u"}
)
SCHEMA = TableSchema([COLUMN], TableConstraints(["a > b"]))
LINEAGE = TableColumnLineage({"a": [TableColumnDep("x", "y")]})

# The constructor, its argument, the class, its field, and its value.
MADE: list[tuple[str, Any, str, str, Any]] = [
    ("text", "a", "TextMetadataValue", "text", "a"),
    ("text", None, "TextMetadataValue", "text", ""),
    ("url", "u", "UrlMetadataValue", "url", "u"),
    ("path", Path("/x"), "PathMetadataValue", "path", "/x"),
    ("path", None, "PathMetadataValue", "path", ""),
    ("notebook", "n", "NotebookMetadataValue", "path", "n"),
    ("json", (1, {2: Word.X}), "JsonMetadataValue", "data", [1, {"2": "x"}]),
    ("json", None, "JsonMetadataValue", "data", None),
    ("md", "# m", "MarkdownMetadataValue", "md_str", "# m"),
    ("float", 1.5, "FloatMetadataValue", "value", 1.5),
    ("float", None, "FloatMetadataValue", "value", None),
    ("int", 10**30, "IntMetadataValue", "value", 10**30),
    ("int", True, "IntMetadataValue", "value", True),
    ("bool", False, "BoolMetadataValue", "value", False),
    ("timestamp", UTC, "TimestampMetadataValue", "value", 1577836800.0),
    ("dagster_run", "r", "DagsterRunMetadataValue", "run_id", "r"),
    ("pool", "p", "PoolMetadataValue", "pool", "p"),
    ("asset", AssetKey(["a", "b"]), "DagsterAssetMetadataValue", "asset_key", AssetKey(["a", "b"])),
    ("table_schema", SCHEMA, "TableSchemaMetadataValue", "schema", SCHEMA),
    ("column_lineage", LINEAGE, "TableColumnLineageMetadataValue", "column_lineage", LINEAGE),
]
OWN_VALUES = [
    M.table([RECORD]),
    M.table([], SCHEMA),
    M.job("j", "l", repository_name="r"),
    M.python_artifact(dict),
]


@pytest.mark.parametrize(("kind", "given", "name", "field", "value"), MADE)
def test_each_constructor_makes_its_class(
    kind: str, given: Any, name: str, field: str, value: Any
) -> None:
    made = getattr(M, kind)(given)
    assert type(made).__name__ == name
    assert isinstance(made, MetadataValue)
    assert made.value == value
    assert getattr(made, field) == (value if given is not None else getattr(made, field))
    by_class = getattr(rayexec, name)
    assert made == by_class(made.value if kind != "text" or given else None)
    with pytest.raises(AttributeError):
        setattr(made, field, 1)


@pytest.mark.parametrize("made", [getattr(M, kind)(given) for kind, given, *_ in MADE] + OWN_VALUES)
def test_metadata_comes_back_from_records_and_pickles(made: MetadataValue) -> None:
    [back] = read_outputs(outputs_text((OutputRecord("result", {"k": made}),)))
    assert back.metadata == {"k": made}
    assert type(back.metadata["k"]) is type(made)
    assert pickle.loads(pickle.dumps(made)) == made


def test_metadata_that_is_its_own_value() -> None:
    assert all(each.value is each for each in OWN_VALUES)
    table: Any = OWN_VALUES[0]
    kinds = [column.type for column in table.schema.columns]
    assert kinds == ["int", "string", "float", "bool", "string"]
    assert (M.python_artifact(dict).module, M.python_artifact(dict).name) == ("builtins", "dict")
    assert M.job("j", "l").repository_name is None
    assert M.null().value is None
    assert TableSchema.from_name_type_dict({"a": "int"}) == TableSchema([TableColumn("a", "int")])
    assert (COLUMN.constraints.nullable, COLUMN.constraints.unique) == (False, False)
    assert repr(M.text("a")) == "TextMetadataValue(text='a')"
    assert len({M.text("a"), M.text("a"), M.url("a"), M.json({"a": []})}) == 3


REFUSED: list[Callable[[], Any]] = [
    lambda: M.text(3),  # type: ignore[arg-type]
    lambda: M.url(b""),  # type: ignore[arg-type]
    lambda: M.md(3),  # type: ignore[arg-type]
    lambda: M.path(3),  # type: ignore[arg-type]
    lambda: M.json(3),
    lambda: M.json({"a": {1}}),
    lambda: M.float(1),
    lambda: M.float(True),
    lambda: M.int(1.5),  # type: ignore[arg-type]
    lambda: M.int("1"),  # type: ignore[arg-type]
    lambda: M.bool(1),  # type: ignore[arg-type]
    lambda: M.timestamp(1),
    lambda: M.timestamp(datetime.datetime(2020, 1, 1)),
    lambda: M.dagster_run(None),  # type: ignore[arg-type]
    lambda: M.asset("a"),  # type: ignore[arg-type]
    lambda: M.python_artifact(3),  # type: ignore[arg-type]
    lambda: M.table([]),
    lambda: M.table([{"a": 1}]),  # type: ignore[list-item]
    lambda: M.table([TableRecord({"a": 1}), TableRecord({"b": 1})]),
    lambda: TableRecord({"a": [1]}),
    lambda: TableRecord({1: 1}),  # type: ignore[dict-item]
    lambda: TableColumn(3),  # type: ignore[arg-type]
    lambda: TableSchema(["a"]),  # type: ignore[list-item]
    lambda: TableColumnLineage({"a": [TableColumnDep("x", "y"), TableColumnDep("x", "y")]}),
    lambda: Failure("x", metadata={"k": object()}),
    lambda: Output(1, metadata={1: 2}),  # type: ignore[dict-item]
    *[
        lambda value=value: Output(1, metadata={"k": value})
        for value in ((1, 2), {1}, b"x", UTC, UTC.date(), Plain.A, int, RECORD, [object()])
    ],
]


@pytest.mark.parametrize("make", REFUSED)
def test_values_without_a_kind_are_refused(make: Callable[[], Any]) -> None:
    with pytest.raises(DagsterInvalidDefinitionError):
        make()


@pytest.mark.parametrize(
    ("plain", "wrapped"),
    [
        (None, M.null()),
        (True, M.bool(True)),
        (1, M.int(1)),
        (1.5, M.float(1.5)),
        (math.inf, M.float(math.inf)),
        ("s", M.text("s")),
        (Path("/x"), M.path("/x")),
        ({"a": (1,)}, M.json({"a": [1]})),
        ([1], M.json([1])),
        (Number.ONE, M.int(Number.ONE)),
        (Word.X, M.text(Word.X)),
        (AssetKey("a"), M.asset(AssetKey("a"))),
        (SCHEMA, M.table_schema(SCHEMA)),
        (LINEAGE, M.column_lineage(LINEAGE)),
        (M.md("m"), M.md("m")),
    ],
)
def test_plain_values_have_a_kind(plain: Any, wrapped: MetadataValue) -> None:
    assert Output(1, metadata={"k": plain}).metadata == {"k": wrapped}


def test_metadata_of_no_kind_cannot_be_made() -> None:
    with pytest.raises(TypeError, match="abstract"):
        MetadataValue("text", "x")
    assert M.of_kind("of a later version", [1]) == M.json([1])


def test_pickles_from_before_the_kinds_had_classes_are_read() -> None:
    of_class = b"\x80\x05crayexec.definitions.metadata.metadata_value\nMetadataValue\n)\x81"
    former = of_class + b"]\x94(X\x02\x00\x00\x00mdX\x01\x00\x00\x00xeb."
    assert pickle.loads(former) == M.md("x")
