"""Inputs and outputs of an op or a graph under their names, for code that looks at definitions."""

from __future__ import annotations

import typing
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rayexec.definitions.type_resolution import ANY, resolve_type
from rayexec.definitions.types import DagsterType
from rayexec.errors import InvariantError
from rayexec.names import nearest

__all__ = ["InputDefinition", "OutputDefinition", "PortsByName", "common_type", "item_type"]


@dataclass(frozen=True)
class InputDefinition:
    """An input, with its name. ``default_value`` is None without a default."""

    name: str
    dagster_type: DagsterType = ANY
    description: str | None = None
    has_default_value: bool = False
    default_value: Any = None
    metadata: Mapping[str, Any] | None = None
    input_manager_key: str | None = None


@dataclass(frozen=True)
class OutputDefinition:
    """An output, with its name."""

    name: str
    dagster_type: DagsterType = ANY
    description: str | None = None
    is_required: bool = True
    is_dynamic: bool = False
    io_manager_key: str | None = None
    metadata: Mapping[str, Any] | None = None
    code_version: str | None = None


class PortsByName:
    """A definition with inputs and outputs: an op or a graph."""

    name: str

    @property
    def input_defs(self) -> Sequence[InputDefinition]:
        """The inputs, in order."""
        raise NotImplementedError

    @property
    def output_defs(self) -> Sequence[OutputDefinition]:
        """The outputs, in order."""
        raise NotImplementedError

    @property
    def input_dict(self) -> Mapping[str, InputDefinition]:
        """The inputs by name."""
        return {port.name: port for port in self.input_defs}

    @property
    def output_dict(self) -> Mapping[str, OutputDefinition]:
        """The outputs by name."""
        return {port.name: port for port in self.output_defs}

    def has_input(self, name: str) -> bool:
        """Return whether there is an input of that name."""
        return name in self.input_dict

    def has_output(self, name: str) -> bool:
        """Return whether there is an output of that name."""
        return name in self.output_dict

    def input_def_named(self, name: str) -> InputDefinition:
        """Return the input of that name; raises InvariantError."""
        ports = self.input_dict
        if name not in ports:
            raise InvariantError(f"{self.name!r} has no input {name!r}.{nearest(name, ports)}")
        return ports[name]

    def output_def_named(self, name: str) -> OutputDefinition:
        """Return the output of that name; raises InvariantError."""
        ports = self.output_dict
        if name not in ports:
            raise InvariantError(f"{self.name!r} has no output {name!r}.{nearest(name, ports)}")
        return ports[name]


def common_type(types: Iterable[DagsterType]) -> DagsterType:
    """Return the type that all of some inputs have, or else Any."""
    different = list(dict.fromkeys(types))
    return different[0] if len(different) == 1 else ANY


def item_type(kind: DagsterType) -> DagsterType:
    """Return the type of a list's items, Any for another type."""
    annotation = kind.typing_type
    args = typing.get_args(annotation)
    return resolve_type(args[0]) if typing.get_origin(annotation) is list and args else ANY
