"""Data of definitions and runs, for steps to look at: no step may change it for another one.

A worker has run config, tags and ops once for all its steps. So a step gets a copy of its own at
its first look, or a mapping that refuses changes.
"""

from __future__ import annotations

import contextlib
import copy
from typing import Any, NoReturn, TypeVar

from rayexec.definitions.config_models import Config

__all__ = ["ReadOnlyDict", "fresh"]

K = TypeVar("K")
V = TypeVar("V")

_IMMUTABLE = frozenset({type(None), bool, int, float, str, bytes})


def fresh(value: Any) -> Any:
    """Return a copy of data: of all its mappings, lists, sets and configs.

    Other objects in there, such as a client, are the same.
    """
    return value if type(value) in _IMMUTABLE else _fresh(value, {})


def _fresh(value: Any, made: dict[int, Any]) -> Any:
    """Return the copy of ``value``; ``made`` has the copies by the ids of what was copied."""
    kind = type(value)
    if kind in _IMMUTABLE:
        return value
    if id(value) in made:  # an anchor of YAML, which may even be inside of itself
        return made[id(value)]
    if kind is dict:
        mapping = made[id(value)] = {}
        for key, part in value.items():
            mapping[key] = _fresh(part, made)
        return mapping
    if kind is list:
        items = made[id(value)] = []
        items += [_fresh(each, made) for each in value]
        return items
    if kind is tuple:
        return tuple([_fresh(each, made) for each in value])
    if isinstance(value, Config):
        return _fresh_config(value, made)
    if isinstance(value, (dict, list, set, bytearray)):
        with contextlib.suppress(Exception):  # something in there has no copy
            return copy.deepcopy(value, made)
    return value


def _fresh_config(config: Config, made: dict[int, Any]) -> Config:
    """Return a config with fresh values; itself if none of them, nor a field, can be changed."""
    extra, private = config.__pydantic_extra__, config.__pydantic_private__
    values = [*config.__dict__.values(), *(extra or {}).values()]
    is_constant = all(type(each) in _IMMUTABLE for each in values)
    if private or (is_constant and config.model_config.get("frozen")):
        return config
    copied = made[id(config)] = config.model_copy()
    for fields in (copied.__dict__, copied.__pydantic_extra__ or {}):
        for name, part in fields.items():
            fields[name] = _fresh(part, made)
    return copied


class ReadOnlyDict(dict[K, V]):
    """A dict that refuses changes; copies of it are plain dicts."""

    def _refuse(self, *_args: Any, **_options: Any) -> NoReturn:
        raise TypeError("this is part of a definition, which cannot be changed: make a copy of it")

    __setitem__ = __delitem__ = __ior__ = _refuse
    update = setdefault = pop = popitem = clear = _refuse

    def __reduce__(self) -> tuple[Any, ...]:
        return ReadOnlyDict, (dict(self),)
