"""Surroundings of a function of a user: the facts of the run, the log, and open resources."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from rayexec.definitions.fresh_data import fresh
from rayexec.definitions.log_levels import log_level
from rayexec.errors import UnknownResourceError, UnsupportedError
from rayexec.events import LogLine, user_traceback
from rayexec.names import nearest

__all__ = [
    "DEFAULT_HOME",
    "NO_RESOURCES",
    "OwnRunInfo",
    "Resources",
    "RunInfo",
    "StepLog",
    "ephemeral_run",
    "no_instance",
]


# The place of runs where RAYEXEC_HOME names none.
DEFAULT_HOME = "~/.rayexec"


@dataclass(frozen=True, slots=True)
class RunInfo:
    """Facts of a run for its steps."""

    run_id: str
    job_name: str
    tags: Mapping[str, str] = field(default_factory=dict)
    run_config: Mapping[str, Any] = field(default_factory=dict)
    retries: bool = True
    #: The place of runs, as their driver has it: RAYEXEC_HOME, or its default.
    home: str = DEFAULT_HOME

    @property
    def partition_key(self) -> str | None:
        """The partition of the run, None for none."""
        return self.get_tag("dagster/partition")

    @property
    def parent_run_id(self) -> str | None:
        """Id of the run that this one resumes, None for none."""
        return self.get_tag("dagster/parent_run_id")

    @property
    def root_run_id(self) -> str | None:
        """Id of the first run in the chain of resumed ones, None for none."""
        return self.get_tag("dagster/root_run_id")

    def has_tag(self, key: str) -> bool:
        """Whether the run has a tag of that name."""
        return key in self.tags

    def get_tag(self, key: str) -> str | None:
        """Return the run's tag of that name, or None."""
        return self.tags.get(key)


class OwnRunInfo(RunInfo):
    """Facts of a run for one step, which makes copies of what it looks at: it may change them."""

    __slots__ = ("_given", "_run_config", "_tags")

    _given: RunInfo
    _run_config: Mapping[str, Any] | None
    _tags: Mapping[str, str] | None

    def __init__(self, given: RunInfo) -> None:
        for name in ("run_id", "job_name", "retries", "home"):
            object.__setattr__(self, name, getattr(given, name))
        for name, value in {"_given": given, "_tags": None, "_run_config": None}.items():
            object.__setattr__(self, name, value)

    @property
    def tags(self) -> Mapping[str, str]:
        if self._tags is None:
            object.__setattr__(self, "_tags", fresh(self._given.tags))
        assert self._tags is not None
        return self._tags

    @property
    def run_config(self) -> Mapping[str, Any]:
        if self._run_config is None:
            object.__setattr__(self, "_run_config", fresh(self._given.run_config))
        assert self._run_config is not None
        return self._run_config

    def __reduce__(self) -> tuple[Any, ...]:
        facts = (self.run_id, self.job_name, self.tags, self.run_config, self.retries, self.home)
        return RunInfo, facts


class StepLog:
    """Log of one step: ``context.log``."""

    __slots__ = ("_clock", "lines")

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self.lines: list[LogLine] = []

    def log(
        self, level: int | str, msg: object, *args: object, exc_info: Any = None, **_options: Any
    ) -> None:
        """Record a line at a ``level`` of ``logging``, by number or name.

        ``args`` fill in the message, and ``exc_info`` adds a traceback, as in ``logging``. Other
        options of loggers have no effect.
        """
        severity = log_level(level)
        # A lone mapping fills in by name, as in logging.
        values: Any = (
            args[0] if len(args) == 1 and isinstance(args[0], Mapping) and args[0] else args
        )
        try:
            text = str(msg) % values if args else str(msg)
        except (TypeError, ValueError, KeyError):  # a wrong format must not fail the step
            text = f"{msg} {args}"
        if exc_info:
            error = exc_info if isinstance(exc_info, BaseException) else sys.exc_info()[1]
            text += f"\n{user_traceback(error).rstrip()}" if error is not None else ""
        self.lines.append(LogLine(self._clock(), severity, text))

    def debug(self, msg: object, *args: object, **options: Any) -> None:
        """Record a line for debugging."""
        self.log(logging.DEBUG, msg, *args, **options)

    def info(self, msg: object, *args: object, **options: Any) -> None:
        """Record a line about progress."""
        self.log(logging.INFO, msg, *args, **options)

    def warning(self, msg: object, *args: object, **options: Any) -> None:
        """Record a line about a possible problem."""
        self.log(logging.WARNING, msg, *args, **options)

    warn = warning

    def error(self, msg: object, *args: object, **options: Any) -> None:
        """Record a line about an error."""
        self.log(logging.ERROR, msg, *args, **options)

    def critical(self, msg: object, *args: object, **options: Any) -> None:
        """Record a line about a fatal error."""
        self.log(logging.CRITICAL, msg, *args, **options)

    def exception(self, msg: object, *args: object, **options: Any) -> None:
        """Record an error line with the traceback of the current exception."""
        self.log(logging.ERROR, msg, *args, **{"exc_info": True, **options})


class Resources:
    """Open resources of a step, as attributes by key.

    ``attached`` has the objects that some resources give here in their place, by key.
    """

    __slots__ = ("__dict__", "_originals")

    def __init__(
        self, opened: Mapping[str, Any], attached: Mapping[str, Any] | None = None
    ) -> None:
        self.__dict__.update(opened)
        self._originals = opened
        if attached:
            self.__dict__.update({key: each for key, each in attached.items() if key in opened})

    def original(self, key: str) -> Any:
        """Return a resource itself, for a parameter with its class as the annotation."""
        return self._originals[key] if key in self._originals else getattr(self, key)

    def _asdict(self) -> dict[str, Any]:
        """Return the resources by key, as the named tuples of Dagster do."""
        return dict(self.__dict__)

    def __getattr__(self, key: str) -> Any:
        raise UnknownResourceError(
            f"resource {key!r} is not among those this op asked for; name it in "
            f"required_resource_keys."
            f"{nearest(key, self.__dict__)}",
            resource_name=key,
        )


NO_RESOURCES = Resources({})


def no_instance() -> UnsupportedError:
    """Return the error of ``context.instance`` in a run."""
    return UnsupportedError(
        "a step has no access to the store of its run, which may be on another machine. "
        "DagsterInstance.get() is that of RAYEXEC_HOME.",
        feature="context.instance",
    )


def ephemeral_run(
    tags: Mapping[str, str] | None = None,
    config: Any = None,
    *,
    run_id: str | None = None,
    job_name: str | None = None,
) -> RunInfo:
    """Return the facts of no run, for contexts of unit tests."""
    return RunInfo(run_id or "EPHEMERAL", job_name or "ephemeral", dict(tags or {}), config or {})
