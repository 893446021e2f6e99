"""Reading the log of a run, whether or not it is over, without the code of its job."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING, Any

from rayexec.events import (
    Attempt,
    Event,
    OutputRecord,
    ResourceRecord,
    StepBlockedData,
    expand_attempt,
    expand_resource,
)
from rayexec.store.base import RunReader
from rayexec.store.coding import read_attempt, read_event, read_text
from rayexec.store.columns import (
    ATTEMPT,
    BLOCKED,
    EVENT,
    PLAIN,
    RECORDS,
    TAKEN_OVER,
    Form,
    kind_of,
    new_forms,
    open_frame,
)
from rayexec.store.frames import whole_frames

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["StoredLog"]


class StoredLog:
    """The log of a run as it was written up to now: its steps, and its records in their order."""

    def __init__(self, reader: RunReader) -> None:
        self.keys: list[str] = []
        self._forms: list[Form] = []
        self._tables: list[pa.Table] = []
        known: dict[int, Form] = {}
        for body in whole_frames(reader.log()):
            table = open_frame(body)
            if kind_of(table) == RECORDS:
                self._tables.append(table)
                continue
            known |= new_forms(table)
            columns = (table[name].to_pylist() for name in ("step", "key", "form"))
            for step, key, form in zip(*columns, strict=True):
                if step < len(self.keys):
                    self._forms[step] = known[form]
                else:
                    self.keys.append(key)
                    self._forms.append(known[form])

    def op_of(self, step: int) -> str:
        """Return the name of a step's op."""
        return self._forms[step].op

    def __len__(self) -> int:
        """Return the number of records."""
        return sum(table.num_rows for table in self._tables)

    def _rows(self) -> Iterator[tuple[Any, ...]]:
        for table in self._tables:
            yield from zip(*(column.to_pylist() for column in table.columns), strict=True)

    @cached_property
    def _blocked(self) -> dict[tuple[int, int], StepBlockedData]:
        from pyarrow import compute

        found = {}
        for table in reversed(self._tables):  # they are the last that a run writes
            latest = compute.max(table["kind"]).as_py()
            if latest != BLOCKED:  # which is the greatest kind
                break
            for kind, step, number, *_, detail in zip(*(column.to_pylist() for column in table.columns), strict=True):
                if kind == BLOCKED:
                    found[step, number] = read_text(detail)
        return found

    def records(self) -> Iterator[Event | Attempt | ResourceRecord]:
        """Yield what was recorded, in order; plain successes as attempts like any other."""
        made = {form: tuple(map(OutputRecord, form.outputs)) for form in set(self._forms)}
        for kind, step, number, outcome, started, ended, pid, detail in self._rows():
            if kind == PLAIN:
                yield Attempt(step, number, outcome, started, ended, made[self._forms[step]], pid=pid)
            elif kind == ATTEMPT:
                rest = {"outputs": made[self._forms[step]], **read_attempt(detail)}
                yield Attempt(step, number, outcome, started, ended, pid=pid, **rest)
            elif kind == EVENT:
                yield read_event(detail, started)
            elif kind not in (BLOCKED, TAKEN_OVER):
                yield read_text(detail)

    def restored(self) -> Iterator[int]:
        """Yield the steps that did not run, since an earlier run has what they yielded."""
        for table in self._tables:
            kinds, steps = table["kind"].to_pylist(), table["step"].to_pylist()
            yield from (int(step or 0) for kind, step in zip(kinds, steps, strict=True) if kind == TAKEN_OVER)

    def attempts(self) -> Iterator[Attempt]:
        """Yield the attempts, in the order in which they came back."""
        return (record for record in self.records() if isinstance(record, Attempt))

    def events(self) -> Iterator[Event]:
        """Yield the events that the records stand for, as the run's own result has them."""
        blocked = self._blocked
        for record in self.records():
            if isinstance(record, Attempt):
                step, number = record.step, record.number
                fed = self._forms[step].inputs
                yield from expand_attempt(record, self.keys[step], fed, blocked.get((step, number)))
            elif isinstance(record, ResourceRecord):
                yield from expand_resource(record)
            else:
                yield record
