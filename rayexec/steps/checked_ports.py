"""Checks of the values at a step's inputs and outputs, and values that loaders of users make."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from rayexec.definitions.contexts import OpExecutionContext
from rayexec.definitions.op import OpDefinition
from rayexec.definitions.types.dagster_type import DagsterType, TypeCheck
from rayexec.definitions.types.type_loaders import UnloadedInput
from rayexec.errors import InvariantError, TypeCheckError, TypeCheckFunctionError, TypeLoadingError

__all__ = ["failed_check", "loaded_input", "wrong_type"]


def failed_check(
    value: object, kind: DagsterType, port: str, context: Callable[[], OpExecutionContext]
) -> TypeCheck | None:
    """Return the verdict on a value that ``kind`` does not plainly accept; None if it passes.

    ``port`` is such as ``input "x" of op "f"``. ``context`` makes the context for the check of a
    user. Raises TypeCheckFunctionError for any error of that check, and InvariantError for its
    result if that is no verdict.
    """
    try:
        verdict = kind.type_check(context() if kind.is_custom else None, value)
    except InvariantError:
        raise
    except Exception as error:
        raise TypeCheckFunctionError(
            f"Error occurred while checking the type {kind.name} of {port}:"
        ) from error
    if verdict.success:
        return None
    return replace(verdict, description=verdict.description or kind.no_reason)


def wrong_type(port: str, verdict: TypeCheck, kind: DagsterType) -> TypeCheckError:
    """Return the error for the value of a port whose check failed."""
    message = f"Type check failed for {port}: {verdict.description}."
    return TypeCheckError(message, verdict.metadata, kind)


def loaded_input(
    given: UnloadedInput,
    kind: DagsterType,
    op: OpDefinition,
    name: str,
    context: Callable[[], OpExecutionContext],
) -> object:
    """Return the value that the loader of a user makes; raises TypeLoadingError for its errors."""
    try:
        if kind.loader is None:  # the config was for another input of the same value
            raise TypeError(f"the type {kind.name} has no loader")
        return kind.loader.construct_from_config_value(context(), given.config)
    except Exception as error:
        raise TypeLoadingError(
            f'Error occurred while loading input "{name}" of op "{op.name}" from its config:'
        ) from error
