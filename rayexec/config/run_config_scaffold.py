"""Scaffold of run config: a placeholder or default for each value that a run can give."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rayexec.config.config_paths import OpenInputs
from rayexec.config.run_config_schema import RunConfigSchema, run_config_schema
from rayexec.definitions.graphs.job_definition import JobDefinition
from rayexec.definitions.op import OpDefinition
from rayexec.definitions.schemas.schema import scaffold

__all__ = ["execution_comment", "scaffold_run_config", "scaffold_values"]


def scaffold_run_config(
    job: JobDefinition,
    ops: Mapping[str, OpDefinition],
    open_inputs: OpenInputs,
    *,
    only_required: bool = False,
) -> dict[str, Any]:
    """Return a run config of a job, with ``only_required`` for the necessary values alone."""
    document: dict[str, Any] = {}
    schema = run_config_schema(job, ops, open_inputs)
    for path, value in scaffold_values(schema, only_required=only_required):
        if not path:
            return value if isinstance(value, dict) else {}
        section = document
        for part in path[:-1]:
            section = section.setdefault(part, {})
        section[path[-1]] = value
    return document


def scaffold_values(
    schema: RunConfigSchema, *, only_required: bool
) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield the values that a run can give, or has to give, by path."""
    for path, value in schema.values.items():
        if value.is_required or not only_required:
            yield path, scaffold(value, only_required=only_required)


def execution_comment(executor: str) -> list[str]:
    """Return lines of YAML, as comments, for the settings of an executor; the default ones hold.

    A document with ``max_concurrent: 0`` would read as a mistake.
    """
    if executor == "in_process":
        return []
    # Config of a job with an executor of its own does not name the executor.
    below = ["multiprocess"] if executor == "default" else []
    keys = ["execution", "config", *below]
    lines = [f"{'  ' * depth}{key}:" for depth, key in enumerate(keys)]
    return [f"# {line}" for line in (*lines, f"{'  ' * len(keys)}max_concurrent: 4")]
