"""Masking of environment variables in run config, since their values are often passwords."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from rayexec.definitions.environment_values import MASKED

__all__ = [
    "MASKED",
    "executor_settings",
    "mask_env_vars",
    "masked_env_vars",
    "names_in_runtime_env",
    "unmask_env_vars",
    "without_env_values",
]

_ENVIRONMENT, _VARIABLES = "runtime_env", "env_vars"
_LEAST_SECRET_LENGTH = 4  # shorter values occur in any text
# An address, which may have a password in it, is no name.
_PACKAGE = re.compile(r"[A-Za-z0-9][\w.-]*(?![\w.-]|:|/|\+)")


def executor_settings(config: Any) -> Iterator[Mapping[str, Any]]:
    """Yield what may be an executor's settings in run config.

    They are below the executor's name, or beside it if the job fixes its executor.
    """
    execution = config.get("execution") if isinstance(config, Mapping) else None
    settings = execution.get("config") if isinstance(execution, Mapping) else None
    if isinstance(settings, Mapping):
        yield settings
        yield from (each for each in settings.values() if isinstance(each, Mapping))


def _env_vars(config: Any) -> Iterator[Mapping[str, Any]]:
    for settings in executor_settings(config):
        environment = settings.get(_ENVIRONMENT)
        variables = environment.get(_VARIABLES) if isinstance(environment, Mapping) else None
        if isinstance(variables, Mapping):
            yield variables


def mask_env_vars(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return run config with masks for the values of a runtime_env's variables."""
    return _replaced(config, lambda _name, _value: MASKED) if any(_env_vars(config)) else config


def masked_env_vars(config: Any) -> list[str]:
    """Return the names of the variables in run config that have a mask for their value."""
    names = [name for each in _env_vars(config) for name, value in each.items() if value == MASKED]
    return sorted(set(map(str, names)))


def unmask_env_vars(config: Mapping[str, Any], source: Any) -> Mapping[str, Any]:
    """Return run config with the values of masked variables from other run config, ``source``."""
    values = {name: value for each in _env_vars(source) for name, value in each.items()}

    def unmasked(name: str, value: Any) -> Any:
        return values.get(name, value) if value == MASKED else value

    return _replaced(config, unmasked) if masked_env_vars(config) else config


def without_env_values(text: str, runtime_env: Mapping[str, Any] | None) -> str:
    """Return a message of Ray with masks for the values of a runtime_env's variables."""
    variables = (runtime_env or {}).get(_VARIABLES)
    values = variables.values() if isinstance(variables, Mapping) else ()
    for value in sorted(map(str, values), key=len, reverse=True):
        if len(value) >= _LEAST_SECRET_LENGTH:
            text = text.replace(value, MASKED)
    return text


def names_in_runtime_env(config: Any) -> dict[str, list[str]]:
    """Return the keys of a runtime_env in run config, with the names of packages and variables.

    Neither the values of variables are among them, nor what follows a package's name.
    """
    return {
        str(key): _names(value)
        for settings in executor_settings(config)
        if isinstance(environment := settings.get(_ENVIRONMENT), Mapping)
        for key, value in environment.items()
    }


def _names(value: Any) -> list[str]:
    if isinstance(value, Mapping):
        packages = value.get("packages")
        return _names(packages) if isinstance(packages, list) else list(map(str, value))
    if isinstance(value, list):
        matches = [_PACKAGE.match(each) for each in value if isinstance(each, str)]
        return [match[0] for match in matches if match is not None]
    return []


def _replaced(config: Mapping[str, Any], value_of: Callable[[str, Any], Any]) -> dict[str, Any]:
    """Return run config with other values of the variables."""

    def settings_of(settings: Mapping[str, Any]) -> dict[str, Any]:
        environment = settings.get(_ENVIRONMENT)
        variables = environment.get(_VARIABLES) if isinstance(environment, Mapping) else None
        if not isinstance(environment, Mapping) or not isinstance(variables, Mapping):
            return dict(settings)
        replaced = {name: value_of(name, value) for name, value in variables.items()}
        return {**settings, _ENVIRONMENT: {**environment, _VARIABLES: replaced}}

    execution = config["execution"]
    outer = settings_of(execution["config"])
    inner = {
        name: settings_of(each) if isinstance(each, Mapping) and name != _ENVIRONMENT else each
        for name, each in outer.items()
    }
    return {**config, "execution": {**execution, "config": inner}}
