"""Reading of config schemas: any schema as a config type, and dicts and models as entries.

Each function raises DefinitionError for a malformed schema.
"""

from __future__ import annotations

import enum
import types
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin

import pydantic
from pydantic.fields import FieldInfo

from rayexec.definitions.config_fields import complete_fields, secret_fields
from rayexec.definitions.docstrings import described
from rayexec.definitions.schemas.config_types import (
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
from rayexec.definitions.types.dagster_type import DagsterType, is_subclass
from rayexec.errors import DefinitionError

__all__ = [
    "Entry",
    "as_type",
    "empty",
    "entries",
    "entry",
    "is_enum",
    "literals",
    "models_in",
    "needs_value",
    "nested_type",
]


@dataclass(frozen=True, slots=True)
class Entry:
    """One key of a dict, read from a Field or from a field of a model."""

    type: ConfigType
    required: bool
    #: The declared default, or MISSING.
    default: object = MISSING
    #: The value of an absent key; with MISSING the key stays absent.
    fallback: object = MISSING
    #: The name of the field in its model.
    name: str = ""
    #: Nothing may show the value.
    is_secret: bool = False
    description: str | None = None


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
    """Return ``schema`` as a config type."""
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
            f"config schema use [inner], Map, Noneable, or Field(..., is_required=False)."
        )
    raise DefinitionError(
        f"{schema!r} is not a config type: use int, str, float, bool, list, dict, Any, a dict of "
        f"these, a Config class, or a type such as Field, Selector or Noneable."
    )


def nested_type(schema: object, owner: str) -> ConfigType:
    """Return a schema inside of an ``owner`` as a config type; a Field is not allowed there."""
    inner = as_type(schema)
    if isinstance(inner, Field):
        raise DefinitionError(f"{owner} cannot hold a Field: give it the Field's config.")
    return inner


def entry(schema: object) -> Entry:
    """Return a Field, or any schema, as an entry."""
    field = schema if isinstance(schema, Field) else Field(as_type(schema))
    config_type = nested_type(field.config, "Field")
    made = partial(Entry, is_secret=field.is_secret, description=field.description)
    if field.default_value is not MISSING:
        if field.is_required:
            raise DefinitionError(
                f"A Field has both a default ({field.default_value!r}) and is_required=True."
            )
        default = field.default_value
        return made(config_type, False, default, default)
    if field.is_required is not None:
        return made(config_type, field.is_required)
    required = needs_value(config_type)
    fallback = MISSING if required else empty(config_type)
    return made(config_type, required, fallback=fallback)


def entries(config_type: ConfigType) -> Mapping[str, Entry]:
    """Return the entries of a Shape, Permissive, Selector or Model; other types have none."""
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
    """Return whether a value must be given for a config type."""
    if isinstance(config_type, Field):
        return entry(config_type).required
    if isinstance(config_type, Selector):
        arms = entries(config_type)
        return len(arms) > 1 or any(arm.required for arm in arms.values())
    if isinstance(config_type, Shape | Permissive | Model):
        return any(item.required for item in entries(config_type).values())
    return not isinstance(config_type, Noneable)


def empty(config_type: ConfigType) -> object:
    """Return an empty value: ``{}`` for a dict, None for a Noneable, else MISSING."""
    if isinstance(config_type, Shape | Permissive | Selector | Model):
        return {}
    return None if isinstance(config_type, Noneable) else MISSING


def _is_model(annotation: object) -> bool:
    """Return whether an annotation is a pydantic model with fields of its own."""
    return is_subclass(annotation, pydantic.BaseModel) and not issubclass(
        annotation, pydantic.RootModel
    )


@lru_cache(maxsize=512)
def _model_type(cls: Any) -> Model:
    """Return the config type of a model; there is one for each class, so that caches find it."""
    return Model(cls)


@lru_cache(maxsize=512)
def _model_entries(cls: type[pydantic.BaseModel]) -> Mapping[str, Entry]:
    """Return the entries of a model by their alias, or by their name without one."""
    try:
        cls.model_rebuild()
    except pydantic.errors.PydanticUndefinedAnnotation as error:
        raise DefinitionError(
            f"The config class {cls.__name__} has an annotation that cannot be resolved: {error}"
        ) from error
    complete_fields(cls)  # those with annotations that only now can be resolved
    documented = described(cls.__doc__ or "").inputs
    items = {}
    for name, field in cls.model_fields.items():
        alias = field.validation_alias or field.alias
        required = field.is_required()
        default = MISSING if required or field.default_factory is not None else field.default
        config_type = _field_type(cls, name, field)
        key = alias if isinstance(alias, str) else name
        is_empty = isinstance(config_type, Model) and not _needs_values(config_type.cls)
        fallback: object = {} if required and is_empty else MISSING
        items[key] = Entry(
            config_type,
            required and not is_empty,
            default,
            fallback,
            name,
            name in secret_fields(cls),
            field.description or documented.get(name),
        )
    return types.MappingProxyType(items)  # shared by all callers


