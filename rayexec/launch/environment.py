"""The Ray runtime environment of a launched run: what options say of it, and what each driver is to
know.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rayexec.config.files import read_yaml
from rayexec.errors import LoadError

__all__ = ["HOME", "Cluster", "read_environment", "runtime_env"]

HOME = "RAYEXEC_HOME"
# Beyond the grace of a run that is canceled: its outputs are stored, and workers end, before Ray
# kills its driver.
_SAVING = 120.0
# More than any job has that says so in its code, which is not read here. A driver that ends earlier
# does so anyway.
_LONGEST = 3600.0


@dataclass(frozen=True, slots=True)
class Cluster:
    """The cluster to run on, and what it is sent, as options say it."""

    address: str
    working_dir: Path | None = None
    pip: tuple[str, ...] = ()
    runtime_env: str | Mapping[str, Any] | None = None


def runtime_env(
    cluster: Cluster, config: Mapping[str, Any] | None, home: str | None, stop_wait: int = 0
) -> dict[str, Any]:
    """Return the runtime environment that the job is submitted with, less its working directory.

    ``stop_wait`` are the seconds that Ray is to wait at least for the driver to end, once it is
    asked to.
    """
    from rayexec.cluster.jobs_api import STOP_WAIT

    environment = read_environment(cluster.runtime_env)
    if "working_dir" in environment:
        raise LoadError("--runtime-env has a working_dir: say --working-dir DIR instead.")
    variables = environment.get("env_vars") or {}
    if not isinstance(variables, dict):
        raise LoadError("env_vars of --runtime-env is not a mapping of names to values.")
    # Ray takes nothing but strings.
    variables = {str(name): str(value) for name, value in variables.items()}
    variables.setdefault(
        STOP_WAIT, str(max(stop_wait, math.ceil(max(_LONGEST, _grace(config) + _SAVING))))
    )
    if home is not None:
        variables[HOME] = home
    if cluster.pip:
        known = environment.get("pip") or []
        if not isinstance(known, list):
            raise LoadError(
                "pip of --runtime-env is not a list, to which --pip could add: give one of them."
            )
        environment["pip"] = [*known, *cluster.pip]
    return environment | {"env_vars": variables}


def read_environment(given: str | Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the runtime environment in a YAML file or a JSON object, with what it names of this
    machine absolute.
    """
    if not isinstance(given, str):
        return dict(given or {})
    if not given.lstrip().startswith("{"):
        return _absolute(
            read_yaml(
                given, "a runtime environment is a mapping with keys such as pip and env_vars"
            )
        )
    try:
        document: dict[str, Any] = json.loads(given)
    except json.JSONDecodeError as error:
        raise LoadError(
            f"--runtime-env is not JSON: {error.msg} at column {error.colno} of {given!r}."
        ) from None
    return _absolute(document)


def _absolute(environment: Mapping[str, Any]) -> dict[str, Any]:
    """Return it so that it means the same from another directory: Ray reads files of packages and
    modules from here.
    """

    def absolute(value: Any) -> Any:
        return os.path.abspath(value) if isinstance(value, str) and os.path.exists(value) else value

    made = {
        key: absolute(value) if key in ("pip", "uv", "conda") else value
        for key, value in environment.items()
    }
    if isinstance(modules := made.get("py_modules"), list):
        made["py_modules"] = [absolute(each) for each in modules]
    return made


def _grace(config: Mapping[str, Any] | None) -> float:
    """Return how long a canceled run gives its steps, as far as its config says."""
    settings: Any = config or {}
    for key in ("execution", "config"):
        settings = settings.get(key) if isinstance(settings, Mapping) else None
    for each in (settings, settings.get("ray") if isinstance(settings, Mapping) else None):
        grace = each.get("cancel_grace") if isinstance(each, Mapping) else None
        if isinstance(grace, (int, float)) and math.isfinite(grace):
            return float(grace)
    return 0.0
