"""The remote functions of a plan: exported to Ray once by the content of its code."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from rayexec.engine.packed_values import Packed
from rayexec.engine.ray.protocol.package import Package
from rayexec.engine.ray.tasks import Traveling
from rayexec.engine.ray.worker.entry import run_batch, stream_batch
from rayexec.errors import EngineError
from rayexec.placement.limits import Placement

__all__ = ["Tasks", "dump"]

_Session: TypeAlias = tuple[str, str]

# Exported runners by session, content and isolation: Ray ships a remote function to each worker
# once.
_RUNNERS: dict[tuple[_Session, str, bool, bool], Any] = {}
# References of contents, by session and digest.
_HELD: dict[tuple[_Session, str], Any] = {}
# Bytes of contents that travel with the function itself; more goes to the object store, which each
# node asks once.
_SMALL = 64 * 1024


def dump(value: Any, what: str) -> bytes:
    """Return ``value`` pickled; raises EngineError, saying ``what``, where it cannot be."""
    from ray import cloudpickle

    try:
        pickled: bytes = cloudpickle.dumps(value, protocol=5)
    except Exception as error:
        raise EngineError(
            f"{what} cannot be pickled for Ray's workers: {type(error).__name__}: {error}"
        ) from error
    return pickled


def _runner_for(package: Package, contents: bytes, fresh_process: bool) -> Any:
    """Return the remote function that runs batches of this package, exported at most once a Ray
    session.

    ``contents`` are those of the package's sources.
    """

    def make(run: Any) -> Any:
        def rayexec_batch(header: bytes, work: bytes, places: int, *large: Packed) -> Any:
            answer = run(header, work, places, large)
            return answer if places else answer[0]

        return rayexec_batch

    return _export(make, run_batch, package, contents, fresh_process, streams=False)


def _streamer_for(package: Package, contents: bytes, fresh_process: bool) -> Any:
    """Return the remote function that runs batches of one step whose values are handed on while it
    runs.
    """

    def make(run: Any) -> Any:
        def rayexec_stream(header: bytes, work: bytes, *large: Packed) -> Any:
            yield from run(header, work, large)

        return rayexec_stream

    return _export(make, stream_batch, package, contents, fresh_process, streams=True)


def _export(
    make: Callable[[Any], Any],
    run: Callable[..., Any],
    package: Package,
    contents: bytes,
    fresh_process: bool,
    *,
    streams: bool,
) -> Any:
    """Return what ``make`` makes of ``run`` as a remote function, or that which was exported for
    the same before.
    """
    import ray

    key = (_session(), package.digest, fresh_process, streams)
    if key not in _RUNNERS:
        options: dict[str, Any] = {"max_retries": 0}
        if streams:
            options["num_returns"] = "streaming"
        if fresh_process:
            options["max_calls"] = 1
        _RUNNERS[key] = ray.remote(**options)(
            make(Traveling(run.__name__, package, _held(package, contents)))
        )
    return _RUNNERS[key]


def _held(package: Package, contents: bytes) -> Any:
    """Return contents as they travel with a function: themselves, or a reference of an object that
    is made once.
    """
    import ray

    if package.sources is None or len(contents) <= _SMALL:
        return contents
    key = (_session(), package.sources.digest)
    if key not in _HELD:
        _HELD[key] = ray.put(contents)
    return _HELD[key]


def _session() -> _Session:
    """Return what tells what this process is attached to from what it was before; another Ray
    counts its jobs anew.
    """
    import ray

    context = ray.get_runtime_context()
    return context.get_node_id(), context.get_job_id()


class Tasks:
    """The remote functions of a run, with what each class of its steps asks for; all on one
    ``node``, if given.

    ``contents`` are those of the package's sources.
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
        self._runners: dict[tuple[int, int], Any] = {}
        self._streamers: dict[int, Any] = {}

    def runner(self, number: int, places: int) -> Any:
        """Return the function for batches of a class whose answers have so many places beside the
        envelope.
        """
        found = self._runners.get((number, places))
        if found is None:
            runner = _runner_for(self._package, self._contents, self._fresh_process)
            found = runner.options(num_returns=1 + places, **self._options(number))
            self._runners[number, places] = found
        return found

    def streamer(self, number: int) -> Any:
        """Return the function for batches of a class that stream."""
        found = self._streamers.get(number)
        if found is None:
            streamer = _streamer_for(self._package, self._contents, self._fresh_process)
            found = self._streamers[number] = streamer.options(**self._options(number))
        return found

    def _options(self, number: int) -> dict[str, Any]:
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        options = self._placement.classes[number].request.as_options()
        if self._node is not None:
            options["scheduling_strategy"] = NodeAffinitySchedulingStrategy(self._node, soft=False)
        return options
