"""Search of modules for jobs, and for what stands beside them, to make a Definitions of them."""

from __future__ import annotations

import importlib
import pkgutil
import sys
from collections.abc import Iterable, Iterator, Mapping
from types import ModuleType
from typing import Any

from rayexec.errors import DefinitionError
from rayexec.job_sets.definition_set import Definitions
from rayexec.job_sets.left_aside import Kind, kind_of, leave_aside
from rayexec.jobs import Job

__all__ = [
    "load_definitions_from_current_module",
    "load_definitions_from_module",
    "load_definitions_from_modules",
    "load_definitions_from_package_module",
    "load_definitions_from_package_name",
]

_ARGUMENT_OF = {
    Kind.ASSET: "assets",
    Kind.ASSET_CHECK: "asset_checks",
    Kind.ASSET_JOB: "jobs",
    Kind.SCHEDULE: "schedules",
    Kind.SENSOR: "sensors",
}


def load_definitions_from_modules(
    modules: Iterable[ModuleType],
    resources: Mapping[str, Any] | None = None,
    loggers: Mapping[str, Any] | None = None,
    executor: Any = None,
) -> Definitions:
    """Return a Definitions of all jobs at the top level of modules, or in lists there.

    Raises DefinitionError for what is no module, and for two jobs of one name.
    """
    modules = list(modules)
    for index, module in enumerate(modules):
        if not isinstance(module, ModuleType):
            raise DefinitionError(
                f"load_definitions_from_modules: {module!r:.80} at index {index} is of type "
                f"{type(module).__name__}, not a module: import the module, and give that."
            )
    # By identity: one object may have several names, and be imported by other modules.
    origins = {id(value): (module, value) for module in modules for value in _loadable(module)}
    members: dict[str, list[Any]] = {}
    module_of: dict[tuple[str, str], ModuleType] = {}
    for module, value in origins.values():
        kind = kind_of(value)
        argument = "jobs" if kind is None else _ARGUMENT_OF[kind]
        members.setdefault(argument, []).append(value)
        if kind in (Kind.ASSET, Kind.ASSET_CHECK):
            continue  # two assets may have one name, and different keys
        name = value.name if kind is None else leave_aside(value, kind).name
        if (argument, name) in module_of:
            former = module_of[argument, name]
            raise DefinitionError(
                f"there are two {argument} called {name!r}, in {former.__name__} and "
                f"{module.__name__}: give one of them another name."
            )
        module_of[argument, name] = module
    return Definitions(**members, resources=resources, loggers=loggers, executor=executor)


def _loadable(module: ModuleType) -> Iterator[Any]:
    for name in dir(module):
        value = getattr(module, name)
        members = value if isinstance(value, list) else [value]
        if all(isinstance(each, Job) or kind_of(each) is not None for each in members):
            yield from members


def load_definitions_from_module(
    module: ModuleType,
    resources: Mapping[str, Any] | None = None,
    loggers: Mapping[str, Any] | None = None,
    executor: Any = None,
) -> Definitions:
    """Return a Definitions of a module, as ``load_definitions_from_modules`` does."""
    return load_definitions_from_modules([module], resources, loggers, executor)


def load_definitions_from_current_module(
    resources: Mapping[str, Any] | None = None,
    loggers: Mapping[str, Any] | None = None,
    executor: Any = None,
) -> Definitions:
    """Return a Definitions of the module that calls this, as far as it has run."""
    module = sys.modules[sys._getframe(1).f_globals["__name__"]]
    return load_definitions_from_modules([module], resources, loggers, executor)


def load_definitions_from_package_module(
    package_module: ModuleType,
    resources: Mapping[str, Any] | None = None,
    loggers: Mapping[str, Any] | None = None,
    executor: Any = None,
) -> Definitions:
    """Return a Definitions of a package and all modules below it."""
    modules = list(_modules_in(package_module))
    return load_definitions_from_modules(modules, resources, loggers, executor)


def load_definitions_from_package_name(
    package_name: str,
    resources: Mapping[str, Any] | None = None,
    loggers: Mapping[str, Any] | None = None,
    executor: Any = None,
) -> Definitions:
    """Return a Definitions of the package of that name and all modules below it."""
    package = importlib.import_module(package_name)
    return load_definitions_from_package_module(package, resources, loggers, executor)


def _modules_in(package: ModuleType) -> Iterator[ModuleType]:
    yield package
    for info in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        yield importlib.import_module(info.name)
