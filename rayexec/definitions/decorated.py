"""Definitions that decorators make, with the names and docstrings of their functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

__all__ = ["named_like"]

Definition = TypeVar("Definition")


def named_like(definition: Definition, fn: Callable[..., Any]) -> Definition:
    """Return ``definition`` itself, now with the name and docstring of its function."""
    for name in ("__module__", "__name__", "__qualname__", "__doc__"):
        if hasattr(fn, name):
            object.__setattr__(definition, name, getattr(fn, name))
    return definition
