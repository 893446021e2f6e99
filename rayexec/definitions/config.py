"""Config that a user declares as a pydantic model, and values taken from the environment."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pydantic

__all__ = ["Config", "EnvVar", "PermissiveConfig", "keep_environment"]


class Config(pydantic.BaseModel):
    """Base of the config models of ops and resources: frozen, and strict about unknown keys.

    An op takes one by annotating a parameter named ``config`` with it; ``RunConfig(ops={"load":
    LoadConfig(n=4)})`` or YAML under ``ops.load.config`` fills it.
    """

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)


class PermissiveConfig(Config):
    """A Config that keeps the keys it does not know."""

    model_config = pydantic.ConfigDict(extra="allow", frozen=True, arbitrary_types_allowed=True)


@dataclass(frozen=True, slots=True)
class EnvVar:
    """A config value that is read from the environment variable ``name`` when the run starts."""

    name: str

    def get_value(self, default: str | None = None) -> str | None:
        """Return the variable's value now, or ``default`` where it is not set."""
        return os.environ.get(self.name, default)

    def as_config(self) -> dict[str, Any]:
        """Return the form that config files use: ``{"env": NAME}``."""
        return {"env": self.name}


def keep_environment(
    made: pydantic.BaseModel, initialise: Callable[..., None], fields: Mapping[str, Any]
) -> None:
    """Initialise ``made`` from fields some of which are EnvVars, which it keeps as they are.

    They are checked once they are read. Raises pydantic.ValidationError for what is wrong with the
    other fields.
    """
    try:
        initialise(**fields)
        return
    except pydantic.ValidationError as error:
        for each in error.errors(include_url=False):
            # Of the model as a whole, what is wrong may be the EnvVars.
            if each["loc"] and not isinstance(fields.get(str(each["loc"][0])), EnvVar):
                raise
    except Exception:  # a validator that cannot deal with an EnvVar
        pass
    bare = type(made).model_construct(**fields)
    for slot in (
        "__dict__",
        "__pydantic_fields_set__",
        "__pydantic_extra__",
        "__pydantic_private__",
    ):
        object.__setattr__(made, slot, getattr(bare, slot))
