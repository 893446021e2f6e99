"""Functions that Ray runs on workers, and the one bridge from the driver to the worker's code.

A node may have another rayexec than the driver, or none. So the functions travel by value, use
nothing of rayexec before they have compared versions, and import the worker's code only then.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rayexec._version import __version__
from rayexec.engine.ray.protocol.refusals import VERSION_REFUSED
from rayexec.namesake import namesake_finder

__all__ = ["OP_CALLERS", "batch_task", "stream_task"]

#: Modules that call ops on a worker: an op's own frames are inside of theirs. They are names,
#: since the driver imports no worker code; a test compares them with the modules.
OP_CALLERS = ("rayexec.steps.step_executor", "rayexec.engine.ray.worker.batch_runner")


def batch_task() -> Callable[..., Any]:
    """Return the function that runs batches of any job, by their ``CodeArgument``."""
    run = _Traveling("run_batch")

    def rayexec_batch(code: Any, header: bytes, request: bytes, outputs: int, *large: Any) -> Any:
        answer = run(code, header, request, outputs, large)  # type: ignore[operator]  # on a worker
        return answer if outputs else answer[0]

    return rayexec_batch


def stream_task() -> Callable[..., Any]:
    """Return the generator function for batches of one streaming step."""
    run = _Traveling("stream_batch")

    def rayexec_stream(code: Any, header: bytes, request: bytes, *large: Any) -> Any:
        yield from run(code, header, request, large)  # type: ignore[operator]  # on a worker

    return rayexec_stream


class _Traveling:
    """Pickles a function of ``worker.entry`` as one that checks versions."""

    def __init__(self, run: str) -> None:
        self._arguments = (__version__, VERSION_REFUSED, run)

    def __reduce__(self) -> tuple[Any, ...]:
        return _arrival(), self._arguments


def _arrival() -> Callable[..., Any]:
    """Return the first function to run on a worker; cloudpickle sends a nested one by value."""

    find_namesake = namesake_finder()

    def arrive(version: str, refused: str, run: str) -> Any:
        import importlib
        import sys

        installed, why = None, ""
        try:
            if "rayexec" not in sys.modules and find_namesake() is not None:
                raise ImportError(name="rayexec")
            # Any rayexec has its version in the package itself, whatever else it has. A directory
            # that is only called so has none. It is imported by name, since it is the node's own
            # package and none of the driver's floors.
            installed = getattr(importlib.import_module("rayexec"), "__version__", None)
            if installed == version:
                from rayexec.engine.ray.worker import entry

                return getattr(entry, run)
        except ImportError as error:
            if error.name != "rayexec":
                why = f"{type(error).__name__}: {error}"

        def refuse(*_: Any) -> Any:
            import socket

            import ray

            node = f"{socket.gethostname()} ({ray.util.get_node_ip_address()})"
            namesake = find_namesake()
            raise RuntimeError(refused, node, installed, why, sys.executable, namesake)

        return refuse

    return arrive
