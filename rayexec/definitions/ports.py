"""Inputs and outputs: their declarations, and the values that ops yield for them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field, replace
from typing import Any, Generic, TypeVar

from rayexec.definitions.metadata.plain_metadata import normalize_metadata
from rayexec.definitions.types.dagster_type import DagsterType
from rayexec.definitions.types.type_resolution import ANY, resolve_type
from rayexec.errors import DefinitionError
from rayexec.names import check_name

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


def _declared_type(given: Any) -> Any:
    """Return the type of a port: None means that it has none, as in Dagster."""
    if given is NO_DEFAULT:
        return NO_DEFAULT
    return ANY if given is None else resolve_type(given)


def _check_texts(port: In | Out, *names: str) -> None:
    for name in names:
        value = getattr(port, name)
        if value is not None and not isinstance(value, str):
            raise DefinitionError(f"{type(port).__name__}: {name} is a string, got {value!r}.")


# A check of a user needs a context, which exists in steps alone.
_SCALARS = (int, float, str, bool)


def _check_default(kind: DagsterType, value: Any) -> None:
    if kind.is_nothing:
        raise DefinitionError("an input of type Nothing passes no value and can have no default.")
    if kind.annotation in _SCALARS:
        wrong = kind.check(value)
        if wrong is not None:
            raise DefinitionError(f"the default of an input is wrong: {wrong}.")


def _check_metadata(metadata: Any) -> None:
    if metadata is not None and not isinstance(metadata, Mapping):
        raise DefinitionError(
            f"metadata is a mapping of names to values, got {type(metadata).__name__}."
        )


@dataclass(frozen=True)
class In:
    """An input of an op: its type, and the default if nothing is connected.

    ``dagster_type`` is a class, an annotation or a DagsterType, by default the parameter's
    annotation. ``asset_key`` and ``asset_partitions`` have no effect here. Raises DefinitionError
    for another object as the type, and for a default value that contradicts a scalar type.
    """

    dagster_type: Any = NO_DEFAULT
    description: str | None = None
    default_value: Any = NO_DEFAULT
    metadata: Mapping[str, Any] | None = None
    asset_key: Any = None
    asset_partitions: Any = None
    input_manager_key: str | None = None

    def __post_init__(self) -> None:
        _check_metadata(self.metadata)
        object.__setattr__(self, "dagster_type", _declared_type(self.dagster_type))
        _check_texts(self, "description", "input_manager_key")
        if self.default_value is not NO_DEFAULT:
            _check_default(self.type, self.default_value)

    def __hash__(self) -> int:
        return hash(self.description)  # metadata may have no hash

    @property
    def type(self) -> DagsterType:
        """The type check of incoming values."""
        kind = self.dagster_type
        return ANY if kind is NO_DEFAULT else kind

    @property
    def has_default_value(self) -> bool:
        """Whether there is a default if nothing is connected."""
        return self.default_value is not NO_DEFAULT


@dataclass(frozen=True)
class Out:
    """An output of an op: its type, and whether the op must yield it.

    If the op omits an optional output, its consumers are skipped. ``dagster_type`` is a class, an
    annotation or a DagsterType, by default the annotation of the returned value. Raises
    DefinitionError for another object as the type.
    """

    dagster_type: Any = NO_DEFAULT
    description: str | None = None
    is_required: bool = True
    io_manager_key: str | None = None
    metadata: Mapping[str, Any] | None = None
    code_version: str | None = None

    def __post_init__(self) -> None:
        _check_metadata(self.metadata)
        object.__setattr__(self, "dagster_type", _declared_type(self.dagster_type))
        _check_texts(self, "description", "io_manager_key", "code_version")
        if not isinstance(self.is_required, bool):
            raise DefinitionError(f"Out: is_required is a bool, got {self.is_required!r}.")

    def __hash__(self) -> int:
        return hash(self.description)  # metadata may have no hash

    @property
    def type(self) -> DagsterType:
        """The type check of outgoing values."""
        kind = self.dagster_type
        return ANY if kind is NO_DEFAULT else kind

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


@dataclass(frozen=True)
class Output(Generic[T]):
    """A value of an op, with the name of its output and metadata.

    ``data_version`` and ``tags`` are for assets and have no effect on an op's output.
    """

    __hash__ = None  # type: ignore[assignment]  # the value may have none

    value: T
    output_name: str = "result"
    metadata: Mapping[str, Any] = field(default_factory=dict)
    data_version: Any = field(default=None, compare=False)
    _: KW_ONLY
    tags: Mapping[str, str] | None = None

    def __post_init__(self) -> None:
        _check_yielded(self)

    def with_metadata(self, metadata: Mapping[str, Any] | None) -> Output[T]:
        """Return the same output with other metadata."""
        return replace(self, metadata=metadata or {})


@dataclass(frozen=True)
class DynamicOutput(Generic[T]):
    """A value of a dynamic output, with the mapping key for its steps downstream."""

    __hash__ = None  # type: ignore[assignment]  # the value may have none

    value: T
    mapping_key: str
    output_name: str = "result"
    metadata: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_name(self.mapping_key, "a mapping key")
        _check_yielded(self)


def _check_yielded(output: Output[Any] | DynamicOutput[Any]) -> None:
    if not isinstance(output.output_name, str):
        raise DefinitionError(
            f"output_name is the name of an output, a string, got {output.output_name!r}."
        )
    object.__setattr__(output, "metadata", normalize_metadata(output.metadata))
