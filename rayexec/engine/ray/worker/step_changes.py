"""Changes of a step to its worker process that no later step sees: directory, variables, path.

``os.chdir``, ``os.environ`` and ``sys.path`` belong to the process, and a worker runs many steps.
Comparing all three after each step would cost 1 µs. So the functions that change the first two note
it, and a step that changes nothing pays for a look at the notes and at ``sys.path``.

A module changes the process when it is first imported, and a resource while it opens. Those changes
stay, since later steps find the module loaded, and the resource open.
"""

from __future__ import annotations

import contextlib
import functools
import os
import sys
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any, NamedTuple

__all__ = ["StepChanges", "watch_process"]

_IMPORTS = "<frozen importlib._bootstrap>"
_RESOURCES = "rayexec.steps.resources"


class _Change(NamedTuple):
    """A change by the running step: the state before its first one, and after its last one."""

    before: Any
    after: Any
    #: Makes a state the present one.
    restore: Callable[[Any], object]
    #: Tells whether a state is the present one still.
    is_present: Callable[[Any], bool]


# Changes of the running step of the batch that this process runs, by their subject.
_noted: dict[Any, _Change] = {}
_is_in_batch = False


class StepChanges:
    """Undoes the changes of each step of a batch; a context manager around it.

    After each step, ``undo`` is due if ``noted`` has any, if ``sys.path`` is not ``path``, or if
    there are other than ``module_count`` modules.
    """

    def __init__(self) -> None:
        self.noted = _noted
        self._accept_path()

    def _accept_path(self) -> None:
        self._list = sys.path
        self.path = list(sys.path)
        self.module_count = len(sys.modules)

    def __enter__(self) -> StepChanges:
        global _is_in_batch
        _is_in_batch = True
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        global _is_in_batch
        _is_in_batch = False
        _noted.clear()

    def undo(self, *, keeps_path: bool) -> None:
        """Undo the changes of the last step, without those that somebody else has changed again.

        The path stays if the step imported modules: they may need it for more of their own.
        """
        global _is_in_batch
        _is_in_batch = False
        for before, after, restore, is_present in _noted.values():
            if is_present(after):
                with contextlib.suppress(OSError):  # a directory may be gone
                    restore(before)
        _noted.clear()
        _is_in_batch = True
        if keeps_path or len(sys.modules) != self.module_count:
            self._accept_path()
        elif sys.path != self.path:
            sys.path = self._list
            sys.path[:] = self.path


def watch_process() -> None:
    """Have this process note changes from now on; a second call has no effect."""
    if isinstance(os.environ, _NotedEnviron):
        return
    for environ in (os.environ, os.environb):
        environ.__class__ = _NotedEnviron  # it adds no fields
    # Through ``vars``, since for mypy no function of these types is the same as os.chdir.
    for name in ("chdir", "fchdir"):
        vars(os)[name] = _noting(vars(os)[name])
    os.supports_fd.add(os.chdir)


def _is_of_step() -> bool:
    """Tell whether the caller's caller is code of a step, outside of imports and resources."""
    frame: FrameType | None = sys._getframe(2)
    while frame is not None:
        if frame.f_code.co_filename == _IMPORTS or frame.f_globals.get("__name__") == _RESOURCES:
            return False
        frame = frame.f_back
    return True


def _note(subject: Any, change: _Change) -> None:
    earlier = _noted.get(subject)
    _noted[subject] = change if earlier is None else change._replace(before=earlier.before)


def _noting(change: Callable[[Any], None]) -> Callable[[Any], None]:
    """Return a function that changes the working directory and notes that."""

    @functools.wraps(change)
    def noted(path: Any) -> None:
        if not (_is_in_batch and _is_of_step()):
            change(path)
            return
        before = _directory()
        change(path)
        if before is not None:
            _note(None, _Change(before, _directory(), os.chdir, _is_present_directory))

    return noted


def _directory() -> str | None:
    """Return the working directory, None for one that was removed."""
    try:
        return os.getcwd()
    except OSError:
        return None


def _is_present_directory(path: str | None) -> bool:
    return _directory() in (path, None)


class _NotedEnviron(os._Environ):  # type: ignore[type-arg]  # of text, and of bytes
    """``os.environ`` and ``os.environb``, noting changes."""

    def __setitem__(self, name: Any, value: Any) -> None:
        is_noted = _is_in_batch and _is_of_step()
        before = self.get(name) if is_noted else None
        super().__setitem__(name, value)
        if is_noted:
            self._note(name, before, value)

    def __delitem__(self, name: Any) -> None:
        is_noted = _is_in_batch and _is_of_step()
        before = self.get(name) if is_noted else None
        super().__delitem__(name)
        if is_noted:
            self._note(name, before, None)

    def _note(self, name: Any, before: Any, after: Any) -> None:
        def restore(value: Any) -> None:
            if value is None:
                self.pop(name, None)
            else:
                self[name] = value

        def is_present(value: Any) -> bool:
            return bool(self.get(name) == value)

        _note((id(self), name), _Change(before, after, restore, is_present))
