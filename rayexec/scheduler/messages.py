"""What goes into the state machine and what comes out of it, as values."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from typing import NamedTuple, TypeAlias

from rayexec.events import Attempt, BatchFacts, LiveLines, LogLine, StepFailureData, Successes
from rayexec.run.previous_run import FinishedStep
from rayexec.run.spec import Batch

__all__ = [
    "OVER",
    "BatchEnded",
    "BatchEvent",
    "BatchLost",
    "BatchProgressed",
    "BatchStarted",
    "CancelBatches",
    "CancelRequested",
    "DropOutputs",
    "DropValues",
    "EngineEvent",
    "Instruction",
    "RestoreOutputs",
    "Rows",
    "RunBatch",
    "RunEvent",
    "RunStarted",
    "SharedLimitsChanged",
    "StepAbandoned",
    "StepRequeued",
    "StepSkipped",
    "StepStatus",
    "StepTakenBack",
    "StepUnfed",
    "StepYielded",
    "TimerFired",
]


class StepStatus(enum.IntEnum):
    """Where a step is on its way."""

    WAITING = 0
    READY = 1
    CHAINED = 2  # in a batch, behind the steps that it waits for
    RUNNING = 3
    DELAYED = 4
    SUCCESS = 5
    FAILED = 6
    SKIPPED = 7
    ABANDONED = 8
    LEFT_OUT = 9  # it is not among the steps that somebody asked for


OVER = frozenset(
    {
        StepStatus.SUCCESS,
        StepStatus.FAILED,
        StepStatus.SKIPPED,
        StepStatus.ABANDONED,
        StepStatus.LEFT_OUT,
    }
)


# Attempts that are over: a row each, or many at once where they went plainly well.
Rows: TypeAlias = Sequence[Attempt | Successes]


class RunStarted(NamedTuple):
    """The run begins."""


class BatchEnded(NamedTuple):
    """A batch came back with the attempts it made; calls it did not get to are simply not among
    them.
    """

    batch_id: int
    attempts: Rows
    facts: BatchFacts | None = None


class BatchProgressed(NamedTuple):
    """A batch is over its budget and goes on: the attempts it has made so far, and the calls that
    it gave back.
    """

    batch_id: int
    attempts: Rows
    returned: tuple[int, ...]


class BatchStarted(NamedTuple):
    """A worker has begun with a batch; told of those only that other runs may keep waiting."""

    batch_id: int


class StepYielded(NamedTuple):
    """A step that still runs has yielded more values of dynamic outputs, by name and mapping key
    (``result[k]``).
    """

    batch_id: int
    step: int
    names: tuple[str, ...]


class SharedLimitsChanged(NamedTuple):
    """How much other runs hold of limits of the cluster, by the limits' places in the holding."""

    held: Mapping[int, int]


class BatchLost(NamedTuple):
    """The worker that ran a batch died, or the engine refused it: ``failure`` says what is known.

    ``attempts`` were over before, ``culprit`` is the step that was running, None where none had
    started. ``inputs`` are the steps whose outputs are gone, where that is why. ``started`` and
    ``ended`` are seconds since 1970, as in an attempt's row; ``stdout`` and ``stderr`` are what it
    had printed, ``logs`` what was told of what it had logged. ``memory`` is for one that was killed
    since its node ran out of memory: the bytes that it had, 0 where nobody knows.
    """

    batch_id: int
    attempts: Rows
    culprit: int | None
    failure: StepFailureData
    started: float
    ended: float
    stdout: str = ""
    stderr: str = ""
    inputs: tuple[int, ...] = ()
    facts: BatchFacts | None = None
    logs: tuple[LogLine, ...] = ()
    memory: int | None = None


class TimerFired(NamedTuple):
    """Time has passed."""


class CancelRequested(NamedTuple):
    """Somebody wants the run to end."""


# What an engine tells of its batches that the machine goes by, what it tells beside that, and what
# the loop adds.
BatchEvent: TypeAlias = BatchEnded | BatchProgressed | BatchLost | BatchStarted | StepYielded
EngineEvent: TypeAlias = BatchEvent | LiveLines
RunEvent: TypeAlias = RunStarted | BatchEvent | SharedLimitsChanged | TimerFired | CancelRequested


class RunBatch(NamedTuple):
    """Have the engine run a batch."""

    batch: Batch


class StepSkipped(NamedTuple):
    """Record that a step was skipped, since nobody yielded what it needs."""

    step: int


class StepAbandoned(NamedTuple):
    """Record that a step will not run, since steps it depends on failed: ``culprits`` are their
    indices.
    """

    step: int
    culprits: tuple[int, ...]


class DropOutputs(NamedTuple):
    """Have the engine drop what steps yielded, since nobody will ask for it any more."""

    steps: tuple[int, ...]


class DropValues(NamedTuple):
    """Have the engine drop some values of a step's dynamic outputs, by name and mapping key
    (``result[k]``).
    """

    step: int
    names: Sequence[str]


class StepTakenBack(NamedTuple):
    """Record that a step which had succeeded runs again, since its outputs are gone and a step
    needs them.

    They were lost, or (``is_unkept``) an earlier run, from which this one goes on, did not keep
    them.
    """

    step: int
    needed_by: int
    is_unkept: bool = False


class RestoreOutputs(NamedTuple):
    """Have the engine take the outputs of a step from an earlier run."""

    step: int
    done: FinishedStep


class StepUnfed(NamedTuple):
    """Record that a step failed: it takes from ``culprits``, which have nothing to give.

    They were left out, or (``is_refused``) must not run again, and the earlier run did not keep
    what they yielded.
    """

    step: int
    culprits: tuple[int, ...]
    is_refused: bool = False


class StepRequeued(NamedTuple):
    """Record that a step runs again which lost its worker by no fault of its own: for which time,
    of how many.
    """

    step: int
    why: str
    times: int
    most: int


class CancelBatches(NamedTuple):
    """Have the engine cancel batches that are under way."""

    batch_ids: tuple[int, ...]


# Attempts as an instruction mean: record these rows.
Instruction: TypeAlias = (
    RunBatch
    | StepSkipped
    | StepAbandoned
    | CancelBatches
    | DropOutputs
    | DropValues
    | StepTakenBack
    | StepRequeued
    | RestoreOutputs
    | StepUnfed
    | Attempt
    | Successes
)
