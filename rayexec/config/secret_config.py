"""Secrets in run config: masks for a record, and values for the masks of a resumed run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from rayexec.config.masking import MASKED, mask_env_vars
from rayexec.definitions.graphs.graph import GraphDefinition
from rayexec.definitions.graphs.job_definition import JobDefinition
from rayexec.definitions.mapping import open_schema
from rayexec.definitions.op import OpDefinition
from rayexec.definitions.resource import ResourceDefinition
from rayexec.definitions.schemas.schema import mask_secrets

__all__ = ["fill_masks", "mask_run_config", "masked_paths"]

_EXECUTION = "execution"  # has masks of its own: environment variables


class _Config(NamedTuple):
    """Config of one op, resource or logger in a run config."""

    path: tuple[str, ...]
    schema: Any
    value: Any


def mask_run_config(
    job: JobDefinition, resources: Mapping[str, ResourceDefinition], config: Mapping[str, Any]
) -> Mapping[str, Any]:
    """Return run config with masks for secret values, and for a runtime_env's variables."""
    for path, schema, value in _configs(job, resources, config):
        masked = mask_secrets(schema, value)
        if masked is not value and masked != value:
            config = _with_value(config, path, masked)
    return mask_env_vars(config)


def _configs(
    job: JobDefinition, resources: Mapping[str, ResourceDefinition], config: Mapping[str, Any]
) -> Iterator[_Config]:
    yield from _configs_of_nodes(job.graph, config.get("ops"), ("ops",))
    definitions: dict[str, Mapping[str, Any]] = {
        "resources": resources,
        "loggers": job.logger_defs,
    }
    for name, section in definitions.items():
        for key, entry in _items(config.get(name)):
            if key in section:
                yield from _config_of(section[key], entry, (name, key))


def _configs_of_nodes(
    graph: GraphDefinition, section: Any, path: tuple[str, ...]
) -> Iterator[_Config]:
    definitions = {node.name: node.definition for node in graph.nodes} if section else {}
    for name, entry in _items(section):
        definition = definitions.get(name)
        if isinstance(definition, GraphDefinition) and isinstance(entry, Mapping):
            schema = None if definition.config is None else definition.config.config_schema
            if schema is not None and "config" in entry:
                yield _Config((*path, name, "config"), schema, entry["config"])
            yield from _configs_of_nodes(definition, entry.get("ops"), (*path, name, "ops"))
        elif isinstance(definition, OpDefinition):
            yield from _config_of(definition, entry, (*path, name))


def _config_of(definition: Any, entry: Any, path: tuple[str, ...]) -> Iterator[_Config]:
    if isinstance(entry, Mapping) and "config" in entry:
        schema = open_schema(definition)
        if schema is not None:
            yield _Config((*path, "config"), schema, entry["config"])


def _items(section: Any) -> Iterator[tuple[str, Any]]:
    yield from section.items() if isinstance(section, Mapping) else ()


def _with_value(
    config: Mapping[str, Any], path: tuple[str, ...], value: object
) -> Mapping[str, Any]:
    key, *rest = path
    return {**config, key: _with_value(config[key], tuple(rest), value) if rest else value}


def masked_paths(config: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """Return the paths of the masks for secrets in run config."""
    return [path for path in _masks(config, ()) if path[0] != _EXECUTION]


def _masks(config: Any, path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    if isinstance(config, str) and config == MASKED:
        yield path
    elif isinstance(config, Mapping):
        for key, value in config.items():
            yield from _masks(value, (*path, str(key)))
    elif isinstance(config, list):
        for index, value in enumerate(config):
            yield from _masks(value, (*path, str(index)))


def fill_masks(config: Mapping[str, Any], source: Mapping[str, Any]) -> dict[str, Any]:
    """Return run config with the values of ``source`` for masked secrets, where it has them."""
    return {
        key: value if key == _EXECUTION else _filled(value, source.get(key))
        for key, value in config.items()
    }


def _filled(config: Any, source: Any) -> Any:
    if isinstance(config, str) and config == MASKED:
        return config if source is None else source
    if isinstance(config, Mapping) and isinstance(source, Mapping):
        return {key: _filled(value, source.get(key)) for key, value in config.items()}
    if isinstance(config, list) and isinstance(source, list) and len(config) == len(source):
        return [_filled(*pair) for pair in zip(config, source, strict=True)]
    return config
