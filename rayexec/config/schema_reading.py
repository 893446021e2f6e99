"""How a config schema is read: what the user wrote, as a config_type; a dict or a model, as its entries.

All of it raises DefinitionError for a schema that is malformed.
"""

from __future__ import annotations

import enum
import types
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin

import pydantic

from rayexec.config.config_types import (
    MISSING,
    Anything,
    Array,
    ConfigType,
    Field,
    Items,
    Map,
    Model,
    Noneable,
    OneOf,
    Opaque,
    Permissive,
    Scalar,
    Selector,
    Shape,
    frozen,
)
from rayexec.errors import DefinitionError

__all__ = [
    "Entry",
    "as_type",
    "empty",
    "entries",
    "entry",
    "is_enum",
    "literals",
    "needs_value",
    "nested_type",
]


@dataclass(frozen=True, slots=True)
class Entry:
    """One key of a dict, read from a Field or from the field of a model.

    ``default`` is what was declared, or MISSING; ``fallback`` is what an absent key stands for, or
    MISSING where the key stays absent.
    """

    config_type: ConfigType
    required: bool
    default: object = MISSING
    fallback: object = MISSING
    name: str = ""


_SCALARS: dict[object, Scalar] = {
    kind: Scalar(kind, label=kind.__name__) for kind in (int, float, str, bool)
}
_MODEL_SCALARS: dict[object, Scalar] = {
    kind: Scalar(kind, True, kind.__name__) for kind in (int, float, str, bool)
}
_ANYTHING: Final = Anything()
_DICT: Final = Permissive()
_LIST: Final = Array(Any)


def as_type(schema: object) -> ConfigType:
    """Return ``schema`` as a config_type; raises DefinitionError for what is not a schema."""
    if isinstance(schema, ConfigType):
        return schema
    config_type = frozen(schema)
    if isinstance(config_type, ConfigType):
        return config_type
    if isinstance(schema, list):
        raise DefinitionError(
            f"A list schema takes one item, the type of the list's items ([int]), not {schema!r}."
        )
    if schema is Any:
        return _ANYTHING
    if isinstance(schema, type) and get_origin(schema) is None:
        if schema in _SCALARS:
            return _SCALARS[schema]
        if schema is list:
            return _LIST
        if schema is dict:
            return _DICT
        if _is_model(schema):
            return _model_type(schema)
        if is_enum(schema):
            raise DefinitionError(
                f"{schema!r} is not a config type: use Enum.from_python_enum({schema.__name__})."
            )
    if get_origin(schema) is not None:
        raise DefinitionError(
            f"{schema!r} is not a config type. Types from typing are for Config classes; in a "
            f"config schema use "
            "[inner], Map, Noneable, or Field(..., is_required=False)."
        )
    raise DefinitionError(
        f"{schema!r} is not a config type: use int, str, float, bool, list, dict, Any, a dict of "
        f"these, "
        "a Config class, or a config_type such as Field, Selector or Noneable."
    )


def nested_type(schema: object, config_type: str) -> ConfigType:
    """Return the config_type inside ``config_type``, which may be anything but a Field."""
    inner = as_type(schema)
    if isinstance(inner, Field):
        raise DefinitionError(f"{config_type} cannot hold a Field: give it the Field's config.")
    return inner


def entry(schema: object) -> Entry:
    """Return ``schema``, a Field or what could be in one, as an Entry."""
    field = schema if isinstance(schema, Field) else Field(as_type(schema))
    config_type = nested_type(field.config, "Field")
    if field.default_value is not MISSING:
        if field.is_required:
            raise DefinitionError(
                f"A Field has both a default ({field.default_value!r}) and is_required=True."
            )
        return Entry(config_type, False, field.default_value, field.default_value)
    if field.is_required is not None:
        return Entry(config_type, field.is_required)
    required = needs_value(config_type)
    return Entry(config_type, required, fallback=MISSING if required else empty(config_type))


def entries(config_type: ConfigType) -> Mapping[str, Entry]:
    """Return the keys of a Shape, Permissive, Selector or Model; every other config_type has none."""
    if isinstance(config_type, Model):
        return _model_entries(config_type.cls)
    if not isinstance(config_type, Shape | Permissive | Selector):
        return {}
    fields = config_type.fields or {}
    if isinstance(config_type, Selector) and not fields:
        raise DefinitionError("A Selector needs at least one field.")
    for key in fields:
        if not isinstance(key, str):
            raise DefinitionError(
                f"The keys of a {type(config_type).__name__} are strings, not {key!r}."
            )
    return {key: entry(schema) for key, schema in fields.items()}


