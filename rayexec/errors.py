"""Tree of the errors that rayexec raises on purpose.

    RayexecError
    ├── LoadError                     a job file fails to import, or holds no such job
    ├── DefinitionError               an op, graph or job contradicts itself
    │   └── InvocationError           an op or graph is called with wrong arguments
    │       └── MisuseError           a handle, graph or job is used as something else
    ├── ConfigError                   run config does not fit its job
    │   └── DefaultConfigError        a default of a config schema does not fit it
    ├── SelectionError                a selection names nothing
    ├── InvariantError                an object cannot answer a question
    │   └── StepNotFoundError         the plan has no such step
    ├── EngineError                   the engine (Ray, for example) cannot start or does not answer
    ├── StoreError                    a run cannot be recorded, or its record cannot be read
    ├── RunNotFoundError              the store has no such run
    ├── RunCanceledError              the run was interrupted
    ├── RunTimeoutError               the run exceeded its max_runtime
    ├── UnsupportedError              a use of what Dagster has and rayexec does not
    ├── UserCodeError                 a function of the user raised
    │   ├── ConfigMappingError        the one of a config mapping
    │   └── TypeCheckFunctionError    the one that checks a type
    ├── UnknownResourceError          a context has no such resource
    └── StepError                     an error of one step
        ├── StepExecutionError        the op raised an exception without a pickle
        ├── TypeCheckError            a value is not of the declared type
        ├── OutputNotFoundError       the op did not yield a required output
        ├── OutputError               an output contradicts its op
        ├── OutputStorageError        an output cannot be stored, or has no pickle
        ├── InputError                an input cannot be loaded
        │   └── TypeLoadingError      the loader of its type failed
        ├── ResourceError             a resource cannot be opened
        ├── StepTimeoutError          the op exceeded its timeout
        ├── WorkerCrashedError        the process of the step died
        ├── RetriesDisabledError      a retry was due, but retries are disabled
        └── MaxRetriesExceededError   RetryRequested was raised too often

An error carries its evidence as fields, so that callers need not parse its message. Dagster's names
of errors are aliases in ``rayexec/__init__.pyi``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

__all__ = [
    "ConfigError",
    "ConfigMappingError",
    "DagsterExecutionInterruptedError",
    "DefaultConfigError",
    "DefinitionError",
    "EngineError",
    "InputError",
    "InvariantError",
    "InvocationError",
    "LoadError",
    "MaxRetriesExceededError",
    "MisuseError",
    "OutputError",
    "OutputNotFoundError",
    "OutputStorageError",
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
    "TypeCheckFunctionError",
    "TypeLoadingError",
    "UnknownResourceError",
    "UnsupportedError",
    "UserCodeError",
    "WorkerCrashedError",
]


class RayexecError(Exception):
    """The root of every error that rayexec raises on purpose."""

    #: Name of the class in recorded failures, as Dagster spells it.
    dagster_name: ClassVar[str | None] = None


class LoadError(RayexecError):
    """A job file or module fails to import, or holds no such job."""


class DefinitionError(RayexecError):
    """The definition of an op, graph or job contradicts itself."""

    dagster_name = "DagsterInvalidDefinitionError"


class InvocationError(DefinitionError):
    """An op or graph is called with wrong arguments."""

    dagster_name = "DagsterInvalidInvocationError"


class InvariantError(RayexecError):
    """An object cannot answer a question, such as one for the output of a failed step."""

    dagster_name = "DagsterInvariantViolationError"


class MisuseError(InvocationError, InvariantError):
    """A handle in a body is used as the value behind it, or a job or graph as a function."""

    dagster_name = "DagsterInvariantViolationError"


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

    dagster_name = "DagsterInvalidConfigError"

    def __init__(self, problems: Sequence[Problem], *, subject: str = "run config") -> None:
        self.problems = tuple(problems)
        self.subject = subject
        count = len(self.problems)
        lines = [f"{subject} has {count} problem{'' if count == 1 else 's'}:"]
        lines += [
            f"  Error {index}: {problem}" for index, problem in enumerate(self.problems, start=1)
        ]
        super().__init__("\n".join(lines))

    @property
    def errors(self) -> Sequence[Problem]:
        """All mistakes, by Dagster's name."""
        return list(self.problems)

    @property
    def error_messages(self) -> Sequence[str]:
        """The messages of all mistakes."""
        return [problem.message for problem in self.problems]

    @property
    def message(self) -> str:
        """All mistakes as text."""
        return str(self)

    def __reduce__(self) -> tuple[Any, ...]:
        return _config_error, (self.problems, self.subject)


