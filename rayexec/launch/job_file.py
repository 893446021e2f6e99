"""Search for a job: the import of its file or module, and the choice among the jobs there.

A Definitions or a repository at the top level has the jobs of the file, with their resources.
"""

from __future__ import annotations

import importlib
import importlib.machinery
import importlib.util
import os
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from rayexec.definitions.code import import_file
from rayexec.definitions.graphs.job_set import JobSet, LazyDefinitions
from rayexec.definitions.op import OpDefinition
from rayexec.errors import LoadError, RayexecError
from rayexec.events import user_traceback
from rayexec.jobs import Graph, Job
from rayexec.names import nearest

if TYPE_CHECKING:
    from rayexec.job_sets import RepositoryDefinition

__all__ = ["JobSource", "check_source", "find_job_set", "find_jobs", "load_job"]

_CHANGE_IMPORTS = (
    "Change the import line to rayexec; `rayexec migrate check .` tells for all files of this "
    "directory what works then."
)
# Python's message for a name that a package lacks.
_NOT_IN_RAYEXEC = re.compile(r"cannot import name '(\w+)' from 'rayexec' ")


@dataclass(frozen=True, slots=True)
class JobSource:
    """Address of a job: a ``file`` or ``module``, and the attribute or name of one of several."""

    file: Path | None = None
    module: str | None = None
    attribute: str | None = None
    job: str | None = None

    @property
    def container(self) -> str:
        """The file or module, as text."""
        return str(self.file) if self.file is not None else f"module {self.module}"


def load_job(source: JobSource) -> Job:
    """Return the job at ``source``; raises LoadError without one, and for several."""
    jobs = find_jobs(source)
    if source.job is None:
        if len(jobs) == 1:
            return next(iter(jobs.values()))
        listed = "\n".join(f"  {_name_in_list(attribute, job)}" for attribute, job in jobs.items())
        raise LoadError(
            f"{source.container} has {len(jobs)} jobs; say which one with -j NAME:\n{listed}"
        )
    named = {attribute: job for attribute, job in jobs.items() if job.name == source.job}
    if not named:
        names = [job.name for job in jobs.values()]
        raise LoadError(
            f"{source.container} has no job {source.job!r}; it has "
            f"{', '.join(sorted(names))}.{nearest(source.job, names)}"
        )
    if len(named) > 1:
        raise LoadError(
            f"{source.container} has {len(named)} jobs called {source.job!r}, in the attributes "
            f"{', '.join(named)}; say which one with -a ATTR."
        )
    return next(iter(named.values()))


def _name_in_list(attribute: str, job: Job) -> str:
    return job.name if attribute == job.name else f"{job.name} (attribute {attribute})"


def find_jobs(source: JobSource) -> dict[str, Job]:
    """Return the jobs of a file or module by attribute, in the order of their definition.

    Jobs of a Definitions or repository are there by name, and no others. Raises LoadError without
    any.
    """
    jobs_or_set = _find(source)
    if isinstance(jobs_or_set, dict):
        return jobs_or_set
    jobs = {name: _resolved(jobs_or_set, name, source) for name in jobs_or_set.job_names}
    if not jobs:
        aside = "".join(f"\n  {each.kind.value} {each.name}" for each in jobs_or_set.left_aside)
        beside = f" rayexec leaves aside:{aside}" if aside else ""
        raise LoadError(f"the definitions of {source.container} have no job of ops.{beside}")
    return jobs


def find_job_set(source: JobSource) -> JobSet:
    """Return the Definitions or repository of a file or module, and do not resolve it.

    A file without one has a Definitions of all its jobs. Raises LoadError where ``find_jobs`` does
    for mistakes of the file.
    """
    jobs_or_set = _locate(source)
    if isinstance(jobs_or_set, dict):
        from rayexec.job_sets import Definitions

        return Definitions(jobs=jobs_or_set.values())
    return jobs_or_set.loaded


@dataclass(frozen=True, slots=True)
class _LocatedSet:
    """A set of jobs, and its place for messages."""

    where: str
    given: JobSet | LazyDefinitions

    @property
    def loaded(self) -> JobSet:
        """The set itself, also of a function that returns it."""
        if isinstance(self.given, JobSet):
            return self.given
        made: JobSet = _explained(self.given, f"{self.where} cannot be loaded")
        return made

    def repository(self) -> RepositoryDefinition:
        """Return the jobs by name, bound; raises LoadError if one of them can't be."""
        repository: RepositoryDefinition = _explained(
            self.loaded.get_repository_def, f"{self.where} cannot be loaded"
        )
        return repository


