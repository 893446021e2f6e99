"""Definitions: the jobs of a file with the resources, executor and loggers that they share."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from rayexec.definitions.executor import ExecutorDefinition
from rayexec.definitions.fields_resource import resource_definition
from rayexec.definitions.graphs.job_set import JobSet
from rayexec.definitions.loggers.logger import LoggerDefinition
from rayexec.definitions.metadata.plain_metadata import normalize_metadata
from rayexec.definitions.op import OpDefinition
from rayexec.definitions.stand_ins.inert import StandIn
from rayexec.errors import DefinitionError, InvariantError
from rayexec.job_sets.binding import Shared
from rayexec.job_sets.collecting import collect, problems_of
from rayexec.job_sets.left_aside import Kind, is_foreign, kind_of, leave_aside, no_such_attribute
from rayexec.job_sets.repository_definition import SINGLE_REPOSITORY, RepositoryDefinition
from rayexec.jobs import Graph, Job

__all__ = [
    "BindResourcesToJobs",
    "Definitions",
    "create_repository_using_definitions_args",
]

_KINDS = {
    "assets": frozenset({Kind.ASSET, Kind.ASSET_CHECK}),
    "schedules": frozenset({Kind.SCHEDULE}),
    "sensors": frozenset({Kind.SENSOR}),
    "jobs": frozenset({Kind.ASSET_JOB}),
    "asset_checks": frozenset({Kind.ASSET, Kind.ASSET_CHECK}),
}


class BindResourcesToJobs(list[Any]):
    """A list of jobs; a Definitions binds its resources to any list of jobs."""


@dataclass(frozen=True)
class Definitions(JobSet):
    """The jobs of a file, with the resources, executor and loggers for those that lack them.

    ``get_job_def`` returns a job with its resources. The command line takes a file with one
    Definitions. Assets, schedules and sensors only import here; jobs that schedules and sensors
    start belong to the set. Raises DefinitionError for members of the wrong kind.
    """

    outranks_repositories: ClassVar[bool] = True

    assets: Iterable[Any] | None = None
    schedules: Iterable[Any] | None = None
    sensors: Iterable[Any] | None = None
    jobs: Iterable[Any] | None = None
    resources: Mapping[str, Any] | None = None
    executor: Any = None
    loggers: Mapping[str, LoggerDefinition] | None = None
    asset_checks: Iterable[Any] | None = None
    metadata: Any = None
    component_tree: Any = None

    def __post_init__(self) -> None:
        for name, kinds in _KINDS.items():
            members = _members(name, getattr(self, name), kinds)
            object.__setattr__(self, name, members)
        _check_mapping("resources", self.resources)
        _check_mapping("loggers", self.loggers)
        for key, value in (self.loggers or {}).items():
            if not isinstance(value, LoggerDefinition):
                raise DefinitionError(
                    f"Definitions: logger {key!r} must be what @logger makes, got "
                    f"{type(value).__name__}."
                )
        if not isinstance(self.executor, (ExecutorDefinition, StandIn, type(None))):
            raise DefinitionError(
                "Definitions: executor must be one of in_process_executor, multiprocess_executor "
                f"and ray_executor, got {type(self.executor).__name__}."
            )
        _check_mapping("metadata", self.metadata)
        object.__setattr__(self, "metadata", normalize_metadata(self.metadata or {}))

    @functools.cached_property
    def _repository(self) -> RepositoryDefinition:
        return _repository_of(SINGLE_REPOSITORY, self)

    def problems(self) -> list[str]:
        """Return all mistakes for which the jobs can't be had, in place of the first one."""
        return problems_of(self._members(), self._shared())

    def _members(self) -> list[Any]:
        return [member for name in _KINDS for member in getattr(self, name) or ()]

    def _shared(self) -> Shared:
        executor = self.executor if isinstance(self.executor, ExecutorDefinition) else None
        resources = {key: resource_definition(each) for key, each in (self.resources or {}).items()}
        return Shared(resources, executor, self.loggers or {})

    def get_repository_def(self) -> RepositoryDefinition:
        """Return the jobs by name, bound; raises DefinitionError as RepositoryDefinition does."""
        return self._repository

    def get_job_def(self, name: str) -> Job:
        """Return the job of that name with its resources; raises InvariantError without one."""
        return self._repository.get_job(name)

    resolve_job_def = get_job_def

    def resolve_all_job_defs(self) -> list[Job]:
        """Return the jobs with their resources, by their names."""
        return self._repository.get_all_jobs()

    get_all_job_defs = resolve_all_job_defs

    def get_schedule_def(self, name: str) -> Any:
        """Return a schedule, which only imports here; raises InvariantError without one."""
        return self._repository.get_schedule_def(name)

    resolve_schedule_def = get_schedule_def

    def get_unresolved_schedule_def(self, name: str) -> Any:
        """Return a schedule, and bind no jobs; raises ValueError without one."""
        return _trigger(self.schedules or (), Kind.SCHEDULE, name)

    def get_sensor_def(self, name: str) -> Any:
        """Return a sensor, which only imports here; raises InvariantError without one."""
        return self._repository.get_sensor_def(name)

    resolve_sensor_def = get_sensor_def

    def get_unresolved_sensor_def(self, name: str) -> Any:
        """Return a sensor, and bind no jobs; raises ValueError without one."""
        return _trigger(self.sensors or (), Kind.SENSOR, name)

    def has_implicit_global_asset_job_def(self) -> bool:
        """Return False; raises UnsupportedError if there are assets."""
        if self.assets:
            raise no_such_attribute("Definitions", "has_implicit_global_asset_job_def")
        return False

    def has_resolved_repository_def(self) -> bool:
        """Whether the jobs have been bound."""
        return "_repository" in vars(self)

    def with_resources(self, resources: Mapping[str, Any] | None) -> Definitions:
        """Return a copy with more resources; raises InvariantError for a key with another one."""
        return Definitions.merge(self, Definitions(resources=resources)) if resources else self

    def __getattr__(self, name: str) -> Any:
        raise no_such_attribute("Definitions", name)

    def __hash__(self) -> int:
        return id(self)

    @staticmethod
    def validate_loadable(defs: Definitions) -> None:
        """Raise DefinitionError if two jobs have one name, or a job lacks a resource."""
        defs.get_repository_def().validate_loadable()

    @staticmethod
    def merge(*def_sets: Definitions) -> Definitions:
        """Return the union of several; raises InvariantError where they contradict each other."""
        for given in def_sets:
            if not isinstance(given, Definitions):
                raise DefinitionError(
                    f"Definitions.merge takes Definitions, got {type(given).__name__}."
                )
        merged: dict[str, Any] = {
            name: [member for one in def_sets for member in getattr(one, name) or ()]
            for name in _KINDS
        }
        for name in ("resources", "loggers"):
            merged[name] = _union(name, [getattr(one, name) or {} for one in def_sets])
        for name in ("executor", "component_tree"):
            values = {id(value): value for one in def_sets if (value := getattr(one, name))}
            if len(values) > 1:
                raise InvariantError(
                    f"Definitions.merge: several of them have an {name}, and not the same one."
                )
            merged[name] = next(iter(values.values()), None)
        metadata = {key: value for one in def_sets for key, value in one.metadata.items()}
        return Definitions(**merged, metadata=metadata)

    @staticmethod
    def merge_unbound_defs(*def_sets: Definitions) -> Definitions:
        """Return the union, as ``merge``; raises InvariantError for one whose jobs are bound."""
        for index, given in enumerate(def_sets):
            if isinstance(given, Definitions) and given.has_resolved_repository_def():
                raise InvariantError(
                    f"Definitions.merge_unbound_defs: the jobs of Definitions {index} have been "
                    "asked for before; use Definitions.merge."
                )
        return Definitions.merge(*def_sets)


