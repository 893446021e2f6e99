"""Memory of the server: what the reading of a log takes for a moment goes back to the system."""

from __future__ import annotations

import contextlib
import ctypes
import os
import threading
from importlib import import_module

__all__ = ["give_memory_back", "load_arrow", "take_memory_sparingly"]

_M_MMAP_THRESHOLD = -3  # of mallopt
_MAPPED_BYTES = 256 * 1024
_POOL_VARIABLE = "ARROW_DEFAULT_MEMORY_POOL"
_lock = threading.Lock()
_is_done: list[bool] = []


def take_memory_sparingly() -> None:
    """Have Arrow take memory as Python does, and large blocks go back to the system when freed.

    Arrow's own pools keep what a large log once took: tens of megabytes. Call it before anything
    imports Arrow.
    """
    with _lock:
        if _is_done:
            return
        _is_done.append(True)
        # Without a fixed threshold it grows with each large block, and then blocks stay.
        _call_c("mallopt", _M_MMAP_THRESHOLD, _MAPPED_BYTES)
        former = os.environ.get(_POOL_VARIABLE)
        # Its query engine asks for the default pool, which only this variable chooses. Processes
        # of runs must not have it, so it goes again.
        os.environ[_POOL_VARIABLE] = "system"
        try:
            import pyarrow as pa

            pa.default_memory_pool()
        finally:
            del os.environ[_POOL_VARIABLE]
            if former is not None:
                os.environ[_POOL_VARIABLE] = former
        pa.set_memory_pool(pa.system_memory_pool())  # where something has imported it before


def load_arrow() -> None:
    """Import what reads runs, so that the first page of a run need not wait for it."""
    take_memory_sparingly()
    for name in ("pyarrow.ipc", "pyarrow.compute", "pyarrow._acero"):
        with contextlib.suppress(ImportError):  # The last one is not public.
            import_module(name)


def give_memory_back() -> None:
    """Give back to the system what is free, where it can be."""
    _call_c("malloc_trim", 0)


def _call_c(name: str, *numbers: int) -> None:
    with contextlib.suppress(AttributeError, OSError):  # Another C library has no such function.
        getattr(ctypes.CDLL(None), name)(*numbers)
