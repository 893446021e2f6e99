"""Scaffold of run config: a placeholder or default for each value that a run can give."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rayexec.config.config_paths import OpenInputs, config_path, mapped_graphs
from rayexec.definitions.graphs.job_definition import JobDefinition
from rayexec.definitions.mapping import open_schema
from rayexec.definitions.op import OpDefinition
from rayexec.definitions.schemas.schema import is_required, scaffold
from rayexec.definitions.types.type_loaders import DagsterTypeLoader, PlainLoader

__all__ = ["scaffold_run_config"]


def scaffold_run_config(
    job: JobDefinition,
    ops: Mapping[str, OpDefinition],
    open_inputs: OpenInputs,
    *,
    only_required: bool = False,
) -> dict[str, Any]:
    """Return a run config of a job, with ``only_required`` for the necessary values alone."""
    document: dict[str, Any] = {}
    for path, value in _scaffold_entries(job, ops, open_inputs, only_required):
        section = document
        for part in path[:-1]:
            section = section.setdefault(part, {})
        section[path[-1]] = value
    return document


def _scaffold_entries(
    job: JobDefinition,
    ops: Mapping[str, OpDefinition],
    open_inputs: OpenInputs,
    only_required: bool,
) -> Iterator[tuple[tuple[str, ...], Any]]:
    mapped = dict(mapped_graphs(job.graph))
    for path, mapping in mapped.items():
        schema = mapping.config_schema
        if schema is not None and (not only_required or is_required(schema)):
            here = config_path(path, "config") if path else ("ops", "config")
            yield here, scaffold(schema, only_required=only_required)
    for node, op in ops.items():
        if any(not path or node.startswith(f"{path}.") for path in mapped):
            continue  # its graph's mapping gives its config
        schema = open_schema(op)
        if schema is not None and (not only_required or is_required(schema)):
            yield config_path(node, "config"), scaffold(schema, only_required=only_required)
    for (node, name), (kind, required, _) in open_inputs.items():
        if required or not only_required:
            yield config_path(node, "inputs", name), _scaffold_input(kind.loader)
    for key, definition in job.resource_defs.items():
        schema = open_schema(definition)
        if schema is not None and (not only_required or is_required(schema)):
            yield ("resources", key, "config"), scaffold(schema, only_required=only_required)
    executor = job.executor_def.name
    if not only_required and executor != "in_process":
        # Config of a job with an executor of its own does not name the executor.
        below = ("multiprocess",) if executor == "default" else ()
        yield ("execution", "config", *below), {"max_concurrent": 0}


def _scaffold_input(loader: DagsterTypeLoader | None) -> Any:
    if loader is None or isinstance(loader, PlainLoader):
        kind = None if not isinstance(loader, PlainLoader) else loader.kind
        return {"value": None if kind in (None, object) else scaffold(kind)}
    return scaffold(loader.schema_type)
