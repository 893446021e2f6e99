"""Config that a user declares as a pydantic model, and values taken from the environment."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import pydantic

__all__ = ["Config", "EnvVar", "PermissiveConfig"]


class Config(pydantic.BaseModel):
    """Base of the config models of ops and resources: frozen, and strict about unknown keys.

    An op takes one by annotating a parameter named ``config`` with it; ``RunConfig(ops={"load": LoadConfig(n=4)})``
    or YAML under ``ops.load.config`` fills it.
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
