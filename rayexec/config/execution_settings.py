"""Settings of a run's execution: each executor key of run config is declared here once.

A field of ``ExecutionSettings`` made by ``_key`` declares a key: the executors that have it, its
bounds, whether the caller of a run may override it, and its option on the command line. The
validation of run config, the keywords of ``execute_job`` and ``launch_job``, and the options of
``rayexec job execute``, ``job launch`` and ``run resume`` derive from that. ``add_executor_key``
declares a key from outside of the package.

This module loads with the command line, so it imports nothing heavy.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, Literal, get_type_hints

from rayexec.config.engine_traits import IN_PROCESS, RAY, traits_of
from rayexec.errors import DefinitionError
from rayexec.names import nearest

if TYPE_CHECKING:
    from rayexec.definitions.concurrency import TagLimit

__all__ = [
    "EXECUTORS",
    "CommandOption",
    "ExecutionSettings",
    "ExecutorKey",
    "add_executor_key",
    "check_overrides",
    "executor_keys",
    "overridable_keys",
    "with_values",
]

MULTIPROCESS = "multiprocess"
EXECUTORS = (IN_PROCESS, MULTIPROCESS, RAY)
_ON_RAY = (MULTIPROCESS, RAY)


@dataclass(frozen=True, slots=True)
class CommandOption:
    """An option of the command line that overrides an executor key for one run."""

    #: The option, such as ``--max-concurrent``.
    flag: str
    help: str
    #: The help on ``rayexec run resume``, where it differs.
    resume_help: str | None = None
    #: The type of the value. With ``bool`` the option takes no value.
    type: type[int | float | str | bool] = bool
    metavar: str | None = None
    minimum: float | None = None
    #: The value of the key where an option without a value is given.
    flag_value: object = True
    #: A resumed run inherits the value.
    is_inherited: bool = False

    def arguments(self, value: object) -> list[str]:
        """Return the command-line arguments for a value of the key."""
        if self.type is not bool:
            # One argument for both, since the value may begin with a hyphen.
            return [f"{self.flag}={value}"]
        return [self.flag] if value == self.flag_value else []


@dataclass(frozen=True, slots=True, eq=False)
class ExecutorKey:
    """One key below an executor's name in ``execution.config``."""

    name: str
    executors: Collection[str]
    #: Returns the type of the key in run config, for pydantic.
    annotation: Callable[[], Any]
    #: Returns the default in run config.
    default: Callable[[], Any]
    #: Constraints as for ``pydantic.Field``, such as ``{"ge": 0}``.
    bounds: Mapping[str, Any] = field(default_factory=dict)
    #: Maps a value to fields of ``ExecutionSettings``; None for an added key.
    as_settings: Callable[[Any], Mapping[str, Any]] | None = None
    #: ``execute_job`` and ``launch_job`` take the key as a keyword.
    is_overridable: bool = False
    #: The key has no effect on an engine that runs one step at a time.
    needs_concurrency: bool = False
    option: CommandOption | None = None


def _key(
    default: Any,
    executors: Collection[str],
    *,
    name: str | None = None,
    annotation: Callable[[], Any] | None = None,
    config_default: Callable[[], Any] | None = None,
    bounds: Mapping[str, Any] | None = None,
    as_settings: Callable[[Any], Mapping[str, Any]] | None = None,
    is_overridable: bool = False,
    needs_concurrency: bool = False,
    option: CommandOption | None = None,
) -> Any:
    """Return a field of ``ExecutionSettings`` that declares an executor key.

    The key has the name, type and default of the field, unless ``name``, ``annotation`` and
    ``config_default`` differ. ``as_settings`` maps its value to fields where they differ.
    """

    def declare(field_name: str, field_type: Any) -> ExecutorKey:
        return ExecutorKey(
            name or field_name,
            executors,
            annotation or (lambda: field_type),
            config_default or (lambda: default() if callable(default) else default),
            bounds or {},
            as_settings or (lambda value: {field_name: value}),
            is_overridable,
            needs_concurrency,
            option,
        )

    metadata = {"declare": declare}
    if callable(default):
        return field(default_factory=default, metadata=metadata)
    return field(default=default, metadata=metadata)


_ADDED: dict[str, ExecutorKey] = {}


def _added_defaults() -> dict[str, Any]:
    return {name: key.default() for name, key in _ADDED.items()}


