"""Remote functions for batches, exported to Ray once for all runs of a process."""

from __future__ import annotations

from typing import Any

from rayexec.engine.ray.driver.shipped_code import Session, session
from rayexec.engine.ray.tasks import batch_task, stream_task
from rayexec.errors import EngineError
from rayexec.names import RUN_TASK
from rayexec.placement.limits import Placement

__all__ = ["ExportedTasks", "pickle_for_workers"]

# Exported functions by session, isolation and streaming: Ray ships each to a worker once.
_EXPORTED: dict[tuple[Session, bool, bool], Any] = {}


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


def _export(*, fresh_process: bool, streams: bool) -> Any:
    """Return the remote function for batches, exported at most once a session."""
    import ray

    now = session()
    key = (now, fresh_process, streams)
    if key not in _EXPORTED:
        for before in [exported for exported in _EXPORTED if exported[0] != now]:
            del _EXPORTED[before]
        options: dict[str, Any] = {"max_retries": 0}
        if streams:
            options["num_returns"] = "streaming"
        if fresh_process:
            options["max_calls"] = 1
        _EXPORTED[key] = ray.remote(**options)(stream_task() if streams else batch_task())
    return _EXPORTED[key]


class ExportedTasks:
    """Remote functions of a run, by scheduling class.

    With ``node`` all tasks run on that node. Ray shows the run's id in the names of its tasks.
    """

    def __init__(
        self,
        placement: Placement,
        run_id: str,
        *,
        fresh_process: bool,
        node: str | None,
    ) -> None:
        self._placement = placement
        self._name = f"{RUN_TASK}{run_id}"
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
        return _export(fresh_process=self._fresh_process, streams=streams)

    def _options(self, scheduling_class: int) -> dict[str, Any]:
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        options = self._placement.classes[scheduling_class].request.as_options()
        options["name"] = self._name
        if self._node is not None:
            options["scheduling_strategy"] = NodeAffinitySchedulingStrategy(self._node, soft=False)
        return options
