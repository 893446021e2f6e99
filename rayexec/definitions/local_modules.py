"""Local modules: imported code from directories of users, as opposed to installed packages."""

from __future__ import annotations

import functools
import os
import sys
import sysconfig
from collections.abc import Collection
from types import ModuleType
from typing import NamedTuple

__all__ = ["COMPILED", "MAIN", "LocalModule", "is_compiled", "is_local", "local_modules"]

# The main module, and its other name in processes of multiprocessing.
MAIN = frozenset({"__main__", "__mp_main__"})
COMPILED = (".so", ".pyd", ".dylib")
_INSTALLED = tuple(f"{os.sep}{name}{os.sep}" for name in ("site-packages", "dist-packages"))
_OWN = ("rayexec", "ray")  # never local, not even in a checkout of their sources


class LocalModule(NamedTuple):
    """A local module and its origin."""

    #: The directory on Python's path from which it is imported.
    root: str
    #: The first part of its name.
    top: str
    file: str


def local_modules(without: Collection[str] = ()) -> dict[str, LocalModule]:
    """Return imported modules by name, except installed, built-in and rayexec's own ones."""
    global _last_look
    last, size, newest = _last_look, len(sys.modules), _newest()
    is_as_before = last[:2] == (size, newest[0]) and last.module is newest[1] is not None
    names = last.candidates if is_as_before else list(sys.modules)
    local, left = {}, []
    for name in names:
        if (module := sys.modules.get(name)) is None:
            continue
        file = getattr(module, "__file__", None)
        if isinstance(file, str):
            if _elsewhere.get(name) == file:
                continue
            if not file.startswith(os.sep):
                file = os.path.abspath(file)
            if not file.endswith(".py") or not is_local(name, file):
                _elsewhere[name] = file
                continue
            if name not in without:
                origin = _origin(_name_of_main(module, file) if name == "__main__" else name, file)
                if origin.top not in _OWN and os.path.isfile(file):
                    local[name] = origin
        if name not in sys.builtin_module_names:
            left.append(name)
    _last_look = _Look(size, *newest, left)
    return local


def _newest() -> tuple[str | None, ModuleType | None]:
    """Return the module imported last; None amid an import by another thread."""
    try:
        name = next(reversed(sys.modules))
        return name, sys.modules[name]
    except (RuntimeError, KeyError):
        return None, None


# Files of other modules by name. Most modules of a process are not local, so this saves the check.
_elsewhere: dict[str, str] = {}


class _Look(NamedTuple):
    """Imported modules at one moment."""

    size: int
    #: The one imported last.
    name: str | None
    module: ModuleType | None
    #: Names of those that may be local: the file of each other one is elsewhere.
    candidates: list[str]


# Each run looks, and a process has thousands of modules. They are nearly always those of before: an
# import adds to the end, also that of a module that was removed. Looking at each of them would take
# 0.25 ms.
_last_look = _Look(0, None, None, [])


@functools.lru_cache(maxsize=65536)
def is_local(name: str, file: str) -> bool:
    """Whether a module by its name and file is not installed, built in or rayexec's own."""
    file = os.path.abspath(file)
    is_installed = file.startswith(_standard()) or any(each in file for each in _INSTALLED)
    return not is_installed and name.partition(".")[0] not in _OWN


def is_compiled(package: str) -> bool:
    """Whether an imported part of a package is compiled for this machine."""
    inside = f"{package}."
    return any(
        str(getattr(module, "__file__", "")).endswith(COMPILED)
        for name, module in list(sys.modules.items())
        if name.startswith(inside)
    )


def _name_of_main(module: ModuleType, file: str) -> str:
    return getattr(getattr(module, "__spec__", None), "name", None) or os.path.basename(file)[:-3]


@functools.lru_cache(maxsize=65536)
def _origin(name: str, file: str) -> LocalModule:
    file = os.path.abspath(file)
    root, parts = os.path.dirname(file), name.split(".")
    if os.path.basename(file) != "__init__.py":
        parts.pop()
    inside = os.path.join(os.sep, *parts)
    if parts and root.endswith(inside):
        return LocalModule(root[: -len(inside)] or os.sep, parts[0], file)
    return LocalModule(root, os.path.basename(file), file)


@functools.cache
def _standard() -> tuple[str, ...]:
    paths = {sysconfig.get_path(name) for name in ("stdlib", "platstdlib")}
    return tuple(
        {os.path.join(form, "") for path in paths for form in (path, os.path.realpath(path))}
    )
