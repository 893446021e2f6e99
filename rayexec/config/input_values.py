"""Values for inputs that no step feeds, as run config gives them."""

from __future__ import annotations

import json
import os
import pickle
from collections.abc import Mapping
from typing import Any

from rayexec.definitions.types import RuntimeType

__all__ = ["BadInputError", "load_input"]


class BadInputError(Exception):
    """A value that does not fit its input; the message says how."""


def load_input(kind: RuntimeType, given: Any) -> Any:
    """Return the value that run config gives for an input: as it stands, or by one of the loaders.

    Raises BadInputError."""
    if kind.loader is None:
        raise BadInputError(
            f"values of type {kind.name} cannot be given by run config; use input_values"
        )
    wrapped = isinstance(given, Mapping) and len(given) == 1 and next(iter(given)) in _LOADERS
    if wrapped:
        ((loader, what),) = given.items()
        value = _LOADERS[loader](what)
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


def _from_file(loader: str, what: Any) -> Any:
    path = what.get("path") if isinstance(what, Mapping) else None
    if not isinstance(path, (str, os.PathLike)):
        raise BadInputError(f"expected {{{loader}: {{path: FILE}}}}, got {{{loader}: {what!r}}}")
    try:
        with open(path, "rb") as file:
            return json.load(file) if loader == "json" else pickle.load(file)
    except OSError as error:
        raise BadInputError(f"cannot read {os.fspath(path)!r}: {error.strerror}") from None
    except Exception as error:  # unpickling may raise anything
        raise BadInputError(
            f"{os.fspath(path)!r} is not {loader}: {type(error).__name__}: {error}"
        ) from None


_LOADERS: dict[str, Any] = {
    "value": lambda what: what,
    "json": lambda what: _from_file("json", what),
    "pickle": lambda what: _from_file("pickle", what),
}
