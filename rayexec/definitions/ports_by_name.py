"""Inputs and outputs of an op or a graph by name, for code that looks at definitions."""

from __future__ import annotations

import typing
from collections.abc import Iterable, Mapping, Sequence

from rayexec.definitions.named_ports import InputDefinition, OutputDefinition
from rayexec.definitions.types.dagster_type import DagsterType
from rayexec.definitions.types.type_resolution import ANY, resolve_type
from rayexec.errors import InvariantError
from rayexec.names import nearest

__all__ = ["PortsByName", "common_type", "item_type"]


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
