"""Binding of a job: the resources, executor and loggers of a set of definitions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from rayexec.definitions.executor import ExecutorDefinition, default_executor
from rayexec.definitions.io_manager import IO_MANAGER
from rayexec.definitions.loggers.logger import LoggerDefinition
from rayexec.definitions.resource import ResourceDefinition
from rayexec.definitions.resource_binding import bind_resources
from rayexec.jobs import Job

__all__ = ["Shared"]


@dataclass(frozen=True, slots=True)
class Shared:
    """Things that all jobs of a set share, as far as they don't have their own."""

    resources: Mapping[str, ResourceDefinition] = field(default_factory=dict)
    executor: ExecutorDefinition | None = None
    loggers: Mapping[str, LoggerDefinition] = field(default_factory=dict)

    def bound(self, job: Job) -> Job:
        """Return a job with what it lacks; raises DefinitionError for resources that nobody has.

        A job that lacks a resource, or an IO manager of its own, gets all resources.
        """
        # Late, so that a file with a Definitions is imported without what runs its jobs.
        from rayexec.execute.prepare import check_resources, missing_resources
        from rayexec.plan import compile_job

        plan = compile_job(job)
        resources = dict(job.resource_defs)
        required = {key for each in resources.values() for key in each.required_resource_keys}
        has_default_manager = IO_MANAGER in self.resources and IO_MANAGER not in resources
        if (
            has_default_manager
            or not required <= resources.keys()
            or missing_resources(plan, resources)
        ):
            resources = {**self.resources, **resources}
        check_resources(plan, bind_resources(resources, f"job {job.name!r}"))
        changes: dict[str, object] = {}
        if resources.keys() != job.resource_defs.keys():
            changes["resource_defs"] = resources
        if self.executor is not None and job.executor_def is default_executor:
            changes["executor_def"] = self.executor
        if self.loggers and not job.logger_defs:
            changes["logger_defs"] = dict(self.loggers)
        return replace(job, **changes) if changes else job  # type: ignore[arg-type]
