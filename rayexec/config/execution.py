"""The ``execution`` section of run config: which engine runs the steps, and within which limits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, Literal

import pydantic

from rayexec.config.schema import validate
from rayexec.definitions.config import Config
from rayexec.definitions.executor import ExecutorDefinition
from rayexec.definitions.limits import TagLimit
from rayexec.errors import ConfigError, Problem
from rayexec.names import nearest

__all__ = ["ExecutionSettings", "limit_runtime", "override_execution", "resolve_execution"]

PATH = ("execution", "config")
_FORMER_KEYS = {"slices": "batches"}  # accepted, since run configs name them


@dataclass(frozen=True, slots=True)
class ExecutionSettings:
    """How a run goes.

    ``engine`` is ``"in_process"`` or ``"ray"``. ``max_concurrent`` None leaves the number of steps
    at once to the engine. ``fresh_process`` gives each step a process of its own; otherwise warm
    workers import ``preload_modules`` before their first step. ``address`` is the Ray cluster to
    attach to, None for this machine. With ``batches`` off each step is a Ray task of its own.
    ``keep_outputs`` says which outputs outlive the steps that take them. ``max_runtime`` is in
    seconds; a run that takes longer is ended. ``infrastructure_retries`` is how often a step may
    lose its worker before it has started, or what it takes, at no cost to its own retries. With
    ``durable`` all outputs are stored as they are made, whatever happens to the process that drives
    the run. ``cancel_grace`` is how many seconds steps get to end by themselves when the run is
    canceled. With ``cache`` off, steps of cached ops run, and what they yield is kept anew.
    """

    engine: str = "ray"
    max_concurrent: int | None = None
    tag_limits: tuple[TagLimit, ...] = ()
    fresh_process: bool = False
    preload_modules: tuple[str, ...] = ()
    retries: bool = True
    require_upstream_step_success: bool = True
    address: str | None = None
    runtime_env: Mapping[str, Any] = field(default_factory=dict)
    batches: bool = True
    keep_outputs: Literal["all", "leaves", "none"] = "all"
    max_runtime: float | None = None
    infrastructure_retries: int = 3
    durable: bool = False
    cancel_grace: float = 5.0
    cache: bool = True


class _Empty(Config):
    pass


class _Retries(Config):
    enabled: _Empty | None = None
    disabled: _Empty | None = None

    @pydantic.model_validator(mode="after")
    def _one(self) -> _Retries:
        if len(self.model_fields_set) != 1:
            raise ValueError("give exactly one of enabled: {} and disabled: {}")
        return self


class _Dependencies(Config):
    require_upstream_step_success: bool = True


# Seconds.
_Runtime = Annotated[float, pydantic.Field(gt=0, allow_inf_nan=False)]


class _PerUniqueValue(Config):
    applyLimitPerUniqueValue: bool  # noqa: N815  # the document's spelling


class _TagLimit(Config):
    key: str
    limit: int = pydantic.Field(ge=1)
    value: str | _PerUniqueValue | None = None

    def as_limit(self) -> TagLimit:
        if isinstance(self.value, str):
            return TagLimit(self.key, self.limit, value=self.value)
        unique = self.value is not None and self.value.applyLimitPerUniqueValue
        return TagLimit(self.key, self.limit, per_unique_value=unique)


class _ForkServer(Config):
    preload_modules: list[str] | None = None


class _StartMethod(Config):
    forkserver: _ForkServer | None = None
    spawn: _Empty | None = None

    @pydantic.model_validator(mode="after")
    def _one(self) -> _StartMethod:
        if len(self.model_fields_set) != 1:
            raise ValueError("give exactly one of forkserver: {} and spawn: {}")
        return self


class InProcessConfig(Config):
    """The settings of ``in_process``."""

    retries: _Retries | None = None
    step_dependency_config: _Dependencies = _Dependencies()
    marker_to_close: str | None = None
    max_runtime: _Runtime | None = None
    durable: bool = False
    cache: bool = True


class MultiprocessConfig(Config):
    """The settings of ``multiprocess``: Ray on this machine."""

    max_concurrent: Annotated[int, pydantic.Field(ge=0)] | None = None
    tag_concurrency_limits: list[_TagLimit] = pydantic.Field(default_factory=list)
    start_method: _StartMethod | None = None
    retries: _Retries | None = None
    step_dependency_config: _Dependencies = _Dependencies()
    max_runtime: _Runtime | None = None
    cache: bool = True
    durable: bool = False


class RayConfig(MultiprocessConfig):
    """The settings of ``ray``: those of ``multiprocess``, and what only Ray has."""

    address: str | None = None
    runtime_env: dict[str, Any] = pydantic.Field(default_factory=dict)
    isolation: Literal["worker", "process"] = "worker"
    batches: bool = True
    keep_outputs: Literal["all", "leaves", "none"] = "all"
    infrastructure_retries: int = pydantic.Field(default=3, ge=0)
    cancel_grace: float = pydantic.Field(default=5.0, ge=0, allow_inf_nan=False)


_MODELS: dict[str, type[Config]] = {
    "in_process": InProcessConfig,
    "multiprocess": MultiprocessConfig,
    "ray": RayConfig,
}


def resolve_execution(
    executor: ExecutorDefinition, section: Any
) -> tuple[ExecutionSettings, list[Problem]]:
    """Return the settings that ``section`` (the value under ``execution``, or None) asks for, and
    all its problems.
    """
    if section is None or section == {}:
        name = "ray" if executor.name == "default" else executor.name
        return _settings(name, _renamed(executor.settings), None)
    if not isinstance(section, Mapping):
        return ExecutionSettings(), [
            Problem(("execution",), f"expected a mapping with the key config, got {section!r}")
        ]
    unknown = [
        Problem(
            ("execution", str(key)),
            f"unknown key{'' if key != 'in_process' else ', put it below config'}. Expected: "
            f"{{config}}",
        )
        for key in section
        if key != "config"
    ]
    if unknown:
        return ExecutionSettings(), unknown
    config = section["config"]
    if executor.name != "default":
        return _settings(
            executor.name,
            {**_renamed(executor.settings), **_renamed(config)}
            if isinstance(config, Mapping)
            else config,
            PATH,
        )
    if config is None:
        return ExecutionSettings(), [
            Problem(PATH, "must not be empty; give one of in_process, multiprocess and ray")
        ]
    if not isinstance(config, Mapping):
        return ExecutionSettings(), [
            Problem(PATH, f"expected one of in_process, multiprocess and ray, got {config!r}")
        ]
    if len(config) != 1:
        found = ", ".join(map(str, config)) or "nothing"
        return ExecutionSettings(), [
            Problem(PATH, f"give exactly one of in_process, multiprocess and ray, got {found}")
        ]
    ((name, settings),) = config.items()
    if name not in _MODELS:
        hint = (
            " It belongs below the executor's name."
            if name in RayConfig.model_fields
            else nearest(str(name), _MODELS)
        )
        return ExecutionSettings(), [
            Problem(
                (*PATH, str(name)),
                f"unknown executor; there are in_process, multiprocess and ray.{hint}",
            )
        ]
    return _settings(
        name,
        {**_renamed(executor.settings), **_renamed(settings or {})}
        if isinstance(settings or {}, Mapping)
        else settings,
        (*PATH, name),
    )


def override_execution(
    settings: ExecutionSettings,
    *,
    max_concurrent: Any = None,
    address: Any = None,
    keep_outputs: Any = None,
    durable: Any = None,
    cache: Any = None,
) -> ExecutionSettings:
    """Return ``settings`` under what a caller wants instead; raises ConfigError for values that
    config would refuse.

    An address makes it a run on Ray; ``max_concurrent`` means nothing to a run in this process.
    """
    given = {
        "max_concurrent": max_concurrent,
        "address": address,
        "keep_outputs": keep_outputs,
        "durable": durable,
        "cache": cache,
    }
    value, problems = validate(
        RayConfig, {key: each for key, each in given.items() if each is not None}
    )
    if problems:
        raise ConfigError(problems, subject="what the run was asked for")
    assert isinstance(
        value, RayConfig
    )  # validate returns an instance of the class where there are no problems
    if value.address is not None:
        settings = replace(settings, address=value.address, engine="ray")
    if keep_outputs is not None:
        settings = replace(settings, keep_outputs=value.keep_outputs)
    if durable is not None:
        settings = replace(settings, durable=value.durable)
    if cache is not None:
        settings = replace(settings, cache=value.cache)
    if value.max_concurrent and settings.engine == "ray":
        settings = replace(settings, max_concurrent=value.max_concurrent)
    return settings


def limit_runtime(settings: ExecutionSettings, seconds: float | None) -> ExecutionSettings:
    """Return ``settings`` under another limit of the run's time, of which the shorter holds."""
    limits = [each for each in (settings.max_runtime, seconds) if each is not None]
    return replace(settings, max_runtime=min(limits, default=None))


