"""Home of a definition's code, and its way to another process.

A function under its own name in a module, decorated or not, travels by reference: as that name and
the file of the module. The other process imports the file, so that module-level state and
neighbours in the same directory work. Code inside functions or in ``__main__`` travels by value.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from types import ModuleType
from typing import Any, ClassVar, NamedTuple

__all__ = [
    "ByReference",
    "Home",
    "forget_moves",
    "home_of",
    "import_file",
    "import_module_at",
    "move",
    "neighborhoods",
    "origin_of",
]

# In a worker: copies of directories that this machine lacks, or has with other contents.
_MOVED: dict[str, str] = {}


def move(directory: str, copy: str) -> None:
    """Import files below ``directory`` from its ``copy`` from now on."""
    _MOVED[directory] = copy


def forget_moves() -> set[str]:
    """Undo all moves; return the copies that were in use."""
    copies = set(_MOVED.values())
    _MOVED.clear()
    return copies


def origin_of(file: str) -> str:
    """Return the path of a file on the sender's machine; for one outside of all copies, its own."""
    for directory, copy in _MOVED.items():
        if file.startswith(os.path.join(copy, "")):
            return os.path.join(directory, os.path.relpath(file, copy))
    return file


def _moved(file: str) -> str:
    for directory in sorted(_MOVED, key=len, reverse=True):
        if file.startswith(os.path.join(directory, "")):
            here = os.path.join(_MOVED[directory], os.path.relpath(file, directory))
            if os.path.exists(here):
                return here
    return file


class ByReference:
    """A definition around a user's callable, pickled by name if a module has it."""

    #: The attribute of instances that holds the callable.
    code_field: ClassVar[str] = "fn"

    def state(self) -> dict[str, Any]:
        """Return the attributes that a pickle has."""
        return dict(self.__dict__)

    def __reduce__(self) -> tuple[Any, ...]:
        home = home_of(getattr(self, self.code_field))
        if home is not None:
            if _find(sys.modules[home.module], home.qualname) is self:
                return _load_definition, tuple(home)
            return _rebuild, (type(self), {**self.state(), self.code_field: None}, tuple(home))
        return _rebuild, (type(self), self.state(), None)


class Home(NamedTuple):
    """Module of a function, its file, and the qualified name of the function in it."""

    module: str
    file: str | None
    qualname: str


def home_of(fn: Any) -> Home | None:
    """Return the home of ``fn``; None if an import of its module does not lead back to it."""
    name, qualname = getattr(fn, "__module__", None), getattr(fn, "__qualname__", None)
    if name is None or qualname is None or name == "__main__" or name not in sys.modules:
        return None
    module = sys.modules[name]
    held = _find(module, qualname)
    if held is not fn and _code_of(held) is not fn:
        return None
    file = getattr(module, "__file__", None)
    return Home(name, os.path.abspath(file) if file else None, qualname)


def _find(module: ModuleType, qualname: str) -> Any:
    value: Any = module
    for part in qualname.split("."):
        value = getattr(value, part, None)
    return value


def _code_of(held: Any) -> Any:
    """Return the callable of a definition that a module has; a function is its own."""
    return getattr(held, getattr(held, "code_field", "fn"), held)


def _load_definition(module: str, file: str | None, qualname: str) -> Any:
    return _find(import_module_at(module, file), qualname)


def _rebuild(
    cls: type[ByReference], state: dict[str, Any], home: tuple[str, str | None, str] | None
) -> Any:
    definition = object.__new__(cls)
    if home is not None:
        held = _load_definition(*home)
        fn = held if isinstance(held, type) else _code_of(held)
        state = {**state, cls.code_field: fn}
    definition.__dict__.update(state)
    return definition


def import_module_at(name: str, file: str | None) -> ModuleType:
    """Return the module ``name``: already imported, on the path, or else in ``file``.

    Raises ImportError if it is in none of them, and any error of the module's own code.
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
    """Import a Python file by its path and return its module, with its neighbours importable.

    The module's name is the stem of the file, with a suffix if another module has that name. Raises
    any error of the file's own code.
    """
    path = os.path.abspath(os.fspath(file))
    stem = os.path.splitext(os.path.basename(path))[0]
    for directory in neighborhoods(path):
        if directory not in sys.path:
            sys.path.insert(0, directory)
    name, suffix = stem, 1
    while _is_used(name, path):
        suffix += 1
        name = f"{stem}_{suffix}"
    loaded = sys.modules.get(name)
    return loaded if loaded is not None else _execute_file(name, path)


def neighborhoods(file: str) -> list[str]:
    """Return the directories with the neighbours of a file: its own, and that of a link's target.

    Python itself has only the target's directory on its path.
    """
    directory = os.path.dirname(os.path.abspath(file))
    target = os.path.dirname(os.path.realpath(file))
    return [directory] if target == os.path.realpath(directory) else [directory, target]


def _is_used(name: str, path: str) -> bool:
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
