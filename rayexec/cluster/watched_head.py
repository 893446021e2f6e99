"""Head of the cluster that a run of this process uses: its death, and what is left to do then."""

from __future__ import annotations

from collections.abc import Callable

from rayexec.cluster.gcs_watch import GcsWatch
from rayexec.cluster.own_ray import end_ray, is_head
from rayexec.errors import EngineError

__all__ = ["WatchedHead", "head_answers"]

# Of this process; a forked child has no runs on Ray.
_WATCH = GcsWatch()


def head_answers() -> bool:
    """Whether the head of the Ray in use answers; waits while it is silent, and not yet dead.

    Who asks a dead head waits for a minute, and then Ray ends the process.
    """
    import ray

    return _WATCH.await_sign(str(ray.get_runtime_context().gcs_address))


class WatchedHead:
    """Watches the head of the Ray in use until ``close``.

    ``tell`` gets the error for the run once the head has died, in another thread.
    """

    def __init__(self, tell: Callable[[EngineError], None]) -> None:
        import ray

        self._address = address = str(ray.get_runtime_context().gcs_address)

        whose = "of this run" if is_head() else f"of the cluster at {address}"
        remedy = "Resume" if is_head() else "Start the cluster anew, and resume"

        def died(silence_s: float) -> None:
            tell(
                EngineError(
                    f"the head {whose} (Ray's GCS) has died, or cannot be reached: it has given no "
                    f"sign of life for {silence_s:.0f} s. {remedy} the run."
                )
            )

        self._end = _WATCH.watch(address, died)

    def close(self) -> None:
        """End the watch, and the use of a dead Ray with its last run.

        Ray itself would end this process a minute after the death.
        """
        import ray

        is_dead = self._end()
        if (
            is_dead
            and ray.is_initialized()
            and ray.get_runtime_context().gcs_address == self._address
        ):
            end_ray()
