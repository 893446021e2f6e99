"""State of a run at one moment, as its driver writes it for those who watch.

The watching thread asks for it. It reads changing state of the run in single operations, so an
answer may be a moment old. Nothing is counted while nobody asks.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from rayexec.events import StepEnd
from rayexec.names import node_path
from rayexec.plan import Plan
from rayexec.scheduler.messages import OVER
from rayexec.scheduler.wait_reasons import Queue, Waiting

__all__ = ["EndsSoFar", "NowDocument"]

_MOST_RUNNING, _MOST_RETRIES = 200, 50
_MOST_TEMPLATES = 256  # that a byte tells apart


class EndsSoFar(Protocol):
    """Ends of steps so far, as the writer of the log has them."""

    @property
    def counts(self) -> Mapping[str, int]:
        """Counts of steps by their ends."""

    @property
    def ends(self) -> bytearray:
        """A byte for each step, 0 without an end."""

    @property
    def unrun(self) -> Mapping[str, int]:
        """Numbers of steps that were skipped, or never run, by the path of their node."""

    @property
    def attempts(self) -> int:
        """The number of attempts."""

    def code_of(self, end: StepEnd) -> int:
        """Return the byte of an end."""


class NowDocument:
    """Makes the documents of one run."""

    def __init__(
        self,
        run_id: str,
        plan: Plan,
        waiting: Callable[[], Waiting],
        ends: EndsSoFar,
        *,
        node_id: str = "",
    ) -> None:
        self._run_id = run_id
        self._node_id = node_id
        self._plan = plan
        self._waiting = waiting
        self._ends = ends
        # The moments since when steps run, by a monotonic clock.
        self._since: dict[int, float] = {}
        # The template of each step so far.
        self._templates = bytearray()

    def document(self, now: float) -> dict[str, Any]:
        """Return the state at ``now``, in seconds of a monotonic clock."""
        waiting, steps = self._waiting(), len(self._plan.steps)
        self._since = {
            step: self._since.get(step, now - waiting.ages.get(step, 0.0))
            for step in waiting.running
        }
        mapped, over = self._mapped(waiting), waiting.over
        ends = dict(self._ends.counts)
        not_run = sum(self._ends.unrun.values()) - ends.get(StepEnd.SKIPPED, 0)
        ends.update({StepEnd.NOT_RUN: max(0, not_run), StepEnd.FAILED: waiting.failed})
        # The log may lack the last successes.
        ends[StepEnd.SUCCEEDED] = 0
        ends[StepEnd.SUCCEEDED] = max(0, over - sum(ends.values()))
        running = waiting.running
        return {
            "run_id": self._run_id,
            "node_id": self._node_id or None,
            "time": time.time(),
            "steps": steps,
            "is_final": len(mapped) == len(self._plan.mapped_nodes)
            and all(node["total"] is not None for node in mapped),
            "over": over,
            "ends": {StepEnd(end).value: count for end, count in ends.items() if count},
            "running_count": len(running),
            "running": [self._running(step, now) for step in running[:_MOST_RUNNING]],
            "waiting": max(0, steps - over - len(running)),
            "queues": [self._queue(queue, now) for queue in waiting.queues],
            "retries": [
                {"key": self._key(step), "in_s": round(seconds, 3)}
                for step, seconds in waiting.retries[:_MOST_RETRIES]
            ],
            "slots": self._slots(waiting),
            "mapped": [node for node in mapped if node["total"] != 0],
        }

    def _key(self, step: int) -> str:
        return self._plan.steps[step].key

    def _seconds(self, step: int, now: float) -> float:
        return round(max(0.0, now - self._since.get(step, now)), 3)

    def _running(self, step: int, now: float) -> dict[str, Any]:
        key = self._key(step)
        return {"key": key, "node": node_path(key), "seconds": self._seconds(step, now)}

    def _queue(self, queue: Queue, now: float) -> dict[str, Any]:
        return {
            "reason": queue.reason,
            "limit": queue.reason if queue.most else None,
            "size": queue.size,
            "steps": [self._key(step) for step in queue.steps],
            "used": round(queue.used, 6),
            "most": queue.most,
            "holders": [
                {"key": self._key(step), "seconds": self._seconds(step, now)}
                for step in queue.holders
            ],
            "others": queue.others,
            "other_runs": [],
        }

    def _slots(self, waiting: Waiting) -> dict[str, Any]:
        busy = min(len(waiting.running), waiting.slots)
        idle = waiting.slots - busy
        return {
            "most": waiting.slots,
            "busy": busy,
            "idle": idle,
            "why": self._why_idle(waiting) if idle else None,
        }

    def _why_idle(self, waiting: Waiting) -> str:
        if waiting.running and not self._ends.attempts:
            return "workers start"
        full = [queue for queue in waiting.queues if queue.most]
        if full:
            names = ", ".join(queue.reason for queue in full)
            by_others = any(queue.others for queue in full)
            whose = ", by other runs too" if by_others else ""
            return f"full: {names}{whose}"
        if waiting.retries:
            return "nothing is ready: steps wait for their next try"
        return "nothing is ready"

    def _mapped(self, waiting: Waiting) -> list[dict[str, Any]]:
        """Return the progress of mapped nodes that have steps, or may get some."""
        plan, nodes = self._plan, self._plan.mapped_nodes
        if not nodes or len(plan.templates) > _MOST_TEMPLATES:
            return []
        # Ends come first: by then the plan has the steps that came of them.
        ends, templates, status = bytes(self._ends.ends), self._templates, waiting.status
        templates += bytes(plan.template_of[len(templates) : len(plan.steps)])
        running_nodes = Counter(plan.template_of[step] for step in waiting.running)
        failed_code = self._ends.code_of(StepEnd.FAILED)
        rows, complete = [], set()
        for node in nodes:  # in an order with causes first
            count = templates.count(node.template)
            own = _only(ends, templates, node.template)
            failed = own.count(failed_code)
            done = len(own) - own.count(0) + self._ends.unrun.get(node.key, 0)
            cause = node.fan_outs[-1].node
            if cause >= 0:
                is_complete = cause < len(status) and status[cause] in OVER
            else:
                is_complete = -1 - cause in complete
            rows.append(
                {
                    "node": node.key,
                    "done": done,
                    "total": count if is_complete else None,
                    "failed": failed,
                    "running": running_nodes[node.template],
                }
            )
            if is_complete and done >= count:
                complete.add(len(rows) - 1)
        return rows


def _only(ends: bytes, templates: bytes | bytearray, template: int) -> bytes:
    """Return the ends of the steps of one template, and 0 for the others.

    Whole numbers do it, since a loop over all steps would take time from the run.
    """
    mask = bytes(templates).translate(bytes(255 if code == template else 0 for code in range(256)))
    size = len(mask)
    both = int.from_bytes(mask, "little") & int.from_bytes(ends[:size], "little")
    return both.to_bytes(size, "little")
