"""Ray in a process that was forked from one that uses it.

Ray's client is in C++, with threads that stay in the parent. In the child its calls wait for ever,
and so does the exit. No second client can start there, so that a run there is refused.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import os
import sys
import threading
from pathlib import Path
from typing import Any

from rayexec.cluster.own_ray import exit_without_destructors
from rayexec.errors import EngineError

__all__ = ["check_not_forked"]

_inherited = False


def check_not_forked() -> None:
    """Raise EngineError in a process that was forked from one that uses Ray."""
    if not _inherited:
        if not _lacks_threads():
            return
        _detach()
    raise EngineError(
        f"this process ({os.getpid()}) was forked from one that uses Ray, and Ray does not work "
        "in a forked process. Fork before the first run; or start the process anew, such as by "
        'multiprocessing.get_context("spawn"); or run the job in it by execute_in_process().'
    )


def _lacks_threads() -> bool:
    """Whether Ray counts as connected here, but its threads are not here.

    The parent may have connected before it imported rayexec.
    """
    ray = sys.modules.get("ray")
    if ray is None or not ray.is_initialized():
        return False
    listener = getattr(_worker(), "listener_thread", None)  # of drivers
    if listener is not None:
        return not listener.is_alive()
    try:
        names = [path.read_text() for path in Path("/proc/self/task").glob("*/comm")]
    except OSError:  # not every system has them
        return False
    # Ray's threads are none of Python's.
    return 0 < len(names) <= threading.active_count() and "worker.io\n" not in names


def _worker() -> Any:
    module = getattr(getattr(sys.modules.get("ray"), "_private", None), "worker", None)
    return getattr(module, "global_worker", None)


def _after_fork() -> None:
    ray = sys.modules.get("ray")
    with contextlib.suppress(Exception):  # a half-imported Ray; nobody handles errors here
        if ray is not None and ray.is_initialized():
            _detach()


def _detach() -> None:
    """Have Ray's Python code count as not connected, and leave its C++ objects alone.

    Else the child's exit would end the parent's Ray, or wait for ever.
    """
    global _inherited
    _inherited = True
    from ray._private import auto_init_hook, state, worker
    from ray.experimental import internal_kv

    atexit.unregister(worker.shutdown)
    auto_init_hook.enable_auto_connect = False  # ``ray.get`` then raises
    for holder in (worker.global_worker, worker._global_node, state.state, internal_kv):
        for value in vars(holder).values() if holder is not None else ():
            if type(value).__module__ == "ray._raylet":
                ctypes.pythonapi.Py_IncRef(ctypes.py_object(value))  # its destructor would wait
    worker._global_node = None
    # Else the end of a reference here would go to Ray's store over the parent's connection, and
    # the parent would then wait for ever.
    vars(worker.global_worker).pop("core_worker", None)
    worker.global_worker.set_mode(None)  # type: ignore[arg-type]  # as at its start
    worker.global_worker.set_is_connected(False)
    exit_without_destructors()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
