"""A failure as data: what is known of an exception wherever it was raised."""

from __future__ import annotations

import contextlib
import importlib
import os
import traceback
from dataclasses import dataclass, field
from typing import Any

__all__ = [
    "ErrorInfo",
    "StepFailureData",
    "causes_of",
    "describe_error",
    "error_types",
    "show_as",
    "user_traceback",
]

_PACKAGE = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "")
_CLOUDPICKLE = f"{os.sep}cloudpickle{os.sep}"
_MACHINERY = ("<frozen importlib", importlib.__file__, contextlib.__file__)
_LIMIT = (
    256 * 1024
)  # characters of message or traceback that are kept; an error must not weigh down its run
# Errors of steps that only say that another one counted.
_WRAPPERS = frozenset(
    {"StepExecutionError", "MaxRetriesExceededError", "RetriesDisabledError", "LoadError"}
)
_CAUSES = 20  # causes of an error that are told, one below the other
# What tracebacks call directories that hold copies of a user's own.
_SHOWN_AS: dict[str, str] = {}


@dataclass(frozen=True, slots=True)
class ErrorInfo:
    """An exception in words: class name, message, traceback without frames of rayexec, and its
    cause.
    """

    cls_name: str
    message: str
    stack: str
    cause: ErrorInfo | None = None

    def to_string(self) -> str:
        """Return message and traceback as Python prints them."""
        return self.stack or f"{self.cls_name}: {self.message}"


@dataclass(frozen=True, slots=True)
class StepFailureData:
    """Why an attempt of a step failed.

    ``error`` is the failure of the step with the op's own exception as its ``cause``;
    ``error_types`` are the qualified names of that exception's class and bases, for an input or
    output that could not be loaded or stored also those of what kept it from that;
    ``user_failure_data`` is the metadata of a ``Failure``. ``pickled`` holds the exception itself
    where it survives a round trip.
    """

    error: ErrorInfo
    error_types: tuple[str, ...] = ()
    user_failure_data: UserFailureData | None = None
    pickled: bytes | None = field(default=None, repr=False)

    @property
    def root(self) -> ErrorInfo:
        """The op's own exception, or the step's error where that itself says what is wrong."""
        wraps = self.error.cls_name in _WRAPPERS
        return self.error.cause if wraps and self.error.cause is not None else self.error


@dataclass(frozen=True, slots=True)
class UserFailureData:
    """What an op said when it raised ``Failure``."""

    description: str | None
    metadata: dict[str, Any]


def describe_error(error: BaseException) -> ErrorInfo:
    """Return ``error`` in words; never raises, whatever its ``__str__`` does."""
    chain = causes_of(error)
    described: ErrorInfo | None = None
    for each in reversed(chain):
        described = ErrorInfo(type(each).__name__, _text(each), user_traceback(each), described)
    assert described is not None  # the chain starts with the error itself
    return described


def causes_of(error: BaseException) -> list[BaseException]:
    """Return ``error`` and what caused it, the nearest first; a circle of causes ends where it
    closes.
    """
    chain = [error]
    while len(chain) <= _CAUSES:
        last = chain[-1]
        cause = last.__cause__ or (None if last.__suppress_context__ else last.__context__)
        if cause is None or any(cause is each for each in chain):
            break
        chain.append(cause)
    return chain


def _text(error: BaseException) -> str:
    try:
        return _clip(str(error))
    except BaseException as broken:  # an exception's own __str__ may raise anything
        return f"<{type(error).__name__} whose message cannot be read: {type(broken).__name__}>"


def show_as(directory: str, name: str) -> None:
    """Have tracebacks call a directory by another name, that of the one which it is a copy of."""
    _SHOWN_AS[os.path.join(directory, "")] = os.path.join(name, "")


def user_traceback(error: BaseException) -> str:
    """Return the traceback of ``error`` and its causes as Python prints it, without frames of
    rayexec itself.
    """
    try:
        formatted = traceback.TracebackException.from_exception(error, compact=True)
        _strip(formatted)
        return _clip("".join(formatted.format()))
    except (
        BaseException
    ):  # source lines or messages that cannot be formatted must not hide the failure
        return f"{type(error).__name__}: {_text(error)}\n"


def _strip(formatted: traceback.TracebackException) -> None:
    pending: list[traceback.TracebackException | None] = [formatted]
    seen: set[int] = set()
    while pending:
        each = pending.pop()
        if each is None or id(each) in seen:
            continue
        seen.add(id(each))
        kept = [frame for frame in each.stack if not _is_machinery(frame.filename)]
        for frame in kept if _SHOWN_AS else ():
            for place, name in _SHOWN_AS.items():
                if frame.filename.startswith(place):
                    frame.filename = name + frame.filename[len(place) :]
        # Without a frame of the user's there is nothing to trace, and Python leaves the heading out
        # for None.
        each.stack = traceback.StackSummary.from_list(kept) if kept else None  # type: ignore[assignment]
        pending += [each.__cause__, each.__context__]


def _is_machinery(filename: str) -> bool:
    return filename.startswith((_PACKAGE, *_MACHINERY)) or _CLOUDPICKLE in filename


def _clip(text: str) -> str:
    if len(text) <= _LIMIT:
        return text
    half = _LIMIT // 2
    return f"{text[:half]}\n… {len(text) - _LIMIT:,} characters left out …\n{text[-half:]}"


def error_types(error: BaseException) -> tuple[str, ...]:
    """Return the qualified names of the exception's class and of all its bases."""
    return tuple(
        f"{each.__module__}.{each.__qualname__}"
        for each in type(error).__mro__
        if each is not object
    )
