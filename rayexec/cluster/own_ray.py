"""Ray of this process: its start, and its end with all processes and files.

Both last seconds, and both go on in the lasting thread where their caller does not wait.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import logging
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from rayexec.cluster.lasting_thread import LastingWork, begin_in_lasting_thread
from rayexec.cluster.node_start import ONE_MACHINE
from rayexec.cluster.ray_directory import RayDirectory, sweep_directories
from rayexec.cluster.ray_mark import write_mark
from rayexec.cluster.tokens import require_token
from rayexec.errors import EngineError

__all__ = [
    "abandon",
    "end_ray",
    "exit_without_destructors",
    "has_living_head",
    "has_living_node",
    "is_head",
    "is_started_here",
    "mark_ray",
    "quiet_options",
    "settle",
    "start_ray",
]

# Names of the processes of a node that Ray cannot do without.
_CORE = ("gcs_server", "raylet")
# Methods of Ray's node that start processes beyond the needs of one process.
_ATTENDANTS = ("start_api_server", "start_monitor", "start_log_monitor")


def quiet_options(runtime_env: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return options of ``ray.init`` for any Ray: a run prints its own lines."""
    options: dict[str, Any] = {
        "log_to_driver": False,
        "logging_level": logging.ERROR,
        "configure_logging": True,
    }
    return options | {"runtime_env": dict(runtime_env)} if runtime_env else options


@dataclass(slots=True)
class _Start:
    """A start of a Ray in this process, and the Ray that comes of it."""

    runtime_env: Mapping[str, Any] | None
    directory: RayDirectory
    work: LastingWork | None = None
    node: Any = None


_last: _Start | None = None
_end: LastingWork | None = None  # of a Ray with a dead head


def start_ray(runtime_env: Mapping[str, Any] | None = None) -> None:
    """Start a Ray for this process, on the loopback interface alone, with a token.

    It lasts until ``ray.shutdown`` or the end of the process, whatever thread asks for it. An
    interrupt ends the wait alone: ``settle`` waits for the rest. Raises
    EngineError for a missing token or directory; and Ray's errors, a dozen kinds.
    """
    global _last
    require_token()
    sweep_directories()
    try:
        start = _Start(runtime_env, RayDirectory())
    except OSError as error:
        raise EngineError(
            f"cannot make a directory for Ray's files: {error}. Set RAY_TMPDIR to a directory "
            "that can be written."
        ) from error
    _last = start
    _at_exit()
    start.work = begin_in_lasting_thread(lambda: _start(start))
    start.work.wait()


def settle() -> None:
    """Wait for a start or an end of Ray under way, the rest of earlier calls."""
    for work in _under_way():
        with contextlib.suppress(Exception):  # somebody else's error
            work.wait()


def _under_way() -> list[LastingWork]:
    """Return the starts and ends of Ray that this process has begun and not ended."""
    works = (None if _last is None else _last.work, _end)
    return [work for work in works if work is not None and work.is_under_way]


def abandon() -> bool:
    """End a start or an end of Ray under way at once, before this process ends; tell if any was.

    Nothing of that Ray stays. Its C++ may wait for answers of ended processes. So the process ends
    without its destructors, which would wait too.
    """
    works = _under_way()
    if not works:
        return False
    from ray._private import worker

    for work in works:
        work.give_up()
    atexit.unregister(worker.shutdown)
    if _last is not None:
        _last.directory.remove()
    exit_without_destructors()
    return True


def exit_without_destructors() -> None:
    """Have this process end, once Python is through, before the destructors of C++ run."""
    libc = ctypes.CDLL(None)
    if hasattr(libc, "on_exit"):  # glibc's; it passes the exit code
        libc.on_exit(libc._exit, None)


def _start(start: _Start) -> None:
    import ray

    try:
        with _on_loopback(), _without_attendants():
            ray.init(
                address="local",
                include_dashboard=False,
                _temp_dir=start.directory.for_ray,
                **quiet_options(start.runtime_env),
            )
    except BaseException:
        with contextlib.suppress(Exception):  # the rest of a failed start
            ray.shutdown()
        start.directory.remove()
        raise
    start.node = _node()
    _remove_with_node(start.node, start.directory)


