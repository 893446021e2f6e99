"""The one remote function of a plan: exported to Ray once by the content of its code."""

from __future__ import annotations

from typing import Any

from rayexec.engine.package import Package
from rayexec.engine.packed import Packed
from rayexec.engine.worker import run_slice
from rayexec.errors import EngineError

__all__ = ["dump", "runner_for"]

# Exported runners by Ray session, content and isolation: Ray ships a remote function to each worker once.
_RUNNERS: dict[tuple[str, str, bool], Any] = {}


def dump(value: Any, what: str) -> bytes:
    """Return ``value`` pickled; raises EngineError, saying ``what``, where it cannot be."""
    from ray import cloudpickle

    try:
        pickled: bytes = cloudpickle.dumps(value, protocol=5)
    except Exception as error:
        raise EngineError(f"{what} cannot be pickled for Ray's workers: {type(error).__name__}: {error}") from error
    return pickled


def runner_for(package: Package, fresh_process: bool) -> Any:
    """Return the remote function that runs slices of this package, exported at most once a Ray session."""
    import ray

    session = ray.get_runtime_context().get_job_id()
    key = (session, package.digest, fresh_process)
    if key not in _RUNNERS:

        def rayexec_slice(header: bytes, work: bytes, places: int, *large: Packed) -> Any:
            answer = run_slice(package, header, work, places, large)
            return answer if places else answer[0]

        options: dict[str, Any] = {"max_retries": 0}
        if fresh_process:
            options["max_calls"] = 1
        _RUNNERS[key] = ray.remote(**options)(rayexec_slice)
    return _RUNNERS[key]
