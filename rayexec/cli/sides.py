"""The two sides of a launched run: what the launching machine has, and the machine that drives the run."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import sys

from rayexec import __version__

__all__ = ["LAUNCHED_FROM", "other_versions", "versions"]

# In the environment of the driver: what the machine has that launched the run.
LAUNCHED_FROM = "RAYEXEC_LAUNCHED_FROM"


def versions() -> str:
    """Return the versions here that a run depends on, such as ``rayexec 0.1.0, Ray 2.60.0, Python 3.11``."""
    major, minor, _ = platform.python_version_tuple()
    return f"rayexec {__version__}, Ray {importlib.metadata.version('ray')}, Python {major}.{minor}"


def other_versions() -> None:
    """Say on standard error where this machine has other versions than the one that launched the run."""
    launched_from = os.environ.get(LAUNCHED_FROM)
    if launched_from is None or launched_from == (here := versions()):
        return
    there = launched_from.split(", ")
    different = [each for each in here.split(", ") if each not in there]
    sys.stderr.write(
        f"Warning: this run was launched by {launched_from}; the cluster has {', '.join(different) or here}. Where it "
        "fails for that, install the same on both sides.\n"
    )
    sys.stderr.flush()
