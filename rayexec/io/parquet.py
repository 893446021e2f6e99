"""IO manager for tables, in Parquet files."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from rayexec.definitions.io_contexts import InputContext, OutputContext
from rayexec.definitions.io_manager import ConfigurableIOManager
from rayexec.definitions.metadata.metadata_value import MetadataValue
from rayexec.io.output_files import OutputFile, file_of, upstream_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pyarrow

__all__ = ["ParquetIOManager"]

_SUFFIX = ".parquet"


class ParquetIOManager(ConfigurableIOManager):
    """Stores each output, a table, as a Parquet file of its own below ``base_dir``.

    It takes ``pyarrow.Table``, ``RecordBatch``, ``RecordBatchReader`` and ``Dataset``, and
    ``pandas.DataFrame``. The annotation of the input decides the type of the loaded table:
    ``pandas.DataFrame``, ``pyarrow.dataset.Dataset`` (reads only the parts in use), and for any
    other annotation ``pyarrow.Table``. ``base_dir`` and its files are as for FilesystemIOManager;
    their names end in ``.parquet``.
    """

    base_dir: str

    def handle_output(self, context: OutputContext, obj: Any) -> None:
        """Write the table, and add its rows, columns, bytes and path to the output's metadata.

        Raises TypeError.
        """
        from pyarrow import parquet

        schema, batches = _read_table(obj)
        file = file_of(self.base_dir, context, _SUFFIX)
        rows = 0

        def fill(stream: Any) -> None:
            nonlocal rows
            with parquet.ParquetWriter(stream, schema) as writer:
                for batch in batches:
                    writer.write(batch)
                    rows += batch.num_rows

        file.write(fill)
        context.add_output_metadata(
            {
                "rows": rows,
                "columns": len(schema),
                "bytes": file.size,
                "path": MetadataValue.path(file.path),
            }
        )

    def load_input(self, context: InputContext) -> Any:
        """Return the table, of the type in the input's annotation."""
        file = file_of(self.base_dir, upstream_of(context), _SUFFIX)
        wanted = context.dagster_type.typing_type
        module, name = getattr(wanted, "__module__", None), getattr(wanted, "__name__", "")
        if (
            isinstance(module, str)
            and module.partition(".")[0] == "pyarrow"
            and name.endswith("Dataset")
        ):
            return _dataset(file)
        table = _table(file)
        if isinstance(module, str) and module.partition(".")[0] == "pandas" and name == "DataFrame":
            return table.to_pandas()
        return table


def _read_table(obj: Any) -> tuple[pyarrow.Schema, Iterable[pyarrow.Table | pyarrow.RecordBatch]]:
    """Return the schema of a table, and its parts; raises TypeError for any other object."""
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


def _table(file: OutputFile) -> pyarrow.Table:
    from pyarrow import parquet

    # Older versions of pyarrow take directories such as year=2001 for columns.
    return parquet.read_table(file.path, filesystem=file.filesystem, partitioning=None)


def _dataset(file: OutputFile) -> Any:
    from pyarrow import dataset

    return dataset.dataset(file.path, filesystem=file.filesystem, format="parquet")
