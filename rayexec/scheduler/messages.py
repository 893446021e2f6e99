"""Messages between the scheduler, the driver's loop and the engine.

A base class tells the direction: `EngineEvent` and `DriverEvent` go to the scheduler, `Command` and
`Transition` come from it. Nobody changes a message once it is made. They are plain dataclasses all
the same, since making a frozen one takes three times as long.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from rayexec.events import Attempt, BatchFacts, LiveLines, LogLine, StepFailureData, Successes
from rayexec.run.previous_run import FinishedStep
from rayexec.run.spec import Batch

__all__ = [
    "OVER",
    "BatchEnded",
    "BatchLost",
    "BatchProgressed",
    "BatchStarted",
    "CancelBatches",
    "CancelRequested",
    "Command",
    "DriverEvent",
    "DropOutputs",
    "DropValues",
    "EngineEvent",
    "EngineReport",
    "Instruction",
    "RestoreOutputs",
    "Rows",
    "RunBatch",
    "RunStarted",
    "SchedulerEvent",
    "SharedLimitsChanged",
    "StepAbandoned",
    "StepRequeued",
    "StepSkipped",
    "StepStatus",
    "StepTakenBack",
    "StepUnfed",
    "StepYielded",
    "TimerFired",
    "Transition",
]


class StepStatus(enum.IntEnum):
    """The state of a step in the scheduler."""

    #: A predecessor is not over.
    WAITING = 0
    #: Nothing is left to wait for but limits and resources.
    READY = 1
    #: In a batch, behind the steps that it waits for.
    CHAINED = 2
    #: In a batch, and free to start.
    RUNNING = 3
    #: Up for retry, until its delay is over.
    DELAYED = 4
    #: Over, with outputs.
    SUCCESS = 5
    #: Over, after its last attempt failed.
    FAILED = 6
    #: Over without an attempt, since an input was not yielded.
    SKIPPED = 7
    #: Over without an attempt, since a predecessor failed.
    ABANDONED = 8
    #: Outside of the steps that somebody selected.
    LEFT_OUT = 9


OVER = frozenset(
    {
        StepStatus.SUCCESS,
        StepStatus.FAILED,
        StepStatus.SKIPPED,
        StepStatus.ABANDONED,
        StepStatus.LEFT_OUT,
    }
)


# Attempts that are over: a row each, or one row for many that succeeded plainly.
Rows: TypeAlias = Sequence[Attempt | Successes]


class SchedulerEvent:
    """Base of all messages to the scheduler."""

    __slots__ = ()


class EngineEvent(SchedulerEvent):
    """Base of an engine's reports to the scheduler."""

    __slots__ = ()


class DriverEvent(SchedulerEvent):
    """Base of messages from the driver's loop to the scheduler."""

    __slots__ = ()


class Command:
    """Base of requests from the scheduler to the engine."""

    __slots__ = ()


@dataclass(slots=True)
class Transition:
    """Base of the scheduler's records about a step."""

    #: The step.
    step: int


@dataclass(slots=True)
class BatchStarted(EngineEvent):
    """A worker began a batch; only batches with a limit of the cluster report this."""

    #: The batch.
    batch_id: int


@dataclass(slots=True)
class BatchProgressed(EngineEvent):
    """A batch is over its budget and still runs."""

    #: The batch.
    batch_id: int
    #: The attempts that are over so far.
    attempts: Rows
    #: The steps that the batch gives back unrun.
    returned: tuple[int, ...]


@dataclass(slots=True)
class BatchEnded(EngineEvent):
    """A batch is over; the scheduler gives its other steps to later batches."""

    #: The batch.
    batch_id: int
    #: The attempts that the batch made.
    attempts: Rows
    #: The worker and its use of resources, None where the engine does not report them.
    facts: BatchFacts | None = None


