"""What the steps of a run on Ray left in the driver: values, or references of large ones, and
exceptions.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Any

from rayexec.engine.packed_values import INLINE_LIMIT, Packed, Restored, unpack
from rayexec.engine.ray.protocol.answer import Entry, unpack_entries
from rayexec.errors import InvariantError, StepError
from rayexec.events import Attempt, Successes
from rayexec.plan.base import Plan
from rayexec.run.previous_run import StoredValue
from rayexec.run.spec import Call

__all__ = ["StepValues"]


class StepValues:
    """The outputs and the exceptions of a run's steps.

    ``by_step`` has, by index, the one output of a plain success, else outputs by name; bytes, or
    references of large ones; None where there are none.
    """

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self.by_step: list[bytes | dict[str, Any] | None] = [None] * len(plan.steps)
        self._pickled_errors: dict[int, bytes] = {}
        self._crashes: dict[int, StepError] = {}

    def grow(self) -> None:
        """Make room for the steps that came to the plan."""
        missing = len(self._plan.steps) - len(self.by_step)
        if missing:
            self.by_step.extend([None] * missing)

    def take(
        self,
        items: Sequence[Any],
        calls: Sequence[Call],
        pid: int,
        batch_id: int,
        heard: int,
        refs: Sequence[Any] | None,
        *,
        told: int | None,
    ) -> tuple[tuple[Attempt | Successes, ...], int]:
        """Keep the outputs of calls that are over; return their rows, and the place of the last of
        them.

        ``heard`` is the last place of which all is known already. ``refs`` are the references of
        the batch's answer, its envelope first; without them, calls with large outputs wait. Of a
        batch that streams, ``told`` is how many values came before: those stay what they are, or
        gone.
        """
        rows: list[Attempt | Successes] = []
        by_step = self.by_step
        for each in unpack_entries(items, calls, pid, batch_id, heard):
            if not isinstance(each, Entry):
                heard, successes, outputs = each
                for step, output in zip(successes.steps, outputs, strict=True):
                    by_step[step] = output
                if self._crashes or self._pickled_errors:
                    for step in successes.steps:
                        self._forget_failure(step)
                rows.append(successes)
                continue
            position, row, yielded = each
            stored: dict[str, Any] = yielded
            if row.has_large_output:
                if refs is None:
                    break  # it ends its batch, so nothing follows it
                stored = _resolve(yielded, refs)
            heard = position
            if told is not None:
                stored = {**dict(islice(stored.items(), told, None)), **self.of(row.step)}
            by_step[row.step] = stored
            self._forget_failure(row.step)
            if row.failure is not None and row.failure.pickled is not None:
                self._pickled_errors[row.step] = row.failure.pickled
            rows.append(row)
        return tuple(rows), heard

    def of(self, step: int) -> dict[str, Any]:
        """Return the outputs by name that a step has so far, where it keeps them so; changes of it
        are kept.
        """
        known = self.by_step[step]
        if not isinstance(known, dict):
            known = self.by_step[step] = {}
        return known

    def crashed(self, step: int, error: StepError) -> None:
        """Keep what a step died of."""
        self._crashes[step] = error

    def _forget_failure(self, step: int) -> None:
        self._crashes.pop(step, None)
        self._pickled_errors.pop(step, None)

    def release(self, steps: Iterable[int]) -> None:
        """Drop the values, and with the last reference Ray's objects, that steps yielded."""
        by_step = self.by_step
        for step in steps:
            if step < len(by_step):  # else none of those that the plan grew by last was ever to run
                by_step[step] = None

    def release_values(self, step: int, names: Iterable[str]) -> None:
        """Drop some of the values that a step yielded."""
        known = self.by_step[step]
        if isinstance(known, dict):
            for name in names:
                known.pop(name, None)

    def restore(self, step: int, values: Mapping[str, StoredValue], *, is_reached: bool) -> None:
        """Take values of an earlier run for outputs of a step.

        Those that workers do not reach (``is_reached``) are brought into Ray's object store, others
        are loaded by whoever needs them.
        """
        self.grow()
        self.by_step[step] = {
            name: pickle.dumps(Restored(stored), protocol=5) if is_reached else _bring(stored)
            for name, stored in values.items()
        }

    def value(self, step: int, output: str) -> object:
        """Return the value behind an output, brought here from the object store; raises KeyError
        for none.
        """
        return unpack(self.packed(step, output))

    def packed(self, step: int, output: str) -> bytes | Packed:
        """Return the value behind an output, serialised; raises KeyError for none."""
        import ray

        kept = self.by_step[step]
        handle = kept if isinstance(kept, bytes) else (kept or {})[output]
        if isinstance(handle, bytes):
            return handle
        if not ray.is_initialized():
            raise InvariantError(
                f"output {output!r} of step {self._plan.steps[step].key!r} was kept by Ray, which "
                f"has been shut "
                "down; read results before ray.shutdown()."
            )
        packed: Packed = ray.get(handle)
        return packed

    def lost_with(self, hexadecimal: str, origins: Mapping[Any, int]) -> tuple[int, ...] | None:
        """Return the steps with large outputs that no node has any more, and that behind the
        reference of that name.

        ``origins`` are the steps behind the references that it was found by, of which one may have
        been made again since; None where it is none of them.
        """
        import ray

        behind = next(
            (step for handle, step in origins.items() if handle.hex() == hexadecimal), None
        )
        if behind is None:
            return None
        known = self.by_step[behind]
        is_stale = not isinstance(known, dict) or all(
            isinstance(handle, bytes) or handle.hex() != hexadecimal for handle in known.values()
        )
        lost: dict[int, None] = {} if is_stale else {behind: None}
        owners: dict[Any, int] = {}
        for step, kept in enumerate(self.by_step):
            if isinstance(kept, dict):
                owners |= {
                    handle: step for handle in kept.values() if not isinstance(handle, bytes)
                }
        if lost and owners:
            located = ray.experimental.get_object_locations(list(owners))
            lost |= {
                owners[handle]: None
                for handle, found in located.items()
                if not found.get("node_ids")
            }
        return tuple(lost)

    def exception(self, step: int) -> BaseException | None:
        """Return the exception that failed a step, where it survived the way here."""
        pickled = self._pickled_errors.get(step)
        if step in self._crashes or pickled is None:
            return self._crashes.get(step)
        try:
            error, *causes = pickle.loads(pickled)
        except BaseException:  # its class may not exist here, or do anything while it is made
            return None
        link = error
        for cause in causes:  # pickle leaves them out
            link.__cause__ = cause
            link = cause
        return error if isinstance(error, BaseException) else None


def _bring(stored: StoredValue) -> Any:
    """Return a stored value as bytes, or a large one as a reference."""
    import ray

    main, *buffers = stored.parts()
    if stored.size <= INLINE_LIMIT and not buffers:
        return bytes(main)
    return ray.put(Packed(main, list(buffers)))


def _resolve(yielded: Mapping[str, bytes | int], refs: Sequence[Any]) -> dict[str, Any]:
    """Return outputs with references for their places in an answer, or in the list that it ends
    with.
    """
    import ray

    listed: list[Any] | None = None
    stored: dict[str, Any] = {}
    for name, one in yielded.items():
        if not isinstance(one, int):
            stored[name] = one
        elif one >= 0:
            stored[name] = refs[1 + one]
        else:
            if listed is None:
                listed = ray.get(refs[-1])
            stored[name] = listed[-1 - one]
    return stored
