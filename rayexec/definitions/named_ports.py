"""Inputs and outputs of an op with their names, as Dagster's ``input_defs`` and ``output_defs``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from rayexec.definitions.ports import DynamicOut, In, Out

__all__ = [
    "DynamicOutputDefinition",
    "InputDefinition",
    "OutputDefinition",
    "named_in",
    "named_out",
]


@dataclass(frozen=True, eq=False)
class InputDefinition(In):
    """An input with its name."""

    name: str = ""


@dataclass(frozen=True, eq=False)
class OutputDefinition(Out):
    """An output with its name."""

    name: str = "result"

    @property
    def optional(self) -> bool:
        """Whether the op may leave the output out."""
        return not self.is_required


@dataclass(frozen=True, eq=False)
class DynamicOutputDefinition(DynamicOut, OutputDefinition):
    """A dynamic output with its name."""


def named_in(name: str, declared: In) -> InputDefinition:
    """Return an input with its name and type."""
    return InputDefinition(**_values_of(declared), name=name)


def named_out(name: str, declared: Out, code_version: str | None) -> OutputDefinition:
    """Return an output with its name and type; ``code_version`` is that of the op."""
    kind = DynamicOutputDefinition if declared.is_dynamic else OutputDefinition
    values = {**_values_of(declared), "code_version": declared.code_version or code_version}
    return kind(**values, name=name)


def _values_of(port: In | Out) -> Mapping[str, Any]:
    given = {each.name: getattr(port, each.name) for each in fields(port)}
    return {**given, "dagster_type": port.type}