def _find(source: JobSource) -> dict[str, Job] | RepositoryDefinition:
    jobs_or_set = _locate(source)
    return jobs_or_set if isinstance(jobs_or_set, dict) else jobs_or_set.repository()


def _locate(source: JobSource) -> dict[str, Job] | _LocatedSet:
    module = _import(source)
    if source.attribute is not None:
        value = _value_of(source, module, source.attribute)
        return {source.attribute: value} if isinstance(value, Job) else value
    located = _set_in(source, module)
    if located is not None:
        return located
    jobs: dict[int, tuple[str, Job]] = {}
    for attribute, value in vars(module).items():
        # Several attributes may hold one job; its own name is the best of them.
        if isinstance(value, Job) and (id(value) not in jobs or attribute == value.name):
            jobs[id(value)] = (attribute, value)
    if not jobs:
        raise LoadError(f"{source.container} has no job. {_advice(module)}")
    return dict(jobs.values())


def _set_in(source: JobSource, module: ModuleType) -> _LocatedSet | None:
    """Return the one set of jobs at the top level of a module; raises LoadError for several."""
    by_rank: tuple[dict[int, _LocatedSet], ...] = ({}, {}, {})
    for attribute, value in vars(module).items():
        if isinstance(value, (JobSet, LazyDefinitions)):
            rank = 2
            if isinstance(value, LazyDefinitions):
                rank = 0
            elif value.outranks_repositories:
                rank = 1
            located = _LocatedSet(f"{attribute} of {source.container}", value)
            by_rank[rank].setdefault(id(value), located)
    for sets in by_rank:  # as Dagster searches a file
        if len(sets) > 1:
            names = ", ".join(each.where.partition(" ")[0] for each in sets.values())
            raise LoadError(
                f"{source.container} has several sets of jobs, {names}: keep one of them, for "
                f"example by Definitions.merge, or say which one with -a ATTR."
            )
        for located in sets.values():
            return located
    return None


def _resolved(repository: RepositoryDefinition, name: str, source: JobSource) -> Job:
    job: Job = _explained(
        lambda: repository.get_job(name), f"job {name} of {source.container} cannot be loaded"
    )
    return job


def _explained(run: Callable[[], Any], failed: str) -> Any:
    """Return the result of ``run``; errors of rayexec explain themselves without a traceback."""
    errors: list[RayexecError] = []

    def attempt() -> Any:
        try:
            return run()
        except RayexecError as error:
            errors.append(error)

    value = _guarded(attempt, failed)
    if errors:
        raise LoadError(f"{failed}: {errors[0]}") from None
    return value


def _advice(module: ModuleType) -> str:
    if any(_is_of_dagster(value) for value in vars(module).values()):
        return f"It imports dagster, and not rayexec. {_CHANGE_IMPORTS}"
    graphs = {name: value for name, value in vars(module).items() if isinstance(value, Graph)}
    if graphs:
        name = next(iter(graphs))
        return (
            f"It has the graph{'' if len(graphs) == 1 else 's'} {', '.join(graphs)}: make a job "
            f"of it by {name}_job = {name}.to_job() in the file, or run it by -a {name}."
        )
    functions = [
        name
        for name, value in vars(module).items()
        if callable(value)
        and getattr(value, "__module__", None) == module.__name__
        and "job" in name.lower()
    ]
    if functions:
        return f"If the function {functions[0]} returns one, run it by -a {functions[0]}."
    return "Decorate the function that calls your ops with @job, at the top level of the file."


