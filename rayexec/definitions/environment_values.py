"""Config values from environment variables, and models that never show them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pydantic

from rayexec.definitions.config_fields import secret_fields

__all__ = [
    "MASKED",
    "ORIGINS",
    "EnvVar",
    "IntEnvVar",
    "MaskingModel",
    "holds_environment",
    "is_plain",
    "note_origins",
    "origins_in_environment",
]

#: Stands for a value that is secret where run config is recorded or shown.
MASKED = "(masked)"
#: Attribute of a Config with the fields whose values come from the environment.
ORIGINS = "_origins_in_environment"


if TYPE_CHECKING:
    # An EnvVar fits into any field of type str, as type checkers see it. At run time it is no
    # string, so that its name never passes for the value.
    class _Text(str): ...
else:

    class _Text:
        __slots__ = ()


@dataclass(frozen=True, slots=True)
class EnvVar(_Text):
    """A config value from the environment variable ``name``, read at the start of the run.

    ``str()`` raises RuntimeError, since the value is not there yet: use ``get_value``.
    """

    name: str

    @property
    def env_var_name(self) -> str:
        """The name of the variable."""
        return self.name

    def get_value(self, default: Any = None) -> Any:
        """Return the current value of the variable, by default ``default``."""
        return os.environ.get(self.name, default)

    def as_config(self) -> dict[str, Any]:
        """Return the form in config files: ``{"env": NAME}``."""
        return {"env": self.name}

    def __str__(self) -> str:
        raise RuntimeError(
            f"{self!r} stands for a value that the start of a run reads. Give it to a field of a "
            "Config or a resource, or call get_value() for the value now."
        )

    @staticmethod
    def int(name: str) -> Any:
        """Return an EnvVar that holds an int, for a field of type int."""
        return IntEnvVar(name)


class IntEnvVar(EnvVar):
    """An EnvVar that holds an int: ``EnvVar.int("NAME")``."""

    __slots__ = ()

    def get_value(self, default: Any = None) -> Any:
        """Return the current value as an int; raises ValueError for any other text."""
        text = os.environ.get(self.name)
        return int(text) if text else default

    def __int__(self) -> int:
        return int(str(self))


_PLAIN = frozenset({type(None), bool, int, float, str, bytes})


def is_plain(value: object) -> bool:
    """Whether a value is a scalar, without anything in it."""
    return type(value) in _PLAIN


def holds_environment(value: object) -> bool:
    """Whether a value is an EnvVar, or a config or container with one in it."""
    if isinstance(value, EnvVar):
        return True
    inside: Iterable[object] = ()
    if isinstance(value, pydantic.BaseModel):
        inside = [inner for _, inner in value]
    elif isinstance(value, Mapping):
        inside = value.values()
    elif isinstance(value, list | tuple | set | frozenset):
        inside = value
    return any(type(each) not in _PLAIN and holds_environment(each) for each in inside)


class MaskingModel(pydantic.BaseModel):
    """A model that shows neither its secrets nor values from the environment."""

    def __repr_args__(self) -> Iterable[tuple[str | None, Any]]:
        """Yield the fields for ``repr`` and ``str``, with the origin of values that may be secret.

        Error messages and logs quote an object, and records keep those.
        """
        origins, secrets = origins_in_environment(self), secret_fields(type(self))
        for name, value in super().__repr_args__():
            shown = MASKED if name in secrets else value
            yield name, origins.get(name or "", shown)


def origins_in_environment(model: pydantic.BaseModel) -> Mapping[str, object]:
    """Return the fields with a value from the environment, each with what names the variable."""
    origins: Mapping[str, object] = model.__dict__.get(ORIGINS) or {}
    return origins


def note_origins(model: pydantic.BaseModel, origins: Mapping[str, object]) -> None:
    """Note the fields with a value from the environment, for ``repr``."""
    if origins:
        # As a cached property, this is neither a field nor compared, and a pickle has it.
        model.__dict__[ORIGINS] = dict(origins)