def _needs_values(cls: type[Any], within: tuple[type, ...] = ()) -> bool:
    """Return whether a model has required fields; one inside of itself (``within``) has them."""
    if cls in within:
        return True
    required: list[Any] = [
        field.annotation for field in cls.model_fields.values() if field.is_required()
    ]
    return any(
        not _is_model(annotation) or _needs_values(annotation, (*within, cls))
        for annotation in required
    )


def _field_type(cls: type[pydantic.BaseModel], name: str, field: FieldInfo) -> ConfigType:
    where = f"The field {name!r} of {cls.__name__}"
    if isinstance(field.default, Field):
        raise DefinitionError(
            f"{where} has a rayexec.Field as its default, which is for config_schema={{…}}: use "
            f"pydantic.Field here."
        )
    config_type = _from_annotation(field.annotation, (field, *field.metadata))
    for unread in opaque_classes(config_type):
        raise DefinitionError(
            f"{where} is of type {unread.__name__}, which no value of run config can be: use int, "
            f"str, float, bool, lists and dicts of these, enums, Literal, or other Config classes."
        )
    return config_type


def opaque_classes(config_type: ConfigType) -> Iterator[type]:
    """Yield classes that pydantic cannot make of a value, inside of a field's type."""
    for leaf in _leaves(config_type):
        if not isinstance(leaf, Opaque):
            continue
        if isinstance(leaf.annotation, DagsterType):
            yield type(leaf.annotation)
        elif isinstance(leaf.annotation, type):
            try:
                pydantic.TypeAdapter(leaf.annotation)
            except pydantic.errors.PydanticSchemaGenerationError:
                yield leaf.annotation
            except Exception:  # pydantic will say it where it reads the class
                return


def models_in(config_type: ConfigType) -> Iterator[Model]:
    """Yield the models inside of a field's type."""
    return (leaf for leaf in _leaves(config_type) if isinstance(leaf, Model))


def _leaves(config_type: ConfigType) -> Iterator[ConfigType]:
    inside: tuple[object, ...] = ()
    if isinstance(config_type, Noneable):
        inside = (config_type.inner_type,)
    elif isinstance(config_type, Map):
        inside = (config_type.key_type, config_type.inner_type)
    elif isinstance(config_type, Items):
        inside = config_type.inner
    elif isinstance(config_type, OneOf):
        inside = config_type.options
    else:
        yield config_type
    for inner in inside:
        if isinstance(inner, ConfigType):
            yield from _leaves(inner)


def from_annotation(annotation: Any, where: str) -> ConfigType:
    """Return the config type of a parameter ``config`` that is annotated with no Config class."""
    config_type = _from_annotation(annotation)
    if isinstance(config_type, Opaque) and not is_enum(annotation) and not literals(annotation):
        raise DefinitionError(
            f"{where}: the parameter named config receives run config: annotate it with a "
            f"subclass of rayexec.Config or with a type such as int, str, dict or list[int], or "
            f"give the input another name."
        )
    return config_type


def _from_annotation(annotation: Any, metadata: Sequence[object] = ()) -> ConfigType:
    """Return the config type of a model's field."""
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
        # With a function as the discriminator, or nested unions, only pydantic can choose.
        return _ANYTHING
    config_type = options[0] if len(options) == 1 else OneOf(options, tag)
    return Noneable(config_type) if type(None) in args else config_type


def _discriminators(metadata: Sequence[object]) -> Iterator[object]:
    for item in metadata:
        discriminator = (
            item
            if isinstance(item, pydantic.Discriminator)
            else getattr(item, "discriminator", None)
        )
        if discriminator is not None:
            yield (
                discriminator.discriminator
                if isinstance(discriminator, pydantic.Discriminator)
                else discriminator
            )


def is_enum(annotation: object) -> bool:
    """Return whether an annotation is a Python enum."""
    return is_subclass(annotation, enum.Enum)


def literals(annotation: object) -> tuple[object, ...]:
    """Return the values of a Literal; other annotations have none."""
    return get_args(annotation) if get_origin(annotation) is Literal else ()
