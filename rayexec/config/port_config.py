"""Config of IO managers for single outputs and inputs: ``ops.<op>.outputs`` and ``inputs``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from rayexec.config.config_paths import config_path
from rayexec.definitions.io_manager import input_schema_of, manager_key, output_schema_of
from rayexec.definitions.op import OpDefinition
from rayexec.definitions.resource import ResourceDefinition
from rayexec.definitions.schemas.schema import MISSING, describe, is_required, validate
from rayexec.errors import Problem
from rayexec.names import nearest

__all__ = ["PortConfig", "PortSchemas", "schemas_of_inputs", "schemas_of_outputs"]

# An output or input of a node: the path of the node, and the name.
_Port: TypeAlias = tuple[str, str]


@dataclass(frozen=True, slots=True)
class PortConfig:
    """Config of outputs and inputs for their IO managers, by node path and name."""

    outputs: Mapping[_Port, Any] = field(default_factory=dict)
    inputs: Mapping[_Port, Any] = field(default_factory=dict)


class PortSchemas:
    """Schemas of the config that IO managers take for single outputs and inputs of a job's ops.

    ``read_inputs`` and ``read_outputs`` read the sections of one op and ``finish`` adds defaults;
    ``problems`` has everything wrong in them.
    """

    def __init__(
        self, ops: Mapping[str, OpDefinition], resources: Mapping[str, ResourceDefinition]
    ) -> None:
        self.problems: list[Problem] = []
        self._outputs: dict[_Port, Any] = {}
        self._inputs: dict[_Port, Any] = {}
        self._output_schemas = dict(schemas_of_outputs(ops, resources))
        self._input_schemas = dict(schemas_of_inputs(ops, resources))

    def takes_input(self, node: str, name: str) -> bool:
        """Whether the config of this input is for its input manager."""
        return (node, name) in self._input_schemas

    def read_input(self, node: str, name: str, given: Any, path: tuple[str, ...]) -> None:
        """Read the config of one input for its manager."""
        self._inputs[node, name] = self._read(self._input_schemas[node, name], given, path)

    def read_outputs(
        self, node: str, op: OpDefinition, section: Mapping[Any, Any], path: tuple[str, ...]
    ) -> None:
        """Read the section ``outputs`` of one op."""
        for name, given in section.items():
            schema = self._output_schemas.get((node, name))
            here = (*path, str(name))
            if name not in op.outs:
                hint = nearest(str(name), op.outs)
                self.problems.append(Problem(here, f"op {op.name!r} has no such output.{hint}"))
            elif schema is None:
                message = "no config here: its IO manager has no output_config_schema"
                self.problems.append(Problem(here, message))
            else:
                self._outputs[node, name] = self._read(schema, given, here)

    def finish(self) -> PortConfig:
        """Return the config with defaults; what is required and missing is a problem."""
        for kind, schemas, read in (
            ("outputs", self._output_schemas, self._outputs),
            ("inputs", self._input_schemas, self._inputs),
        ):
            for (node, name), schema in schemas.items():
                if (node, name) in read:
                    continue
                path = config_path(node, kind, name)
                if schema is not None and is_required(schema):
                    message = f"missing; its IO manager needs config: {describe(schema)}"
                    self.problems.append(Problem(path, message))
                else:
                    read[node, name] = self._read(schema, MISSING, path)
        return PortConfig(_given(self._outputs), _given(self._inputs))

    def _read(self, schema: Any, given: Any, path: tuple[str, ...]) -> Any:
        if schema is None:
            return given
        value, problems = validate(schema, given, path=path)
        self.problems += problems
        return value


def _given(read: dict[_Port, Any]) -> dict[_Port, Any]:
    return {port: value for port, value in read.items() if value is not MISSING}


def schemas_of_outputs(
    ops: Mapping[str, OpDefinition], resources: Mapping[str, ResourceDefinition]
) -> Iterator[tuple[_Port, Any]]:
    """Yield the schemas of the config that IO managers take for outputs, by node and name."""
    for node, op in ops.items():
        for name, out in op.outs.items():
            key = manager_key(out, resources) or ""
            schema = output_schema_of(resources[key]) if key in resources else None
            if schema is not None:
                yield (node, name), schema


def schemas_of_inputs(
    ops: Mapping[str, OpDefinition], resources: Mapping[str, ResourceDefinition]
) -> Iterator[tuple[_Port, Any]]:
    """Yield the schemas of the config that input managers take; None for config of any kind."""
    for node, op in ops.items():
        for name, declared in op.ins.items():
            key = declared.input_manager_key
            if key is not None and key in resources:
                yield (node, name), input_schema_of(resources[key])
