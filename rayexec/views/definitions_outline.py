"""Outline of a set of definitions: its jobs, what they share, and what is left aside."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from rayexec.definitions.executor import default_executor
from rayexec.definitions.resource import ResourceDefinition
from rayexec.job_sets import RepositoryDefinition
from rayexec.jobs import Job
from rayexec.views.job_outline import list_job

__all__ = ["DefinitionsOutline", "outline_of_definitions"]


@dataclass(frozen=True, slots=True)
class BoundJob:
    """A job with what it has, of its own or of the set."""

    name: str
    description: str | None
    ops: list[str]
    resources: list[str]
    executor: str | None
    loggers: list[str]


@dataclass(frozen=True, slots=True)
class DefinitionsOutline:
    """Jobs, shared resources, executor and loggers, and what is left aside and why."""

    jobs: list[BoundJob]
    #: Descriptions of the resources by key.
    resources: dict[str, str | None]
    executor: str | None
    loggers: list[str]
    #: Kind, name and reason of what does not run here.
    left_aside: list[dict[str, str]]

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON-able data."""
        return asdict(self)


def outline_of_definitions(repository: RepositoryDefinition) -> DefinitionsOutline:
    """Return the outline of a repository; raises what its jobs raise that functions make."""
    shared = repository.shared
    return DefinitionsOutline(
        [_bound_job(repository.get_job(name)) for name in repository.job_names],
        _described(shared.resources),
        None if shared.executor is None else shared.executor.name,
        list(shared.loggers),
        [
            {"kind": each.kind.value, "name": each.name, "reason": each.reason}
            for each in repository.left_aside
        ],
    )


def _bound_job(job: Job) -> BoundJob:
    listing = list_job(job.name, job)
    return BoundJob(
        job.name,
        job.description,
        listing.ops,
        list(job.resource_defs),
        None if job.executor_def is default_executor else job.executor_def.name,
        list(job.logger_defs),
    )


def _described(resources: Mapping[str, ResourceDefinition]) -> dict[str, str | None]:
    return {key: getattr(each, "description", None) for key, each in resources.items()}