def _renamed(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings with former keys under their present names; a key given twice stays as it is,
    and is refused.
    """
    return {
        key if _FORMER_KEYS.get(key, key) in settings else _FORMER_KEYS.get(key, key): value
        for key, value in settings.items()
    }


def _settings(
    name: str, given: Any, path: tuple[str, ...] | None
) -> tuple[ExecutionSettings, list[Problem]]:
    value, problems = validate(_MODELS[name], {} if given is None else given, path=path or PATH)
    if problems:
        return ExecutionSettings(), problems
    if isinstance(value, InProcessConfig):
        return ExecutionSettings(
            engine="in_process",
            max_concurrent=1,
            retries=_enabled(value.retries),
            require_upstream_step_success=value.step_dependency_config.require_upstream_step_success,
            max_runtime=value.max_runtime,
            durable=value.durable,
            cache=value.cache,
        ), []
    assert isinstance(value, MultiprocessConfig)  # the only other kind of model
    method = value.start_method
    preload = (
        method.forkserver.preload_modules
        if method is not None and method.forkserver is not None
        else None
    )
    spawn = method is not None and "spawn" in method.model_fields_set
    ray = value if isinstance(value, RayConfig) else RayConfig()
    limits = [each.as_limit() for each in value.tag_concurrency_limits]
    repeated = _repeated(limits, (*(path or PATH), "tag_concurrency_limits"))
    if repeated:
        return ExecutionSettings(), repeated
    return ExecutionSettings(
        max_concurrent=value.max_concurrent or None,
        tag_limits=tuple(limits),
        fresh_process=spawn or ray.isolation == "process",
        preload_modules=tuple(preload or ()),
        retries=_enabled(value.retries),
        require_upstream_step_success=value.step_dependency_config.require_upstream_step_success,
        address=ray.address,
        runtime_env=ray.runtime_env,
        batches=ray.batches,
        keep_outputs=ray.keep_outputs,
        max_runtime=value.max_runtime,
        infrastructure_retries=ray.infrastructure_retries,
        durable=value.durable,
        cancel_grace=ray.cancel_grace,
        cache=value.cache,
    ), []


def _enabled(retries: _Retries | None) -> bool:
    return retries is None or "disabled" not in retries.model_fields_set


def _repeated(limits: list[TagLimit], path: tuple[str, ...]) -> list[Problem]:
    """Return a problem for each rule that stands more than once: only one of its limits could be
    meant.
    """
    rules: dict[tuple[str, str | None, bool], list[int]] = {}
    for each in limits:
        rules.setdefault((each.key, each.value, each.per_unique_value), []).append(each.limit)
    problems = []
    for (key, value, per_unique_value), found in rules.items():
        if len(found) > 1:
            tag = key if value is None else f"{key}={value}"
            which = f"each value of tag {tag!r}" if per_unique_value else f"tag {tag!r}"
            listed = ", ".join(map(str, found))
            problems.append(
                Problem(
                    path,
                    f"the rule for {which} stands {len(found)} times, with limits {listed}; keep "
                    f"one",
                )
            )
    return problems
