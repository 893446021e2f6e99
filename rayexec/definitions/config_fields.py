"""Fields of Config classes as Dagster reads them: optional ones, and tagged unions."""

from __future__ import annotations

import enum
import types
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal, NamedTuple, Union, get_args, get_origin

import pydantic

from rayexec.definitions.types.dagster_type import is_subclass

__all__ = [
    "Arm",
    "arm_of",
    "complete_fields",
    "config_dict",
    "document_value",
    "shown_value",
    "tags_of",
]


class Arm(NamedTuple):
    """The chosen model of a tagged union, as Dagster writes it: ``{TAG: {its other fields}}``."""

    #: The value of the field that tells the models apart.
    tag: Any
    fields: Mapping[str, Any]


def complete_fields(cls: type[pydantic.BaseModel]) -> None:
    """Give None to optional fields without a default, and Dagster's form to unions and enums.

    A field ``x: Optional[int]`` need not be given, and ``pet: Union[Cat, Dog]`` with the
    discriminator ``kind`` takes ``{"cat": {…}}`` besides ``{"kind": "cat", …}``. A field for an
    enum takes the names of its members besides their values.
    """
    changed = False
    for field in cls.model_fields.values():
        if field.is_required() and is_optional(field.annotation):
            field.default = None
            changed = True
        models = union_models(field.annotation)
        if (
            isinstance(field.discriminator, str)
            and models
            and not any(isinstance(each, pydantic.BeforeValidator) for each in field.metadata)
        ):
            field.metadata.append(
                pydantic.BeforeValidator(_UnionReader(field.discriminator, models))
            )
            changed = True
        if _names_members(field):
            kind: Any = field.annotation
            field.metadata.append(pydantic.BeforeValidator(_MemberReader(kind)))
            changed = True
    if changed and cls.__pydantic_complete__:
        cls.model_rebuild(force=True)


def _names_members(field: Any) -> bool:
    """Whether a field is for an enum whose members have other names than values."""
    kind = field.annotation
    return (
        isinstance(kind, type)
        and issubclass(kind, enum.Enum)
        and any(name != member.value for name, member in kind.__members__.items())
        and not any(
            isinstance(each, pydantic.BeforeValidator) and isinstance(each.func, _MemberReader)
            for each in field.metadata
        )
    )


@dataclass(frozen=True)
class _MemberReader:
    """A validator that turns the name of an enum's member into the member."""

    kind: type[enum.Enum]

    def __call__(self, value: Any) -> Any:
        is_value = any(value == member.value for member in self.kind)
        is_name = isinstance(value, str) and value in self.kind.__members__
        return self.kind[value] if is_name and not is_value else value


@lru_cache(maxsize=512)
def secret_fields(cls: type[pydantic.BaseModel]) -> frozenset[str]:
    """Return the fields whose values nothing may show.

    They have ``json_schema_extra={"dagster__is_secret": True}``, as in Dagster.
    """
    return frozenset(
        name
        for name, field in cls.model_fields.items()
        if isinstance(field.json_schema_extra, dict)
        and field.json_schema_extra.get("dagster__is_secret")
    )


def is_optional(annotation: Any) -> bool:
    """Return whether None is one of the types of a union."""
    return get_origin(annotation) in (Union, types.UnionType) and type(None) in get_args(annotation)


def union_models(annotation: Any) -> tuple[type[pydantic.BaseModel], ...]:
    """Return the models of a union of nothing else but None; other annotations have none."""
    if get_origin(annotation) not in (Union, types.UnionType):
        return ()
    options = [each for each in get_args(annotation) if each is not type(None)]
    is_of_models = all(is_subclass(each, pydantic.BaseModel) for each in options)
    return tuple(options) if is_of_models else ()


def tags_of(
    models: tuple[type[pydantic.BaseModel], ...], discriminator: str
) -> dict[Any, type[pydantic.BaseModel]]:
    """Return the models of a union by the values of the field that tells them apart."""
    tags: dict[Any, type[pydantic.BaseModel]] = {}
    for model in models:
        field = model.model_fields.get(discriminator)
        if field is not None and get_origin(field.annotation) is Literal:
            tags |= {
                each.value if isinstance(each, enum.Enum) else each: model
                for each in get_args(field.annotation)
            }
    return tags


def arm_of(value: Any, discriminator: str, tags: Mapping[Any, Any]) -> Arm | None:
    """Return the arm that a value in Dagster's form names, None for any other value."""
    if not isinstance(value, dict) or len(value) != 1:
        return None
    ((tag, fields),) = value.items()
    if tag == discriminator or tag not in tags or not (fields is None or isinstance(fields, dict)):
        return None
    return Arm(tag, fields or {})


@dataclass(frozen=True)
class _UnionReader:
    """A validator that turns Dagster's form of a tagged union into the form of pydantic."""

    discriminator: str
    models: tuple[type[pydantic.BaseModel], ...]

    def __call__(self, value: Any) -> Any:
        tags = tags_of(self.models, self.discriminator)
        arm = arm_of(value, self.discriminator, tags)
        if arm is None:
            return value
        field = tags[arm.tag].model_fields[self.discriminator]
        return {**arm.fields, field.alias or self.discriminator: arm.tag}


def config_dict(model: pydantic.BaseModel, *, for_document: bool) -> dict[str, Any]:
    """Return a model as the dict that Dagster makes of it, with keys as in run config.

    For a document, enums are names, variables are ``{"env": NAME}``, and fields that are None are
    left out if that is their default. Otherwise enums are values, as in ``context.op_config``.
    """
    fields = type(model).model_fields
    made = {}
    for name, value in model:
        field = fields.get(name)
        if for_document and value is None and field is not None and field.default is None:
            continue
        key = name if field is None else field.alias or name
        made[key] = _plain(value, for_document, None if field is None else field.discriminator)
    return made


def document_value(value: Any, discriminator: Any = None) -> Any:
    """Return the value of a field as run config gives it."""
    return _plain(value, True, discriminator)


def shown_value(value: Any) -> Any:
    """Return the value of a field as plain data, as contexts show it."""
    return _plain(value, False)


def _plain(value: Any, for_document: bool, discriminator: Any = None) -> Any:
    if isinstance(value, pydantic.BaseModel):
        inner = config_dict(value, for_document=for_document)
        if not isinstance(discriminator, str):
            return inner
        field = type(value).model_fields[discriminator]
        return {inner.pop(field.alias or discriminator): inner}
    if isinstance(value, enum.Enum):
        return value.name if for_document else value.value
    if isinstance(value, Mapping):
        return {key: _plain(each, for_document) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each, for_document) for each in value]
    if for_document and hasattr(value, "as_config"):
        return value.as_config()
    return value
