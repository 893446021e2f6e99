"""Findings of validators: problems with a config value, worded for users."""

from __future__ import annotations

import reprlib
from typing import TYPE_CHECKING, Any, NamedTuple

import pydantic
from pydantic_core import InitErrorDetails, PydanticCustomError

from rayexec.definitions.environment_values import EnvVar, holds_environment
from rayexec.definitions.schemas.config_types import (
    MISSING,
    Anything,
    Array,
    ConfigType,
    Field,
    Items,
    Map,
    Noneable,
)
from rayexec.definitions.schemas.schema_description import describe_type, example
from rayexec.definitions.schemas.schema_reading import Entry, entries, entry, nested_type
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

# Kinds of findings, prefixed so that no error type of a user is one. A finding on the environment
# is no fault of the value, so a default may have it.
VALUE = "rayexec_value"
ENVIRONMENT = "rayexec_environment"

_UNKNOWN = frozenset({"extra_forbidden", "invalid_key"})


class Finding(NamedTuple):
    """A problem, with its path inside the validated value."""

    kind: str
    path: tuple[str, ...]
    message: str


def outline(config_type: ConfigType) -> str:
    """Return a description of a config type, short enough for a message."""
    return describe_type(config_type, depth=1)


def got(value: object) -> str:
    """Return a shortened value for a message, with the type that its text may hide."""
    return "null" if value is None else f"{reprlib.repr(value)} ({type(value).__name__})"


def problem(message: str, kind: str = VALUE) -> PydanticCustomError:
    """Return an error for a validator to raise, at its own path."""
    return PydanticCustomError(kind, "{message}", {"message": message})


def mismatch(config_type: ConfigType, value: object, hint: str = "") -> PydanticCustomError:
    """Return an error for a value of another type than ``config_type``."""
    return problem(f"expected {outline(config_type)}, got {got(value)}.{hint}")


def failure(findings: Sequence[Finding]) -> pydantic.ValidationError:
    """Return an error for a validator to raise, with several findings below its own path."""
    details = [
        InitErrorDetails(type=problem(finding.message, finding.kind), loc=finding.path, input=None)
        for finding in findings
    ]
    return pydantic.ValidationError.from_exception_data("config", details)


def env_name(value: object) -> str | None:
    """Return the name of the environment variable in an EnvVar or ``{"env": NAME}``, else None."""
    if isinstance(value, EnvVar):
        return value.name
    if isinstance(value, dict) and set(value) == {"env"} and isinstance(value["env"], str):
        return value["env"]
    return None


def holds_env(value: object, *, dicts: bool = False) -> bool:
    """Return whether ``value`` holds an EnvVar, or (with ``dicts``) an ``{"env": NAME}``."""
    if not dicts:
        return holds_environment(value)
    if env_name(value) is not None:
        return True
    inside: Iterable[object] = ()
    if isinstance(value, pydantic.BaseModel):
        inside = [inner for _, inner in value]
    elif isinstance(value, dict):
        inside = value.values()
    elif isinstance(value, list | tuple | set | frozenset):
        inside = value
    return any(holds_env(inner, dicts=True) for inner in inside)


def finding_of(config_type: ConfigType, error: ErrorDetails, data: object = MISSING) -> Finding:
    """Return an error of a validator as a finding.

    For the error of a model, ``data`` is the model's input with its environment variables unread.
    """
    kind, context = error["type"], error.get("ctx", {})
    loc, original = (
        (error["loc"], data) if data is MISSING else _path_in_data(error["loc"], kind, data)
    )
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
        # A value from the environment may be a secret.
        message += "" if holds_env(original, dicts=True) else f", got {got(value)}."
    if (name := env_name(original)) is None:
        return Finding(VALUE, path, message)
    return Finding(ENVIRONMENT, path, f"{message} (from the environment variable {name!r})")


def _missing(config_type: ConfigType, key: str) -> str:
    message = f"required key {key!r} is missing."
    item = _keys(config_type).get(key)
    return (
        message
        if item is None
        else f"{message} Expected: {outline(item.type)}, such as `{key}: {example(item)}`"
    )


def _unknown(config_type: ConfigType, key: str) -> str:
    return (
        f"unknown key {key!r}.{nearest(key, _keys(config_type))} Expected: {outline(config_type)}"
    )


def _keys(config_type: ConfigType) -> Mapping[str, Entry]:
    return (
        _keys(nested_type(config_type.inner_type, "Noneable"))
        if isinstance(config_type, Noneable)
        else entries(config_type)
    )


def _at(config_type: ConfigType, path: Sequence[str], in_key: bool = False) -> ConfigType:
    """Return the config type at a path inside of another one, Anything for an unknown path."""
    if isinstance(config_type, Field):
        return _at(entry(config_type).type, path, in_key)
    if not path:
        return config_type
    if isinstance(config_type, Noneable):
        return _at(nested_type(config_type.inner_type, "Noneable"), path, in_key)
    if isinstance(config_type, Array):
        return _at(nested_type(config_type.inner_type, "Array"), path[1:], in_key)
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
    return Anything() if item is None else _at(item.type, path[1:], in_key)


def _path_in_data(
    loc: Sequence[int | str], kind: str, data: object
) -> tuple[tuple[int | str, ...], object]:
    """Return ``loc`` without the parts that pydantic adds for unions, and the value there.

    The path ends at a reference to an environment variable.
    """
    path: list[int | str] = []
    value: Any = data
    last = len(loc) - 1
    for position, part in enumerate(loc):
        if position and env_name(value) is not None:  # A model is none, whatever it is given.
            break
        try:
            value = (
                getattr(value, str(part)) if isinstance(value, pydantic.BaseModel) else value[part]
            )
        except (TypeError, LookupError, AttributeError):
            if path and not (position == last and (kind == "missing" or kind in _UNKNOWN)):
                continue
            value = None
        path.append(part)
    return tuple(path), value