def _config_types() -> Any:
    from rayexec.config import execution_types  # loads pydantic

    return execution_types


@dataclass(frozen=True, slots=True)
class ExecutionSettings:
    """The execution of one run, as resolved from run config and the caller's overrides."""

    #: The name of the engine, by default that of the executor; a registered one may be named.
    engine: str = _key(
        RAY,
        (IN_PROCESS, RAY),
        annotation=lambda: str | None,
        config_default=lambda: None,
        as_settings=lambda value: {} if value is None else {"engine": value},
        is_overridable=True,
    )
    #: The number of steps at once; None leaves it to the engine.
    max_concurrent: int | None = _key(
        None,
        _ON_RAY,
        bounds={"ge": 0},
        as_settings=lambda value: {"max_concurrent": value} if value else {},
        is_overridable=True,
        needs_concurrency=True,
        option=CommandOption(
            "--max-concurrent",
            "Run at most N steps at once on Ray, whatever the config says.",
            "Run at most N steps at once on Ray.",
            type=int,
            metavar="N",
            minimum=1,
            is_inherited=True,
        ),
    )
    tag_limits: tuple[TagLimit, ...] = _key(
        (),
        _ON_RAY,
        name="tag_concurrency_limits",
        annotation=lambda: _config_types().TagLimits,
        config_default=list,
        as_settings=lambda value: {"tag_limits": tuple(limit.as_limit() for limit in value)},
    )
    #: The modules that warm workers import before their first step.
    preload_modules: tuple[str, ...] = _key(
        (),
        _ON_RAY,
        name="start_method",
        annotation=lambda: _config_types().StartMethod | None,
        config_default=lambda: None,
        as_settings=lambda value: {} if value is None else value.as_settings(),
    )
    retries: bool = _key(
        True,
        EXECUTORS,
        annotation=lambda: _config_types().Retries | None,
        config_default=lambda: None,
        as_settings=lambda value: {"retries": value is None or value.is_enabled},
    )
    require_upstream_step_success: bool = _key(
        True,
        EXECUTORS,
        name="step_dependency_config",
        annotation=lambda: _config_types().StepDependencies,
        config_default=lambda: _config_types().StepDependencies(),
        as_settings=lambda value: {
            "require_upstream_step_success": value.require_upstream_step_success
        },
    )
    #: Accepted and without effect, since Dagster's executor has it.
    marker_to_close: str | None = _key(None, (IN_PROCESS,))
    #: The seconds after which the run ends.
    max_runtime: float | None = _key(None, EXECUTORS, annotation=lambda: _config_types().TimeLimit)
    #: The Ray cluster to attach to, None for this machine.
    address: str | None = _key(
        None,
        (RAY,),
        is_overridable=True,
        option=CommandOption(
            "--address",
            "The Ray cluster to run on, such as 10.0.0.5:6379; or auto: the one that 'rayexec "
            "cluster up' started, else what Ray finds. Without it, a Ray is started on this "
            "machine for the run.",
            "The Ray cluster to run on.",
            type=str,
            metavar="ADDRESS",
            is_inherited=True,
        ),
    )
    #: All outputs are stored as they are made, and outlive the process that drives the run.
    durable: bool = _key(
        False,
        EXECUTORS,
        is_overridable=True,
        option=CommandOption(
            "--durable",
            "Store all outputs as they are made: then a resumed run has them even if this one is "
            "killed.",
            "Store all outputs as they are made.",
            is_inherited=True,
        ),
    )
    #: Steps of cached ops may use cached outputs; otherwise they run, and replace them.
    cache: bool = _key(
        True,
        EXECUTORS,
        is_overridable=True,
        option=CommandOption(
            "--no-cache",
            "Run the ops with cache=True too, and keep what they yield now.",
            flag_value=False,
        ),
    )
    runtime_env: Mapping[str, Any] = _key(dict, (RAY,), annotation=lambda: dict[str, Any])
    #: Each step gets a process of its own.
    fresh_process: bool = _key(
        False,
        (RAY,),
        name="isolation",
        annotation=lambda: Literal["worker", "process"],
        config_default=lambda: "worker",
        as_settings=lambda value: {"fresh_process": True} if value == "process" else {},
    )
    #: A Ray task may run several steps; otherwise each step is a Ray task.
    batches: bool = _key(True, (RAY,))
    #: The outputs that outlive the steps that take them.
    keep_outputs: Literal["all", "leaves", "none"] = _key("all", (RAY,), is_overridable=True)
    #: The number of times that a step may lose its worker before it starts, or its inputs, at no
    #: cost to its own retries.
    infrastructure_retries: int = _key(3, (RAY,), bounds={"ge": 0})
    #: The seconds that steps get to end by themselves when the run is canceled.
    cancel_grace: float = _key(5.0, (RAY,), bounds={"ge": 0, "allow_inf_nan": False})
    #: The values of the keys that ``add_executor_key`` declared, by name.
    added: Mapping[str, Any] = field(default_factory=_added_defaults)


