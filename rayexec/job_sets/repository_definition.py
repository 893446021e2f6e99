"""Repositories: jobs by name, and what is left aside beside them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from rayexec.definitions.graphs.job_set import JobSet
from rayexec.definitions.metadata.metadata_value import MetadataValue
from rayexec.definitions.metadata.plain_metadata import normalize_metadata
from rayexec.errors import DefinitionError, InvariantError, RayexecError, UnsupportedError
from rayexec.job_sets.binding import Shared
from rayexec.job_sets.left_aside import (
    Kind,
    LeftAside,
    kind_of,
    leave_aside,
    no_such_attribute,
)
from rayexec.jobs import Job
from rayexec.names import nearest

__all__ = ["RESERVED_JOB", "SINGLE_REPOSITORY", "RepositoryDefinition", "check_nodes", "problem_of"]

#: The name of the repository of a Definitions, as in Dagster.
SINGLE_REPOSITORY = "__repository__"
#: The name of Dagster's job of all assets, which no other job may have.
RESERVED_JOB = "__ASSET_JOB"


class RepositoryData(ABC):
    """Base of classes with a way of their own to make jobs; ``@repository`` may return an object.

    The repository asks for the names at once, and for a job at its first use.
    """

    @abstractmethod
    def get_all_jobs(self) -> Sequence[Job]:
        """Return all jobs."""

    def get_job_names(self) -> Sequence[str]:
        """Return the names of the jobs."""
        return [job.name for job in self.get_all_jobs()]

    def has_job(self, job_name: str) -> bool:
        """Whether there is a job of that name."""
        return job_name in self.get_job_names()

    def get_job(self, job_name: str) -> Job:
        """Return the job of that name; raises InvariantError without one."""
        jobs = {job.name: job for job in self.get_all_jobs()}
        if job_name not in jobs:
            raise InvariantError(f"there is no job {job_name!r}.{nearest(job_name, jobs)}")
        return jobs[job_name]


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
            raise self._no_job(name)
        if isinstance(value, Job):
            return value
        made = value()
        if not isinstance(made, Job):
            raise DefinitionError(
                f"the function for job {name!r} of repository {self.name!r} must return a job, and "
                f"returned {type(made).__name__}."
            )
        if made.name != name:
            raise DefinitionError(
                f"the function for job {name!r} of repository {self.name!r} returns a job called "
                f"{made.name!r}: both names must be the same."
            )
        self._jobs[name] = made
        return made

    def _no_job(self, name: str) -> Exception:
        for aside in self.left_aside:
            if aside.kind is Kind.ASSET_JOB and aside.name == name:
                return UnsupportedError(
                    f"job {name!r} is an asset job: {aside.reason}", feature="define_asset_job"
                )
        if name == RESERVED_JOB and any(each.kind is Kind.ASSET for each in self.left_aside):
            return no_such_attribute("repository", f"job {name!r} of all assets")
        names = ", ".join(map(repr, self._jobs)) or "none"
        return InvariantError(
            f"there is no job {name!r}; there is {names}.{nearest(name, self._jobs)}"
        )

    def get_all_jobs(self) -> list[Job]:
        """Return the jobs, by their names.

        Raises DefinitionError for two ops or graphs of one name.
        """
        jobs = [self.get_job(name) for name in sorted(self._jobs)]
        check_nodes(jobs)
        return jobs

    def load_all_definitions(self) -> None:
        """Make the jobs that functions return."""
        self.get_all_jobs()

    def validate_loadable(self) -> None:
        """Raise DefinitionError if a job can't be made."""
        self.get_all_jobs()

    def problems(self) -> list[str]:
        """Return all mistakes of jobs that functions make."""
        return [
            problem for name in self._jobs if (problem := problem_of(partial(self.get_job, name)))
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

    def __getattr__(self, name: str) -> Any:
        raise no_such_attribute("repository", name)

    def __call__(self) -> RepositoryDefinition:
        return self

    def __repr__(self) -> str:
        return f"RepositoryDefinition({self.name!r}, jobs={self.job_names})"


def check_nodes(jobs: Iterable[Job]) -> None:
    """Raise DefinitionError unless a name means one op or graph in all jobs."""
    seen: dict[str, tuple[object, str]] = {}
    for job in jobs:
        pending: list[Any] = [job.graph]
        for node in pending:
            former, where = seen.setdefault(node.name, (node, job.name))
            if former is not node:
                raise DefinitionError(
                    f"jobs {where!r} and {job.name!r} have two different ops or graphs called "
                    f"{node.name!r}: give one of them another name."
                )
            pending += [each.definition for each in getattr(node, "nodes", ())]


def _named(things: Iterable[Any], kind: Kind, name: str) -> Any:
    names = {leave_aside(each, kind).name: each for each in things}
    if name not in names:
        raise InvariantError(
            f"there is no {kind.value} {name!r}; there is {', '.join(map(repr, names)) or 'none'}."
        )
    return names[name]


def problem_of(attempt: Callable[[], Any]) -> str | None:
    """Return the error of an attempt, as text; None for a success."""
    try:
        attempt()
    except RayexecError as error:
        return str(error)
    except Exception as error:  # user code may raise anything
        return f"{type(error).__name__}: {error}"
    return None
