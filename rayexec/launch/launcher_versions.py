"""Comparison of the versions on the launching machine with those of the driver's machine."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import sys

from rayexec._version import __version__
from rayexec.errors import EngineError

__all__ = ["LAUNCHED_FROM", "compare_with_launcher", "versions"]

#: Variable in the environment of a driver, with the versions of the launching machine.
LAUNCHED_FROM = "RAYEXEC_LAUNCHED_FROM"


def versions() -> str:
    """Return the versions here, such as ``rayexec 0.1.0, Ray 2.60.0, Python 3.11``."""
    major, minor, _ = platform.python_version_tuple()
    return f"rayexec {__version__}, Ray {importlib.metadata.version('ray')}, Python {major}.{minor}"


def compare_with_launcher() -> str | None:
    """Compare this machine with the launching one, if any; return a warning or None.

    Raises EngineError for another rayexec, which may read the package in another way. Removes the
    variable, so that child processes compare nothing.
    """
    launched_from = os.environ.pop(LAUNCHED_FROM, None)
    if launched_from is None or launched_from == (here := versions()):
        return None
    there = launched_from.split(", ")
    own, *others = [version for version in here.split(", ") if version not in there] or [here]
    if own.startswith("rayexec"):
        launcher = there[0]
        raise EngineError(
            f"the cluster's head has {own} ({sys.executable}), and the job was launched by "
            f"{launcher}: install the same on both, or send yours with --send-rayexec."
        )
    return (
        f"Warning: this run was launched by {launched_from}; the cluster has "
        f"{', '.join([own, *others])}. Where it fails for that, install the same on both sides."
    )
