"""Base classes of config as pydantic models."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pydantic
from pydantic_core import InitErrorDetails, PydanticCustomError

from rayexec.definitions.config_fields import (
    complete_fields,
    config_dict,
    shown_value,
)
from rayexec.definitions.environment_values import (
    EnvVar,
    MaskingModel,
    holds_environment,
    is_plain,
)
from rayexec.errors import ConfigError, InvocationError, Problem

__all__ = [
    "Config",
    "FieldValues",
    "PermissiveConfig",
    "as_data",
    "is_default",
    "read_environment",
    "without_inputs",
]


class Config(MaskingModel):
    """Base of the config models of ops and resources: frozen, and strict about unknown keys.

    An op declares one as the annotation of a parameter ``config``; ``RunConfig(ops={"load":
    LoadConfig(n=4)})`` or YAML under ``ops.load.config`` fills it.
    """

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)

    if not TYPE_CHECKING:  # type checkers see the fields instead

        def __init__(self, **fields: Any) -> None:
            for value in fields.values():
                if not is_plain(value) and holds_environment(value):
                    _keep_environment(self, super().__init__, fields)
                    return
            super().__init__(**fields)

        __init__.__pydantic_base_init__ = True  # pydantic makes no EnvVar from a mapping

    @classmethod
    def __pydantic_init_subclass__(cls, **options: Any) -> None:
        super().__pydantic_init_subclass__(**options)
        complete_fields(cls)

    @classmethod
    def to_config_schema(cls) -> Any:
        """Return the fields as a schema for ``config_schema=``; its config is a plain dict."""
        from rayexec.definitions.schemas.model_fields import field_of_model

        return field_of_model(cls)

    @classmethod
    def to_fields_dict(cls) -> dict[str, Any]:
        """Return the fields by key, for a ``config_schema=`` with further keys beside them."""
        from rayexec.definitions.schemas.model_fields import fields_of_model

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


class PermissiveConfig(Config):
    """A Config with further keys of any name."""

    model_config = pydantic.ConfigDict(extra="allow", frozen=True, arbitrary_types_allowed=True)


def as_data(config: Any) -> Any:
    """Return config as plain data: of a Config a dict of its fields, anything else as it is."""
    if isinstance(config, FieldValues):
        return config.as_config()
    return config_dict(config, for_document=False) if isinstance(config, Config) else config


def read_environment(value: Any, subject: str = "config", path: tuple[str, ...] = ()) -> Any:
    """Return data with the current values of the variables in it.

    Raises ConfigError for one that is not set.
    """
    if isinstance(value, EnvVar):
        read = value.get_value()
        if read is None:
            message = f"the environment variable {value.name!r} is not set."
            raise ConfigError([Problem(path, message)], subject=subject)
        return read
    if isinstance(value, Config) and holds_environment(value):
        fields = {name: read_environment(each, subject, (*path, name)) for name, each in value}
        return type(value).model_validate(fields)
    if type(value) is dict:
        return {
            key: read_environment(each, subject, (*path, str(key))) for key, each in value.items()
        }
    if type(value) in (list, tuple):
        return type(value)([read_environment(each, subject, path) for each in value])
    return value


def is_default(cls: type[pydantic.BaseModel], key: str, value: object) -> bool:
    """Whether a field, by name or alias, would have this value without being given it."""
    for name, declared in cls.model_fields.items():
        if key in (name, declared.alias, declared.validation_alias):
            try:
                return bool(value == declared.default)
            except Exception:  # objects of users compare as they like
                return value is declared.default
    return False


@dataclass(frozen=True, slots=True)
class FieldValues:
    """Values of the fields of a resource for one run, by key in config."""

    values: Mapping[str, Any]
    #: The fields whose values come from the environment, each with what names the variable.
    origins: Mapping[str, object] = field(default_factory=dict)
    #: Config of the resources in fields: FieldValues for those with fields.
    nested: Mapping[str, Any] = field(default_factory=dict)

    def as_config(self) -> dict[str, Any]:
        """Return the values as plain config."""
        return {key: shown_value(value) for key, value in self.values.items()}


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


def _keep_environment(
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
            if problem["loc"] and not holds_environment(fields.get(str(problem["loc"][0]))):
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
