"""Tree of the errors that rayexec raises on purpose.

    RayexecError
    ├── LoadError                     a job file fails to import, or holds no such job
    ├── DefinitionError               an op, graph or job contradicts itself
    │   └── InvocationError           an op or graph is called with wrong arguments
    ├── ConfigError                   run config does not fit its job
    ├── SelectionError                a selection names nothing
    ├── InvariantError                an object cannot answer a question
    │   └── StepNotFoundError         the plan has no such step
    ├── EngineError                   the engine (Ray, for example) cannot start or does not answer
    ├── StoreError                    a run cannot be recorded, or its record cannot be read
    ├── RunNotFoundError              the store has no such run
    ├── RunCanceledError              the run was interrupted
    ├── RunTimeoutError               the run exceeded its max_runtime
    ├── UnsupportedError              a use of what Dagster has and rayexec does not
    └── StepError                     an error of one step
        ├── StepExecutionError        the op raised an exception without a pickle
        ├── TypeCheckError            a value is not of the declared type
        ├── TypeCheckRaisedError      the check of a user's type raised
        ├── OutputNotFoundError       the op did not yield a required output
        ├── OutputError               an output cannot be stored, or has no pickle
        │   └── OutputContradictionError   it contradicts its op; also an InvariantError
        ├── InputError                an input cannot be loaded
        │   └── TypeLoadingError      the loader of its type failed
        ├── ResourceError             a resource cannot be opened
        ├── StepTimeoutError          the op exceeded its timeout
        ├── WorkerCrashedError        the process of the step died
        ├── RetriesDisabledError      a retry was due, but retries are disabled
        └── MaxRetriesExceededError   RetryRequested was raised too often

An error carries its evidence as fields, so that callers need not parse its message. Dagster's names
of errors are aliases at the end of this file.
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
    "DagsterTypeCheckError",
    "DefinitionError",
    "EngineError",
    "InputError",
    "InvariantError",
    "InvocationError",
    "LoadError",
    "MaxRetriesExceededError",
    "OutputContradictionError",
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
    "TypeCheckRaisedError",
    "TypeLoadingError",
    "UnsupportedError",
    "WorkerCrashedError",
]


class RayexecError(Exception):
    """The root of every error that rayexec raises on purpose."""


class LoadError(RayexecError):
    """A job file or module fails to import, or holds no such job."""


class DefinitionError(RayexecError):
    """The definition of an op, graph or job contradicts itself."""


class InvocationError(DefinitionError):
    """An op or graph is called with wrong arguments."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake in a run config."""

    #: The keys from the root to the mistake, such as ``("ops", "load", "config", "n")``.
    path: tuple[str, ...]
    #: The mistake, and its remedy.
    message: str

    def __str__(self) -> str:
        return f"{':'.join(('root', *self.path))}: {self.message}"


class ConfigError(RayexecError):
    """Run config does not fit its job; ``problems`` has all mistakes."""

    def __init__(self, problems: Sequence[Problem], *, subject: str = "run config") -> None:
        self.problems = tuple(problems)
        self.subject = subject
        count = len(self.problems)
        lines = [f"{subject} has {count} problem{'' if count == 1 else 's'}:"]
        lines += [
            f"  Error {index}: {problem}" for index, problem in enumerate(self.problems, start=1)
        ]
        super().__init__("\n".join(lines))

    def __reduce__(self) -> tuple[Any, ...]:
        return _config_error, (self.problems, self.subject)


def _config_error(problems: Sequence[Problem], subject: str) -> ConfigError:
    return ConfigError(problems, subject=subject)


class SelectionError(RayexecError):
    """A selection names nothing or is malformed; ``clause`` is its wrong part."""

    def __init__(self, message: str, *, clause: str | None = None) -> None:
        self.clause = clause
        super().__init__(message)


class InvariantError(RayexecError):
    """An object cannot answer a question, such as one for the output of a failed step."""


class StepNotFoundError(InvariantError):
    """The plan has no step with this key."""


class EngineError(RayexecError):
    """The engine cannot start, or does not answer."""


class StoreError(RayexecError):
    """A run cannot be recorded, or its record cannot be read."""


class RunNotFoundError(RayexecError):
    """The store has no run of this id, or several whose ids begin with it."""


class RunCanceledError(RayexecError):
    """The run was interrupted."""


class RunTimeoutError(RayexecError, TimeoutError):
    """The run exceeded its ``max_runtime`` of ``seconds``."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        super().__init__(f"the run took longer than its max_runtime of {seconds:g} s")

    def __reduce__(self) -> tuple[Any, ...]:
        return RunTimeoutError, (self.seconds,)


class UnsupportedError(RayexecError):
    """A use of what Dagster has and rayexec does not; ``feature`` is its name."""

    def __init__(self, message: str, *, feature: str | None = None) -> None:
        self.feature = feature
        super().__init__(message)


class StepError(RayexecError):
    """An error of one step."""


class StepExecutionError(StepError):
    """Replaces an exception of an op that has no pickle and so stays on its worker."""


class TypeCheckError(StepError):
    """A value is not of the type that its input or output declares."""


class OutputNotFoundError(StepError):
    """The op did not return or yield a required output."""


class OutputError(StepError):
    """An output cannot be stored, or has no pickle."""


class OutputContradictionError(OutputError, InvariantError):
    """The op returned or yielded what its declared outputs do not allow."""


class InputError(StepError):
    """An input cannot be loaded."""


class TypeCheckRaisedError(StepError):
    """The check of a user's type raised the exception that is the cause."""


class TypeLoadingError(InputError):
    """The loader of a type cannot make an input's value of its config."""


class ResourceError(StepError):
    """A resource cannot be opened; ``key`` is its key."""

    def __init__(self, message: str, *, key: str | None = None) -> None:
        self.key = key
        super().__init__(message)


class StepTimeoutError(StepError, TimeoutError):
    """The op exceeded its timeout."""


class WorkerCrashedError(StepError):
    """The process of the step died."""


class RetriesDisabledError(StepError):
    """A retry was due in a run with retries disabled."""


class MaxRetriesExceededError(StepError):
    """``RetryRequested`` was raised more often than its ``max_retries``."""


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
DagsterTypeCheckError = TypeCheckRaisedError
