"""Use of a Ray that a process began ahead of its work, before the work is known.

A spare driver attaches while it waits for its command. Work that needs another Ray, or an
environment for all of its tasks, drops that use and begins its own, as if there had been none.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["begin_ahead", "claim", "is_ahead"]


@dataclass(slots=True)
class _Ahead:
    """A use ahead of its work, with ``ray.init`` as Ray has it."""

    address: str
    init: Callable[..., Any]


_ahead: _Ahead | None = None
_has_begun_ahead = False


def begin_ahead() -> None:
    """Have the use of Ray, which this process has just begun, count as ahead of its work.

    A job file that calls ``ray.init()`` gets what it asks for.
    """
    global _ahead, _has_begun_ahead
    import ray

    own_init = ray.init

    def init(*arguments: Any, **options: Any) -> Any:
        _drop()
        return own_init(*arguments, **options)

    _ahead = _Ahead(str(ray.get_runtime_context().gcs_address), own_init)
    _has_begun_ahead = True
    ray.init = init


def is_ahead() -> bool:
    """Whether this process uses a Ray that no work of it had asked for at first."""
    return _has_begun_ahead


def claim(address: str | None, runtime_env: Mapping[str, Any] | None) -> None:
    """Take the use ahead for work on the Ray at ``address``, or end it if that does not fit."""
    if _ahead is None:
        return
    if address == _ahead.address and not runtime_env:
        _restore()
    else:
        _drop()


def _restore() -> None:
    global _ahead
    import ray

    if _ahead is not None:
        ray.init = _ahead.init
        _ahead = None


def _drop() -> None:
    global _has_begun_ahead
    import ray

    _restore()
    _has_begun_ahead = False
    with contextlib.suppress(Exception):  # a Ray that has died meanwhile
        ray.shutdown()
