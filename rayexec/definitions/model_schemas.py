"""Config classes as schemas of plain dicts: the way to the package that makes these.

That package imports the Config classes, so ``rayexec/__init__.py`` sets the way from here to it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

__all__ = ["ModelSchemas", "model_schemas", "set_schema_loader"]


class ModelSchemas(Protocol):
    """Schemas of Config classes."""

    def field_of_model(self, cls: type) -> Any:
        """Return a Config class as a Field of a plain dict."""
        ...

    def fields_of_model(self, cls: type) -> dict[str, Any]:
        """Return the fields of a Config class by key."""
        ...


class _Way:
    __slots__ = ("load",)

    def __init__(self) -> None:
        self.load: Callable[[], Any] | None = None


_WAY = _Way()


def set_schema_loader(load: Callable[[], Any]) -> None:
    """Set the function that loads the schemas; it runs at each use."""
    _WAY.load = load


def model_schemas() -> ModelSchemas:
    """Return the schemas."""
    assert _WAY.load is not None
    loaded: ModelSchemas = _WAY.load()
    return loaded
