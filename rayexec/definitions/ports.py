"""Inputs and outputs: how an op declares them, and how it hands values over."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from rayexec.definitions.metadata import normalize_metadata
from rayexec.definitions.types import RuntimeType, runtime_type
from rayexec.errors import DefinitionError
from rayexec.names import MAPPING_KEY

__all__ = ["NO_DEFAULT", "DynamicOut", "DynamicOutput", "GraphOut", "In", "Out", "Output"]

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
    """An input of an op: its type, and the default for where nothing is connected.

    ``dagster_type`` not given is taken from the parameter's annotation.
    """

    dagster_type: Any = NO_DEFAULT
    description: str | None = None
    default_value: Any = NO_DEFAULT
    metadata: Mapping[str, Any] | None = None
    input_manager_key: str | None = None

    @property
    def type(self) -> RuntimeType:
        """The check that values pass on their way in."""
        return runtime_type(Any if self.dagster_type is NO_DEFAULT else self.dagster_type)

    @property
    def has_default_value(self) -> bool:
        """Whether a default stands in where nothing is connected."""
        return self.default_value is not NO_DEFAULT


@dataclass(frozen=True, eq=False)
class Out:
    """An output of an op: its type, and whether every run of the op must yield it.

    An output that is not required and not yielded skips the steps that need it.
    """

    dagster_type: Any = NO_DEFAULT
    description: str | None = None
    is_required: bool = True
    io_manager_key: str | None = None
    metadata: Mapping[str, Any] | None = None
    code_version: str | None = None

    @property
    def type(self) -> RuntimeType:
        """The check that values pass on their way out."""
        return runtime_type(Any if self.dagster_type is NO_DEFAULT else self.dagster_type)

    @property
    def is_dynamic(self) -> bool:
        """Whether the output is a number of values known only at run time."""
        return False


@dataclass(frozen=True, eq=False)
class DynamicOut(Out):
    """An output that is a number of values known only at run time, each with a mapping key.

    With ``stream``, what is mapped over it begins while the op is still yielding, and values that
    were handed on stay so where the op fails later.
    """

    stream: bool = False

    @property
    def is_dynamic(self) -> bool:
        """Whether the output is a number of values known only at run time."""
        return True


@dataclass(frozen=True, eq=False)
class GraphOut:
    """An output of a graph, where a graph has several or wants to describe one."""

    description: str | None = None


@dataclass(frozen=True, eq=False)
class Output(Generic[T]):
    """A value on its way out of an op, with the name of its output and metadata."""

    value: T
    output_name: str = "result"
    metadata: Mapping[str, Any] = field(default_factory=dict)
    data_version: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "metadata", normalize_metadata(self.metadata))


@dataclass(frozen=True, eq=False)
class DynamicOutput(Generic[T]):
    """One of the values of a dynamic output, with the mapping key that names its step downstream."""

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
