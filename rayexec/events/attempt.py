"""One attempt of one step as a packed row: what a worker answers and what the log keeps."""

from __future__ import annotations

import operator
from array import array
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from rayexec.events.batch_facts import DRIVER_BATCH, UNKNOWN_BYTES
from rayexec.events.failure import ErrorInfo, StepFailureData

__all__ = [
    "COLUMN_FIELDS",
    "FAILURE",
    "RETRY",
    "SUCCESS",
    "Attempt",
    "Handling",
    "HookOutcome",
    "LoadedInput",
    "LogLine",
    "OutputRecord",
    "ResourceRecord",
    "Reused",
    "StepsRestored",
    "Successes",
]

# How an attempt ended. Small integers, since rows of no-op steps are made by the hundred thousand.
SUCCESS, FAILURE, RETRY = 0, 1, 2


class LogLine(NamedTuple):
    """A line that an op logged: when, at which ``logging`` level, what."""

    time: float
    level: int
    message: str


class HookOutcome(NamedTuple):
    """How a hook went: ``completed``, ``skipped`` (it waits for the other outcome) or ``errored``."""

    name: str
    status: str
    error: ErrorInfo | None = None


class Handling(NamedTuple):
    """That an IO manager stored an output: the manager's key, and the metadata that it added."""

    manager_key: str
    metadata: dict[str, Any] | None = None


class OutputRecord(NamedTuple):
    """An output that was yielded and stored; ``handled`` where an IO manager did it."""

    name: str
    metadata: dict[str, Any] | None = None
    handled: Handling | None = None


class LoadedInput(NamedTuple):
    """An input, or a member of one, that a manager loaded, and the output that it came from, if
    any.
    """

    name: str
    manager_key: str
    upstream_step_key: str | None = None
    upstream_output_name: str | None = None


class ResourceRecord(NamedTuple):
    """A resource that was opened, or (with ``error``) failed to open or to close; times are seconds
    since 1970.

    ``stdout`` and ``stderr`` are what closing printed where no attempt has it.
    """

    key: str
    started: float
    ended: float
    error: ErrorInfo | None = None
    closing: bool = False
    stdout: str = ""
    stderr: str = ""


class Reused(NamedTuple):
    """Whose outputs an attempt has, instead of having called its op: a step of an earlier run."""

    run_id: str
    step_key: str


class Attempt(NamedTuple):
    """One attempt: ``step`` is the index in the plan, ``number`` 0 for the first try, times are
    seconds since 1970.

    ``outputs`` are those stored before the attempt ended, also by one that failed. ``delay`` is in
    seconds and set for an attempt that is up for retry. ``resources`` are records of resources that
    were opened for it, or failed to close after it. ``has_large_output`` tells that an output went
    into an object of its own in the object store. ``loaded`` are the inputs that managers loaded.
    ``batch`` is the number of the batch that it ran in (see ``BatchFacts``), ``output_bytes`` the
    size of its outputs as they travel, -1 where they do not. ``reused`` tells where the outputs
    came from if no op was called.
    """

    step: int
    attempt_number: int
    outcome: int
    started: float
    ended: float
    outputs: tuple[OutputRecord, ...] = ()
    failure: StepFailureData | None = None
    delay: float = 0.0
    logs: tuple[LogLine, ...] = ()
    hooks: tuple[HookOutcome, ...] = ()
    stdout: str = ""
    stderr: str = ""
    resources: tuple[ResourceRecord, ...] = ()
    pid: int = 0
    has_large_output: bool = False
    loaded: tuple[LoadedInput, ...] = ()
    reused: Reused | None = None
    batch: int = DRIVER_BATCH
    output_bytes: int = UNKNOWN_BYTES

    @property
    def is_plain(self) -> bool:
        """Whether the columns and the names of the outputs say all about the attempt: a success
        whose other fields have their defaults.
        """
        return self.outcome == SUCCESS and _detail_of(self) == _PLAIN_DETAIL


# Fields that plain successes have in columns, in messages of workers and in the log. An attempt
# with anything in another field is written in full, so that no field is lost.
COLUMN_FIELDS = frozenset(
    {"step", "attempt_number", "outcome", "started", "ended", "pid", "batch", "output_bytes"}
)
_DETAIL_FIELDS = [
    name for name in Attempt._fields if name not in COLUMN_FIELDS and name != "outputs"
]
_detail_of = operator.itemgetter(*map(Attempt._fields.index, _DETAIL_FIELDS))
_PLAIN_DETAIL = tuple([Attempt._field_defaults[name] for name in _DETAIL_FIELDS])


class StepsRestored(NamedTuple):
    """Steps of which an earlier run has what they yielded, so that they did not run; ``steps`` as
    in ``Attempt``.
    """

    steps: Sequence[int]


class Successes(NamedTuple):
    """Attempts of which there is nothing to say but that they succeeded, one worker's, in columns.

    The op of each has one output, and it was stored; ``steps``, ``numbers``, ``started`` and
    ``ended`` are as in ``Attempt`` and equally long, and so is ``sizes`` (bytes of the outputs), or
    it is empty. A run of no-op steps is made of little else, so they cost 38 bytes each.
    """

    steps: Sequence[int]
    attempt_numbers: Sequence[int]
    started: array[float]
    ended: array[float]
    pid: int = 0
    batch: int = DRIVER_BATCH
    sizes: Sequence[int] = ()

    def rows(self, outputs: Sequence[tuple[OutputRecord, ...]]) -> Iterator[Attempt]:
        """Yield each as a row of its own; ``outputs`` are the records of its outputs by step."""
        pid, place = self.pid, self.batch
        sizes = self.sizes or [UNKNOWN_BYTES] * len(self.steps)
        columns = zip(
            self.steps, self.attempt_numbers, self.started, self.ended, sizes, strict=True
        )
        for step, number, started, ended, size in columns:
            yield Attempt(
                step,
                number,
                SUCCESS,
                started,
                ended,
                outputs[step],
                pid=pid,
                batch=place,
                output_bytes=size,
            )

    def only(self, places: Sequence[int]) -> Successes:
        """Return those at the given places."""
        return Successes(
            [self.steps[each] for each in places],
            [self.attempt_numbers[each] for each in places],
            array("d", [self.started[each] for each in places]),
            array("d", [self.ended[each] for each in places]),
            self.pid,
            self.batch,
            array("q", [self.sizes[each] for each in places]) if self.sizes else (),
        )
