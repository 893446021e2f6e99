"""The decorator ``@repository``."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, overload

from rayexec.definitions.executor import ExecutorDefinition
from rayexec.definitions.loggers.logger import LoggerDefinition
from rayexec.definitions.stand_ins.inert import StandIn, facts_of
from rayexec.errors import DefinitionError
from rayexec.job_sets.binding import Shared
from rayexec.job_sets.collecting import collect, job_of
from rayexec.job_sets.left_aside import is_foreign, kind_of
from rayexec.job_sets.repository_definition import RepositoryData, RepositoryDefinition
from rayexec.jobs import Graph, Job
from rayexec.names import check_name, nearest

__all__ = ["repository"]


@dataclass(frozen=True, slots=True)
class _Settings:
    """Arguments of ``@repository``."""

    name: str | None = None
    description: str | None = None
    metadata: Mapping[str, Any] | None = None
    default_executor_def: ExecutorDefinition | None = None
    default_logger_defs: Mapping[str, LoggerDefinition] | None = None

    def __call__(self, fn: Callable[[], Any]) -> RepositoryDefinition:
        name = check_name(self.name or fn.__name__, "a repository")
        value = fn()
        shared = Shared({}, self.default_executor_def, self.default_logger_defs or {})
        if isinstance(value, RepositoryDefinition):
            made = value
        elif isinstance(value, RepositoryData):
            made = RepositoryDefinition(
                name,
                {key: functools.partial(value.get_job, key) for key in value.get_job_names()},
                description=self.description,
                metadata=self.metadata,
            )
        elif isinstance(value, list):
            made = collect(
                name,
                list(_checked(value, name)),
                shared,
                description=self.description,
                metadata=self.metadata,
            )
        elif isinstance(value, dict):
            made = RepositoryDefinition(
                name,
                _jobs_of_dict(value, name),
                description=self.description,
                metadata=self.metadata,
            )
        else:
            raise DefinitionError(
                f"@repository {name}: the function returns {type(value).__name__}; it must return "
                "a list of jobs, a dict with the key 'jobs', or a RepositoryData."
            )
        functools.update_wrapper(made, fn)
        return made


def _checked(value: list[Any], name: str) -> Iterator[Any]:
    members: list[Any] = []
    for member in value:
        members += member if isinstance(member, list) else [member]
    for index, member in enumerate(members):
        is_fit = kind_of(member) is not None if isinstance(member, StandIn) else is_foreign(member)
        if is_fit or isinstance(member, (Job, Graph)):
            yield member
        else:
            what = facts_of(member).path if isinstance(member, StandIn) else type(member).__name__
            raise DefinitionError(
                f"@repository {name}: the member at index {index} is of type {what}; members are "
                "jobs, graphs, assets, schedules and sensors."
            )


def _jobs_of_dict(value: dict[str, Any], name: str) -> dict[str, Job | Callable[[], Any]]:
    keys = ("jobs", "schedules", "sensors")
    for key in value:
        if key not in keys:
            raise DefinitionError(
                f"@repository {name}: the dict has the key {key!r}; its keys may be "
                f"{', '.join(keys)}.{nearest(str(key), keys)}"
            )
    jobs: dict[str, Job | Callable[[], Any]] = {}
    for key, given in (value.get("jobs") or {}).items():
        if isinstance(given, StandIn):
            continue
        if isinstance(given, (Graph, Job)):
            jobs[key] = job_of(given, f"job {key!r} of repository {name!r}")
        elif callable(given):
            jobs[key] = given
        else:
            raise DefinitionError(
                f"@repository {name}: job {key!r} must be a job, a graph, or a function that "
                f"returns one of them, got {type(given).__name__}."
            )
    return jobs


@overload
def repository(definitions_fn: Callable[[], Any], /) -> RepositoryDefinition: ...
@overload
def repository(
    *,
    name: str | None = ...,
    description: str | None = ...,
    metadata: Mapping[str, Any] | None = ...,
    default_executor_def: ExecutorDefinition | None = ...,
    default_logger_defs: Mapping[str, LoggerDefinition] | None = ...,
) -> Callable[[Callable[[], Any]], RepositoryDefinition]: ...
def repository(
    definitions_fn: Callable[[], Any] | None = None,
    /,
    *,
    name: str | None = None,
    description: str | None = None,
    metadata: Mapping[str, Any] | None = None,
    default_executor_def: ExecutorDefinition | None = None,
    default_logger_defs: Mapping[str, LoggerDefinition] | None = None,
) -> RepositoryDefinition | Callable[[Callable[[], Any]], RepositoryDefinition]:
    """Make a repository of a function that returns a list of jobs, or ``{"jobs": {name: …}}``.

    A value of that dict may be a function that returns the job. New files use ``Definitions``.
    """
    settings = _Settings(name, description, metadata, default_executor_def, default_logger_defs)
    return settings if definitions_fn is None else settings(definitions_fn)
