"""Search for a module by its name, without an import: its package may be a user's code."""

from __future__ import annotations

import os
import sys
from importlib.machinery import PathFinder
from importlib.util import find_spec

__all__ = ["is_findable"]


def is_findable(name: str) -> bool:
    """Whether the module, or the package that it is in, can be found from the working directory."""
    parts = name.split(".")
    if not all(part.isidentifier() for part in parts):
        return False
    top = parts[0]
    # A package may tell only at its import where its modules are.
    return PathFinder.find_spec(top, [os.getcwd()]) is not None or (
        top in sys.modules or find_spec(top) is not None
    )
