"""Run config as a document: objects or mappings, merged over the job's own config."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from rayexec.definitions.config_fields import config_dict, document_value
from rayexec.definitions.config_models import Config
from rayexec.definitions.graphs.job_definition import JobDefinition
from rayexec.definitions.mapping import ConfigMapping, Fixed
from rayexec.definitions.schemas.schema import MISSING, validate
from rayexec.definitions.schemas.unprocessed import unprocessed
from rayexec.errors import ConfigError, ConfigMappingError, DefinitionError, Problem

__all__ = ["RunConfig", "apply_mapping", "merged_run_config"]


@dataclass(frozen=True, eq=False)
class RunConfig:
    """Run config made of objects.

    It holds Config instances by op, resources by key, and plain mappings anywhere. It equals
    another one that makes the same document.
    """

    ops: Mapping[str, Any] = field(default_factory=dict)
    resources: Mapping[str, Any] = field(default_factory=dict)
    loggers: Mapping[str, Any] = field(default_factory=dict)
    execution: Mapping[str, Any] = field(default_factory=dict)
    inputs: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("ops", "resources", "loggers", "execution", "inputs"):
            given = getattr(self, name)
            if given is None:
                object.__setattr__(self, name, {})
            elif not isinstance(given, Mapping):
                raise DefinitionError(
                    f"RunConfig takes a mapping as {name}, got {type(given).__name__}."
                )

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        # Earlier versions stored None as ``execution``.
        for name in ("ops", "resources", "loggers", "execution", "inputs"):
            object.__setattr__(self, name, state.get(name) or {})

    def __first_form__(self) -> tuple[type, dict[str, Any]]:
        return RunConfig, {**self.__dict__, "execution": self.execution or None}

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, RunConfig):
            return NotImplemented
        return self.to_config_dict() == other.to_config_dict()

    __hash__ = None  # type: ignore[assignment]

    def to_config_dict(self) -> dict[str, Any]:
        """Return the mapping of an equal YAML file."""
        document = {
            "loggers": dict(self.loggers),
            "resources": _entries(self.resources, document_value),
            "ops": _entries(self.ops, document_value),
            "execution": dict(self.execution),
        }
        return document | ({"inputs": self._inputs()} if self.inputs else {})

    def as_document(self) -> dict[str, Any]:
        """Return the document of a run, with the Config instances themselves, for ops to get."""
        document = {
            "ops": _entries(self.ops, _itself),
            "resources": _entries(self.resources, _itself),
            "loggers": dict(self.loggers),
            "execution": dict(self.execution),
            "inputs": self._inputs(),
        }
        return {key: section for key, section in document.items() if section}

    def _inputs(self) -> dict[str, Any]:
        return {key: {"value": each} for key, each in self.inputs.items()}


def _entries(section: Mapping[str, Any], converted: Callable[[Any], Any]) -> dict[str, Any]:
    """Return the section of ops or resources; at any depth a Config stands for its ``config``."""
    entries: dict[str, Any] = {}
    for key, entry in section.items():
        if key == "config":
            entries[key] = converted(entry)
        elif isinstance(entry, Config):
            entries[key] = {"config": converted(entry)}
        else:
            entries[key] = _entries(entry, converted) if isinstance(entry, Mapping) else entry
    return entries


def _itself(entry: Any) -> Any:
    return entry


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
        return given.as_document()
    if isinstance(given, Mapping):
        return dict(given)
    raise ConfigError(
        [Problem((), f"expected a mapping or a RunConfig, got {type(given).__name__}")],
        subject=subject,
    )


def apply_mapping(
    mapping: ConfigMapping, given: Any, path: tuple[str, ...]
) -> tuple[Any, list[Problem]]:
    """Return the config that a mapping makes of the given one, with all problems.

    Raises ConfigMappingError if its function raises.
    """
    value = given
    if mapping.config_schema is not None:
        is_raw = mapping.receive_processed_config_values is False
        schema = unprocessed(mapping.config_schema) if is_raw else mapping.config_schema
        value, problems = validate(schema, given, path=path)
        if problems:
            return MISSING, problems
    elif isinstance(mapping.config_fn, Fixed) and not (given is MISSING or given in (None, {})):
        message = "this config is fixed by configured() and cannot be given"
        return MISSING, [Problem(path, message)]
    try:
        made = mapping.config_fn({} if value is MISSING else value)
    except Exception as error:  # a mapping is the user's function
        name = getattr(mapping.config_fn, "__name__", "the config mapping")
        where = ":".join(("root", *path))
        raise ConfigMappingError(
            f"{where}: {name} raised {type(error).__name__}: {error}"
        ) from error
    if isinstance(made, Config):
        made = config_dict(made, for_document=True)
    if isinstance(mapping.then, ConfigMapping):
        return apply_mapping(mapping.then, made, path)
    return made, []
