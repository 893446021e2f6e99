"""Attempts of a recorded run as columns, at 43 bytes each."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from typing import Any, NamedTuple

from rayexec.views.arrow_columns import arrow_of, extend, scalar

__all__ = ["AttemptColumns", "PastAttempt"]

_MOST_ATTEMPT_NUMBER = 2**15 - 1


class PastAttempt(NamedTuple):
    """The columns of one attempt, named as in ``Attempt``."""

    step: int
    attempt_number: int
    outcome: int
    started: float
    ended: float
    pid: int
    batch: int
    output_bytes: int


class AttemptColumns:
    """Attempts in the order of the log; times are seconds since 1970."""

    def __init__(self) -> None:
        self.started, self.ended = array("d"), array("d")
        self.step, self.attempt_number, self.outcome = array("i"), array("h"), array("b")
        self.pid, self.batch, self.output_bytes = array("i"), array("i"), array("q")
        # The first attempt of each frame that has any, and the frame's index.
        self._first_rows, self._frames = array("q"), array("q")
        self._rows_of_step: tuple[int, array[int], array[int]] = (-1, array("q"), array("q"))

    def __len__(self) -> int:
        return len(self.step)

    def __getitem__(self, row: int) -> PastAttempt:
        return PastAttempt(
            self.step[row],
            self.attempt_number[row],
            self.outcome[row],
            self.started[row],
            self.ended[row],
            self.pid[row],
            self.batch[row],
            self.output_bytes[row],
        )

    def begin_frame(self, frame: int, row: int) -> None:
        """Note that the attempts from ``row`` on are in a frame."""
        self._first_rows.append(row)
        self._frames.append(frame)

    def position(self, row: int) -> tuple[int, int]:
        """Return the frame of an attempt, and its position among the attempts there."""
        index = bisect_right(self._first_rows, row) - 1
        return self._frames[index], row - self._first_rows[index]

    def add(self, rows: Any) -> None:
        """Add attempts."""
        import pyarrow as pa
        from pyarrow import compute

        extend(self.started, rows["started"])
        extend(self.ended, rows["ended"])
        extend(self.step, rows["step"])
        most = scalar(_MOST_ATTEMPT_NUMBER, pa.int32())
        few = compute.cast(compute.min_element_wise(rows["number"], most), pa.int16())
        extend(self.attempt_number, few)
        extend(self.outcome, rows["outcome"])
        extend(self.pid, rows["pid"])
        extend(self.batch, rows["slice"])
        extend(self.output_bytes, rows["output_bytes"])

    def table(self) -> Any:
        """Return the columns that figures come from, with the row and the seconds of each."""
        import pyarrow as pa
        from pyarrow import compute

        started, ended = arrow_of(self.started), arrow_of(self.ended)
        columns = {
            "row": arrow_of(array("i", range(len(self)))),
            "step": arrow_of(self.step),
            "started": started,
            "seconds": compute.subtract(ended, started),
            "pid": arrow_of(self.pid),
            "batch": arrow_of(self.batch),
            "output_bytes": arrow_of(self.output_bytes),
        }
        return pa.table(list(columns.values()), list(columns))

    def rows_of(self, step: int) -> array[int]:
        """Return the attempts of a step, by their rows in order."""
        from pyarrow import compute

        count, steps, rows = self._rows_of_step
        if count != len(self):
            columns = arrow_of(self.step)
            order = compute.array_sort_indices(columns)  # stable
            steps, rows = array("i"), array("q")
            extend(steps, columns.take(order))
            extend(rows, order)
            self._rows_of_step = (len(self), steps, rows)
        first = bisect_right(steps, step - 1)
        return rows[first : bisect_right(steps, step, lo=first)]
