"""How a problem with a config value is put: what was expected, what came, and what may have been
meant.
"""

from __future__ import annotations

import reprlib
from typing import TYPE_CHECKING, Any, NamedTuple

import pydantic
from pydantic_core import InitErrorDetails, PydanticCustomError

from rayexec.config.config_types import (
    MISSING,
    Anything,
    Array,
    ConfigType,
    Field,
    Items,
    Map,
    Noneable,
)
from rayexec.config.schema_description import describe_type, example
from rayexec.config.schema_reading import Entry, entries, entry, nested_type
from rayexec.definitions.config import EnvVar
from rayexec.names import nearest

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pydantic_core import ErrorDetails

__all__ = [
    "ENVIRONMENT",
    "VALUE",
    "Finding",
    "env_name",
    "failure",
    "finding_of",
    "got",
    "holds_env",
    "mismatch",
    "outline",
    "problem",
]

# The kinds of a problem, prefixed so that no error type of a user's own is one. Those of the
# environment are no fault of the value, so a default may have them.
VALUE = "rayexec_value"
ENVIRONMENT = "rayexec_environment"

_UNKNOWN = frozenset({"extra_forbidden", "invalid_key"})


class Finding(NamedTuple):
    """A problem, with its path from the config_type that found it."""

    kind: str
    path: tuple[str, ...]
    message: str


def outline(config_type: ConfigType) -> str:
    """Return what ``config_type`` expects, with one level of braces: messages stay short however large the
    schema is.
    """
    return describe_type(config_type, depth=1)


def got(value: object) -> str:
    """Return ``value`` for a message: shortened, and with its type, which its text may hide."""
    return "null" if value is None else f"{reprlib.repr(value)} ({type(value).__name__})"


def problem(message: str, kind: str = VALUE) -> PydanticCustomError:
    """Return the error that a validator raises to report ``message`` where it stands."""
    return PydanticCustomError(kind, "{message}", {"message": message})


def mismatch(config_type: ConfigType, value: object, hint: str = "") -> PydanticCustomError:
    """Return the error for a ``value`` that is nothing like what ``config_type`` expects."""
    return problem(f"expected {outline(config_type)}, got {got(value)}.{hint}")


def failure(found: Sequence[Finding]) -> pydantic.ValidationError:
    """Return the error that a validator raises to report several problems, below where it stands."""
    details = [
        InitErrorDetails(type=problem(one.message, one.kind), loc=one.path, input=None)
        for one in found
    ]
    return pydantic.ValidationError.from_exception_data("config", details)


def env_name(value: object) -> str | None:
    """Return the environment variable that ``value`` refers to, if that is what it does."""
    if isinstance(value, EnvVar):
        return value.name
    if isinstance(value, dict) and set(value) == {"env"} and isinstance(value["env"], str):
        return value["env"]
    return None


def holds_env(value: object, *, dicts: bool = False) -> bool:
    """Return whether an EnvVar is anywhere in ``value``, or (with ``dicts``) a ``{"env": NAME}``."""
    if isinstance(value, EnvVar) or (dicts and env_name(value) is not None):
        return True
    inside: Iterable[object] = ()
    if isinstance(value, pydantic.BaseModel):
        inside = [inner for _, inner in value]
    elif isinstance(value, dict):
        inside = value.values()
    elif isinstance(value, list | tuple | set | frozenset):
        inside = value
    return any(holds_env(inner, dicts=dicts) for inner in inside)


def finding_of(config_type: ConfigType, error: ErrorDetails, data: object = MISSING) -> Finding:
    """Return an error of ``config_type``'s validator as a problem.

    ``data`` is for the error of a model: what the model was given, before environment variables
    were read.
    """
    kind, context = error["type"], error.get("ctx", {})
    loc, place = (error["loc"], data) if data is MISSING else _place(error["loc"], kind, data)
    in_key = bool(loc) and loc[-1] == "[key]"
    path = tuple(map(str, loc[:-1] if in_key else loc))
    if kind in (VALUE, ENVIRONMENT):
        return Finding(kind, path, context["message"])
    if kind == "missing":
        return Finding(VALUE, path, _missing(_at(config_type, path[:-1]), path[-1]))
    if kind in _UNKNOWN:
        return Finding(VALUE, path, _unknown(_at(config_type, path[:-1]), path[-1]))
    value = error["input"]
    if data is MISSING or kind == "path_type":
        expected = outline(_at(config_type, path, in_key))
        return Finding(
            VALUE, path, f"expected {'keys to be ' if in_key else ''}{expected}, got {got(value)}."
        )
    if kind in ("value_error", "assertion_error"):
        message = str(context.get("error") or error["msg"])
    else:
        message = error["msg"].replace("Input should ", "must ", 1)
        # What came from the environment may be a secret.
        message += "" if holds_env(place, dicts=True) else f", got {got(value)}."
    if (name := env_name(place)) is None:
        return Finding(VALUE, path, message)
    return Finding(ENVIRONMENT, path, f"{message} (from the environment variable {name!r})")


def _missing(config_type: ConfigType, key: str) -> str:
    message = f"required key {key!r} is missing."
    item = _keys(config_type).get(key)
    return (
        message
        if item is None
        else f"{message} Expected: {outline(item.config_type)}, such as `{key}: {example(item)}`"
    )


def _unknown(config_type: ConfigType, key: str) -> str:
    return (
        f"unknown key {key!r}.{nearest(key, _keys(config_type))} Expected: {outline(config_type)}"
    )


def _keys(config_type: ConfigType) -> Mapping[str, Entry]:
    return (
        _keys(nested_type(config_type.inner, "Noneable"))
        if isinstance(config_type, Noneable)
        else entries(config_type)
    )


def _at(config_type: ConfigType, path: Sequence[str], in_key: bool = False) -> ConfigType:
    """Return the config_type at ``path`` inside ``config_type``; Anything where the path leaves what words
    describe.
    """
    if isinstance(config_type, Field):
        return _at(entry(config_type).config_type, path, in_key)
    if not path:
        return config_type
    if isinstance(config_type, Noneable):
        return _at(nested_type(config_type.inner, "Noneable"), path, in_key)
    if isinstance(config_type, Array):
        return _at(nested_type(config_type.inner, "Array"), path[1:], in_key)
    if isinstance(config_type, Map):
        if in_key and len(path) == 1:
            return nested_type(config_type.key_type, "Map")
        return _at(nested_type(config_type.inner_type, "Map"), path[1:], in_key)
    if isinstance(config_type, Items):
        return _at(
            config_type.inner[int(path[0])] if config_type.fixed else config_type.inner[0],
            path[1:],
            in_key,
        )
    item = entries(config_type).get(path[0])
    return Anything() if item is None else _at(item.config_type, path[1:], in_key)


def _place(
    loc: Sequence[int | str], kind: str, data: object
) -> tuple[tuple[int | str, ...], object]:
    """Return ``loc`` without the steps that pydantic adds for unions, and what ``data`` has there.

    The way ends at a reference to an environment variable, which has nothing inside.
    """
    place: list[int | str] = []
    value: Any = data
    for number, part in enumerate(loc):
        if env_name(value) is not None:
            break
        try:
            value = (
                getattr(value, str(part)) if isinstance(value, pydantic.BaseModel) else value[part]
            )
        except (TypeError, LookupError, AttributeError):
            if place and not (number == len(loc) - 1 and (kind == "missing" or kind in _UNKNOWN)):
                continue
            value = None
        place.append(part)
    return tuple(place), value
