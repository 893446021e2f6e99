"""Judgement of an attempt that raised: retry or failure, and the error to show."""

from __future__ import annotations

from typing import NamedTuple

from rayexec.definitions.op import OpDefinition
from rayexec.definitions.retry import Failure, RetryRequested
from rayexec.definitions.surroundings import RunInfo
from rayexec.errors import (
    InputError,
    MaxRetriesExceededError,
    OutputContradictionError,
    OutputError,
    OutputNotFoundError,
    RetriesDisabledError,
    StepError,
    TypeCheckError,
    TypeCheckRaisedError,
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


_CONTRADICTIONS = (
    OutputContradictionError,
    OutputNotFoundError,
    TypeCheckError,
    TypeCheckRaisedError,
)


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
    if isinstance(error, (InputError, OutputError)) and error.__cause__ is not None:
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
    if decision.retry:
        failure = StepFailureData(_wrap(template.op, error), kinds, user)
        return Judgement(RETRY, failure, decision.delay, error)
    if decision.reason is None:
        failure = StepFailureData(_wrap(template.op, error), kinds, user)
        if isinstance(error, TypeCheckRaisedError) and error.__cause__ is not None:
            error = error.__cause__  # the error of the user's code is the one to raise
        return Judgement(FAILURE, failure, 0.0, error)
    kind = MaxRetriesExceededError if run.retries else RetriesDisabledError
    replacement, described = kind(decision.reason), describe_error(error)
    # A RetryRequested is only a request, so its own cause is the cause; an error that a retry
    # policy covers is the cause itself.
    is_request = isinstance(error, RetryRequested)
    replacement.__cause__ = error.__cause__ if is_request else error
    shown = ErrorInfo(
        type(error).__name__ if is_request else kind.__name__,
        decision.reason,
        described.stack,
        described.cause if is_request else described,
    )
    failure = StepFailureData(shown, error_types(replacement), user)
    return Judgement(FAILURE, failure, 0.0, replacement)


def _is_final(error: BaseException) -> bool:
    """Whether no retry can help: the op contradicts its own declaration, or forbids retries."""
    if isinstance(error, Failure):
        return not error.allow_retries
    return isinstance(error, (KeyboardInterrupt, *_CONTRADICTIONS))


def _wrap(op: OpDefinition, error: BaseException) -> ErrorInfo:
    described = describe_error(error)
    if isinstance(error, RetryRequested):
        return described
    if isinstance(error, StepError) and not isinstance(error, InputError):
        return described
    return ErrorInfo(
        "StepExecutionError", f'Error occurred while executing op "{op.name}":', "", described
    )


def not_stored(row: Attempt, error: Exception) -> Attempt:
    """Return the failed row of an attempt whose outputs cannot be stored."""
    return row._replace(
        outcome=FAILURE, failure=StepFailureData(describe_error(error), error_types(error))
    )