class DefaultConfigError(ConfigError, DefinitionError):
    """The default of a config schema does not fit the schema."""

    def __reduce__(self) -> tuple[Any, ...]:
        return _default_config_error, (self.problems, self.subject)


def _default_config_error(problems: Sequence[Problem], subject: str) -> DefaultConfigError:
    return DefaultConfigError(problems, subject=subject)


def _config_error(problems: Sequence[Problem], subject: str) -> ConfigError:
    return ConfigError(problems, subject=subject)


class SelectionError(RayexecError):
    """A selection names nothing or is malformed; ``clause`` is its wrong part."""

    dagster_name = "DagsterInvalidSubsetError"

    def __init__(self, message: str, *, clause: str | None = None) -> None:
        self.clause = clause
        super().__init__(message)


class StepNotFoundError(InvariantError):
    """The plan has no step with this key."""

    dagster_name = "DagsterExecutionStepNotFoundError"


class EngineError(RayexecError):
    """The engine cannot start, or does not answer."""


class StoreError(RayexecError):
    """A run cannot be recorded, or its record cannot be read."""


class RunNotFoundError(RayexecError):
    """The store has no run of this id, or several whose ids begin with it.

    ``invalid_run_id`` is the id, where it is given.
    """

    dagster_name = "DagsterRunNotFoundError"

    def __init__(self, message: str = "", *, invalid_run_id: str | None = None) -> None:
        self.invalid_run_id = invalid_run_id
        super().__init__(message)


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


class UserCodeError(RayexecError):
    """A function of the user raised; ``user_exception`` is its exception."""

    dagster_name = "DagsterUserCodeExecutionError"

    @property
    def user_exception(self) -> BaseException | None:
        """The exception of the user's function; None where it has no pickle."""
        return self.__cause__

    @property
    def is_user_code_error(self) -> bool:
        """Whether the error is of the user's code: always."""
        return True


class ConfigMappingError(UserCodeError):
    """The function of a config mapping raised."""

    dagster_name = "DagsterConfigMappingFunctionError"


class TypeCheckFunctionError(UserCodeError):
    """The function that checks a type raised."""

    dagster_name = "DagsterTypeCheckError"


class UnknownResourceError(RayexecError, AttributeError):
    """A context has no resource of this name; ``resource_name`` is the name."""

    dagster_name = "DagsterUnknownResourceError"

    def __init__(self, message: str, *, resource_name: str | None = None) -> None:
        self.resource_name = resource_name
        super().__init__(message)


class StepError(RayexecError):
    """An error of one step."""


class StepExecutionError(StepError, UserCodeError):
    """Replaces an exception of an op that has no pickle and so stays on its worker."""

    dagster_name = "DagsterExecutionStepExecutionError"


class TypeCheckError(StepError):
    """A value is not of the type that its input or output declares.

    An op may raise it too. ``description`` and ``metadata`` are as in a TypeCheck, and
    ``dagster_type`` is the type.
    """

    dagster_name = "DagsterTypeCheckDidNotPass"

    def __init__(
        self,
        description: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        dagster_type: Any = None,
    ) -> None:
        self.description = description
        self.metadata = dict(metadata or {})
        self.dagster_type = dagster_type
        super().__init__(description)


class OutputNotFoundError(StepError, InvariantError):
    """The op did not return or yield a required output."""

    dagster_name = "DagsterStepOutputNotFoundError"


class OutputError(StepError, InvariantError):
    """An output contradicts its op's definition."""

    dagster_name = "DagsterInvariantViolationError"


class OutputStorageError(StepError, UserCodeError):
    """An output cannot be stored: its IO manager raised, or its value has no pickle."""

    dagster_name = "DagsterExecutionHandleOutputError"


class InputError(StepError, UserCodeError):
    """An input cannot be loaded."""

    dagster_name = "DagsterExecutionLoadInputError"


class TypeLoadingError(InputError):
    """The loader of a type cannot make an input's value of its config."""

    dagster_name = "DagsterTypeLoadingError"


class ResourceError(StepError, UserCodeError):
    """A resource cannot be opened; ``key`` is its key."""

    dagster_name = "DagsterResourceFunctionError"

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

    dagster_name = "DagsterMaxRetriesExceededError"


# The exception that an op gets as its run is canceled.
DagsterExecutionInterruptedError = KeyboardInterrupt
