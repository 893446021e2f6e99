"""What is left of a batch whose task Ray lost: why, and the journal of the worker that ran it; and
its end by force.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from rayexec.engine.ray.protocol.journal import Left, read_journal
from rayexec.engine.ray.worker.unpacking import NotUnpackedError

__all__ = ["Reason", "find_journal", "kill_workers", "lost_object", "reason_of"]

# What Ray's memory monitor writes of a worker that it killed, and of the worker's node; its GB are
# 2**30 bytes.
_HAD = re.compile(r"Selected to kill: .*actual memory used=([0-9.]+)GB")
_NODE_USES = re.compile(r"was ([0-9.]+)GB used / ([0-9.]+)GB limit")


class Reason(NamedTuple):
    """What a batch died of, in words, and whether its worker died, for itself or (``by_node``) with
    the node.

    ``idle`` are the words where none of its steps had begun. ``memory`` is for a worker that Ray
    killed since its node ran short: the bytes that it had, 0 where nobody says. ``is_environment``:
    it is a runtime_env that could not be set up, whose the words do not say.
    """

    words: str
    has_died: bool = False
    memory: int | None = None
    by_node: bool = False
    idle: str | None = None
    is_environment: bool = False


def reason_of(error: BaseException) -> Reason:
    """Return what a batch died of that ended with ``error``."""
    import ray.exceptions as kinds

    if isinstance(error, kinds.OutOfMemoryError):
        return _out_of_memory(str(error))
    if isinstance(error, (kinds.NodeDiedError, kinds.LocalRayletDiedError)):
        return Reason(
            "the node that it was on died, or cannot be reached any more", True, by_node=True
        )
    if isinstance(error, kinds.WorkerCrashedError):
        how = (
            "it was killed from outside (SIGKILL, which the system sends too where it runs out of "
            "memory), or C code "
            "ended it"
        )
        died = "the worker process died while it ran"
        return Reason(f"{died} the step: {how}", True, idle=f"{died} no step: {how}")
    if isinstance(cause := getattr(error, "cause", None), NotUnpackedError):
        return Reason(str(cause), True, by_node=True)  # as good as dead to this batch
    if isinstance(error, kinds.TaskCancelledError):
        return Reason(
            "the step was canceled before it ended", idle="it was canceled before it began"
        )
    if isinstance(error, kinds.RuntimeEnvSetupError):
        return Reason(f"cannot be set up: {_last_line(str(error))}", is_environment=True)
    if isinstance(error, kinds.ObjectLostError):
        return Reason("what it takes was lost with the node or the worker that had it")
    return Reason(_last_line(str(error)))


def _out_of_memory(text: str) -> Reason:
    """Return what Ray's memory monitor says of a worker that it killed; it may have killed several
    at once.
    """
    had = [float(each) for each in _HAD.findall(text)]
    words = "the worker was killed because its node ran out of memory"
    node = _NODE_USES.search(text)
    if node is not None:
        words += f" ({node[1]} GiB used of {node[2]} GiB)"
    if had:
        words += f"; it had {'up to ' if len(had) > 1 else ''}{max(had):g} GiB"
    return Reason(words, True, int(max(had, default=0) * 2**30))


def lost_object(error: BaseException) -> str | None:
    """Return the id (hexadecimal) of the object that a task could not be given, where that is what
    it died of.
    """
    import ray.exceptions as kinds

    return (
        getattr(error, "object_ref_hex", None) if isinstance(error, kinds.ObjectLostError) else None
    )


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "unknown"


def find_journal(path: str, *, is_one_node: bool) -> Left | None:
    """Return the journal that a dead worker left, from whichever node has it."""
    found = read_journal(path)
    if found is not None or is_one_node:
        return found
    return next(
        (answer for answer in _on_each_node(read_journal, path) if answer is not None), None
    )


def kill_workers(journals: Sequence[str], *, is_one_node: bool) -> None:
    """Kill the processes that run the batches with these journals, on whichever node.

    Ray asks a worker to kill itself, which one that holds the interpreter's lock in C code does not
    hear.
    """
    _kill_holders(journals)
    if not is_one_node:
        for _ in _on_each_node(_kill_holders, journals):
            pass


def _kill_holders(paths: Sequence[str]) -> None:
    """Kill the processes of this node that have one of the journals, or a file beside it, open.

    These are the worker, what its op forked, and, by what they print to, the programs that it
    started.
    """
    wanted = tuple(
        [f"{os.path.realpath(path)}{end}" for path in paths for end in ("", ".stdout", ".stderr")]
    )
    wanted += tuple([f"{path} (deleted)" for path in wanted])
    with contextlib.suppress(OSError):  # no /proc, no such way
        for name in os.listdir("/proc"):
            if name.isdigit() and int(name) != os.getpid():
                with contextlib.suppress(OSError):  # it is gone, or somebody else's
                    place = f"/proc/{name}/fd"
                    if any(os.readlink(f"{place}/{each}") in wanted for each in os.listdir(place)):
                        os.kill(int(name), signal.SIGKILL)


def _on_each_node(function: Callable[..., Any], argument: Any) -> Iterator[Any]:
    """Yield what ``function`` returns on each node that answers soon."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    remote = ray.remote(num_cpus=0, max_retries=0)(function)
    alive = [node["NodeID"] for node in ray.nodes() if node["Alive"]]
    asked = [
        remote.options(scheduling_strategy=NodeAffinitySchedulingStrategy(node, soft=False)).remote(
            argument
        )
        for node in alive
    ]
    done, _ = ray.wait(asked, num_returns=len(asked), timeout=10)
    for ref in done:
        try:
            answer = ray.get(ref)
        except Exception:  # that node died too
            continue
        yield answer
