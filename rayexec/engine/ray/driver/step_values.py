"""Outputs and exceptions of a run's steps on Ray, as the driver holds them."""

from __future__ import annotations

import pickle
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Any

from rayexec.engine.packed_values import INLINE_LIMIT_BYTES, Packed, Restored, unpack
from rayexec.engine.ray.protocol.entries import Entry, StoredOutput, unpack_entries
from rayexec.errors import InvariantError, StepError
from rayexec.events import Attempt, Successes
from rayexec.plan.base import Plan
from rayexec.run.previous_run import StoredValue
from rayexec.run.spec import Call

__all__ = ["StepValues"]


class StepValues:
    """Holds outputs as bytes, or as references of large values.

    ``by_step`` has, by index, the one output of a plain success, else outputs by name; None for a
    step without any.
    """

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self.by_step: list[bytes | dict[str, Any] | None] = [None] * len(plan.steps)
        self._pickled_errors: dict[int, bytes] = {}
        self._crashes: dict[int, StepError] = {}

    def grow(self) -> None:
        """Make room for new steps of the plan."""
        missing = len(self._plan.steps) - len(self.by_step)
        if missing:
            self.by_step.extend([None] * missing)

    def accept(
        self,
        items: Sequence[Any],
        calls: Sequence[Call],
        pid: int,
        batch_id: int,
        last_position: int,
        refs: Sequence[Any] | None,
        *,
        yielded: int | None,
    ) -> tuple[tuple[Attempt | Successes, ...], int]:
        """Store the outputs of finished calls behind ``last_position``.

        Returns their rows, and the position of the last one. ``refs`` are the references of the
        batch's answer, its envelope first; without them, calls with large outputs wait. For a
        streaming batch ``yielded`` counts the values before the answer: those stay, or stay gone.
        """
        rows: list[Attempt | Successes] = []
        by_step = self.by_step
        for item in unpack_entries(items, calls, pid, batch_id, last_position):
            if not isinstance(item, Entry):
                last_position, successes, outputs = item
                for step, output in zip(successes.steps, outputs, strict=True):
                    by_step[step] = output
                if self._crashes or self._pickled_errors:
                    for step in successes.steps:
                        self._forget_failure(step)
                rows.append(successes)
                continue
            position, row, stored_outputs = item
            stored: dict[str, Any] = stored_outputs
            if row.has_large_output:
                if refs is None:
                    break  # a large output ends its batch, so that nothing follows
                stored = _resolve(stored_outputs, refs)
            last_position = position
            if yielded is not None:
                stored = {**dict(islice(stored.items(), yielded, None)), **self.of(row.step)}
            by_step[row.step] = stored
            self._forget_failure(row.step)
            if row.failure is not None and row.failure.pickled is not None:
                self._pickled_errors[row.step] = row.failure.pickled
            rows.append(row)
        return tuple(rows), last_position

    def of(self, step: int) -> dict[str, Any]:
        """Return the outputs of a step by name; the caller may change them."""
        outputs = self.by_step[step]
        if not isinstance(outputs, dict):
            outputs = self.by_step[step] = {}
        return outputs

    def crashed(self, step: int, error: StepError) -> None:
        """Store the error of a step whose worker died."""
        self._crashes[step] = error

    def _forget_failure(self, step: int) -> None:
        self._crashes.pop(step, None)
        self._pickled_errors.pop(step, None)

    def release(self, steps: Iterable[int]) -> None:
        """Drop all outputs of steps, and with the last reference Ray's objects."""
        by_step = self.by_step
        for step in steps:
            if step < len(by_step):  # the plan may have grown by steps that were never to run
                by_step[step] = None

    def release_values(self, step: int, names: Iterable[str]) -> None:
        """Drop some outputs of a step."""
        outputs = self.by_step[step]
        if isinstance(outputs, dict):
            for name in names:
                outputs.pop(name, None)

    def restore(self, step: int, values: Mapping[str, StoredValue], *, is_reached: bool) -> None:
        """Adopt values of an earlier run as a step's outputs.

        With ``is_reached`` workers load them; else they go to Ray's object store now.
        """
        self.grow()
        self.by_step[step] = {
            name: pickle.dumps(Restored(stored), protocol=5) if is_reached else _bring(stored)
            for name, stored in values.items()
        }

    def value(self, step: int, output: str) -> object:
        """Return an output, brought here from the object store; raises KeyError for none."""
        return unpack(self.packed(step, output))

    def packed(self, step: int, output: str) -> bytes | Packed:
        """Return an output, pickled; raises KeyError for none."""
        import ray

        outputs = self.by_step[step]
        handle = outputs if isinstance(outputs, bytes) else (outputs or {})[output]
        if isinstance(handle, bytes):
            return handle
        if not ray.is_initialized():
            raise InvariantError(
                f"output {output!r} of step {self._plan.steps[step].key!r} was held by Ray, which "
                "has been shut down; read results before ray.shutdown()."
            )
        packed: Packed = ray.get(handle)
        return packed

    def lost_with(self, hexadecimal: str, origins: Mapping[Any, int]) -> tuple[int, ...] | None:
        """Return the steps whose large outputs are lost, for a lost reference of this name.

        ``origins`` are the steps behind the references of the batch that missed it. The step behind
        the reference itself may have run again since, and has other references then. None where the
        batch has no such reference.
        """
        import ray

        behind = next(
            (step for handle, step in origins.items() if handle.hex() == hexadecimal), None
        )
        if behind is None:
            return None
        outputs = self.by_step[behind]
        is_stale = not isinstance(outputs, dict) or all(
            isinstance(handle, bytes) or handle.hex() != hexadecimal for handle in outputs.values()
        )
        lost: dict[int, None] = {} if is_stale else {behind: None}
        owners: dict[Any, int] = {}
        for step, held in enumerate(self.by_step):
            if isinstance(held, dict):
                owners |= {
                    handle: step for handle in held.values() if not isinstance(handle, bytes)
                }
        if lost and owners:
            located = ray.experimental.get_object_locations(list(owners))
            lost |= {
                owners[handle]: None
                for handle, location in located.items()
                if not location.get("node_ids")
            }
        return tuple(lost)

    def exception(self, step: int) -> BaseException | None:
        """Return the exception of a failed step, None where it did not survive the way here."""
        pickled = self._pickled_errors.get(step)
        if step in self._crashes or pickled is None:
            return self._crashes.get(step)
        try:
            error, *causes = pickle.loads(pickled)
        except BaseException:  # the class may be missing here, or raise anything
            return None
        link = error
        for cause in causes:  # pickle leaves causes out
            link.__cause__ = cause
            link = cause
        return error if isinstance(error, BaseException) else None


def _bring(stored: StoredValue) -> Any:
    """Return a stored value as bytes, or a large one as a reference."""
    import ray

    main, *buffers = stored.parts()
    if stored.size <= INLINE_LIMIT_BYTES and not buffers:
        return bytes(main)
    return ray.put(Packed(main, list(buffers)))


def _resolve(outputs: Mapping[str, StoredOutput], refs: Sequence[Any]) -> dict[str, Any]:
    """Return outputs with references in the place of indices (see ``StoredOutput``)."""
    import ray

    listed: list[Any] | None = None
    stored: dict[str, Any] = {}
    for name, output in outputs.items():
        if not isinstance(output, int):
            stored[name] = output
        elif output >= 0:
            stored[name] = refs[1 + output]
        else:
            if listed is None:
                listed = ray.get(refs[-1])
            stored[name] = listed[-1 - output]
    return stored
