"""What is left of a slice whose task Ray lost: why, and the journal of the worker that ran it."""

from __future__ import annotations

from rayexec.engine.journal import Left, read_journal

__all__ = ["find_journal", "lost_object", "reason_of"]


def reason_of(error: BaseException) -> tuple[str, bool]:
    """Return in words what a slice died of, and whether it was its worker, or the worker's node, that died."""
    import ray.exceptions as kinds

    died = isinstance(error, (kinds.WorkerCrashedError, kinds.NodeDiedError))
    if isinstance(error, kinds.OutOfMemoryError):
        return "the worker was killed because its node ran out of memory", died
    if died:
        return (
            "the worker process died while it ran the step: the op ended the process, crashed in C code, or was "
            "killed from outside"
        ), died
    if isinstance(error, kinds.TaskCancelledError):
        return "the step was canceled before it ended", died
    if isinstance(error, kinds.RuntimeEnvSetupError):
        return f"its runtime_env cannot be set up: {_last_line(str(error))}", died
    return _last_line(str(error)), died


def lost_object(error: BaseException) -> str | None:
    """Return the id (hexadecimal) of the object that a task could not be given, where that is what it died of."""
    import ray.exceptions as kinds

    return getattr(error, "object_ref_hex", None) if isinstance(error, kinds.ObjectLostError) else None


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "unknown"


def find_journal(path: str, *, is_one_node: bool) -> Left | None:
    """Return the journal that a dead worker left, from whichever node has it."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    found = read_journal(path)
    if found is not None or is_one_node:
        return found
    reader = ray.remote(num_cpus=0, max_retries=0)(read_journal)
    alive = [node["NodeID"] for node in ray.nodes() if node["Alive"]]
    asked = [
        reader.options(scheduling_strategy=NodeAffinitySchedulingStrategy(node, soft=False)).remote(path)
        for node in alive
    ]
    done, _ = ray.wait(asked, num_returns=len(asked), timeout=10)
    for ref in done:
        try:
            answer: Left | None = ray.get(ref)
        except Exception:  # that node died too
            continue
        if answer is not None:
            return answer
    return None