def _remove_with_node(node: Any, directory: RayDirectory) -> None:
    """Remove the directory right after Ray has ended its processes.

    Without Ray's private method, the next start of a Ray here removes it.
    """
    end = getattr(node, "kill_all_processes", None)
    if not callable(end):
        return

    def end_and_remove(*arguments: Any, **options: Any) -> None:
        try:
            end(*arguments, **options)
        finally:
            directory.remove()

    node.kill_all_processes = end_and_remove


def _node() -> Any:
    import ray

    worker = getattr(getattr(ray, "_private", None), "worker", None)
    return getattr(worker, "_global_node", None)


def is_started_here() -> bool:
    """Whether ``start_ray`` has started the Ray in use."""
    return _last is not None and _last.node is not None and _last.node is _node()


def mark_ray() -> None:
    """Have other processes of this user know the Ray of ``start_ray`` as rayexec's."""
    import ray

    if _last is not None:
        infos = getattr(_node(), "all_processes", {})
        pids = [info.process.pid for name in _CORE for info in infos.get(name, ())]
        address = str(ray.get_runtime_context().gcs_address)
        write_mark(_last.directory.private, address, pids)


def is_head() -> bool:
    """Whether this process has started its Ray, as far as Ray tells."""
    return bool(getattr(_node(), "head", False))


def has_living_head() -> bool:
    """Whether this process has started its Ray, and the head's process lives: no network needed.

    A head that lives may be frozen. False where Ray does not tell, too.
    """
    return _lives("gcs_server")


def has_living_node() -> bool:
    """Whether all that live, without which the Ray of this process runs nothing."""
    return all(map(_lives, _CORE))


def _lives(name: str) -> bool:
    if not is_head():
        return False
    infos = getattr(_node(), "all_processes", {}).get(name, ())
    polls = [getattr(getattr(info, "process", None), "poll", None) for info in infos]
    return bool(polls) and all(callable(poll) and poll() is None for poll in polls)


def end_ray() -> None:
    """Begin to end the use of a Ray with a dead head, in the lasting thread; see ``settle``.

    Ray waits five seconds for the head. It would wait longer for a head that is only frozen, and
    without its raylet.
    """
    global _end
    import ray

    for info in getattr(_node(), "all_processes", {}).get("gcs_server", ()) if is_head() else ():
        with contextlib.suppress(OSError, AttributeError):
            info.process.kill()
    _at_exit()
    _end = begin_in_lasting_thread(ray.shutdown)


def _at_exit() -> None:
    # Ray is imported by now, so that this comes before Ray's own.
    atexit.unregister(abandon)
    atexit.register(abandon)


@contextlib.contextmanager
def _on_loopback() -> Iterator[None]:
    """Let a Ray that starts in the block listen on the loopback interface alone.

    Ray's constant is read by this process, and the variable by those that it starts. Without the
    constant, Ray's start fails the check of its address.
    """
    from ray._private import ray_constants

    name = "ENABLE_RAY_CLUSTER"
    constant, variable = getattr(ray_constants, name, None), os.environ.get(ONE_MACHINE)
    setattr(ray_constants, name, False)
    os.environ[ONE_MACHINE] = "0"
    try:
        yield
    finally:
        setattr(ray_constants, name, constant)
        if variable is None:
            del os.environ[ONE_MACHINE]
        else:
            os.environ[ONE_MACHINE] = variable


@contextlib.contextmanager
def _without_attendants() -> Iterator[None]:
    """Keep a Ray that starts in the block from starting helpers of no use to one process.

    They are the server of the dashboard (off, but it would count usage), the monitor of a growing
    cluster, and the sender of workers' output. They take a third of the start, and Ray waits for
    their end. Ray has no setting for it. Without its private functions, they start.
    """
    import ray

    kind = getattr(getattr(getattr(ray, "_private", None), "node", None), "Node", None)
    before = {
        name: getattr(kind, name) for name in _ATTENDANTS if callable(getattr(kind, name, None))
    }
    for name in before:
        setattr(kind, name, lambda *_args, **_options: None)
    try:
        yield
    finally:
        for name, function in before.items():
            setattr(kind, name, function)
