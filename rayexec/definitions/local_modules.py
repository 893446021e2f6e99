"""Local modules: which of the imported ones come from places where code is edited, as opposed to
installed.
"""

from __future__ import annotations

import functools
import os
import sys
import sysconfig
from collections.abc import Collection
from types import ModuleType
from typing import NamedTuple

__all__ = ["COMPILED", "MAIN", "LocalModule", "is_compiled", "is_local", "local_modules"]

# The module that is run, and another name of it in processes that multiprocessing starts.
MAIN = frozenset({"__main__", "__mp_main__"})
COMPILED = (".so", ".pyd", ".dylib")
_INSTALLED = tuple(f"{os.sep}{name}{os.sep}" for name in ("site-packages", "dist-packages"))
_OWN = ("rayexec", "ray")  # also where these are edited


class LocalModule(NamedTuple):
    """A local module: the directory from which it is imported, the first part of its name, and its
    file.
    """

    root: str
    top: str
    file: str


def local_modules(without: Collection[str] = ()) -> dict[str, LocalModule]:
    """Return the imported modules, by name, that are neither installed nor built in nor rayexec's
    own.
    """
    found = {}
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if file is None or _elsewhere.get(name) == file or not isinstance(file, str):
            continue
        if not file.startswith(os.sep):
            file = os.path.abspath(file)
        if not file.endswith(".py") or not is_local(name, file):
            _elsewhere[name] = file
        elif name not in without:
            place = _place(_name_of_main(module, file) if name == "__main__" else name, file)
            if place.top not in _OWN and os.path.isfile(file):
                found[name] = place
    return found


# Files of modules, by name, that are known to be none of these: most of what a process has
# imported.
_elsewhere: dict[str, str] = {}


@functools.lru_cache(maxsize=65536)
def is_local(name: str, file: str) -> bool:
    """Whether the module of that name and file is neither installed nor built in nor rayexec's own."""
    file = os.path.abspath(file)
    is_installed = file.startswith(_standard()) or any(each in file for each in _INSTALLED)
    return not is_installed and name.partition(".")[0] not in _OWN


def is_compiled(package: str) -> bool:
    """Whether parts of a package are imported that were compiled for this machine."""
    inside = f"{package}."
    return any(
        str(getattr(module, "__file__", "")).endswith(COMPILED)
        for name, module in list(sys.modules.items())
        if name.startswith(inside)
    )


def _name_of_main(module: ModuleType, file: str) -> str:
    return getattr(getattr(module, "__spec__", None), "name", None) or os.path.basename(file)[:-3]


@functools.lru_cache(maxsize=65536)
def _place(name: str, file: str) -> LocalModule:
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
