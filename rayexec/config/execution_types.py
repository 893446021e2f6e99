"""Types of executor keys that are mappings in run config."""

from __future__ import annotations

from typing import Annotated, Any, TypeAlias

import pydantic

from rayexec.definitions.concurrency import TagLimit
from rayexec.definitions.config_models import Config
from rayexec.definitions.time_limits import as_time_limit

__all__ = [
    "DESCRIPTIONS",
    "Retries",
    "StartMethod",
    "StepDependencies",
    "TagLimitConfig",
    "TagLimits",
    "TimeLimit",
]


#: Descriptions of executor keys, by name.
DESCRIPTIONS = {
    "engine": "A registered engine to run on, instead of the executor's own.",
    "max_concurrent": "The most steps at once. Without it, as many as there are CPUs.",
    "tag_concurrency_limits": "The most steps at once that share a tag.",
    "start_method": "Warm workers with modules to import first, or a fresh process for each step.",
    "retries": "Whether steps are retried.",
    "step_dependency_config": "Whether a step waits for all of its sources to succeed.",
    "marker_to_close": "Accepted, without effect.",
    "max_runtime": "Seconds after which the run ends.",
    "address": "The Ray cluster to run on. Without it, a Ray on this machine.",
    "durable": "Store all outputs as they are made, so that a resumed run has them.",
    "cache": "Whether cached ops may use cached outputs.",
    "runtime_env": "Ray's environment of the workers: packages, files, variables.",
    "isolation": "process: a fresh process for each step.",
    "batches": "Whether a Ray task may run several steps.",
    "keep_outputs": "The outputs that outlive the steps that take them.",
    "infrastructure_retries": "How often a step may lose its worker, beside its own retries.",
    "cancel_grace": "Seconds that steps get to end by themselves after a cancel.",
}


def _time_limit(value: Any) -> float | None:
    return None if value is None else as_time_limit(value)


#: Seconds above 0; None for an infinite limit.
TimeLimit: TypeAlias = Annotated[float | None, pydantic.BeforeValidator(_time_limit)]


class _Empty(Config):
    pass


class Retries(Config):
    """``retries``: ``{enabled: {}}`` or ``{disabled: {}}``."""

    enabled: _Empty | None = None
    disabled: _Empty | None = None

    @pydantic.model_validator(mode="after")
    def _one(self) -> Retries:
        if len(self.model_fields_set) != 1:
            raise ValueError("give exactly one of enabled: {} and disabled: {}")
        return self

    @property
    def is_enabled(self) -> bool:
        """Whether steps are retried."""
        return "disabled" not in self.model_fields_set


class StepDependencies(Config):
    """``step_dependency_config``."""

    require_upstream_step_success: bool = True


class _PerUniqueValue(Config):
    applyLimitPerUniqueValue: bool  # noqa: N815  # Dagster's spelling


class TagLimitConfig(Config):
    """One rule of ``tag_concurrency_limits``."""

    key: str
    limit: int = pydantic.Field(ge=1)
    value: str | _PerUniqueValue | None = None

    def as_limit(self) -> TagLimit:
        """Return the rule as a limit."""
        if isinstance(self.value, str):
            return TagLimit(self.key, self.limit, value=self.value)
        unique = self.value is not None and self.value.applyLimitPerUniqueValue
        return TagLimit(self.key, self.limit, per_unique_value=unique)


TagLimits: TypeAlias = list[TagLimitConfig]


class _ForkServer(Config):
    preload_modules: list[str] | None = None


class StartMethod(Config):
    """``start_method``: ``{forkserver: ...}`` for warm workers, ``{spawn: {}}`` for fresh ones."""

    forkserver: _ForkServer | None = None
    spawn: _Empty | None = None

    @pydantic.model_validator(mode="after")
    def _one(self) -> StartMethod:
        if len(self.model_fields_set) != 1:
            raise ValueError("give exactly one of forkserver: {} and spawn: {}")
        return self

    def as_settings(self) -> dict[str, Any]:
        """Return the fields of ``ExecutionSettings`` that the start method sets."""
        if "spawn" in self.model_fields_set:
            return {"fresh_process": True}
        modules = self.forkserver.preload_modules if self.forkserver is not None else None
        return {"preload_modules": tuple(modules or ())}
