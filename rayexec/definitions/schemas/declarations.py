"""Config types as users declare them: each is checked where it is made.

Each raises DefinitionError for what is no config type, and for a default that does not fit.
"""

from __future__ import annotations

from rayexec.definitions.schemas import config_types
from rayexec.definitions.schemas.schema_checks import check_schema
from rayexec.definitions.schemas.schema_reading import entry
from rayexec.errors import InvocationError

__all__ = [
    "Array",
    "ConfigSchema",
    "Enum",
    "Field",
    "Map",
    "Noneable",
    "Permissive",
    "ScalarUnion",
    "Selector",
    "Shape",
]


class ConfigSchema:
    """Stands in annotations for all forms of a ``config_schema``; there are no objects of it."""

    def __init__(self) -> None:
        raise InvocationError(
            "ConfigSchema is a name for annotations. Give config_schema a type such as int, a "
            "dict of fields, or a Field."
        )


class _Checked(config_types.ConfigType):
    __slots__ = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        check_schema(self)


class Field(_Checked, config_types.Field):
    __doc__ = config_types.Field.__doc__
    __slots__ = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        item = entry(self)
        if not item.required and self.is_required is None:
            object.__setattr__(self, "default_value", item.fallback)
        object.__setattr__(self, "is_required", item.required)


class Shape(_Checked, config_types.Shape):
    __doc__ = config_types.Shape.__doc__
    __slots__ = ()


class Permissive(_Checked, config_types.Permissive):
    __doc__ = config_types.Permissive.__doc__
    __slots__ = ()


class Selector(_Checked, config_types.Selector):
    __doc__ = config_types.Selector.__doc__
    __slots__ = ()


class Noneable(_Checked, config_types.Noneable):
    __doc__ = config_types.Noneable.__doc__
    __slots__ = ()


class Array(_Checked, config_types.Array):
    __doc__ = config_types.Array.__doc__
    __slots__ = ()


class Map(_Checked, config_types.Map):
    __doc__ = config_types.Map.__doc__
    __slots__ = ()


class Enum(_Checked, config_types.Enum):
    __doc__ = config_types.Enum.__doc__
    __slots__ = ()


class ScalarUnion(_Checked, config_types.ScalarUnion):
    __doc__ = config_types.ScalarUnion.__doc__
    __slots__ = ()
