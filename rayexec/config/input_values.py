"""Values of unconnected inputs, read from run config."""

from __future__ import annotations

import json
import os
import pickle
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, BinaryIO

from rayexec.config.file_owners import trusted_owners
from rayexec.definitions.types import RuntimeType
from rayexec.errors import StoreError
from rayexec.private_directory import StrangerError

__all__ = ["BadInputError", "is_in_file", "load_input"]


_ROOT = 0


class BadInputError(Exception):
    """A value of the wrong form or type for its input."""


def load_input(kind: RuntimeType, given: Any) -> Any:
    """Return the value of an input: the given one, or the one that a loader reads.

    Raises BadInputError.
    """
    if kind.loader is None:
        raise BadInputError(
            f"values of type {kind.name} cannot be given by run config; use input_values"
        )
    if _is_wrapped(given):
        ((loader, argument),) = given.items()
        value = _LOADERS[loader](argument)
    elif kind.loader == "selector":
        raise BadInputError(
            f"an input without a type takes {{value: …}}, {{json: …}} or {{pickle: …}}, got "
            f"{given!r}"
        )
    else:
        value = given
    wrong = kind.check(value)
    if wrong is not None:
        raise BadInputError(wrong)
    return value


def is_in_file(kind: RuntimeType, given: Any) -> bool:
    """Return whether the value of an input is read from a file that ``given`` names."""
    return kind.loader is not None and _is_wrapped(given) and next(iter(given)) != "value"


def _is_wrapped(given: Any) -> bool:
    return isinstance(given, Mapping) and len(given) == 1 and next(iter(given)) in _LOADERS


def _from_file(loader: str, argument: Any) -> Any:
    path = argument.get("path") if isinstance(argument, Mapping) else None
    if not isinstance(path, (str, os.PathLike)):
        raise BadInputError(
            f"expected {{{loader}: {{path: FILE}}}}, got {{{loader}: {argument!r}}}"
        )
    try:
        if loader == "json":
            with open(path, "rb") as file:
                return json.load(file)
        with _opened_pickle(path) as file:
            return pickle.load(file)
    except (StrangerError, StoreError) as error:
        raise BadInputError(str(error)) from None
    except OSError as error:
        raise BadInputError(f"cannot read {os.fspath(path)!r}: {error.strerror}") from None
    except Exception as error:  # unpickling may raise any exception
        raise BadInputError(
            f"{os.fspath(path)!r} is not {loader}: {type(error).__name__}: {error}"
        ) from None


def _opened_pickle(path: str | os.PathLike[str]) -> BinaryIO:
    """Open a file whose content runs code; raises StrangerError if others could have written it.

    Somebody else may have written the config with the path, and anybody what is in ``/tmp``.
    """
    owners = trusted_owners()
    owners = replace(owners, uids=owners.uids | {_ROOT})  # installed data is the administrator's
    return owners.open(os.path.realpath(path), levels=0)


_LOADERS: dict[str, Any] = {
    "value": lambda argument: argument,
    "json": lambda argument: _from_file("json", argument),
    "pickle": lambda argument: _from_file("pickle", argument),
}
