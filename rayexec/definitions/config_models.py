"""Base classes of config as pydantic models, and config values from the environment."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pydantic
from pydantic_core import InitErrorDetails, PydanticCustomError

from rayexec.definitions.config_fields import complete_fields, config_dict
from rayexec.errors import InvocationError

__all__ = [
    "ORIGINS",
    "Config",
    "EnvVar",
    "PermissiveConfig",
    "as_data",
    "keep_environment",
    "note_origins",
    "origins_in_environment",
    "without_inputs",
]

#: Attribute of a Config with the fields whose values come from the environment.
ORIGINS = "_origins_in_environment"


class Config(pydantic.BaseModel):
    """Base of the config models of ops and resources: frozen, and strict about unknown keys.

    An op declares one as the annotation of a parameter ``config``; ``RunConfig(ops={"load":
    LoadConfig(n=4)})`` or YAML under ``ops.load.config`` fills it.
    """

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)

    @classmethod
    def __pydantic_init_subclass__(cls, **options: Any) -> None:
        super().__pydantic_init_subclass__(**options)
        complete_fields(cls)

    @classmethod
    def to_config_schema(cls) -> Any:
        """Return the fields as a schema for ``config_schema=``; its config is a plain dict."""
        from rayexec.definitions.schemas.schema_reading import field_of_model

        return field_of_model(cls)

    @classmethod
    def to_fields_dict(cls) -> dict[str, Any]:
        """Return the fields by key, for a ``config_schema=`` with further keys beside them."""
        from rayexec.definitions.schemas.schema_reading import fields_of_model

        return fields_of_model(cls)

    def _convert_to_config_dictionary(self) -> dict[str, Any]:
        # Dagster's private name of this; users' code calls it.
        return config_dict(self, for_document=True)

    if not TYPE_CHECKING:  # type checkers know that the fields are frozen

        def __setattr__(self, name: str, value: Any) -> None:
            try:
                super().__setattr__(name, value)
            except (pydantic.ValidationError, ValueError) as error:
                raise InvocationError(
                    f"{type(self).__name__}.{name} cannot be set: a {type(self).__name__} never "
                    f"changes. Make a changed copy by model_copy(update={{{name!r}: …}}), or have "
                    f"state in a private attribute (pydantic.PrivateAttr)."
                ) from error

    def __repr_args__(self) -> Iterable[tuple[str | None, Any]]:
        """Yield the fields for ``repr`` and ``str``, with the origin of values that may be secret.

        Error messages and logs quote an object, and records keep those.
        """
        origins = origins_in_environment(self)
        for name, value in super().__repr_args__():
            yield name, origins.get(name or "", value)


class PermissiveConfig(Config):
    """A Config with further keys of any name."""

    model_config = pydantic.ConfigDict(extra="allow", frozen=True, arbitrary_types_allowed=True)


def as_data(config: Any) -> Any:
    """Return config as plain data: of a Config a dict of its fields, anything else as it is."""
    return config_dict(config, for_document=False) if isinstance(config, Config) else config


@dataclass(frozen=True, slots=True)
class EnvVar:
    """A config value from the environment variable ``name``, read at the start of the run."""

    name: str

    def get_value(self, default: str | None = None) -> str | None:
        """Return the current value of the variable, by default ``default``."""
        return os.environ.get(self.name, default)

    def as_config(self) -> dict[str, Any]:
        """Return the form in config files: ``{"env": NAME}``."""
        return {"env": self.name}


def origins_in_environment(model: pydantic.BaseModel) -> Mapping[str, object]:
    """Return the fields with a value from the environment, each with what names the variable."""
    origins: Mapping[str, object] = model.__dict__.get(ORIGINS) or {}
    return origins


def note_origins(model: pydantic.BaseModel, origins: Mapping[str, object]) -> None:
    """Note the fields with a value from the environment, for ``repr``."""
    if origins:
        # As a cached property, this is neither a field nor compared, and a pickle has it.
        model.__dict__[ORIGINS] = dict(origins)


def without_inputs(error: pydantic.ValidationError) -> pydantic.ValidationError:
    """Return an error that does not quote the refused values, which may be secret."""
    problems = [
        InitErrorDetails(
            # Its text is a template, and braces in a message are none of that.
            type=PydanticCustomError("invalid", "{text}", {"text": problem["msg"]}),
            loc=problem["loc"],
            input=None,
        )
        for problem in error.errors(include_url=False, include_context=False, include_input=False)
    ]
    return pydantic.ValidationError.from_exception_data(error.title, problems, hide_input=True)


def keep_environment(
    model: pydantic.BaseModel, initialise: Callable[..., None], fields: Mapping[str, Any]
) -> None:
    """Initialise ``model`` from fields with EnvVars among them, and keep these as they are.

    The start of the run reads and validates them. Raises pydantic.ValidationError for errors in the
    other fields.
    """
    try:
        initialise(**fields)
        return
    except pydantic.ValidationError as error:
        for problem in error.errors(include_url=False):
            # An error of the model as a whole may come from its EnvVars.
            if problem["loc"] and not isinstance(fields.get(str(problem["loc"][0])), EnvVar):
                raise
    except Exception:  # a validator of users may fail on an EnvVar
        pass
    bare = type(model).model_construct(**fields)
    for slot in (
        "__dict__",
        "__pydantic_fields_set__",
        "__pydantic_extra__",
        "__pydantic_private__",
    ):
        object.__setattr__(model, slot, getattr(bare, slot))
