"""Ray runtime environment of a launched run, from options and run config."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rayexec.config.yaml_files import read_yaml
from rayexec.errors import LoadError

__all__ = ["HOME", "ClusterTarget", "read_environment", "runtime_env"]

HOME = "RAYEXEC_HOME"
# Beyond the grace of a canceled run: its driver stores outputs and ends workers.
SAVING_TIME_S = 120.0
# More than the grace of any job in its own code, which nobody reads here. A driver may end earlier.
LEAST_STOP_WAIT_S = 3600.0
_LONGEST_GRACE_S = 1e9  # 30 years; no timer of Ray takes much more


@dataclass(frozen=True, slots=True)
class ClusterTarget:
    """A cluster by its dashboard's ``address``, and the code and packages for a run there.

    With ``send_rayexec``, this rayexec is among the packages.
    """

    address: str
    working_dir: Path | None = None
    pip: tuple[str, ...] = ()
    runtime_env: str | Mapping[str, Any] | None = None
    send_rayexec: bool = False


def runtime_env(
    target: ClusterTarget,
    config: Mapping[str, Any] | None,
    store: str | None,
    stop_wait_s: int = 0,
    packages: Sequence[str] = (),
) -> dict[str, Any]:
    """Return the runtime environment of the driver's job, without its working directory.

    Ray kills a driver after a stop. ``stop_wait_s`` is the least time before that. ``packages`` are
    lines for pip besides those of the target.
    """
    from rayexec.cluster.jobs_api import STOP_WAIT

    environment = read_environment(target.runtime_env)
    if "working_dir" in environment:
        raise LoadError("--runtime-env has a working_dir: say --working-dir DIR instead.")
    variables = environment.get("env_vars") or {}
    if not isinstance(variables, dict):
        raise LoadError("env_vars of --runtime-env is not a mapping of names to values.")
    # Ray takes nothing but strings.
    variables = {str(name): str(value) for name, value in variables.items()}
    variables.setdefault(
        STOP_WAIT,
        str(max(stop_wait_s, math.ceil(max(LEAST_STOP_WAIT_S, _grace(config) + SAVING_TIME_S)))),
    )
    if store is not None:
        variables[HOME] = store
    if added := [*target.pip, *packages]:
        option = "--pip" if target.pip else "--send-rayexec"
        _add_packages(environment, added, option)
    return environment | {"env_vars": variables}


def _add_packages(environment: dict[str, Any], added: list[str], option: str) -> None:
    """Add lines for pip to the packages of an environment, of pip or uv."""
    if "conda" in environment:
        raise LoadError(f"--runtime-env has conda, to which {option} cannot add: give one of them.")
    key = "uv" if "uv" in environment else "pip"
    given = environment.get(key) or []
    listed = given.get("packages") if isinstance(given, dict) else given
    if not isinstance(listed, list):
        raise LoadError(
            f"{key} of --runtime-env is not a list, to which {option} could add: give one of them."
        )
    packages = [*listed, *added]
    environment[key] = {**given, "packages": packages} if isinstance(given, dict) else packages


def read_environment(given: str | Mapping[str, Any] | None) -> dict[str, Any]:
    """Return a runtime environment from a YAML file or a JSON object, with absolute paths."""
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
    """Return an environment with the same meaning in any directory.

    Ray reads its files of packages, and its modules, on this machine.
    """

    def absolute(value: Any) -> Any:
        return os.path.abspath(value) if isinstance(value, str) and os.path.exists(value) else value

    changed = {
        key: absolute(value) if key in ("pip", "uv", "conda") else value
        for key, value in environment.items()
    }
    if isinstance(modules := changed.get("py_modules"), list):
        changed["py_modules"] = [absolute(module) for module in modules]
    return changed


def _grace(config: Mapping[str, Any] | None) -> float:
    """Return the grace of canceled steps in seconds by the run config, or 0."""
    settings: Any = config or {}
    for key in ("execution", "config"):
        settings = settings.get(key) if isinstance(settings, Mapping) else None
    for options in (settings, settings.get("ray") if isinstance(settings, Mapping) else None):
        grace = options.get("cancel_grace") if isinstance(options, Mapping) else None
        if isinstance(grace, (int, float)) and 0 <= grace < math.inf:
            return float(min(grace, _LONGEST_GRACE_S))
    return 0.0