def _trigger(triggers: Iterable[Any], kind: Kind, name: str) -> Any:
    for trigger in triggers:
        if leave_aside(trigger, kind).name == name:
            return trigger
    raise ValueError(f"there is no {kind.value} {name!r}.")


def _members(name: str, given: Any, kinds: frozenset[Kind]) -> list[Any] | None:
    """Return the members of an argument as a list; raises DefinitionError for a wrong one."""
    if given is None:
        return None
    if isinstance(given, (str, bytes, Mapping)) or not isinstance(given, Iterable):
        raise DefinitionError(f"Definitions: {name} must be a list, got {type(given).__name__}.")
    members = list(given)
    for member in members:
        if isinstance(member, StandIn):
            is_fit = kind_of(member) in (None, *kinds)
        else:
            is_fit = isinstance(member, Job) if name == "jobs" else is_foreign(member)
        if not is_fit:
            raise DefinitionError(f"Definitions: {_in_words(member)} does not belong into {name}.")
    return type(given)(members) if isinstance(given, BindResourcesToJobs) else members


def _in_words(member: Any) -> str:
    if isinstance(member, StandIn):
        return repr(member)
    name = getattr(member, "name", None)
    if not isinstance(name, str):
        return f"a value of type {type(member).__name__}, {member!r:.80},"
    more = ""
    if isinstance(member, Graph):
        more = ", which to_job() makes a job,"
    elif isinstance(member, OpDefinition):
        more = ", to be called in a function with @job,"
    return f"{type(member).__name__} {name!r}{more}"


def _check_mapping(name: str, given: Any) -> None:
    if given is not None and not (
        isinstance(given, Mapping) and all(isinstance(key, str) for key in given)
    ):
        raise DefinitionError(
            f"Definitions: {name} must map names to {name}, got {type(given).__name__}."
        )


def _union(name: str, mappings: list[Mapping[str, Any]]) -> dict[str, Any]:
    union: dict[str, Any] = {}
    for mapping in mappings:
        for key, value in mapping.items():
            if key in union and union[key] is not value:
                raise InvariantError(
                    f"Definitions.merge: two of them have different {name} {key!r}; give one of "
                    "them another name, or use one object in both."
                )
            union[key] = value
    return union


def _repository_of(repository_name: str, given: Definitions) -> RepositoryDefinition:
    members = given._members()
    if isinstance(given.executor, StandIn):
        members.append(given.executor)
    return collect(repository_name, members, given._shared(), metadata=given.metadata)


def create_repository_using_definitions_args(name: str, **members: Any) -> RepositoryDefinition:
    """Return a repository of the arguments of Definitions."""
    return _repository_of(name, Definitions(**members))
