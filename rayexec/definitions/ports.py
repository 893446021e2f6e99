"""Inputs and outputs: their declarations, and the values that ops yield for them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from rayexec.definitions.plain_metadata import normalize_metadata
from rayexec.definitions.types import RuntimeType, runtime_type
from rayexec.errors import DefinitionError
from rayexec.names import MAPPING_KEY

__all__ = [
    "NO_DEFAULT",
    "DynamicOut",
    "DynamicOutput",
    "GraphIn",
    "GraphOut",
    "In",
    "Out",
    "Output",
]

T = TypeVar("T")


class _NoDefault:
    """The absence of a default value, which may itself be None."""

    def __repr__(self) -> str:
        return "<no default>"

    def __reduce__(self) -> str:
        return "NO_DEFAULT"


NO_DEFAULT: Any = _NoDefault()


@dataclass(frozen=True, eq=False)
class In:
    """An input of an op: its type, and the default if nothing is connected.

    ``dagster_type`` is by default the parameter's annotation.
    """

    dagster_type: Any = NO_DEFAULT
    description: str | None = None
    default_value: Any = NO_DEFAULT
    metadata: Mapping[str, Any] | None = None
    input_manager_key: str | None = None

    @property
    def type(self) -> RuntimeType:
        """The type check of incoming values."""
        return runtime_type(Any if self.dagster_type is NO_DEFAULT else self.dagster_type)

    @property
    def has_default_value(self) -> bool:
        """Whether there is a default if nothing is connected."""
        return self.default_value is not NO_DEFAULT


@dataclass(frozen=True, eq=False)
class Out:
    """An output of an op: its type, and whether the op must yield it.

    If the op omits an optional output, its consumers are skipped.
    """

    dagster_type: Any = NO_DEFAULT
    description: str | None = None
    is_required: bool = True
    io_manager_key: str | None = None
    metadata: Mapping[str, Any] | None = None
    code_version: str | None = None

    @property
    def type(self) -> RuntimeType:
        """The type check of outgoing values."""
        return runtime_type(Any if self.dagster_type is NO_DEFAULT else self.dagster_type)

    @property
    def is_dynamic(self) -> bool:
        """Whether the output has several values, by mapping key."""
        return False


@dataclass(frozen=True, eq=False)
class DynamicOut(Out):
    """An output with any count of values at run time, each with a mapping key.

    With ``stream``, steps mapped over it begin while the op is still yielding. They keep their
    values even if the op fails later.
    """

    stream: bool = False

    @property
    def is_dynamic(self) -> bool:
        """Whether the output has several values, by mapping key."""
        return True


@dataclass(frozen=True)
class GraphIn:
    """An input of a graph, for its description."""

    description: str | None = None


@dataclass(frozen=True)
class GraphOut:
    """An output of a graph, for its name among several or for its description."""

    description: str | None = None


@dataclass(frozen=True, eq=False)
class Output(Generic[T]):
    """A value of an op, with the name of its output and metadata."""

    value: T
    output_name: str = "result"
    metadata: Mapping[str, Any] = field(default_factory=dict)
    data_version: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "metadata", normalize_metadata(self.metadata))


@dataclass(frozen=True, eq=False)
class DynamicOutput(Generic[T]):
    """A value of a dynamic output, with the mapping key for its steps downstream."""

    value: T
    mapping_key: str
    output_name: str = "result"
    metadata: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not isinstance(self.mapping_key, str) or not MAPPING_KEY.match(self.mapping_key):
            raise DefinitionError(
                f"{self.mapping_key!r} is not a valid mapping key: use letters, digits and "
                f"underscores only."
            )
        object.__setattr__(self, "metadata", normalize_metadata(self.metadata))
