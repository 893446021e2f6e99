"""Tags: strings by name, on ops, invocations, jobs and runs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from rayexec.definitions.time_limits import as_time_limit
from rayexec.errors import DefinitionError

__all__ = [
    "MAX_RUNTIME_SECONDS_TAG",
    "MAX_RUNTIME_TAGS",
    "PRIORITY_TAGS",
    "max_runtime",
    "normalize_tags",
    "priority",
]

PRIORITY_TAGS = ("rayexec/priority", "dagster/priority")
#: Dagster's tag for the longest time of a run, in seconds.
MAX_RUNTIME_SECONDS_TAG = "dagster/max_runtime"
MAX_RUNTIME_TAGS = ("rayexec/max_runtime", MAX_RUNTIME_SECONDS_TAG)


def normalize_tags(tags: Mapping[str, Any] | None, where: str) -> dict[str, str]:
    """Return ``tags`` as strings, with other values encoded as JSON of sorted keys.

    Raises DefinitionError for other keys than strings, and for values without JSON.
    """
    if tags is None:
        return {}
    if not isinstance(tags, Mapping):
        raise DefinitionError(f"{where}: tags must be a mapping, got {type(tags).__name__}.")
    normal: dict[str, str] = {}
    for key, value in tags.items():
        if not isinstance(key, str) or not key:
            raise DefinitionError(f"{where}: tag keys are strings, got {key!r}.")
        if isinstance(value, str):
            normal[key] = value
            continue
        try:
            normal[key] = json.dumps(value, sort_keys=True)
            is_same = json.loads(normal[key]) == value
        except (TypeError, ValueError):
            raise DefinitionError(
                f"{where}: tag {key!r} holds a {type(value).__name__}; use a string."
            ) from None
        if not is_same:
            raise DefinitionError(
                f"{where}: tag {key!r} holds {value!r}, which reads as {normal[key]} from JSON and "
                f"so would change; use a string, or data that JSON has."
            )
    return normal


def max_runtime(tags: Mapping[str, str], where: str) -> float | None:
    """Return the time limit of a run in seconds, from its ``tags``.

    None without one, and for an infinite one. Raises DefinitionError.
    """
    for key in MAX_RUNTIME_TAGS:
        if key in tags:
            try:
                return as_time_limit(float(tags[key]))
            except ValueError:
                raise DefinitionError(
                    f"{where}: tag {key!r} must be a number of seconds above 0, got {tags[key]!r}."
                ) from None
    return None


def priority(tags: Mapping[str, str], where: str) -> int:
    """Return the priority of a step from its ``tags``, by default 0; higher runs earlier."""
    for key in PRIORITY_TAGS:
        if key in tags:
            try:
                return int(tags[key])
            except ValueError:
                raise DefinitionError(
                    f"{where}: tag {key!r} must be a whole number, got {tags[key]!r}."
                ) from None
    return 0
