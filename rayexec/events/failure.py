"""Failures as data, made from exceptions of any process."""

from __future__ import annotations

import contextlib
import importlib
import os
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from rayexec import errors

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
_PYDANTIC = os.path.join("site-packages", "pydantic", "main.py")
_MACHINERY = ("<frozen importlib", importlib.__file__, contextlib.__file__)
# The file and name of the frame that a dataclass has to set its fields.
_DATACLASS = ("<string>", "__init__")
_MOST_CHARACTERS = 256 * 1024  # of a message or a traceback; longer ones lose their middle
# Rayexec's own names of its errors by the names in recorded failures, which are Dagster's.
_OWN_NAMES: Mapping[str, str] = {
    kind.dagster_name: name
    for name, kind in vars(errors).items()
    if isinstance(kind, type)
    and issubclass(kind, errors.RayexecError)
    and kind.dagster_name is not None
    and kind.__name__ == name
    and kind is not errors.OutputError  # shares its name with the InvariantError that it is
}
# Errors of steps that only wrap the error that counts; former versions recorded own names.
_WRAPPERS = frozenset(
    {
        "DagsterExecutionStepExecutionError",
        "StepExecutionError",
        "RetryRequested",
        "RetryRequestedFromPolicy",
        "DagsterMaxRetriesExceededError",
        "MaxRetriesExceededError",
        "RetriesDisabledError",
        "LoadError",
    }
)
_MOST_CAUSES = 20  # of one error
# Directories with copies of user code, and the names that tracebacks give them.
_SHOWN_AS: dict[str, str] = {}


@dataclass(frozen=True, slots=True)
class ErrorInfo:
    """Exception as text, with its cause or its context."""

    #: Name of the class; for an error of rayexec the name that Dagster has for it, if any.
    cls_name: str
    message: str
    #: Traceback without frames of rayexec.
    stack: str
    #: The exception that it was raised ``from``.
    cause: ErrorInfo | None = None
    #: Without a cause: the exception in whose handling it was raised.
    context: ErrorInfo | None = None

    @property
    def own_name(self) -> str:
        """Name of the class in rayexec."""
        return _OWN_NAMES.get(self.cls_name, self.cls_name)

    @property
    def origin(self) -> ErrorInfo | None:
        """The cause, else the context."""
        return self.cause or self.context

    def to_string(self) -> str:
        """Return message and traceback as Python prints them."""
        return self.stack or f"{self.own_name}: {self.message}"


@dataclass(frozen=True, slots=True)
class StepFailureData:
    """Failure of an attempt of a step."""

    #: The step's error; the op's own exception is its ``cause``.
    error: ErrorInfo
    #: Qualified names of that exception's class and bases. For an input or output that could not
    #: be loaded or stored, those of the reason's class too.
    error_types: tuple[str, ...] = ()
    #: Metadata of a ``Failure``.
    user_failure_data: UserFailureData | None = None
    #: The exception itself, where it survives a round trip through pickle.
    pickled: bytes | None = field(default=None, repr=False)

    @property
    def root(self) -> ErrorInfo:
        """The op's own exception, else the step's error."""
        wraps = self.error.cls_name in _WRAPPERS
        return self.error.cause if wraps and self.error.cause is not None else self.error

    @property
    def error_display_string(self) -> str:
        """Message of the step's error, and below it the op's own exception with its traceback."""
        if self.root is self.error:
            return self.error.to_string()
        return f"{self.error.message.strip()}\n\n{self.root.to_string()}"


@dataclass(frozen=True, slots=True)
class UserFailureData:
    """Description and metadata of a ``Failure`` raised by an op."""

    description: str | None
    metadata: dict[str, Any]

    @property
    def label(self) -> str:
        """Dagster's word for all of them."""
        return "intentional-failure"


def describe_error(error: BaseException) -> ErrorInfo:
    """Return ``error`` as text; never raises, whatever ``error.__str__`` does."""
    chain = causes_of(error)
    described: ErrorInfo | None = None
    for link in reversed(chain):
        by_cause = link.__cause__ is not None
        described = ErrorInfo(
            _class_name(link),
            _text(link),
            user_traceback(link),
            described if by_cause else None,
            None if by_cause else described,
        )
    assert described is not None  # The chain starts with the error itself.
    return described


def _class_name(error: BaseException) -> str:
    # Not that of a base: a user may derive classes from the errors of rayexec.
    return type(error).__dict__.get("dagster_name") or type(error).__name__


def causes_of(error: BaseException) -> list[BaseException]:
    """Return ``error`` and its causes, the nearest first; a circle of causes ends as it closes."""
    chain = [error]
    while len(chain) <= _MOST_CAUSES:
        last = chain[-1]
        cause = last.__cause__ or (None if last.__suppress_context__ else last.__context__)
        if cause is None or any(cause is each for each in chain):
            break
        chain.append(cause)
    return chain


def _text(error: BaseException) -> str:
    try:
        return _clip(str(error))
    except BaseException as broken:  # The exception's own __str__ may raise anything.
        return f"<{type(error).__name__} whose message cannot be read: {type(broken).__name__}>"


def show_as(directory: str, name: str) -> None:
    """Have tracebacks call a directory, a copy of user code, by the original's name."""
    _SHOWN_AS[os.path.join(directory, "")] = os.path.join(name, "")


def user_traceback(error: BaseException) -> str:
    """Return the traceback of ``error`` and its causes, without frames of rayexec."""
    try:
        formatted = traceback.TracebackException.from_exception(error, compact=True)
        _strip(formatted)
        return _clip("".join(formatted.format()))
    except BaseException:  # A traceback that cannot be formatted must not hide the failure.
        return f"{type(error).__name__}: {_text(error)}\n"


def _strip(formatted: traceback.TracebackException) -> None:
    pending: list[traceback.TracebackException | None] = [formatted]
    seen: set[int] = set()
    while pending:
        link = pending.pop()
        if link is None or id(link) in seen:
            continue
        seen.add(id(link))
        frames = [
            frame
            for frame in link.stack
            if not _is_machinery(frame.filename) and (frame.filename, frame.name) != _DATACLASS
        ]
        for frame in frames if _SHOWN_AS else ():
            for directory, name in _SHOWN_AS.items():
                if frame.filename.startswith(directory):
                    frame.filename = name + frame.filename[len(directory) :]
        # Python prints no heading for a stack of None, as there should be without user frames.
        summary = traceback.StackSummary.from_list(frames) if frames else None
        link.stack = summary  # type: ignore[assignment]
        pending += [link.__cause__, link.__context__]


def _is_machinery(filename: str) -> bool:
    return (
        filename.startswith((_PACKAGE, *_MACHINERY))
        or _CLOUDPICKLE in filename
        or _PYDANTIC in filename
    )


def _clip(text: str) -> str:
    if len(text) <= _MOST_CHARACTERS:
        return text
    half = _MOST_CHARACTERS // 2
    return (
        f"{text[:half]}\n… {len(text) - _MOST_CHARACTERS:,} characters left out …\n{text[-half:]}"
    )


def error_types(error: BaseException) -> tuple[str, ...]:
    """Return the qualified names of the exception's class and of all its bases."""
    return tuple(
        f"{each.__module__}.{each.__qualname__}"
        for each in type(error).__mro__
        if each is not object
    )