def needs_value(config_type: ConfigType) -> bool:
    """Return whether something must be given for ``config_type``."""
    if isinstance(config_type, Field):
        return entry(config_type).required
    if isinstance(config_type, Selector):
        arms = entries(config_type)
        return len(arms) > 1 or any(arm.required for arm in arms.values())
    if isinstance(config_type, Shape | Permissive | Model):
        return any(item.required for item in entries(config_type).values())
    return not isinstance(config_type, Noneable)


def empty(config_type: ConfigType) -> object:
    """Return the value that says nothing: ``{}`` for a dict, None for a Noneable, and MISSING where
    there is none.
    """
    if isinstance(config_type, Shape | Permissive | Selector | Model):
        return {}
    return None if isinstance(config_type, Noneable) else MISSING


def _is_model(annotation: object) -> bool:
    """Return whether ``annotation`` is a pydantic model with fields of its own."""
    return (
        isinstance(annotation, type)
        and issubclass(annotation, pydantic.BaseModel)
        and not issubclass(annotation, pydantic.RootModel)
    )


@lru_cache(maxsize=512)
def _model_type(cls: Any) -> Model:
    """Return the config_type for a model; one per class, so that what is compiled for it is found again."""
    return Model(cls)


@lru_cache(maxsize=512)
def _model_entries(cls: type[pydantic.BaseModel]) -> Mapping[str, Entry]:
    """Return the fields of a model by the key that config gives them (their alias, if they have
    one).
    """
    try:
        cls.model_rebuild()
    except pydantic.errors.PydanticUndefinedAnnotation as error:
        raise DefinitionError(
            f"The config class {cls.__name__} has an annotation that cannot be resolved: {error}"
        ) from error
    found = {}
    for name, field in cls.model_fields.items():
        alias = field.validation_alias or field.alias
        required = field.is_required()
        default = MISSING if required or field.default_factory is not None else field.default
        config_type = _from_annotation(field.annotation, (field, *field.metadata))
        found[alias if isinstance(alias, str) else name] = Entry(
            config_type, required, default, name=name
        )
    return types.MappingProxyType(found)  # shared by all who ask


def _from_annotation(annotation: Any, metadata: Sequence[object] = ()) -> ConfigType:
    """Return the config_type for the annotation of a model's field."""
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _from_annotation(args[0], (*metadata, *args[1:]))
    if annotation in (Any, object):
        return _ANYTHING
    if origin in (Union, types.UnionType):
        return _from_union(args, metadata)
    container = origin or annotation
    if isinstance(container, type) and not issubclass(container, enum.Enum | str | bytes):
        if issubclass(container, Mapping):
            plain = container in (dict, Mapping) or (origin is not None and len(args) == 2)
            return Opaque(annotation) if not plain else _from_mapping(args)
        if container is tuple and args and args[-1] is not Ellipsis:
            return Items(tuple(_from_annotation(arg) for arg in args), fixed=True)
        if container in (list, tuple, set, frozenset, Sequence) or (
            origin and issubclass(container, AbstractSet)
        ):
            return Items((_from_annotation(args[0]) if args else _ANYTHING,))
    if annotation in _MODEL_SCALARS:
        return _MODEL_SCALARS[annotation]
    return _model_type(annotation) if _is_model(annotation) else Opaque(annotation)


def _from_mapping(args: tuple[Any, ...]) -> ConfigType:
    if not args:
        return _DICT
    key = _from_annotation(args[0])
    return Map(key if isinstance(key, Scalar) else Opaque(args[0]), _from_annotation(args[1]))


def _from_union(args: tuple[Any, ...], metadata: Sequence[object]) -> ConfigType:
    options = tuple(_from_annotation(arg) for arg in args if arg is not type(None))
    tag = next(_discriminators(metadata), None)
    if tag is not None and not (
        isinstance(tag, str) and all(isinstance(option, Model) for option in options)
    ):
        # Told apart by a function, or nested in each other: only pydantic knows which model is
        # meant.
        return _ANYTHING
    config_type = options[0] if len(options) == 1 else OneOf(options, tag)
    return Noneable(config_type) if type(None) in args else config_type


def _discriminators(metadata: Sequence[object]) -> Iterator[object]:
    for item in metadata:
        found = (
            item
            if isinstance(item, pydantic.Discriminator)
            else getattr(item, "discriminator", None)
        )
        if found is not None:
            yield found.discriminator if isinstance(found, pydantic.Discriminator) else found


def is_enum(annotation: object) -> bool:
    """Return whether ``annotation`` is a Python enum."""
    return isinstance(annotation, type) and issubclass(annotation, enum.Enum)


def literals(annotation: object) -> tuple[object, ...]:
    """Return the values of a Literal, and nothing for any other annotation."""
    return get_args(annotation) if get_origin(annotation) is Literal else ()
