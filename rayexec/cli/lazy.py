"""Late imports of the bodies of commands."""

from __future__ import annotations

import importlib
from typing import Any

__all__ = ["load"]


def load(module: str, name: str) -> Any:
    """Import a module now, and return its attribute ``name``.

    Bodies of commands import Ray, pydantic and more, which takes far longer than ``--help`` itself.
    """
    return getattr(importlib.import_module(module), name)
