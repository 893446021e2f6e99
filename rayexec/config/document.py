"""Run config as a document: objects or mappings, merged over the job's own config."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from rayexec.definitions.config_models import Config
from rayexec.definitions.job import JobDefinition
from rayexec.definitions.mapping import ConfigMapping
from rayexec.definitions.schemas.schema import MISSING, validate
from rayexec.errors import ConfigError, Problem

__all__ = ["RunConfig", "apply_mapping", "merged_run_config"]


@dataclass(frozen=True)
class RunConfig:
    """Run config made of objects.

    It holds Config instances by op, resources by key, and plain mappings anywhere.
    """

    ops: Mapping[str, Any] = field(default_factory=dict)
    resources: Mapping[str, Any] = field(default_factory=dict)
    loggers: Mapping[str, Any] = field(default_factory=dict)
    execution: Mapping[str, Any] | None = None
    inputs: Mapping[str, Any] = field(default_factory=dict)

    def to_config_dict(self) -> dict[str, Any]:
        """Return the mapping of an equal YAML file, but with the Config instances themselves."""
        document: dict[str, Any] = {}
        if self.ops:
            document["ops"] = {
                key: {"config": entry} if isinstance(entry, Config) else entry
                for key, entry in self.ops.items()
            }
        if self.resources:
            document["resources"] = {
                key: {"config": entry} if isinstance(entry, Config) else entry
                for key, entry in self.resources.items()
            }
        if self.loggers:
            document["loggers"] = dict(self.loggers)
        if self.execution is not None:
            document["execution"] = dict(self.execution)
        if self.inputs:
            document["inputs"] = {key: {"value": each} for key, each in self.inputs.items()}
        return document


def merged_run_config(job: JobDefinition, run_config: Any) -> dict[str, Any]:
    """Return ``run_config`` merged over the job's own config.

    A value two levels down replaces the default as a whole. The ConfigMapping of a job makes the
    document from ``run_config`` instead. Raises ConfigError for anything but a mapping.
    """
    if isinstance(job.config, ConfigMapping):
        made, problems = apply_mapping(
            job.config, MISSING if run_config is None else _document(run_config, "run config"), ()
        )
        if problems:
            raise ConfigError(problems, subject=f"config of job {job.name!r}")
        return _document(made, f"what the config mapping of job {job.name!r} returns")
    base, given = _document(job.config, "job config"), _document(run_config, "run config")
    merged = dict(base)
    for key, value in given.items():
        default = merged.get(key)
        merged[key] = (
            {**default, **value}
            if isinstance(default, Mapping) and isinstance(value, Mapping)
            else value
        )
    return merged


def _document(given: Any, subject: str) -> dict[str, Any]:
    if given is None:
        return {}
    if isinstance(given, RunConfig):
        return given.to_config_dict()
    if isinstance(given, Mapping):
        return dict(given)
    raise ConfigError(
        [Problem((), f"expected a mapping or a RunConfig, got {type(given).__name__}")],
        subject=subject,
    )


def apply_mapping(
    mapping: ConfigMapping, given: Any, path: tuple[str, ...]
) -> tuple[Any, list[Problem]]:
    """Return the config that a mapping makes of the given one, with all problems."""
    value = given
    if mapping.config_schema is not None:
        value, problems = validate(mapping.config_schema, given, path=path)
        if problems:
            return MISSING, problems
    try:
        return mapping.fn({} if value is MISSING else value), []
    except Exception as error:  # a mapping is the user's function
        name = getattr(mapping.fn, "__name__", "the config mapping")
        return MISSING, [Problem(path, f"{name} raised {type(error).__name__}: {error}")]
