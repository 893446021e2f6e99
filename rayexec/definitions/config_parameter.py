"""Schema of a definition's config, as declared or as the annotation of a parameter ``config``."""

from __future__ import annotations

import inspect
from typing import Any, ForwardRef

from rayexec.definitions.config_models import Config
from rayexec.definitions.ports import NO_DEFAULT
from rayexec.definitions.types.dagster_type import is_subclass
from rayexec.errors import DefaultConfigError, DefinitionError

__all__ = ["checked_schema", "schema_of_parameter"]


def checked_schema(schema: Any, where: str) -> Any:
    """Return a schema; raises DefinitionError, with ``where`` in its message, for a wrong one."""
    if schema is None:
        return None
    # The modules of schemas load pydantic-core, for definitions with config alone.
    from rayexec.definitions.schemas.schema_checks import check_schema

    try:
        check_schema(schema)
    except DefaultConfigError as error:
        raise DefaultConfigError(error.problems, subject=f"{where}: {error.subject}") from None
    except DefinitionError as error:
        raise DefinitionError(f"{where}: {error}") from None
    return schema


def schema_of_parameter(annotation: Any, default: Any, where: str) -> Any:
    """Return the schema for the annotation and default of a parameter ``config``.

    Raises DefinitionError, with ``where`` in its message, for what no run config can be.
    """
    has_default = default is not inspect.Parameter.empty
    if is_subclass(annotation, Config):
        if has_default:
            raise DefinitionError(
                f"{where}: config has a default; give the fields of {annotation.__name__} their "
                f"defaults instead."
            )
        return checked_schema(annotation, where)
    from rayexec.definitions.schemas.config_types import MISSING, Field
    from rayexec.definitions.schemas.schema_reading import from_annotation

    if isinstance(annotation, ForwardRef):
        if annotation.__forward_arg__.rpartition(".")[2] != "Any":
            raise DefinitionError(
                f"{where}: config is annotated with {annotation.__forward_arg__!r}, which its "
                f"module does not have: define the class at the top of the module."
            )
        annotation = Any
    if annotation is NO_DEFAULT:
        raise DefinitionError(
            f"{where}: the parameter named config receives run config: annotate it with a subclass "
            f"of rayexec.Config or with a type such as int, str, dict or list[int], or give the "
            f"input another name."
        )
    inner = from_annotation(annotation, where)
    return checked_schema(Field(inner, default if has_default else MISSING), where)
