"""Import paths of Dagster's private parts, which public files use for public names.

``from dagster._core.definitions.output import Out`` is a common line. When only its package
changes, the path still leads to the name. A name that rayexec lacks is a stand-in, which says so
when it is used.
"""

from __future__ import annotations

from importlib import import_module
from importlib.abc import Loader
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

from rayexec.definitions.stand_ins.inert import private_name

__all__ = ["spec_of"]


class _PrivateModule(ModuleType):
    """A module at a private path: its names are the public ones, and stand-ins."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        public = import_module("rayexec")
        if name in public.__all__:
            return getattr(public, name)
        return private_name(f"{self.__name__.replace('rayexec', 'dagster', 1)}.{name}")


class _Loader(Loader):
    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return _PrivateModule(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        module.__path__ = []


def spec_of(path: str) -> ModuleSpec:
    """Return the spec of the module at a private path, with modules at all paths below it."""
    return ModuleSpec(path, _Loader(), is_package=True)
