"""Attempts of steps as packed rows, in answers of workers and in the log."""

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
    "LostInput",
    "OutputRecord",
    "RejectedInput",
    "RejectedOutput",
    "Report",
    "ResourceRecord",
    "Reused",
    "StepsRestored",
    "Successes",
    "UnstoredOutput",
]

# Outcomes of an attempt. They are small integers, since a run may have 100,000 of them.
SUCCESS, FAILURE, RETRY = 0, 1, 2


class LogLine(NamedTuple):
    """Logged line of an op, with its time and its ``logging`` level."""

    time: float
    level: int
    message: str


class HookOutcome(NamedTuple):
    """Outcome of a hook after an attempt."""

    name: str
    #: ``completed``, ``errored``, or ``skipped``: the hook is for the other outcome.
    status: str
    error: ErrorInfo | None = None


class Handling(NamedTuple):
    """Storing of an output by an IO manager, with metadata by the manager."""

    manager_key: str
    metadata: dict[str, Any] | None = None


class OutputRecord(NamedTuple):
    """Stored output of a step."""

    name: str
    metadata: dict[str, Any] | None = None
    #: None unless an IO manager stored the output.
    handled: Handling | None = None


class RejectedOutput(NamedTuple):
    """Output of a step that failed its type check, and so was not stored."""

    name: str
    mistake: str
    #: That of the TypeCheck.
    metadata: dict[str, Any] | None = None


class RejectedInput(NamedTuple):
    """Input of a step that failed its type check, so that the op was not called."""

    name: str
    #: The description by the check.
    mistake: str
    #: That of the TypeCheck.
    metadata: dict[str, Any] | None = None


class LostInput(NamedTuple):
    """Input of a step that could not be loaded, so that the op was not called."""

    name: str


class UnstoredOutput(NamedTuple):
    """Output of a step that passed its type check, and could not be stored."""

    name: str
    metadata: dict[str, Any] | None = None


class LoadedInput(NamedTuple):
    """Input, or a member of one, loaded by a manager."""

    name: str
    manager_key: str
    #: Step and output that the value came from; None for an input without an upstream step.
    upstream_step_key: str | None = None
    upstream_output_name: str | None = None
    #: Metadata by the manager.
    metadata: dict[str, Any] | None = None


class ResourceRecord(NamedTuple):
    """Opening or closing of a resource; times are seconds since 1970."""

    key: str
    started: float
    ended: float
    #: Failure to open or to close.
    error: ErrorInfo | None = None
    closing: bool = False
    #: Output of closing, where no attempt has it; ``stderr`` likewise.
    stdout: str = ""
    stderr: str = ""


class Report(NamedTuple):
    """Event that an op yielded or logged: a materialization, an observation, an expectation."""

    #: Seconds since 1970.
    time: float
    #: Outputs of the attempt before the event.
    outputs_before: int
    #: An object of ``rayexec.definitions.user_events``.
    event: Any
    #: True for an event of the IO manager that stored the next output.
    in_storing: bool | None = None


class Reused(NamedTuple):
    """Step of an earlier run whose outputs replace a call of the op."""

    run_id: str
    step_key: str


class Attempt(NamedTuple):
    """One attempt of a step; times are seconds since 1970."""

    #: Index in the plan.
    step: int
    #: 0 for the first attempt of the step.
    attempt_number: int
    #: SUCCESS, FAILURE or RETRY.
    outcome: int
    started: float
    ended: float
    #: Outputs that were stored before the attempt ended; a failed one may have some.
    outputs: tuple[OutputRecord, ...] = ()
    failure: StepFailureData | None = None
    #: Seconds until the retry.
    delay: float = 0.0
    logs: tuple[LogLine, ...] = ()
    hooks: tuple[HookOutcome, ...] = ()
    stdout: str = ""
    stderr: str = ""
    #: Resources that were opened for the attempt, or that failed to close after it.
    resources: tuple[ResourceRecord, ...] = ()
    pid: int = 0
    #: Whether an output is an object of its own in Ray's object store.
    has_large_output: bool = False
    #: Inputs that managers loaded.
    loaded: tuple[LoadedInput, ...] = ()
    #: Origin of the outputs where no op was called.
    reused: Reused | None = None
    #: Id of the batch that the attempt ran in; see ``BatchFacts``.
    batch: int = DRIVER_BATCH
    #: Size of the outputs on the wire; UNKNOWN_BYTES where they do not travel.
    output_bytes: int = UNKNOWN_BYTES
    #: Input or output that the attempt failed with: its type check failed, or its transport.
    rejected: RejectedInput | RejectedOutput | LostInput | UnstoredOutput | None = None
    #: Events that the op yielded or logged, in order.
    reports: tuple[Report, ...] = ()

    @property
    def is_plain(self) -> bool:
        """Whether the attempt is a success with defaults in all fields but columns and outputs."""
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
    """Steps that did not run, since the previous run has their outputs; by index in the plan."""

    steps: Sequence[int]


class Successes(NamedTuple):
    """Plain successes of one worker in columns, at 38 bytes an attempt.

    The op of each attempt has one output. The columns are as in ``Attempt``, and equally long.
    """

    steps: Sequence[int]
    attempt_numbers: Sequence[int]
    started: array[float]
    ended: array[float]
    pid: int = 0
    batch: int = DRIVER_BATCH
    #: Bytes of the outputs; empty where unknown.
    sizes: Sequence[int] = ()

    def rows(self, outputs: Sequence[tuple[OutputRecord, ...]]) -> Iterator[Attempt]:
        """Yield a row for each attempt; ``outputs`` has the records of outputs by step."""
        pid, batch = self.pid, self.batch
        sizes = self.sizes or [UNKNOWN_BYTES] * len(self.steps)
        columns = zip(
            self.steps, self.attempt_numbers, self.started, self.ended, sizes, strict=True
        )
        for step, attempt_number, started, ended, size in columns:
            yield Attempt(
                step,
                attempt_number,
                SUCCESS,
                started,
                ended,
                outputs[step],
                pid=pid,
                batch=batch,
                output_bytes=size,
            )

    def only(self, positions: Sequence[int]) -> Successes:
        """Return the attempts at ``positions``."""
        return Successes(
            [self.steps[each] for each in positions],
            [self.attempt_numbers[each] for each in positions],
            array("d", [self.started[each] for each in positions]),
            array("d", [self.ended[each] for each in positions]),
            self.pid,
            self.batch,
            array("q", [self.sizes[each] for each in positions]) if self.sizes else (),
        )
