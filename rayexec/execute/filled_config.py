"""Run config with all defaults, in the form of Dagster's ``validate_run_config``."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import Any

from rayexec.config.run_config import ResolvedConfig
from rayexec.definitions.config_models import as_data
from rayexec.definitions.executor import ExecutorDefinition
from rayexec.definitions.graphs.graph import GraphDefinition
from rayexec.definitions.graphs.job_definition import JobDefinition
from rayexec.definitions.io_manager import IO_MANAGER

__all__ = ["filled_in"]

_RETRIES: Mapping[str, Any] = {"retries": {"enabled": {}}}
_DEFAULTS: Mapping[str, Mapping[str, Any]] = {
    "in_process": _RETRIES,
    "multiprocess": {"max_concurrent": None, **_RETRIES},
}


def filled_in(
    job: JobDefinition, config: ResolvedConfig, selected: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the config of each ``selected`` op by path, of the executor, resources and loggers."""
    resources = {IO_MANAGER: None, **config.resources}
    filled = {
        "ops": dict(_nodes(job.graph, config, selected, config.document.get("ops"), "")),
        "execution": _execution(job.executor_def, config.document.get("execution")),
        "resources": {key: {"config": as_data(value)} for key, value in resources.items()},
        "loggers": dict(_loggers(config)),
    }
    return copy.deepcopy(filled)  # callers may change it


def _nodes(
    graph: GraphDefinition,
    config: ResolvedConfig,
    selected: Mapping[str, Any],
    section: Any,
    prefix: str,
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the nodes of a graph by path, a graph in it before its own nodes."""
    for node in graph.nodes:
        path = f"{prefix}{node.name}"
        given = _part(section, node.name)
        if isinstance(node.definition, GraphDefinition):
            inner = list(_nodes(node.definition, config, selected, given.get("ops"), f"{path}."))
            if inner:
                yield path, _entry(given.get("config"), given)
                yield from inner
        elif path in selected:
            yield path, _entry(as_data(config.ops.get(path)), given)


def _entry(config: Any, given: Mapping[str, Any]) -> dict[str, Any]:
    inputs = given.get("inputs")
    return {"config": config, "inputs": inputs or {}, "outputs": given.get("outputs")}


def _part(section: Any, key: str) -> Mapping[str, Any]:
    part = section.get(key) if isinstance(section, Mapping) else None
    return part if isinstance(part, Mapping) else {}


def _execution(executor: ExecutorDefinition, section: Any) -> dict[str, Any]:
    """Return the settings by executor; those of the default one are below its choice."""
    settings = {**executor.settings, **_part(section, "config")}
    if executor.name != "default":
        return {executor.name: {**_DEFAULTS.get(executor.name, {}), **settings}}
    chosen = settings or {"multiprocess": {}}
    filled = {
        name: {**_DEFAULTS.get(name, {}), **value} if isinstance(value, Mapping) else value
        for name, value in chosen.items()
    }
    return {"multi_or_in_process_executor": filled}


def _loggers(config: ResolvedConfig) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, given in (config.document.get("loggers") or {}).items():
        if name in config.loggers:
            yield name, {"config": as_data(config.loggers[name])}
        else:
            console = {"log_level": config.log_level, "name": "dagster"}
            yield name, {"config": {**console, **_part({name: given}, name).get("config", {})}}
