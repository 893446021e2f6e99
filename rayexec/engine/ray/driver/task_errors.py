"""Meaning of Ray's errors: reasons for the loss of a batch, and refusals of a node."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from rayexec._version import DISTRIBUTION, __version__
from rayexec.engine.ray.protocol.refusals import VERSION_REFUSED, NotUnpackedError
from rayexec.errors import EngineError

__all__ = ["LossReason", "lost_object", "reason_of", "refusal_in"]

# Lines of Ray's memory monitor about a worker that it killed, and about the node; its GB are 2**30
# bytes.
_WORKER_MEMORY = re.compile(r"Selected to kill: .*actual memory used=([0-9.]+)GB")
_NODE_MEMORY = re.compile(r"was ([0-9.]+)GB used / ([0-9.]+)GB limit")


class LossReason(NamedTuple):
    """Reason for the loss of a batch."""

    #: Sentence about the running step.
    text: str
    #: True where the worker died, for itself or with its node.
    has_died: bool = False
    #: Bytes that the worker had when Ray killed it for want of memory; 0 for an unknown count.
    memory: int | None = None
    #: True where the node is to blame, and no step.
    by_node: bool = False
    #: Sentence for a batch without a running step, where it is another one.
    idle: str | None = None
    #: True where a runtime_env cannot be set up; the sentence leaves out its owner.
    is_environment: bool = False


def reason_of(error: BaseException) -> LossReason:
    """Return the reason for the loss of a batch that ended with ``error``."""
    import ray.exceptions as kinds

    if isinstance(error, kinds.OutOfMemoryError):
        return _out_of_memory(str(error))
    if isinstance(error, (kinds.NodeDiedError, kinds.LocalRayletDiedError)):
        return LossReason(
            "the node that it was on died, or cannot be reached any more", True, by_node=True
        )
    if isinstance(error, kinds.WorkerCrashedError):
        how = (
            "it was killed from outside (SIGKILL, which the system sends too where it runs out of "
            "memory), or C code ended it"
        )
        died = "the worker process died while it ran"
        return LossReason(f"{died} the step: {how}", True, idle=f"{died} no step: {how}")
    if isinstance(cause := getattr(error, "cause", None), NotUnpackedError):
        return LossReason(str(cause), True, by_node=True)  # as good as dead to this batch
    if isinstance(error, kinds.TaskCancelledError):
        return LossReason(
            "the step was canceled before it ended", idle="it was canceled before it began"
        )
    if isinstance(error, kinds.RuntimeEnvSetupError):
        return LossReason(f"cannot be set up: {_last_line(str(error))}", is_environment=True)
    if isinstance(error, kinds.ObjectLostError):
        return LossReason("its inputs were lost with the node or the worker that had them")
    return LossReason(_last_line(str(error)))


def _out_of_memory(text: str) -> LossReason:
    """Return the reason in a message of Ray's memory monitor, which may kill several at once."""
    gib_used = [float(match) for match in _WORKER_MEMORY.findall(text)]
    sentence = "the worker was killed because its node ran out of memory"
    node = _NODE_MEMORY.search(text)
    if node is not None:
        sentence += f" ({node[1]} GiB used of {node[2]} GiB)"
    if gib_used:
        sentence += f"; it had {'up to ' if len(gib_used) > 1 else ''}{max(gib_used):g} GiB"
    return LossReason(sentence, True, int(max(gib_used, default=0) * 2**30))


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "unknown"


def lost_object(error: BaseException) -> str | None:
    """Return the id (hexadecimal) of a lost input, None for any other error."""
    import ray.exceptions as kinds

    return (
        getattr(error, "object_ref_hex", None) if isinstance(error, kinds.ObjectLostError) else None
    )


def refusal_in(error: BaseException) -> EngineError | None:
    """Return the refusal of a node without this rayexec, where a task failed by it."""
    arguments: tuple[Any, ...] = getattr(getattr(error, "cause", None), "args", ())
    if len(arguments) != 6 or arguments[0] != VERSION_REFUSED:
        return None
    _, node, installed, why, python, namesake = arguments
    same = f"{python} -m pip install {DISTRIBUTION}=={__version__}"
    launch = "have Ray do so for the run: rayexec job launch --send-rayexec"
    if namesake is not None:
        return EngineError(
            f"node {node} has a package of another project under the name rayexec ({namesake}). "
            f"Remove it there, and install this one: {python} -m pip uninstall rayexec, then "
            f"{same}; or {launch}"
        )
    if why:
        return EngineError(
            f"rayexec cannot be imported on node {node}: {why}. Install what it needs there: {same}"
        )
    remedies = f"Install the same version where Ray's workers run ({same}), or {launch}"
    if installed is None:
        return EngineError(f"rayexec is not installed on node {node}. {remedies}")
    return EngineError(
        f"node {node} has rayexec {installed}, and this process has rayexec {__version__}. "
        f"{remedies}"
    )
