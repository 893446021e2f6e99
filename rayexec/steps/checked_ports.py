"""Checks of the values at a step's inputs and outputs, and values that loaders of users make."""

from __future__ import annotations

from collections.abc import Callable

from rayexec.definitions.contexts import OpExecutionContext
from rayexec.definitions.type_loaders import UnloadedInput
from rayexec.definitions.types import DagsterType
from rayexec.errors import TypeCheckFunctionError, TypeLoadingError

__all__ = ["loaded_input", "mistake_in"]


def mistake_in(
    value: object, kind: DagsterType, port: str, context: Callable[[], OpExecutionContext]
) -> str | None:
    """Return the mistake in the value of a port, such as ``input "x" of op "f"``, or None.

    ``context`` makes the context for the check of a user. Raises TypeCheckFunctionError for any
    error of that check.
    """
    if not kind.is_custom:
        return kind.check(value)
    try:
        return kind.check(value, context())
    except Exception as error:
        raise TypeCheckFunctionError(
            f"Error occurred while checking the type {kind.name} of {port}:"
        ) from error


def loaded_input(
    given: UnloadedInput,
    kind: DagsterType,
    port: str,
    context: Callable[[], OpExecutionContext],
) -> object:
    """Return the value that the loader of a user makes; raises TypeLoadingError for its errors."""
    try:
        if kind.loader is None:  # the config was for another input of the same value
            raise TypeError(f"the type {kind.name} has no loader")
        return kind.loader.construct_from_config_value(context(), given.config)
    except Exception as error:
        raise TypeLoadingError(f"Error occurred while loading {port} from its config:") from error
