"""Judgement of an attempt that raised: retry or failure, and the error to show."""

from __future__ import annotations

from typing import NamedTuple

from rayexec.definitions.op import OpDefinition
from rayexec.definitions.retry import Failure, RetryRequested
from rayexec.definitions.surroundings import RunInfo
from rayexec.errors import (
    InputError,
    InvariantError,
    MaxRetriesExceededError,
    OutputNotFoundError,
    OutputStorageError,
    RayexecError,
    RetriesDisabledError,
    TypeCheckError,
    TypeCheckFunctionError,
)
from rayexec.events import (
    FAILURE,
    RETRY,
    Attempt,
    ErrorInfo,
    StepFailureData,
    UserFailureData,
    describe_error,
    error_types,
)
from rayexec.plan.model import Template
from rayexec.run.retry_rules import RetryDecision, after_failure, after_request

__all__ = ["Judgement", "judge", "not_stored"]

# Names of errors that nobody raises here, as Dagster has them in its events.
_BY_THE_OP = "DagsterExecutionStepExecutionError"
_BY_POLICY = "RetryRequestedFromPolicy"
# Errors of an op that contradicts its own declaration; another try would, too.
_CONTRADICTIONS = (InvariantError, OutputNotFoundError, TypeCheckError, TypeCheckFunctionError)


class Judgement(NamedTuple):
    """Consequence of an exception: the outcome of the attempt, and the exception to show."""

    outcome: int
    failure: StepFailureData
    #: Seconds until the retry.
    delay: float
    error: BaseException


def judge(template: Template, attempt_number: int, run: RunInfo, error: BaseException) -> Judgement:
    """Decide whether an attempt that raised ``error`` is retried."""
    kinds = error_types(error)
    if isinstance(error, (InputError, OutputStorageError)) and error.__cause__ is not None:
        kinds += error_types(error.__cause__)  # the exception of an IO manager, for example
    if isinstance(error, RetryRequested):
        decision = after_request(
            error.max_retries, error.seconds_to_wait, attempt_number, enabled=run.retries
        )
    elif _is_final(error):
        decision = RetryDecision(False)
    else:
        decision = after_failure(template.retry_policy, attempt_number, kinds, enabled=run.retries)
    user = (
        UserFailureData(error.description, dict(error.metadata))
        if isinstance(error, Failure)
        else None
    )
    described, is_request = describe_error(error), isinstance(error, RetryRequested)
    # A RetryRequested is only a request, so its own cause is the cause, and so is the exception of
    # an IO manager; any other error that a retry policy covers is the cause itself.
    by_manager = isinstance(error, (InputError, OutputStorageError)) and described.cause
    cause = described.cause if is_request or by_manager else described
    if decision.retry:
        shown = described if is_request else ErrorInfo(_BY_POLICY, "", "", cause)
        return Judgement(RETRY, StepFailureData(shown, kinds, user), decision.delay, error)
    if decision.reason is None:
        failure = StepFailureData(_wrapped(template.op, error, described), kinds, user)
        return Judgement(FAILURE, failure, 0.0, error)
    kind = MaxRetriesExceededError if run.retries else RetriesDisabledError
    replacement = kind(decision.reason)
    replacement.__cause__ = error.__cause__ if is_request else error
    name = kind.__name__
    if run.retries:
        name = type(error).__name__ if is_request else _BY_POLICY
    shown = ErrorInfo(name, decision.reason, described.stack, cause)
    failure = StepFailureData(shown, error_types(replacement), user)
    return Judgement(FAILURE, failure, 0.0, replacement)


def _is_final(error: BaseException) -> bool:
    """Whether no retry can help: the op contradicts its own declaration, or forbids retries."""
    if isinstance(error, Failure):
        return not error.allow_retries
    return isinstance(error, (KeyboardInterrupt, *_CONTRADICTIONS))


def _wrapped(op: OpDefinition, error: BaseException, described: ErrorInfo) -> ErrorInfo:
    """Return the error of a step that failed by ``error``.

    An exception of the user's code is its cause. Errors of rayexec, a Failure and an exit are the
    step's own.
    """
    if not isinstance(error, Exception) or isinstance(error, (Failure, RayexecError)):
        return described
    message = f'Error occurred while executing op "{op.name}":'
    return ErrorInfo(_BY_THE_OP, message, "", described)


def not_stored(row: Attempt, error: Exception) -> Attempt:
    """Return the failed row of an attempt whose outputs cannot be stored."""
    return row._replace(
        outcome=FAILURE, failure=StepFailureData(describe_error(error), error_types(error))
    )
