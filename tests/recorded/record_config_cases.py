"""Records the tables of config cases: run it with a Python that has Dagster.

    python record_config_cases.py OUTPUT_DIRECTORY

It makes random Config classes and schemas with documents for them, always the same, and writes what
an op of Dagster sees, or that Dagster refuses.
"""

from __future__ import annotations

import json
import logging
import os
import random
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dagster  # type: ignore[import-not-found, unused-ignore]
from config_cases import (
    VARIABLES,
    declared_class,
    declared_schema,
    job_of,
    op_of_class,
    op_of_schema,
    run_config_of,
)
from config_class_cases import class_source, documents_for_class
from config_schema_cases import documents_for_schema, schema_source

MISTAKEN = "MISTAKEN"
CLASSES, SCHEMAS = 260, 260


def rows(
    count: int,
    source_of: Callable[[random.Random], Any],
    documents_of: Callable[[random.Random, Any], Iterator[Any]],
    op_of: Callable[[str], Any],
) -> Iterator[dict[str, Any]]:
    """Yield the rows of one table."""
    made = 0
    for seed in range(10 * count):
        chance = random.Random(seed)
        declared = source_of(chance)
        row: dict[str, Any] = {"source": declared.source}
        try:
            job = job_of(op_of(declared.source), dagster)
        except Exception as error:
            if "not caught in validation" not in str(error):
                yield row
            continue
        seen: dict[str, Any] = {}
        for document in ["ABSENT", *documents_of(chance, declared)]:
            seen.setdefault(json.dumps(document, sort_keys=True), document)
        row["cases"] = [
            [document, answered]
            for document in seen.values()
            if (answered := answer(job, document)) is not MISTAKEN
        ]
        yield row
        made += 1
        if made == count:
            return


def answer(job: Any, document: Any) -> str | None:
    """Return what the op sees, or None where the document is refused."""
    try:
        result = job.execute_in_process(run_config_of(document))
    except Exception as error:
        # Dagster itself calls this a mistake of its own.
        return MISTAKEN if "not caught in validation" in str(error) else None
    seen: str = result.output_for_node("configured_op")
    return seen


def main(directory: Path) -> None:
    """Write both tables."""
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    os.environ.update(VARIABLES)
    os.environ.pop("ABSENT_VARIABLE", None)
    tables = {
        "config_class_cases.jsonl": rows(
            CLASSES,
            class_source,
            documents_for_class,
            lambda source: op_of_class(declared_class(source, dagster), dagster),
        ),
        "config_schema_cases.jsonl": rows(
            SCHEMAS,
            schema_source,
            documents_for_schema,
            lambda source: op_of_schema(declared_schema(source, dagster), dagster),
        ),
    }
    for name, table in tables.items():
        lines = [json.dumps(row, separators=(",", ":")) for row in table]
        (directory / name).write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
