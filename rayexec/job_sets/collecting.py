"""Collection of jobs and other members into a repository, and of the mistakes among them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from rayexec.definitions.stand_ins.inert import StandIn, facts_of
from rayexec.errors import DefinitionError
from rayexec.job_sets.binding import Shared
from rayexec.job_sets.left_aside import (
    Kind,
    LeftAside,
    asset_jobs,
    kind_of,
    leave_aside,
    targets,
)
from rayexec.job_sets.repository_definition import (
    RESERVED_JOB,
    SINGLE_REPOSITORY,
    RepositoryDefinition,
    check_nodes,
    problem_of,
)
from rayexec.jobs import Graph, Job
from rayexec.names import nearest

__all__ = ["collect", "job_of", "problems_of"]


def job_of(value: Any, where: str) -> Job:
    """Return a job, also of a graph; raises DefinitionError, with ``where``, for anything else."""
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
    _check_target_names(members, jobs)
    left_aside: dict[tuple[Kind, str], LeftAside] = {}
    for member in [*members, *asset_jobs(members)]:
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


def _check_target_names(members: Iterable[Any], jobs: Mapping[str, Job]) -> None:
    """Raise DefinitionError for a schedule or sensor that names a job which is not there."""
    there = set(jobs) | {
        leave_aside(each, Kind.ASSET_JOB).name
        for each in members
        if kind_of(each) is Kind.ASSET_JOB
    }
    for member in members:
        kind = kind_of(member)
        if kind not in (Kind.SCHEDULE, Kind.SENSOR):
            continue
        name = facts_of(member).kwargs.get("job_name")
        if isinstance(name, str) and name not in there:
            raise DefinitionError(
                f"{kind.value} {leave_aside(member, kind).name!r} starts job {name!r}, which is "
                f"not there.{nearest(name, there)}"
            )


def problems_of(members: Sequence[Any], shared: Shared) -> list[str]:
    """Return all mistakes for which ``collect`` and the repository would refuse members."""
    jobs: dict[str, Job] = {}
    problems = [problem_of(add) for add in _additions(jobs, members, "Definitions")]
    problems += [problem_of(partial(shared.bound, job)) for job in jobs.values()]
    problems += [
        problem_of(partial(_check_target_names, members, jobs)),
        problem_of(partial(check_nodes, jobs.values())),
    ]
    return [problem for problem in problems if problem is not None]


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
    job = job_of(value, where)
    if job.name == RESERVED_JOB:
        raise DefinitionError(f"{where}: a job can't be called {RESERVED_JOB!r}.")
    former = jobs.get(job.name)
    if former is not None and former is not value:
        raise DefinitionError(
            f"{where}: there are two jobs called {job.name!r}; give one of them another name, by "
            f'@job(name="…") or to_job(name="…").'
        )
    jobs.setdefault(job.name, job)