def _value_of(source: JobSource, module: ModuleType, attribute: str) -> Job | _LocatedSet:
    """Return the job or set of jobs of an attribute, also of a graph or a function."""
    if not hasattr(module, attribute):
        names = [name for name in vars(module) if not name.startswith("_")]
        raise LoadError(
            f"{source.container} has no attribute {attribute!r}.{nearest(attribute, names)}"
        )
    value = getattr(module, attribute)
    made_by = ""
    is_set = isinstance(value, (JobSet, LazyDefinitions))
    if not is_set and not isinstance(value, Job | Graph | OpDefinition) and callable(value):
        value = _guarded(value, f"{attribute}() of {source.container} failed")
        made_by = "() returns what is"
    if isinstance(value, Job):
        return value
    if isinstance(value, Graph):
        return value.to_job()
    if isinstance(value, (JobSet, LazyDefinitions)):
        return _LocatedSet(f"{attribute} of {source.container}", value)
    kind = "an op" if isinstance(value, OpDefinition) else f"of type {type(value).__name__}"
    raise LoadError(
        f"{attribute}{made_by or ' is'} {kind}, not a job, in {source.container}: it must be a "
        f"job, a graph, a Definitions, or a function that returns one of them."
    )


def check_source(source: JobSource) -> None:
    """Raise LoadError unless a source names a file or a module."""
    if (source.file is None) == (source.module is None):
        wrong = "give only one of them" if source.file is not None else "give one of them"
        raise LoadError(f"a job is in a file (-f FILE) or in a module (-m MODULE): {wrong}.")


def _import(source: JobSource) -> ModuleType:
    check_source(source)
    if source.file is not None:
        path = source.file
        if path.suffix not in importlib.machinery.SOURCE_SUFFIXES:
            raise LoadError(f"{path} is not a Python file: its name must end in .py.")
        module: ModuleType = _guarded(
            lambda: import_file(path), f"{source.container} cannot be imported"
        )
        return module
    name = source.module or ""
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    if name.endswith(".py") or os.sep in name:
        raise LoadError(
            f"{name!r} is not the dotted name of a module. For a file, write -f {name}."
        )
    _check_module(name)
    imported: ModuleType = _guarded(
        lambda: importlib.import_module(name), f"{source.container} cannot be imported"
    )
    return imported


def _check_module(name: str) -> None:
    """Raise LoadError without a module of that name, before its import can fail."""
    parent = name.rpartition(".")[0]
    if parent:
        _check_module(parent)
        _guarded(lambda: importlib.import_module(parent), f"module {parent} cannot be imported")
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError):
        spec = None
    if spec is None:
        module, _, attribute = name.replace(":", ".").rpartition(".")
        hint = ""
        if ":" in name or hasattr(sys.modules.get(module), attribute):
            hint = f" For an attribute of a module, write -m {module} -a {attribute}."
        raise LoadError(f"there is no module {name!r} in this directory or on Python's path.{hint}")


def _guarded(run: Callable[[], Any], failed: str) -> Any:
    """Return the result of ``run``; raises LoadError with the user's traceback if it fails."""
    try:
        return run()
    except SystemExit as error:
        raise LoadError(
            f"{failed}: it ends the process (sys.exit({error.code!r})). Keep what is only for "
            f"running the file as a "
            f'script below if __name__ == "__main__".\n\n{user_traceback(error)}'
        ) from None
    except Exception as error:  # user code may raise anything
        raise LoadError(f"{failed}: {_reason(error)}\n\n{user_traceback(error)}") from None


def _is_of_dagster(value: object) -> bool:
    origin = value.__name__ if isinstance(value, ModuleType) else type(value).__module__
    return origin.partition(".")[0] == "dagster"


def _reason(error: Exception) -> str:
    if isinstance(error, SyntaxError):
        return f"{type(error).__name__}: {error.msg}"
    first = str(error).strip().partition("\n")[0]
    reason = f"{type(error).__name__}: {first}" if first else type(error).__name__
    advice = _import_advice(error) if isinstance(error, ImportError) else ""
    return f"{reason}. {advice}" if advice else reason


def _import_advice(error: ImportError) -> str:
    """Return what to do about a file of Dagster as it stood, or a file of a package."""
    package = (error.name or "").partition(".")[0]
    if package == "dagster":
        return _CHANGE_IMPORTS
    if package.startswith("dagster_"):
        return (
            f"{package} needs Dagster. Call the library behind it in an op or in a resource of "
            "your own."
        )
    if "no known parent package" in str(error):
        return "The file is a part of a package: give its dotted name with -m, not the file."
    if package == "rayexec" and (wanted := _NOT_IN_RAYEXEC.match(str(error))):
        similar = nearest(wanted[1], dir(sys.modules[package]))
        return (
            f"rayexec has no {wanted[1]}.{similar} See the names of Dagster in "
            "the documentation for what it has."
        )
    return ""
