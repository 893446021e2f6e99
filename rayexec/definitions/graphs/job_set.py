"""Sets of jobs as their users see them: the base class, and functions that return one."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, ClassVar

from rayexec.errors import InvariantError

__all__ = ["JobSet", "LazyDefinitions", "definitions"]


class JobSet:
    """Base of Definitions and repositories: jobs by name, with their resources."""

    #: Whether a file may have repositories beside it, which don't count then.
    outranks_repositories: ClassVar[bool] = False

    def get_repository_def(self) -> Any:
        """Return the jobs by name, as a RepositoryDefinition."""
        raise NotImplementedError

    def problems(self) -> list[str]:
        """Return all mistakes for which jobs can't be had."""
        raise NotImplementedError


class LazyDefinitions:
    """A function that returns the Definitions of a file, made by ``@definitions``."""

    def __init__(self, load_fn: Callable[..., Any]) -> None:
        self.load_fn = load_fn
        parameters = list(inspect.signature(load_fn).parameters.values())
        if len(parameters) > 1 or any(not _takes_context(each) for each in parameters):
            raise InvariantError(
                f"@definitions {getattr(load_fn, '__name__', '')}: the function must take nothing, "
                "or one ComponentLoadContext."
            )
        self.has_context_arg = bool(parameters)
        functools.update_wrapper(self, load_fn)

    def __call__(self, _context: Any = None) -> JobSet:
        if self.has_context_arg:
            raise InvariantError(
                f"@definitions {self.load_fn.__name__} wants a ComponentLoadContext, and rayexec "
                "does not have components: have the function take nothing."
            )
        made = self.load_fn()
        if not isinstance(made, JobSet):
            raise InvariantError(
                f"@definitions {self.load_fn.__name__}: the function must return a Definitions or "
                f"a repository, and returned {type(made).__name__}."
            )
        return made


def _takes_context(parameter: inspect.Parameter) -> bool:
    annotation = parameter.annotation
    name = annotation if isinstance(annotation, str) else getattr(annotation, "__name__", "")
    return name.rpartition(".")[2] == "ComponentLoadContext"


def definitions(fn: Callable[..., Any]) -> LazyDefinitions:
    """Mark a function that returns a Definitions; the command line calls it."""
    return LazyDefinitions(fn)
