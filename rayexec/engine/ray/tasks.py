"""Functions of the engine on their way to workers that may have another rayexec, or none."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

from rayexec._version import __version__
from rayexec.engine.ray.protocol.package import Package
from rayexec.errors import EngineError

__all__ = ["Traveling", "refusal_in"]

# What a worker says that cannot run batches of this rayexec, before why.
_REFUSED = "rayexec-refused"


class Traveling:
    """A function of ``engine.worker`` with its package; on a worker, what it is replaced by is
    called.
    """

    def __init__(self, run: str, package: Package, contents: Any) -> None:
        self._told = (__version__, _REFUSED, run, pickle.dumps(package), contents)

    def __reduce__(self) -> tuple[Any, ...]:
        return _arrival(), self._told


def _arrival() -> Callable[..., Any]:
    """Return the function that a worker calls first, which travels by value since rayexec may be
    another there.
    """

    def arrive(version: str, refused: str, run: str, package: bytes, contents: Any) -> Any:
        import functools
        import pickle
        import sys

        found: str | None = None
        why = ""
        try:
            from rayexec._version import __version__

            found = __version__
            if found == version:
                from rayexec.engine.ray.worker import entry as worker

                return functools.partial(getattr(worker, run), pickle.loads(package), contents)
        except ImportError as error:
            if error.name == "rayexec._version":
                # An older rayexec has its version elsewhere; a directory called so has none.
                found = getattr(sys.modules.get("rayexec"), "__version__", None)
            elif error.name != "rayexec":
                why = f"{type(error).__name__}: {error}"

        def refuse(*_: Any) -> Any:
            import socket

            import ray

            where = f"{socket.gethostname()} ({ray.util.get_node_ip_address()})"
            raise RuntimeError(refused, where, found, why, sys.executable)

        return refuse

    return arrive


def refusal_in(error: BaseException) -> EngineError | None:
    """Return what keeps a worker from running batches at all, where a task failed with ``error``
    because of that.
    """
    told: tuple[Any, ...] = getattr(getattr(error, "cause", None), "args", ())
    if len(told) != 5 or told[0] != _REFUSED:
        return None
    _, where, found, why, python = told
    if why:
        return EngineError(
            f"rayexec cannot be imported on node {where}: {why}. Install what it needs there: "
            f"{python} -m pip install "
            f"rayexec=={__version__}"
        )
    ways = (
        f"Install the same version where Ray's workers run ({python} -m pip install "
        f"rayexec=={__version__})"
        ", or have Ray do so for the run: execution: {config: {ray: {runtime_env: {pip: "
        f'["rayexec=={__version__}"]}}}}}}}}'
    )
    if found is None:
        return EngineError(f"rayexec is not installed on node {where}. {ways}")
    return EngineError(
        f"node {where} has rayexec {found}, and this process has rayexec {__version__}. {ways}"
    )
