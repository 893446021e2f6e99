"""The IO manager that stores tables as Parquet files."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from rayexec.definitions.io_contexts import InputContext, OutputContext
from rayexec.definitions.io_manager import ConfigurableIOManager
from rayexec.definitions.metadata import MetadataValue
from rayexec.io.output_files import Place, place_of, upstream_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pyarrow

__all__ = ["ParquetIOManager"]

_SUFFIX = ".parquet"


class ParquetIOManager(ConfigurableIOManager):
    """Stores each output, a table, as a Parquet file of its own below ``base_dir``.

    It takes ``pyarrow.Table``, ``RecordBatch``, ``RecordBatchReader`` and ``Dataset``, and
    ``pandas.DataFrame``. The annotation of the input says what is loaded: ``pandas.DataFrame``,
    ``pyarrow.dataset.Dataset`` (of which only what is asked for is read) or, whatever else it is,
    ``pyarrow.Table``. ``base_dir`` and the files in it are as for FilesystemIOManager, and end in
    ``.parquet``.
    """

    base_dir: str

    def handle_output(self, context: OutputContext, obj: Any) -> None:
        """Write the table; rows, columns, bytes and path are added to the output's metadata. Raises
        TypeError.
        """
        from pyarrow import parquet

        schema, batches = _read_table(obj)
        place = place_of(self.base_dir, context, _SUFFIX)
        rows = 0

        def fill(stream: Any) -> None:
            nonlocal rows
            with parquet.ParquetWriter(stream, schema) as writer:
                for each in batches:
                    writer.write(each)
                    rows += each.num_rows

        place.write(fill)
        context.add_output_metadata(
            {
                "rows": rows,
                "columns": len(schema),
                "bytes": place.size,
                "path": MetadataValue.path(place.path),
            }
        )

    def load_input(self, context: InputContext) -> Any:
        """Return the table, as what the input is annotated with."""
        place = place_of(self.base_dir, upstream_of(context), _SUFFIX)
        wanted = context.dagster_type.typing_type
        module, name = getattr(wanted, "__module__", None), getattr(wanted, "__name__", "")
        if (
            isinstance(module, str)
            and module.partition(".")[0] == "pyarrow"
            and name.endswith("Dataset")
        ):
            return _dataset(place)
        table = _table(place)
        if isinstance(module, str) and module.partition(".")[0] == "pandas" and name == "DataFrame":
            return table.to_pandas()
        return table


def _read_table(obj: Any) -> tuple[pyarrow.Schema, Iterable[pyarrow.Table | pyarrow.RecordBatch]]:
    """Return the schema of a table and its parts; raises TypeError for what is no table."""
    import pyarrow
    from pyarrow import dataset

    pandas = sys.modules.get("pandas")
    if pandas is not None and isinstance(obj, pandas.DataFrame):
        obj = pyarrow.Table.from_pandas(obj)
    if isinstance(obj, (pyarrow.Table, pyarrow.RecordBatch)):
        return obj.schema, (obj,)
    if isinstance(obj, dataset.Dataset):
        obj = obj.scanner().to_reader()
    if isinstance(obj, pyarrow.RecordBatchReader):
        return obj.schema, obj
    raise TypeError(
        f"a {type(obj).__name__} is no table: ParquetIOManager stores pyarrow.Table, RecordBatch, "
        f"RecordBatchReader "
        "and Dataset, and pandas.DataFrame; let another IO manager store this output"
    )


def _table(place: Place) -> pyarrow.Table:
    from pyarrow import parquet

    return parquet.read_table(place.path, filesystem=place.filesystem)


def _dataset(place: Place) -> Any:
    from pyarrow import dataset

    return dataset.dataset(place.path, filesystem=place.filesystem, format="parquet")
