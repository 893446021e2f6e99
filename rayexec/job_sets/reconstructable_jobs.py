"""Jobs by a function, as Dagster wants them for other processes."""

from __future__ import annotations

import contextlib
import inspect
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib import import_module
from typing import Any

from rayexec.errors import InvariantError
from rayexec.jobs import Job

__all__ = ["build_reconstructable_job", "reconstructable"]


def reconstructable(target: Job | Callable[[], Job]) -> Job:
    """Return a job itself, or the job that a function returns.

    Dagster wants a job wrapped so that other processes can load it; rayexec does not. Raises
    InvariantError for anything else.
    """
    is_function = callable(target) and not isinstance(target, Job)
    if is_function and (needed := _needed(target)):
        raise InvariantError(
            f"reconstructable takes a function without parameters, and this one needs "
            f"{', '.join(needed)}: give it defaults, or call it and hand over the job."
        )
    made = target() if is_function else target
    if not isinstance(made, Job):
        whose = "" if made is target else " by the function"
        raise InvariantError(
            f"reconstructable takes a job, or a function that returns one, got "
            f"{type(made).__name__}{whose}."
        )
    return made


def _needed(function: Callable[..., Any]) -> list[str]:
    """Return the parameters of a function that a call must give."""
    parameters = inspect.signature(function).parameters.values()
    optional = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return [
        each.name for each in parameters if each.default is each.empty and each.kind not in optional
    ]


def build_reconstructable_job(
    reconstructor_module_name: str,
    reconstructor_function_name: str,
    reconstructable_args: Sequence[Any] = (),
    reconstructable_kwargs: Mapping[str, Any] | None = None,
    reconstructor_working_directory: str | None = None,
) -> Job:
    """Return the job that a function of a module makes of these arguments.

    ``reconstructor_working_directory`` is where the module is, unless it is on ``sys.path``.
    """
    with _imported_from(reconstructor_working_directory):
        module = import_module(reconstructor_module_name)
    function = getattr(module, reconstructor_function_name)
    arguments = dict(reconstructable_kwargs or {})
    return reconstructable(lambda: function(*reconstructable_args, **arguments))


@contextlib.contextmanager
def _imported_from(directory: str | None) -> Iterator[None]:
    """Let modules be imported from ``directory`` during the ``with`` block."""
    if directory is None:
        yield
        return
    sys.path.insert(0, directory)
    try:
        yield
    finally:
        sys.path.remove(directory)
