"""Contexts for functions of users: the run, resources, config and log around them."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from rayexec.definitions.fresh_data import fresh
from rayexec.definitions.metadata import MetadataValue, normalize_metadata
from rayexec.definitions.op import OpDefinition
from rayexec.errors import InvariantError
from rayexec.events import LogLine, user_traceback
from rayexec.names import mapping_keys, nearest, node_path

__all__ = [
    "HookContext",
    "InitResourceContext",
    "OpExecutionContext",
    "Resources",
    "RunInfo",
    "StepLog",
    "build_hook_context",
    "build_init_resource_context",
    "build_op_context",
]


@dataclass(frozen=True, slots=True)
class RunInfo:
    """Facts of a run for its steps."""

    run_id: str
    job_name: str
    tags: Mapping[str, str] = field(default_factory=dict)
    run_config: Mapping[str, Any] = field(default_factory=dict)
    retries: bool = True

    def has_tag(self, key: str) -> bool:
        """Whether the run has a tag of that name."""
        return key in self.tags

    def get_tag(self, key: str) -> str | None:
        """Return the run's tag of that name, or None."""
        return self.tags.get(key)


class _OwnRunInfo(RunInfo):
    """Facts of a run for one step, which makes copies of what it looks at: it may change them."""

    __slots__ = ("_given", "_run_config", "_tags")

    _given: RunInfo
    _run_config: Mapping[str, Any] | None
    _tags: Mapping[str, str] | None

    def __init__(self, given: RunInfo) -> None:
        facts = {"run_id": given.run_id, "job_name": given.job_name, "retries": given.retries}
        for name, value in {**facts, "_given": given, "_tags": None, "_run_config": None}.items():
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
        return RunInfo, (self.run_id, self.job_name, self.tags, self.run_config, self.retries)


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
        severity = logging.getLevelName(level.upper()) if isinstance(level, str) else level
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
        self.lines.append(
            LogLine(self._clock(), severity if isinstance(severity, int) else logging.INFO, text)
        )

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
    """Open resources of a step, as attributes by key."""

    def __init__(self, opened: Mapping[str, Any]) -> None:
        self.__dict__.update(opened)

    def __getattr__(self, key: str) -> Any:
        raise AttributeError(
            f"resource {key!r} is not among those this op asked for; name it in "
            f"required_resource_keys."
            f"{nearest(key, self.__dict__)}"
        )


_NO_RESOURCES = Resources({})


class OpExecutionContext:
    """Context of an op: config, log, resources and the run around the step."""

    is_op_context = True

    __slots__ = (
        "_given_run",
        "_metadata",
        "_own_tags",
        "_run",
        "_tags",
        "log",
        "op_config",
        "op_def",
        "resources",
        "retry_number",
        "step_key",
    )

    def __init__(
        self,
        *,
        run: RunInfo,
        step_key: str,
        op_def: OpDefinition | None,
        op_config: Any,
        resources: Resources,
        retry_number: int = 0,
        tags: Mapping[str, str] | None = None,
        log: StepLog | None = None,
    ) -> None:
        self._given_run = run
        self._run: RunInfo | None = None
        self.step_key = step_key
        self.op_def = op_def
        self.op_config = op_config
        self.resources = resources
        self.retry_number = retry_number
        self.log = log or StepLog()
        self._tags = tags or {}
        self._own_tags: dict[str, str] | None = None
        self._metadata: dict[str, dict[str, MetadataValue]] = {}

    @property
    def run(self) -> RunInfo:
        """The facts of the run."""
        if self._run is None:
            self._run = _OwnRunInfo(self._given_run)
        return self._run

    @property
    def run_id(self) -> str:
        """The id of the run."""
        return self._given_run.run_id

    @property
    def job_name(self) -> str:
        """The name of the job."""
        return self._given_run.job_name

    @property
    def run_config(self) -> Mapping[str, Any]:
        """The run config, with defaults of the job."""
        return self.run.run_config

    @property
    def run_tags(self) -> Mapping[str, str]:
        """The tags of the run."""
        return self.run.tags

    @property
    def op_tags(self) -> Mapping[str, str]:
        """The tags of the step."""
        if self._own_tags is None:
            self._own_tags = dict(self._tags)
        return self._own_tags

    @property
    def op_handle(self) -> SimpleNamespace:
        """The node of the step: ``name``, ``path`` (a list of names), ``str()`` (a dotted path)."""
        path = node_path(self.step_key)
        return _Handle(path=path.split("."), name=path.rpartition(".")[2])

    op = property(lambda self: self.op_def, doc="The op's definition.")

    def has_tag(self, key: str) -> bool:
        """Whether the run has a tag of that name."""
        return self.run.has_tag(key)

    def get_tag(self, key: str) -> str | None:
        """Return the run's tag of that name, or None."""
        return self.run.get_tag(key)

    def get_mapping_key(self) -> str | None:
        """Return the innermost mapping key of a mapped step; None for any other step."""
        keys = self.mapping_keys
        return keys[-1] if keys else None

    @property
    def mapping_keys(self) -> tuple[str, ...]:
        """The mapping keys of a mapped step, outermost first; empty for any other."""
        return mapping_keys(self.step_key)

    @property
    def has_partition_key(self) -> bool:
        """Whether the run is for a partition."""
        return self.run.has_tag("dagster/partition")

    @property
    def partition_key(self) -> str:
        """The partition of the run; raises InvariantError without one."""
        key = self.run.get_tag("dagster/partition")
        if key is None:
            raise InvariantError("this run is for no partition")
        return key

    def add_output_metadata(
        self,
        metadata: Mapping[str, Any],
        output_name: str = "result",
        mapping_key: str | None = None,
    ) -> None:
        """Attach metadata to a future output, or to one value of a dynamic output."""
        name = output_name if mapping_key is None else f"{output_name}[{mapping_key}]"
        self._metadata.setdefault(name, {}).update(normalize_metadata(metadata))

    def metadata_for(self, output_name: str) -> dict[str, MetadataValue]:
        """Return the metadata of ``add_output_metadata`` for an output."""
        return self._metadata.get(output_name, {})


