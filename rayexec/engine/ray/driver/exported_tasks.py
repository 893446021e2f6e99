"""Remote functions of a plan, exported to Ray once by the content of its code."""

from __future__ import annotations

from typing import Any, TypeAlias

from rayexec.engine.ray.protocol.package import Package
from rayexec.engine.ray.tasks import batch_task, stream_task
from rayexec.errors import EngineError
from rayexec.placement.limits import Placement

__all__ = ["ExportedTasks", "pickle_for_workers"]

_Session: TypeAlias = tuple[str, str]

# Exported functions by session, content, isolation and streaming: Ray ships a remote function to
# each worker once.
_EXPORTED: dict[tuple[_Session, str, bool, bool], Any] = {}
# References of contents, by session and digest.
_CONTENTS: dict[tuple[_Session, str], Any] = {}
# Larger contents go to the object store, so that each node fetches them once.
_CONTENTS_IN_FUNCTION_BYTES = 64 * 1024


def pickle_for_workers(value: Any, subject: str) -> bytes:
    """Pickle ``value``; raises EngineError about ``subject``."""
    from ray import cloudpickle

    try:
        pickled: bytes = cloudpickle.dumps(value, protocol=5)
    except Exception as error:
        raise EngineError(
            f"{subject} cannot be pickled for Ray's workers: {type(error).__name__}: {error}"
        ) from error
    return pickled


def _export(package: Package, contents: bytes, *, fresh_process: bool, streams: bool) -> Any:
    """Return the remote function for batches of a package, exported at most once a session."""
    import ray

    key = (_session(), package.digest, fresh_process, streams)
    if key not in _EXPORTED:
        options: dict[str, Any] = {"max_retries": 0}
        if streams:
            options["num_returns"] = "streaming"
        if fresh_process:
            options["max_calls"] = 1
        make = stream_task if streams else batch_task
        _EXPORTED[key] = ray.remote(**options)(make(package, _shipped(package, contents)))
    return _EXPORTED[key]


def _shipped(package: Package, contents: bytes) -> Any:
    """Return contents as they travel with a function: themselves, or a reference."""
    import ray

    if package.sources is None or len(contents) <= _CONTENTS_IN_FUNCTION_BYTES:
        return contents
    key = (_session(), package.sources.digest)
    if key not in _CONTENTS:
        _CONTENTS[key] = ray.put(contents)
    return _CONTENTS[key]


def _session() -> _Session:
    """Return the identity of this process's attachment to Ray; another Ray counts its jobs anew."""
    import ray

    context = ray.get_runtime_context()
    return context.get_node_id(), context.get_job_id()


class ExportedTasks:
    """Remote functions of a run, by scheduling class.

    ``contents`` are those of the package's sources. With ``node`` all tasks run on that node.
    """

    def __init__(
        self,
        package: Package,
        contents: bytes,
        placement: Placement,
        *,
        fresh_process: bool,
        node: str | None,
    ) -> None:
        self._package = package
        self._contents = contents
        self._placement = placement
        self._fresh_process = fresh_process
        self._node = node
        self._batch_tasks: dict[tuple[int, int], Any] = {}
        self._stream_tasks: dict[int, Any] = {}

    def batch_task(self, scheduling_class: int, outputs: int) -> Any:
        """Return the function for batches of a class with so many returns beside the envelope."""
        task = self._batch_tasks.get((scheduling_class, outputs))
        if task is None:
            task = self._export(streams=False).options(
                num_returns=1 + outputs, **self._options(scheduling_class)
            )
            self._batch_tasks[scheduling_class, outputs] = task
        return task

    def stream_task(self, scheduling_class: int) -> Any:
        """Return the function for batches of a class that stream."""
        task = self._stream_tasks.get(scheduling_class)
        if task is None:
            task = self._export(streams=True).options(**self._options(scheduling_class))
            self._stream_tasks[scheduling_class] = task
        return task

    def _export(self, *, streams: bool) -> Any:
        return _export(
            self._package, self._contents, fresh_process=self._fresh_process, streams=streams
        )

    def _options(self, scheduling_class: int) -> dict[str, Any]:
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        options = self._placement.classes[scheduling_class].request.as_options()
        if self._node is not None:
            options["scheduling_strategy"] = NodeAffinitySchedulingStrategy(self._node, soft=False)
        return options
