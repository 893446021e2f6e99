"""Every error that rayexec raises on purpose.

    RayexecError
    ├── LoadError                  a job file that cannot be imported, or holds no such job
    ├── DefinitionError            ops, graphs or jobs that contradict themselves
    │   └── InvocationError        an op or graph called with what it does not take
    ├── ConfigError                run config that does not fit its job; carries every problem
    ├── SelectionError             a selection that names nothing
    ├── InvariantError             a question that the object cannot answer
    │   └── StepNotFoundError      a step that the plan does not have
    ├── EngineError                the engine (Ray, say) cannot start or cannot be reached
    │   └── StoreError             runs cannot be recorded, or what was recorded cannot be read
    ├── RunNotFoundError           a run that the store does not have
    ├── RunCanceledError           the run was interrupted before it ended
    ├── RunTimeoutError            the run took longer than its max_runtime
    └── StepError                  what can befall one step
        ├── StepExecutionError     stands in for an exception that could not travel
        ├── TypeCheckError         a value that is not of the declared type
        ├── OutputNotFoundError    a required output that was not yielded
        ├── OutputError            an output that contradicts its op, or cannot be pickled
        ├── InputError             an input that could not be loaded
        ├── ResourceError          a resource that failed to open
        ├── StepTimeoutError       the op ran longer than its timeout allows
        ├── WorkerCrashedError     the process that ran the step died
        ├── RetriesDisabledError   a retry was asked for where retries are disabled
        └── MaxRetriesExceededError  RetryRequested was raised more often than it allows

An error carries its evidence as fields, so that callers need not parse its message. Dagster's names
for the errors that users catch are kept as aliases at the end of this file.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

__all__ = [
    "ConfigError",
    "DagsterExecutionHandleOutputError",
    "DagsterExecutionStepExecutionError",
    "DagsterExecutionStepNotFoundError",
    "DagsterInvalidConfigError",
    "DagsterInvalidDefinitionError",
    "DagsterInvalidInvocationError",
    "DagsterInvalidSubsetError",
    "DagsterInvariantViolationError",
    "DagsterMaxRetriesExceededError",
    "DagsterResourceFunctionError",
    "DagsterStepOutputNotFoundError",
    "DagsterTypeCheckDidNotPass",
    "DefinitionError",
    "EngineError",
    "InputError",
    "InvariantError",
    "InvocationError",
    "LoadError",
    "MaxRetriesExceededError",
    "OutputError",
    "OutputNotFoundError",
    "Problem",
    "RayexecError",
    "ResourceError",
    "RetriesDisabledError",
    "RunCanceledError",
    "RunNotFoundError",
    "RunTimeoutError",
    "SelectionError",
    "StepError",
    "StepExecutionError",
    "StepNotFoundError",
    "StepTimeoutError",
    "StoreError",
    "TypeCheckError",
    "WorkerCrashedError",
]


class RayexecError(Exception):
    """The root of every error that rayexec raises on purpose."""


class LoadError(RayexecError):
    """A job file or module that cannot be imported, or that holds no such job."""


class DefinitionError(RayexecError):
    """An op, graph or job whose definition contradicts itself."""


class InvocationError(DefinitionError):
    """An op or graph called with arguments that it does not take."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with a run config.

    ``path`` is where, from the root (``("ops", "load", "config", "n")``); ``message`` is what, and
    what to do.
    """

    path: tuple[str, ...]
    message: str

    def __str__(self) -> str:
        return f"{':'.join(('root', *self.path))}: {self.message}"


class ConfigError(RayexecError):
    """Run config that does not fit its job: every problem at once, in ``problems``."""

    def __init__(self, problems: Sequence[Problem], *, subject: str = "run config") -> None:
        self.problems = tuple(problems)
        self.subject = subject
        count = len(self.problems)
        lines = [f"{subject} has {count} problem{'' if count == 1 else 's'}:"]
        lines += [
            f"  Error {number}: {problem}" for number, problem in enumerate(self.problems, start=1)
        ]
        super().__init__("\n".join(lines))

    def __reduce__(self) -> tuple[Any, ...]:
        return _config_error, (self.problems, self.subject)


def _config_error(problems: Sequence[Problem], subject: str) -> ConfigError:
    return ConfigError(problems, subject=subject)


class SelectionError(RayexecError):
    """A selection clause that names nothing, or that cannot be read; ``clause`` is the one at
    fault.
    """

    def __init__(self, message: str, *, clause: str | None = None) -> None:
        self.clause = clause
        super().__init__(message)


class InvariantError(RayexecError):
    """A question that the object asked cannot answer, such as the output of a step that failed."""


class StepNotFoundError(InvariantError):
    """A step key that the plan does not have."""


class EngineError(RayexecError):
    """The engine that should run the steps cannot start, or cannot be reached."""


class StoreError(EngineError):
    """A run cannot be recorded where it should be, or what was recorded cannot be read."""


class RunNotFoundError(RayexecError):
    """A run that the store does not have, or an id that several begin with."""


class RunCanceledError(RayexecError):
    """The run was interrupted before it ended."""


class RunTimeoutError(RayexecError, TimeoutError):
    """The run took longer than its ``max_runtime``; ``seconds`` is that."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        super().__init__(f"the run took longer than its max_runtime of {seconds:g} s")

    def __reduce__(self) -> tuple[Any, ...]:
        return RunTimeoutError, (self.seconds,)


class StepError(RayexecError):
    """What can befall one step; the subclasses say what."""


class StepExecutionError(StepError):
    """Stands in for an exception of an op that could not travel from its worker to the driver."""


class TypeCheckError(StepError):
    """A value that is not of the type that its input or output declares."""


class OutputNotFoundError(StepError):
    """A required output that the op did not return or yield."""


class OutputError(StepError):
    """An output that contradicts its op's definition, or that cannot be pickled."""


class InputError(StepError):
    """An input that could not be loaded."""


class ResourceError(StepError):
    """A resource that failed to open."""


class StepTimeoutError(StepError, TimeoutError):
    """The op ran longer than its timeout allows."""


class WorkerCrashedError(StepError):
    """The process that ran the step died."""


class RetriesDisabledError(StepError):
    """A retry was asked for in a run whose retries are disabled."""


class MaxRetriesExceededError(StepError):
    """``RetryRequested`` was raised more often than it allows."""


DagsterExecutionHandleOutputError = OutputError
DagsterExecutionStepExecutionError = StepExecutionError
DagsterExecutionStepNotFoundError = StepNotFoundError
DagsterInvalidConfigError = ConfigError
DagsterInvalidDefinitionError = DefinitionError
DagsterInvalidInvocationError = InvocationError
DagsterInvalidSubsetError = SelectionError
DagsterInvariantViolationError = InvariantError
DagsterMaxRetriesExceededError = MaxRetriesExceededError
DagsterResourceFunctionError = ResourceError
DagsterStepOutputNotFoundError = OutputNotFoundError
DagsterTypeCheckDidNotPass = TypeCheckError