class _Handle(SimpleNamespace):
    def __str__(self) -> str:
        return ".".join(self.path)


class HookContext:
    """Context of a hook: the step before it, and its result."""

    def __init__(
        self,
        *,
        run: RunInfo,
        step_key: str,
        op: OpDefinition | None,
        hook_name: str = "",
        op_config: Any = None,
        op_exception: BaseException | None = None,
        op_output_values: Mapping[str, Any] | None = None,
        resources: Resources | None = None,
        log: StepLog | None = None,
    ) -> None:
        self.run_id = run.run_id
        self.job_name = run.job_name
        self.run: RunInfo = _OwnRunInfo(run)
        self.step_key = step_key
        self.op = op
        self.hook_name = hook_name
        self.op_config = op_config
        self.op_exception = op_exception
        self.op_output_values = dict(op_output_values or {})
        self.resources = resources or _NO_RESOURCES
        self.log = log or StepLog()


class InitResourceContext:
    """Context of a resource's function: its config, and the resources that it requires."""

    def __init__(
        self,
        *,
        resource_config: Any = None,
        resources: Resources | None = None,
        run: RunInfo | None = None,
    ) -> None:
        self.resource_config = fresh(resource_config)
        self.resources = resources or _NO_RESOURCES
        self.run: RunInfo | None = None if run is None else _OwnRunInfo(run)
        self.run_id = run.run_id if run is not None else None
        self.log = StepLog()


def _test_run(tags: Mapping[str, str] | None = None, config: Any = None) -> RunInfo:
    return RunInfo("EPHEMERAL", "ephemeral", dict(tags or {}), config or {})


def build_op_context(
    *,
    op_config: Any = None,
    config: Any = None,
    resources: Mapping[str, Any] | None = None,
    run_tags: Mapping[str, str] | None = None,
    run_config: Mapping[str, Any] | None = None,
    retry_number: int = 0,
    mapping_key: str | None = None,
) -> OpExecutionContext:
    """Return a context for unit tests of an op; ``resources`` are objects by key.

    ``mapping_key`` is that of a mapped step; below several dynamic outputs, ``"a,0"``.
    """
    return OpExecutionContext(
        run=_test_run(run_tags, run_config),
        step_key="ephemeral" if mapping_key is None else f"ephemeral[{mapping_key}]",
        op_def=None,
        op_config=config if op_config is None else op_config,
        resources=Resources(resources or {}),
        retry_number=retry_number,
    )


def build_hook_context(
    *,
    op: OpDefinition | None = None,
    resources: Mapping[str, Any] | None = None,
    op_exception: BaseException | None = None,
    op_output_values: Mapping[str, Any] | None = None,
) -> HookContext:
    """Return a context for unit tests of a hook."""
    return HookContext(
        run=_test_run(),
        step_key=op.name if op is not None else "ephemeral",
        op=op,
        op_exception=op_exception,
        op_output_values=op_output_values,
        resources=Resources(resources or {}),
    )


def build_init_resource_context(
    *, config: Any = None, resources: Mapping[str, Any] | None = None
) -> InitResourceContext:
    """Return a context for unit tests of a resource's function."""
    return InitResourceContext(
        resource_config=config, resources=Resources(resources or {}), run=_test_run()
    )
