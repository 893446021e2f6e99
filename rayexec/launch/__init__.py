"""Runs that another process drives, on this machine or on a cluster: launch, find, await, cancel.

``launch_job`` starts one and returns a ``LaunchedRun``. ``find_launched`` returns the one of an
earlier launch by the run's id. All load when they are first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rayexec.launch.launched_run import LaunchedRun as LaunchedRun
    from rayexec.launch.launched_run import find_launched as find_launched
    from rayexec.launch.launching import launch_job as launch_job

__all__ = ["LaunchedRun", "find_launched", "launch_job"]

_MODULES = {
    "LaunchedRun": "rayexec.launch.launched_run",
    "find_launched": "rayexec.launch.launched_run",
    "launch_job": "rayexec.launch.launching",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_MODULES[name]), name)
