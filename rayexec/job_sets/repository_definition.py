"""Repositories: jobs by name, and what is left aside beside them."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, overload

from rayexec.definitions.executor import ExecutorDefinition
from rayexec.definitions.job_set import JobSet
from rayexec.definitions.logger import LoggerDefinition
from rayexec.definitions.metadata import MetadataValue
from rayexec.definitions.plain_metadata import normalize_metadata
from rayexec.definitions.stand_ins import StandIn, facts_of
from rayexec.errors import DefinitionError, InvariantError, RayexecError, UnsupportedError
from rayexec.job_sets.binding import Shared
from rayexec.job_sets.left_aside import (
    Kind,
    LeftAside,
    is_foreign,
    kind_of,
    leave_aside,
    targets,
)
from rayexec.jobs import Graph, Job
from rayexec.names import check_name, nearest

__all__ = ["SINGLE_REPOSITORY", "RepositoryDefinition", "collect", "problems_of", "repository"]

#: The name of the repository of a Definitions, as in Dagster.
SINGLE_REPOSITORY = "__repository__"
_RESERVED = "__ASSET_JOB"


class RepositoryDefinition(JobSet):
    """Jobs by name, with their resources, and what a set of definitions has beside them.

    Raises DefinitionError for two jobs of one name, and for jobs that lack resources. A job given
    by a function is made at its first use.
    """

    def __init__(
        self,
        name: str,
        jobs: Mapping[str, Job | Callable[[], Any]],
        *,
        shared: Shared | None = None,
        triggers: Sequence[Any] = (),
        left_aside: Sequence[LeftAside] = (),
        description: str | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> None:
        self.name = name
        self.description = description
        self.metadata: Mapping[str, MetadataValue] = normalize_metadata(metadata or {})
        self.shared = shared or Shared()
        #: What the repository has beside its jobs, and why it does not run here.
        self.left_aside = tuple(left_aside)
        self._triggers = tuple(triggers)
        self._jobs: dict[str, Job | Callable[[], Any]] = {
            key: self.shared.bound(value) if isinstance(value, Job) else value
            for key, value in jobs.items()
        }

    def get_repository_def(self) -> RepositoryDefinition:
        """Return this."""
        return self

    @property
    def job_names(self) -> list[str]:
        """The names of the jobs, in the order of their definition."""
        return list(self._jobs)

    def has_job(self, name: str) -> bool:
        """Whether there is a job of that name."""
        return name in self._jobs

    def get_job(self, name: str) -> Job:
        """Return the job of that name, with its resources; raises InvariantError without one."""
        value = self._jobs.get(name)
        if value is None:
            raise InvariantError(self._no_job(name))
        if isinstance(value, Job):
            return value
        made = _job_of(value(), f"the function for job {name!r} of repository {self.name!r}")
        if made.name != name:
            raise DefinitionError(
                f"the function for job {name!r} of repository {self.name!r} returns a job called "
                f"{made.name!r}: both names must be the same."
            )
        self._jobs[name] = made
        return made

    def _no_job(self, name: str) -> str:
        for aside in self.left_aside:
            if aside.kind is Kind.ASSET_JOB and aside.name == name:
                return f"job {name!r} is an asset job. {aside.reason}"
        names = ", ".join(map(repr, self._jobs)) or "none"
        return f"there is no job {name!r}; there is {names}.{nearest(name, self._jobs)}"

    def get_all_jobs(self) -> list[Job]:
        """Return the jobs, by their names."""
        return [self.get_job(name) for name in sorted(self._jobs)]

    def load_all_definitions(self) -> None:
        """Make the jobs that functions return."""
        self.get_all_jobs()

    def validate_loadable(self) -> None:
        """Raise DefinitionError if a job can't be made."""
        self.get_all_jobs()

    def problems(self) -> list[str]:
        """Return all mistakes of jobs that functions make."""
        return [
            problem for name in self._jobs if (problem := _problem(partial(self.get_job, name)))
        ]

    def get_top_level_resources(self) -> Mapping[str, Any]:
        """Return the resources that jobs get that lack them."""
        return self.shared.resources

    @property
    def schedule_defs(self) -> list[Any]:
        """The schedules, which only import here."""
        return [each for each in self._triggers if kind_of(each) is Kind.SCHEDULE]

    @property
    def sensor_defs(self) -> list[Any]:
        """The sensors, which only import here."""
        return [each for each in self._triggers if kind_of(each) is Kind.SENSOR]

    def has_schedule_def(self, name: str) -> bool:
        """Whether there is a schedule of that name."""
        return any(leave_aside(each, Kind.SCHEDULE).name == name for each in self.schedule_defs)

    def has_sensor_def(self, name: str) -> bool:
        """Whether there is a sensor of that name."""
        return any(leave_aside(each, Kind.SENSOR).name == name for each in self.sensor_defs)

    def get_schedule_def(self, name: str) -> Any:
        """Return a schedule, which only imports here; raises InvariantError without one."""
        return _named(self.schedule_defs, Kind.SCHEDULE, name)

    def get_sensor_def(self, name: str) -> Any:
        """Return a sensor, which only imports here; raises InvariantError without one."""
        return _named(self.sensor_defs, Kind.SENSOR, name)

    def load_asset_value(self, *_args: Any, **_options: Any) -> Any:
        """Raise UnsupportedError: rayexec does not have assets."""
        raise UnsupportedError(
            "load_asset_value was called, and rayexec does not have assets.",
            feature="load_asset_value",
        )

    def __call__(self) -> RepositoryDefinition:
        return self

    def __repr__(self) -> str:
        return f"RepositoryDefinition({self.name!r}, jobs={self.job_names})"


