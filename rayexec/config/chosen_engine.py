"""Choice of the engine of one run, over what its run config says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rayexec.config.document import merged_run_config
from rayexec.config.engine_traits import IN_PROCESS, RAY, traits_of
from rayexec.config.execution import resolve_execution
from rayexec.config.execution_settings import executor_keys
from rayexec.definitions.graphs.job_definition import JobDefinition
from rayexec.errors import ConfigError, Problem

__all__ = ["with_engine"]

_IN_WORDS = {IN_PROCESS: "in its driver's process", RAY: "on Ray"}


def with_engine(job: JobDefinition, run_config: Mapping[str, Any], engine: str) -> dict[str, Any]:
    """Return run config for a run of the job in the driver's process, or on Ray.

    The settings of the section ``execution`` stay as far as both executors have them. Raises
    ConfigError if the job has an executor of its own that can't.
    """
    document = dict(run_config)
    section = merged_run_config(job, run_config).get("execution")
    settings, problems = resolve_execution(job.executor_def, section)
    if problems:
        return document  # whoever checks the config says so
    if traits_of(settings.engine).uses_ray if engine == RAY else settings.engine == engine:
        return document
    executor = job.executor_def.name
    if executor != "default":
        message = f"the job has the executor {executor}, so it can't run {_IN_WORDS[engine]}"
        problem = Problem(("execution",), message)
        raise ConfigError([problem], subject=f"run config of job {job.name!r}")
    names = {key.name for key in executor_keys() if engine in key.executors}
    given = next(iter(section["config"].values())) or {} if section else {}
    shared = {name: value for name, value in given.items() if name in names}
    return {**document, "execution": {"config": {engine: shared}}}
