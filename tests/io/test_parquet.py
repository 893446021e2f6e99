"""ParquetIOManager: which tables it takes, what it loads them as, and what it says of them."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import dataset, parquet

from rayexec import In, Out, ParquetIOManager, build_input_context, build_output_context, job, op

ROWS = pa.table({"n": [1, 2, 3], "word": ["a", "b", "c"]})


@op
def make() -> pa.Table:
    return ROWS


def test_the_annotation_says_what_is_loaded(execute: Any, tmp_path: Path) -> None:
    @op
    def untyped(rows: Any) -> str:
        return type(rows).__name__

    @op
    def as_table(rows: pa.Table) -> int:
        return int(rows.num_rows)

    @op
    def lazily(rows: dataset.Dataset) -> Any:
        assert not isinstance(rows, pa.Table)
        return rows.to_table(columns=["n"], filter=dataset.field("n") > 1)["n"].to_pylist()

    @op
    def all_lazily(parts: list[dataset.Dataset]) -> int:
        return sum(each.count_rows() for each in parts)

    @op(out=Out(io_manager_key="tables"))
    def table_again(rows: dataset.Dataset) -> dataset.Dataset:
        return rows

    outs = {"tables": ParquetIOManager(base_dir=str(tmp_path))}
    produce = op(name="produce", out=Out(io_manager_key="tables"))(make.fn)

    @job(resource_defs=outs)
    def loading() -> None:
        rows = produce()
        untyped(rows)
        as_table(rows)
        lazily(rows)
        all_lazily([rows, table_again(rows)])

    result = execute(loading)
    assert result.success
    assert result.output_for_node("untyped") == "Table"
    assert result.output_for_node("as_table") == 3
    assert result.output_for_node("lazily") == [2, 3]
    assert result.output_for_node("all_lazily") == 6
    assert result.output_for_node("produce") == ROWS
    assert isinstance(result.output_for_node("table_again"), dataset.Dataset)


def test_what_the_output_is_said_to_be(execute: Any, tmp_path: Path) -> None:
    @job(resource_defs={"io_manager": ParquetIOManager(base_dir=str(tmp_path))})
    def making() -> None:
        make()

    result = execute(making)
    (event,) = [each for each in result.all_events if each.event_type_value == "HANDLED_OUTPUT"]
    path = tmp_path / result.run_id / "make" / "result.parquet"
    metadata = event.handled_output_data.metadata
    assert {key: each.value for key, each in metadata.items()} == {
        "rows": 3,
        "columns": 2,
        "bytes": path.stat().st_size,
        "path": str(path),
    }
    assert parquet.read_table(path) == ROWS


def test_what_is_no_table_is_told(execute: Any, tmp_path: Path) -> None:
    @op(out=Out(io_manager_key="tables"))
    def number() -> int:
        return 5

    @job(resource_defs={"tables": ParquetIOManager(base_dir=str(tmp_path))})
    def making() -> None:
        number()

    result = execute(making)
    root = result.failure_data_for_node("number").root
    assert root.cls_name == "DagsterExecutionHandleOutputError"
    assert root.message.startswith(
        "IO manager 'tables' could not store output 'result' of step 'number' (op 'number'): "
        "TypeError: a int is no "
        "table: ParquetIOManager stores pyarrow.Table"
    )
    assert not list(tmp_path.iterdir())


def test_an_input_of_another_type_fails_its_check(execute: Any, tmp_path: Path) -> None:
    @op(ins={"rows": In(int)})
    def count(rows: Any) -> int:
        return 0

    @job(resource_defs={"io_manager": ParquetIOManager(base_dir=str(tmp_path))})
    def counting() -> None:
        count(make())

    assert (
        "expected a value of type int"
        in execute(counting).failure_data_for_node("count").root.message
    )


def roundtrip(value: Any, tmp_path: Path, kind: Any = Any) -> Any:
    manager = ParquetIOManager(base_dir=str(tmp_path))
    output = build_output_context(run_id="r", step_key="s")
    manager.handle_output(output, value)
    return manager.load_input(build_input_context(upstream_output=output, dagster_type=kind))


def test_tables_in_other_forms(tmp_path: Path) -> None:
    assert roundtrip(ROWS.to_batches()[0], tmp_path) == ROWS
    assert roundtrip(ROWS.to_reader(max_chunksize=1), tmp_path) == ROWS
    assert roundtrip(dataset.dataset(ROWS), tmp_path) == ROWS
    assert roundtrip(ROWS.slice(0, 0), tmp_path) == ROWS.slice(0, 0)
    nested = pa.table({"a": [[1], []], "b": [{"c": 1}, None]})
    assert roundtrip(nested, tmp_path) == nested


def test_directories_that_look_like_partitions_add_no_columns(tmp_path: Path) -> None:
    assert roundtrip(ROWS, tmp_path / "year=2001") == ROWS
    assert roundtrip(ROWS, tmp_path / "year=2001", dataset.Dataset).to_table() == ROWS


def test_data_frames(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"n": [1, 2]}, index=["x", "y"])
    loaded = roundtrip(frame, tmp_path, pandas.DataFrame)
    pandas.testing.assert_frame_equal(loaded, frame)
    assert isinstance(roundtrip(frame, tmp_path), pa.Table)
