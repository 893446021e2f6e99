"""The two sides of a launched run: what the launching machine has, and the machine that drives the
run.
"""

from __future__ import annotations

import importlib.metadata
import os
import platform
import sys

from rayexec._version import __version__
from rayexec.errors import EngineError

__all__ = ["LAUNCHED_FROM", "check_sides", "versions"]

# In the environment of the driver: what the machine has that launched the run.
LAUNCHED_FROM = "RAYEXEC_LAUNCHED_FROM"


def versions() -> str:
    """Return the versions here that a run depends on, such as ``rayexec 0.1.0, Ray 2.60.0, Python
    3.11``.
    """
    major, minor, _ = platform.python_version_tuple()
    return f"rayexec {__version__}, Ray {importlib.metadata.version('ray')}, Python {major}.{minor}"


def check_sides() -> None:
    """Compare this machine with the one that launched the run, if any.

    Another rayexec may read what was sent otherwise, so it raises EngineError; another Ray or
    Python, which the run may do with, is told on standard error. What this process starts is not
    compared.
    """
    launched_from = os.environ.pop(LAUNCHED_FROM, None)
    if launched_from is None or launched_from == (here := versions()):
        return
    there = launched_from.split(", ")
    own, *others = [each for each in here.split(", ") if each not in there] or [here]
    if own.startswith("rayexec"):
        launcher = there[0]
        raise EngineError(
            f"the cluster's head has {own} ({sys.executable}), and the job was launched by "
            f"{launcher}: install the "
            f"same on both, or have Ray do so for the run, by --pip {launcher.replace(' ', '==')}."
        )
    sys.stderr.write(
        f"Warning: this run was launched by {launched_from}; the cluster has "
        f"{', '.join([own, *others])}. Where it "
        "fails for that, install the same on both sides.\n"
    )
    sys.stderr.flush()