def _named(things: Iterable[Any], kind: Kind, name: str) -> Any:
    names = {leave_aside(each, kind).name: each for each in things}
    if name not in names:
        raise InvariantError(
            f"there is no {kind.value} {name!r}; there is {', '.join(map(repr, names)) or 'none'}."
        )
    return names[name]


def _job_of(value: Any, where: str) -> Job:
    if isinstance(value, Job):
        return value
    if isinstance(value, Graph):
        return value.to_job()
    raise DefinitionError(f"{where} must be a job or a graph, got {type(value).__name__}.")


def collect(
    name: str,
    contents: Iterable[Any],
    shared: Shared,
    *,
    description: str | None = None,
    metadata: Mapping[str, Any] | None = None,
) -> RepositoryDefinition:
    """Return a repository of jobs, graphs, and things that it leaves aside."""
    members = list(contents)
    where = "Definitions" if name == SINGLE_REPOSITORY else f"repository {name!r}"
    jobs: dict[str, Job] = {}
    for add in _additions(jobs, members, where):
        add()
    left_aside: dict[tuple[Kind, str], LeftAside] = {}
    for member in members:
        if not isinstance(member, (Job, Graph)):
            entry = leave_aside(member, kind_of(member) or Kind.ASSET)
            left_aside[entry.kind, entry.name] = entry
    return RepositoryDefinition(
        name,
        jobs,
        shared=shared,
        triggers=[each for each in members if isinstance(each, StandIn)],
        left_aside=list(left_aside.values()),
        description=description,
        metadata=metadata,
    )


def problems_of(members: Sequence[Any], shared: Shared) -> list[str]:
    """Return all mistakes for which ``collect`` and the repository would refuse members."""
    jobs: dict[str, Job] = {}
    problems = [_problem(add) for add in _additions(jobs, members, "Definitions")]
    problems += [_problem(partial(shared.bound, job)) for job in jobs.values()]
    return [problem for problem in problems if problem is not None]


def _problem(attempt: Callable[[], Any]) -> str | None:
    """Return the error of an attempt, as text; None for a success."""
    try:
        attempt()
    except RayexecError as error:
        return str(error)
    except Exception as error:  # user code may raise anything
        return f"{type(error).__name__}: {error}"
    return None


def _additions(
    jobs: dict[str, Job], members: Iterable[Any], where: str
) -> list[Callable[[], None]]:
    """Return functions that add a job each to ``jobs``, also the targets of schedules."""
    direct = [each for each in members if isinstance(each, (Job, Graph))]
    started = f"{where}, with the targets of schedules and sensors,"
    return [
        *(partial(_add, jobs, each, where) for each in direct),
        *(partial(_add_target, jobs, each, started) for each in targets(members)),
    ]


def _add_target(jobs: dict[str, Job], value: Any, where: str) -> None:
    former = jobs.get(value.name)
    graph = value.graph if isinstance(value, Job) else value
    if former is None or former.graph is not graph:
        _add(jobs, value, where)


def _add(jobs: dict[str, Job], value: Any, where: str) -> None:
    job = _job_of(value, where)
    if job.name == _RESERVED:
        raise DefinitionError(f"{where}: a job can't be called {_RESERVED!r}.")
    former = jobs.get(job.name)
    if former is not None and value not in (former, former.graph):
        raise DefinitionError(
            f"{where}: there are two jobs called {job.name!r}; give one of them another name, by "
            f'@job(name="…") or to_job(name="…").'
        )
    jobs.setdefault(job.name, job)


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
                "a list of jobs, or a dict with the key 'jobs'."
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
            jobs[key] = _job_of(given, f"job {key!r} of repository {name!r}")
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