# The annotation of the key replaces the type with a TagLimit, which loads too much for --help.
_HINTS = get_type_hints(ExecutionSettings, localns={"TagLimit": Any})
_DECLARED: tuple[ExecutorKey, ...] = tuple(
    entry.metadata["declare"](entry.name, _HINTS[entry.name])
    for entry in fields(ExecutionSettings)
    if "declare" in entry.metadata
)


def executor_keys() -> tuple[ExecutorKey, ...]:
    """Return all declared keys, added ones last."""
    return (*_DECLARED, *_ADDED.values())


def overridable_keys() -> dict[str, ExecutorKey]:
    """Return the keys that the caller of a run may override, by name."""
    return {key.name: key for key in executor_keys() if key.is_overridable}


def add_executor_key(
    name: str,
    annotation: Any,
    default: Any,
    *,
    executors: Iterable[str] = EXECUTORS,
    bounds: Mapping[str, Any] | None = None,
    option: CommandOption | None = None,
) -> ExecutorKey:
    """Declare an executor key from outside of the package.

    Run config then accepts ``name`` below each of ``executors``, checked against ``annotation``
    (a type as in a Config class) and ``bounds`` (as for ``pydantic.Field``). ``execute_job``,
    ``job.execute`` and ``launch_job`` take it as a keyword. With ``option`` the command line has
    it too. Engines read ``settings.added[name]``. Example::

        option = CommandOption("--region", "The region to run in.", type=str)
        add_executor_key("region", str, "eu", option=option)

    Raises DefinitionError for a name or option in use, and for an unknown executor.
    """
    keys = executor_keys()
    names = [key.name for key in keys]
    flags = [key.option.flag for key in keys if key.option is not None]
    chosen = tuple(executors)
    if name in names or not name.isidentifier():
        reason = "is there already" if name in names else "is not a name"
        raise DefinitionError(f"executor key {name!r} {reason}.")
    if option is not None and option.flag in flags:
        raise DefinitionError(f"executor key {name!r}: option {option.flag} is there already.")
    for executor in chosen:
        if executor not in EXECUTORS:
            raise DefinitionError(
                f"executor key {name!r}: there is no executor {executor!r}."
                f"{nearest(executor, EXECUTORS)}"
            )
    _ADDED[name] = ExecutorKey(
        name,
        chosen,
        lambda: annotation,
        lambda: default,
        bounds or {},
        is_overridable=True,
        option=option,
    )
    return _ADDED[name]


def check_overrides(given: Iterable[str], function: str, *, has_option: bool = False) -> None:
    """Raise TypeError, as Python does, for a keyword that is no overridable key.

    With ``has_option`` the key must have an option on the command line too.
    """
    keys = overridable_keys()
    for name in given:
        if name not in keys or (has_option and keys[name].option is None):
            raise TypeError(
                f"{function}() got an unexpected keyword argument {name!r}.{nearest(name, keys)}"
            )


def with_values(settings: ExecutionSettings, values: Mapping[str, Any]) -> ExecutionSettings:
    """Return ``settings`` with checked values of keys, by the keys' names.

    A key that the engine's traits rule out keeps its former value.
    """
    traits = traits_of(values.get("engine") or settings.engine)
    changes: dict[str, Any] = {}
    added = dict(settings.added)
    for key in executor_keys():
        if key.name not in values or (key.needs_concurrency and not traits.runs_concurrently):
            continue
        value = values[key.name]
        if key.as_settings is None:
            added[key.name] = value
        else:
            changes.update(key.as_settings(value))
    return replace(settings, **changes, added=added)
