"""Resolution of the ``execution`` section of run config, and of a caller's overrides."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any

import pydantic

from rayexec.config.engine_traits import IN_PROCESS, RAY
from rayexec.config.execution_settings import (
    EXECUTORS,
    ExecutionSettings,
    ExecutorKey,
    check_overrides,
    executor_keys,
    overridable_keys,
    with_values,
)
from rayexec.config.execution_types import DESCRIPTIONS
from rayexec.definitions.concurrency import TagLimit
from rayexec.definitions.config_models import Config
from rayexec.definitions.executor import ExecutorDefinition
from rayexec.definitions.schemas.schema import validate
from rayexec.errors import ConfigError, Problem
from rayexec.names import nearest

__all__ = [
    "ExecutionSettings",
    "executor_model",
    "limit_runtime",
    "override_execution",
    "resolve_execution",
]

_PATH = ("execution", "config")
_TAG_LIMITS = "tag_concurrency_limits"
# Former names of keys, accepted since run configs name them.
_FORMER_KEYS = {"slices": "batches"}


def resolve_execution(
    executor: ExecutorDefinition, section: Any
) -> tuple[ExecutionSettings, list[Problem]]:
    """Return the settings of the ``execution`` section, with all its problems.

    ``section`` is the value below ``execution``, or None.
    """
    if section is None or section == {}:
        name = RAY if executor.name == "default" else executor.name
        return _settings(name, _renamed(executor.settings), _PATH)
    if not isinstance(section, Mapping):
        return ExecutionSettings(), [
            Problem(("execution",), f"expected a mapping with the key config, got {section!r}")
        ]
    unknown = [
        Problem(
            ("execution", str(key)),
            f"unknown key{'' if key != IN_PROCESS else ', put it below config'}. Expected: "
            f"{{config}}",
        )
        for key in section
        if key != "config"
    ]
    if unknown:
        return ExecutionSettings(), unknown
    config = section["config"]
    if executor.name != "default":
        return _settings(executor.name, _merged(executor, config), _PATH)
    if config is None:
        return ExecutionSettings(), [
            Problem(_PATH, "must not be empty; give one of in_process, multiprocess and ray")
        ]
    if not isinstance(config, Mapping):
        return ExecutionSettings(), [
            Problem(_PATH, f"expected one of in_process, multiprocess and ray, got {config!r}")
        ]
    if len(config) != 1:
        given = ", ".join(map(str, config)) or "nothing"
        return ExecutionSettings(), [
            Problem(_PATH, f"give exactly one of in_process, multiprocess and ray, got {given}")
        ]
    ((name, settings),) = config.items()
    if name not in EXECUTORS:
        hint = (
            " It belongs below the executor's name."
            if name in {key.name for key in executor_keys() if RAY in key.executors}
            else nearest(str(name), EXECUTORS)
        )
        return ExecutionSettings(), [
            Problem(
                (*_PATH, str(name)),
                f"unknown executor; there are in_process, multiprocess and ray.{hint}",
            )
        ]
    return _settings(name, _merged(executor, settings or {}), (*_PATH, name))


def override_execution(settings: ExecutionSettings, **given: Any) -> ExecutionSettings:
    """Return ``settings`` with the caller's overrides; None leaves a key.

    An address makes it a run on Ray. Raises ConfigError for a value out of bounds, as run config
    would, and TypeError for a key without overrides.
    """
    check_overrides(given, "override_execution")
    overrides = {name: value for name, value in given.items() if value is not None}
    if not overrides:
        return settings
    model = _model("Overrides", tuple(overridable_keys().values()))
    value, problems = validate(model, overrides)
    if problems:
        raise ConfigError(problems, subject="what the run was asked for")
    if "address" in overrides:
        settings = replace(settings, engine=RAY)
    return with_values(settings, {name: getattr(value, name) for name in overrides})


def limit_runtime(settings: ExecutionSettings, seconds: float | None) -> ExecutionSettings:
    """Return ``settings`` with one more limit of the run's time; the shorter one holds."""
    limits = [limit for limit in (settings.max_runtime, seconds) if limit is not None]
    return replace(settings, max_runtime=min(limits, default=None))


@lru_cache(maxsize=16)
def _model(name: str, keys: tuple[ExecutorKey, ...]) -> type[Config]:
    """Return a config class with a field for each key."""
    definitions: dict[str, Any] = {}
    for key in keys:
        default = key.default()
        description = DESCRIPTIONS.get(key.name)
        if isinstance(default, (list, dict)):
            entry = pydantic.Field(
                default_factory=key.default, description=description, **key.bounds
            )
        else:
            entry = pydantic.Field(default, description=description, **key.bounds)
        definitions[key.name] = key.annotation(), entry
    return pydantic.create_model(name, __base__=Config, **definitions)


def executor_model(executor: str) -> type[Config]:
    """Return a config class with the keys of an executor, by its name."""
    return _model(executor, _keys_of(executor))


def _keys_of(executor: str) -> tuple[ExecutorKey, ...]:
    return tuple(key for key in executor_keys() if executor in key.executors)


def _merged(executor: ExecutorDefinition, config: Any) -> Any:
    """Return the executor's own settings under those of run config."""
    if not isinstance(config, Mapping):
        return config
    return {**_renamed(executor.settings), **_renamed(config)}


def _renamed(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings with former keys under their present names.

    With both names given, the former one stays, and validation refuses it.
    """
    return {
        key if _FORMER_KEYS.get(key, key) in settings else _FORMER_KEYS.get(key, key): value
        for key, value in settings.items()
    }


def _settings(
    executor: str, given: Any, path: tuple[str, ...]
) -> tuple[ExecutionSettings, list[Problem]]:
    keys = _keys_of(executor)
    value, problems = validate(executor_model(executor), {} if given is None else given, path=path)
    if problems:
        return ExecutionSettings(), problems
    base = (
        ExecutionSettings(engine=IN_PROCESS, max_concurrent=1)
        if executor == IN_PROCESS
        else ExecutionSettings()
    )
    settings = with_values(base, {key.name: getattr(value, key.name) for key in keys})
    repeated = _repeated(settings.tag_limits, (*path, _TAG_LIMITS))
    return (ExecutionSettings(), repeated) if repeated else (settings, [])


def _repeated(limits: Iterable[TagLimit], path: tuple[str, ...]) -> list[Problem]:
    """Return a problem for each repeated rule, since only one of its limits can be meant."""
    rules: dict[tuple[str, str | None, bool], list[int]] = {}
    for limit in limits:
        rules.setdefault((limit.key, limit.value, limit.per_unique_value), []).append(limit.limit)
    problems = []
    for (key, value, per_unique_value), given in rules.items():
        if len(given) > 1:
            tag = key if value is None else f"{key}={value}"
            rule = f"each value of tag {tag!r}" if per_unique_value else f"tag {tag!r}"
            listed = ", ".join(map(str, given))
            problems.append(
                Problem(
                    path,
                    f"the rule for {rule} is given {len(given)} times, with limits {listed}; keep "
                    f"one",
                )
            )
    return problems
