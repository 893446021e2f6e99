"""Calls of definitions outside of a graph's body, as in unit tests: the way to their package.

Such a call checks config and outputs, and opens resources. The package that does so imports the
definitions, so ``rayexec/__init__.py`` sets the way from here to it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

__all__ = ["DirectCalls", "direct_calls", "set_loader"]


class DirectCalls(Protocol):
    """Calls with plain values; each raises InvocationError for wrong arguments."""

    def call_op(self, op: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """Run the function of an op, or of an op with an alias, on values for its inputs."""
        ...

    def call_resource(self, resource: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """Run the function of a resource; of one that yields, return a context manager."""
        ...

    def call_logger(self, logger: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """Run the function of a logger, with its config checked."""
        ...


class _Way:
    __slots__ = ("load",)

    def __init__(self) -> None:
        self.load: Callable[[], Any] | None = None


_WAY = _Way()


def set_loader(load: Callable[[], Any]) -> None:
    """Set the function that loads the calls; it runs at each call, and its first use is slow."""
    _WAY.load = load


def direct_calls() -> DirectCalls:
    """Return the calls."""
    assert _WAY.load is not None
    loaded: DirectCalls = _WAY.load()
    return loaded
