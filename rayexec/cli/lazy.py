"""Loading the bodies of commands when they run."""

from __future__ import annotations

import importlib
from typing import Any

__all__ = ["load"]


def load(module: str, name: str) -> Any:
    """Return ``name`` of a module, imported only now.

    Commands stand on Ray, pydantic and more, whose import takes far longer than all that ``--help``
    has to do.
    """
    return getattr(importlib.import_module(module), name)
