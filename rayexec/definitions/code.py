"""Where the code of a definition lives, and how it travels to another process.

A function that a module holds under its own name (as a decorated definition or as itself) travels
as that name and the module's file, and is imported where it arrives; so module-level state and
neighbours in the same directory work. Only what is defined inside functions or in ``__main__``
travels by value.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

__all__ = [
    "ByReference",
    "forget_moves",
    "home_of",
    "import_file",
    "import_module_at",
    "move",
    "origin_of",
]

# In a worker: where the files of directories are that this machine lacks, or has with other
# contents.
_MOVED: dict[str, str] = {}


def move(directory: str, place: str) -> None:
    """Have what would be imported by a file below ``directory`` be imported from below ``place``."""
    _MOVED[directory] = place


def forget_moves() -> set[str]:
    """Have nothing be imported from elsewhere any more; return the places that were in use."""
    places = set(_MOVED.values())
    _MOVED.clear()
    return places


def origin_of(file: str) -> str:
    """Return where a file is for who sent it, where it is below a directory to which ``move`` led."""
    for directory, place in _MOVED.items():
        if file.startswith(os.path.join(place, "")):
            return os.path.join(directory, os.path.relpath(file, place))
    return file


def _moved(file: str) -> str:
    for directory in sorted(_MOVED, key=len, reverse=True):
        if file.startswith(os.path.join(directory, "")):
            here = os.path.join(_MOVED[directory], os.path.relpath(file, directory))
            if os.path.exists(here):
                return here
    return file


class ByReference:
    """A definition around a user's callable ``fn`` that pickles the callable by name where it can
    be found again.
    """

    fn: Callable[..., Any]

    def __reduce__(self) -> tuple[Any, ...]:
        home = home_of(self.fn)
        if home is not None:
            if _find(sys.modules[home[0]], home[2]) is self:
                return _load_definition, home
            return _rebuild, (type(self), {**self.__dict__, "fn": None}, home)
        return _rebuild, (type(self), dict(self.__dict__), None)


def home_of(fn: Any) -> tuple[str, str | None, str] | None:
    """Return (module, file, qualified name) where importing the module leads back to ``fn``."""
    name, qualname = getattr(fn, "__module__", None), getattr(fn, "__qualname__", None)
    if name is None or qualname is None or name == "__main__" or name not in sys.modules:
        return None
    module = sys.modules[name]
    found = _find(module, qualname)
    if found is not fn and getattr(found, "fn", None) is not fn:
        return None
    file = getattr(module, "__file__", None)
    return name, os.path.abspath(file) if file else None, qualname


def _find(module: ModuleType, qualname: str) -> Any:
    found: Any = module
    for part in qualname.split("."):
        found = getattr(found, part, None)
    return found


def _load_definition(module: str, file: str | None, qualname: str) -> Any:
    return _find(import_module_at(module, file), qualname)


def _rebuild(
    cls: type[Any], state: dict[str, Any], home: tuple[str, str | None, str] | None
) -> Any:
    definition = object.__new__(cls)
    if home is not None:
        found = _load_definition(*home)
        state = {**state, "fn": getattr(found, "fn", found)}
    definition.__dict__.update(state)
    return definition


def import_module_at(name: str, file: str | None) -> ModuleType:
    """Return the module called ``name``: the one already imported, the one on the path, or the one
    in ``file``.

    Raises ImportError where there is none of the three, and whatever the module raises while it is
    imported.
    """
    if name in sys.modules:
        return sys.modules[name]
    file = _moved(file) if file is not None and _MOVED else file
    if file is None or not os.path.exists(file):
        return importlib.import_module(name)
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError):
        spec = None
    if (
        spec is not None
        and spec.origin is not None
        and os.path.realpath(spec.origin) == os.path.realpath(file)
    ):
        return importlib.import_module(name)
    return _execute_file(name, file)


def import_file(file: str | os.PathLike[str]) -> ModuleType:
    """Import a Python file by its path and return its module, with its directory importable.

    The module is called by the file's stem; where that name is taken by another module, by the stem
    and a number. Raises whatever the file raises while it is imported.
    """
    path = os.path.abspath(os.fspath(file))
    stem = os.path.splitext(os.path.basename(path))[0]
    directory = os.path.dirname(path)
    if directory not in sys.path:
        sys.path.insert(0, directory)
    name, number = stem, 1
    while _taken(name, path):
        number += 1
        name = f"{stem}_{number}"
    loaded = sys.modules.get(name)
    return loaded if loaded is not None else _execute_file(name, path)


def _taken(name: str, path: str) -> bool:
    loaded = sys.modules.get(name)
    if loaded is not None:
        file = getattr(loaded, "__file__", None)
        return file is None or os.path.realpath(file) != os.path.realpath(path)
    return name in sys.stdlib_module_names


def _execute_file(name: str, path: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is not a Python file", name=name, path=path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # before it runs, as import does: classes in it look their module up
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module