@dataclass(slots=True)
class BatchLost(EngineEvent):
    """The worker of a batch died, or the engine refused the batch."""

    #: The batch.
    batch_id: int
    #: The attempts that were over before.
    attempts: Rows
    #: The step that was running, None where none had started.
    culprit: int | None
    #: The cause.
    failure: StepFailureData
    #: The start of the culprit's attempt, in seconds since 1970.
    started: float
    #: The end of the culprit's attempt, in seconds since 1970.
    ended: float
    #: The output that the culprit printed.
    stdout: str = ""
    #: The output that the culprit printed to stderr.
    stderr: str = ""
    #: The steps with lost outputs, where these are the cause.
    inputs: tuple[int, ...] = ()
    #: The worker and its use of resources, None where the engine does not report them.
    facts: BatchFacts | None = None
    #: The log lines of the culprit that had arrived.
    logs: tuple[LogLine, ...] = ()
    #: The bytes of a worker that its node killed for memory, 0 where unknown; None otherwise.
    memory: int | None = None


@dataclass(slots=True)
class StepYielded(EngineEvent):
    """A running step yielded more values of dynamic outputs."""

    #: The batch of the step.
    batch_id: int
    #: The step.
    step: int
    #: The values, by name and mapping key (``result[k]``).
    names: tuple[str, ...]


@dataclass(slots=True)
class SharedLimitsChanged(EngineEvent):
    """Other runs hold another part of the cluster's limits than before."""

    #: The amounts that other runs hold, by index of the limit.
    held: Mapping[int, int]


@dataclass(slots=True)
class RunStarted(DriverEvent):
    """The run begins."""


@dataclass(slots=True)
class TimerFired(DriverEvent):
    """Time has passed."""


@dataclass(slots=True)
class CancelRequested(DriverEvent):
    """Somebody wants the run to end."""


# Everything that an engine answers with: events for the scheduler, and lines for users to read.
EngineReport: TypeAlias = EngineEvent | LiveLines


@dataclass(slots=True)
class RunBatch(Command):
    """Have the engine run a batch."""

    #: The batch.
    batch: Batch


@dataclass(slots=True)
class CancelBatches(Command):
    """Have the engine cancel batches in flight."""

    #: The batches.
    batch_ids: tuple[int, ...]


@dataclass(slots=True)
class DropOutputs(Command):
    """Have the engine drop outputs without further consumers."""

    #: The steps that yielded them.
    steps: tuple[int, ...]


@dataclass(slots=True)
class DropValues(Command):
    """Have the engine drop single values of a step's dynamic outputs."""

    #: The step that yielded them.
    step: int
    #: The values, by name and mapping key (``result[k]``).
    names: Sequence[str]


@dataclass(slots=True)
class RestoreOutputs(Command):
    """Have the engine load the outputs of a step from an earlier run."""

    #: The step.
    step: int
    #: Its outputs in the earlier run.
    done: FinishedStep


@dataclass(slots=True)
class StepSkipped(Transition):
    """A step is skipped, since an input was not yielded."""


@dataclass(slots=True)
class StepAbandoned(Transition):
    """A step will not run, since predecessors failed."""

    #: The failed predecessors.
    culprits: tuple[int, ...]


@dataclass(slots=True)
class StepTakenBack(Transition):
    """A successful step runs again, since another step needs its lost outputs."""

    #: The step that needs the outputs.
    needed_by: int
    #: Whether an earlier run did not store the outputs, rather than this run losing them.
    is_unkept: bool = False


@dataclass(slots=True)
class StepRequeued(Transition):
    """A step runs again after it lost its worker by no fault of its own."""

    #: The cause of the loss.
    reason: str
    #: The number of such losses of this step so far.
    times: int
    #: The number of such losses that cost a step none of its retries.
    most: int


@dataclass(slots=True)
class StepUnfed(Transition):
    """A step failed, since predecessors have no outputs to give it."""

    #: The predecessors without outputs: left out of this run, or not stored by the earlier run.
    culprits: tuple[int, ...]
    #: Whether the predecessors ran in the earlier run and must not run twice.
    is_refused: bool = False


# Rows of attempts among the scheduler's answers mean: record them.
Instruction: TypeAlias = Command | Transition | Attempt | Successes
