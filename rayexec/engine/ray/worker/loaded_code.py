"""Local modules that a worker process has loaded, and has to forget for other files of them."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Collection, Mapping
from typing import Any

from rayexec.definitions.code import forget_moves
from rayexec.definitions.local_modules import COMPILED, MAIN, is_local
from rayexec.definitions.sources import SourceRoot
from rayexec.engine.ray.protocol.package import Package

__all__ = ["forget_changed"]

# Per worker process, by its packages: stamps of modules by name, directories of sources by path.
_STAMPS: dict[str, Any] = {}
_ROOTS: dict[str, SourceRoot] = {}


def forget_changed(package: Package) -> bool:
    """Forget the local modules of this process if any differs from those of ``package``.

    Returns True for a difference. The next import loads them anew. A package with compiled parts
    stays unless it has changed itself.
    """
    roots = {} if package.sources is None else {root.path: root for root in package.sources.roots}
    changed = {
        name for name, stamp in package.stamps if name in sys.modules and _STAMPS.get(name) != stamp
    }
    is_changed = bool(changed) or any(
        _differs(_ROOTS[path], root) for path, root in roots.items() if path in _ROOTS
    )
    if is_changed:
        _STAMPS.clear()
        _ROOTS.clear()
        _forget(changed)
    _STAMPS.update(package.stamps)
    for path, root in roots.items():
        before = _ROOTS.get(path, root)
        _ROOTS[path] = root._replace(
            is_whole=before.is_whole or root.is_whole, files={**before.files, **root.files}
        )
    return is_changed


def _differs(before: SourceRoot, now: SourceRoot) -> bool:
    if any(
        path in now.files and now.files[path].digest != file.digest
        for path, file in before.files.items()
    ):
        return True
    return before.is_whole and now.is_whole and not before.files.keys() <= now.files.keys()


def _forget(changed: Collection[str]) -> None:
    local = {
        name: file
        for name, module in list(sys.modules.items())
        if isinstance(file := getattr(module, "__file__", None), str)
        and name not in MAIN
        and is_local(name, file)
    }
    compiled = {_top(name) for name, file in local.items() if file.endswith(COMPILED)} - {
        _top(name) for name in changed
    }
    forgotten = {name: sys.modules.pop(name) for name in local if _top(name) not in compiled}
    _unbind(forgotten)
    directories = forget_moves()
    sys.path[:] = [path for path in sys.path if path not in directories]
    importlib.invalidate_caches()


def _unbind(forgotten: Mapping[str, Any]) -> None:
    """Remove modules from packages that stay, such as those without an ``__init__.py``."""
    for name, module in forgotten.items():
        above, _, own = name.rpartition(".")
        package = sys.modules.get(above)
        if package is not None and getattr(package, own, None) is module:
            delattr(package, own)


def _top(name: str) -> str:
    return name.partition(".")[0]
