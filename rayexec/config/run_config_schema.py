"""Schema of a job's whole run config: one config type for the document, and what a run must give.

``resolve_run_config`` decides whether a run config is valid; the schema says the same beforehand,
for completion, scaffolds and edits of a text.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass, field
from typing import Any, Final

from rayexec.config.config_paths import OpenInputs
from rayexec.config.document import merged_run_config
from rayexec.config.execution import executor_model
from rayexec.config.execution_settings import EXECUTORS
from rayexec.config.port_config import schemas_of_inputs, schemas_of_outputs
from rayexec.definitions.fields_resource import FieldsResource
from rayexec.definitions.graphs.graph import GraphDefinition
from rayexec.definitions.graphs.job_definition import JobDefinition
from rayexec.definitions.log_levels import LOG_LEVELS
from rayexec.definitions.mapping import ConfigMapping
from rayexec.definitions.op import OpDefinition
from rayexec.definitions.ports import NO_DEFAULT
from rayexec.definitions.resource import ResourceDefinition
from rayexec.definitions.schemas.config_types import (
    MISSING,
    Array,
    ConfigType,
    Enum,
    EnumValue,
    Field,
    Map,
    Noneable,
    OneOf,
    Selector,
    Shape,
)
from rayexec.definitions.schemas.schema import is_required
from rayexec.definitions.schemas.schema_reading import as_type
from rayexec.definitions.types.dagster_type import DagsterType
from rayexec.definitions.types.type_loaders import (
    DagsterTypeLoader,
    DictLoader,
    ItemsLoader,
    MappingLoader,
    OptionalLoader,
    PlainLoader,
)

__all__ = ["NO_EFFECT", "UNSELECTED", "RunConfigSchema", "input_type", "run_config_schema"]

#: Entries that a document may have and nobody needs; completion does not offer them.
NO_EFFECT: Final = Field(Any, is_required=False, description="It takes no config.")
UNSELECTED: Final = Field(Any, is_required=False, description="Not selected: without effect.")

_SECTIONS = {
    "ops": "Config and inputs of ops, by their names; those of a graph are below it.",
    "resources": "Config of resources, by their keys.",
    "execution": "The executor of the run, and its settings.",
    "loggers": "Levels and config of loggers.",
    "inputs": "Values of the job's own inputs.",
}
_FILE = Shape({"path": Field(str, description="The file that holds the value.")})


@dataclass(frozen=True, eq=False)
class RunConfigSchema:
    """Schema of the run config of one job, for the selected ops."""

    job_name: str
    #: The whole document.
    root: ConfigType
    #: The values that a run can give, by path: config of ops, of graphs with a mapping and of
    #: resources, and values of inputs.
    values: Mapping[tuple[str, ...], Field]
    #: The job's own run config, which a given one replaces key by key.
    defaults: Mapping[str, Any] = field(default_factory=dict)
    #: Name of the executor, ``default`` for a job without one of its own.
    executor: str = "default"

    def required(self) -> list[tuple[str, ...]]:
        """Return the paths of the values that a run must give."""
        return [path for path, value in self.values.items() if value.is_required]


def run_config_schema(
    job: JobDefinition,
    ops: Mapping[str, OpDefinition],
    open_inputs: OpenInputs,
    resources: Mapping[str, ResourceDefinition] | None = None,
    needed: Set[str] | None = None,
) -> RunConfigSchema:
    """Return the schema of a job's run config; the parameters are those of the resolution.

    Without ``needed`` all resources count as needed. Raises DefinitionError for a malformed schema,
    and ConfigError for a default of the job that is no mapping.
    """
    if isinstance(job.config, ConfigMapping):
        schema = job.config.config_schema
        value = _field(schema, job.graph.description)
        return RunConfigSchema(job.name, as_type(Any if schema is None else schema), {(): value})
    all_resources = {**job.resource_defs, **(resources or {})}
    writer = _Writer(job, ops, open_inputs, all_resources, needed)
    sections: dict[str, ConfigType] = {
        "ops": writer.graph(job.graph, "", ("ops",)),
        "resources": writer.resources(),
        "execution": _execution(job.executor_def.name),
        "loggers": writer.loggers(),
        "inputs": writer.inputs("", job.graph.inputs, ("inputs",)),
    }
    root = Shape({key: _section(inner, _SECTIONS[key]) for key, inner in sections.items()})
    return RunConfigSchema(
        job.name,
        root,
        writer.values_in_order(),
        merged_run_config(job, None),
        job.executor_def.name,
    )


def input_type(kind: DagsterType) -> ConfigType:
    """Return the schema of an input's value in run config."""
    return as_type(Any) if kind.loader is None else _loader_type(kind.loader)


def _loader_type(loader: DagsterTypeLoader) -> ConfigType:
    if isinstance(loader, PlainLoader):
        inner = as_type(Any if loader.kind in (None, object) else loader.kind)
        forms = Selector(
            {
                "value": Field(inner, description="The value itself."),
                "json": Field(_FILE, description="The value is in a JSON file."),
                "pickle": Field(_FILE, description="The value is in a pickle."),
            }
        )
        return forms if loader.kind is None else OneOf((forms, inner))
    if isinstance(loader, OptionalLoader):
        return Noneable(_loader_type(loader.inner[0]))
    if isinstance(loader, ItemsLoader):
        return Array(_loader_type(loader.inner[0]))
    if isinstance(loader, DictLoader) and not isinstance(loader, MappingLoader):
        return Map(str, _loader_type(loader.inner[0]))
    return as_type(loader.schema_type)


class _Writer:
    """Writes the schemas of sections; ops of one definition share theirs."""

    def __init__(
        self,
        job: JobDefinition,
        ops: Mapping[str, OpDefinition],
        open_inputs: OpenInputs,
        resources: Mapping[str, ResourceDefinition],
        needed: Set[str] | None,
    ) -> None:
        self._job = job
        self._ops = ops
        self._resources = resources
        self._needed = resources.keys() if needed is None else needed
        self._inputs: dict[str, dict[str, Field]] = {}
        types: dict[int, ConfigType] = {}
        for (node, name), (kind, required, _) in open_inputs.items():
            if id(kind) not in types:
                types[id(kind)] = input_type(kind)
            self._inputs.setdefault(node, {})[name] = Field(
                types[id(kind)], is_required=required, description=f"A value of type {kind.name}."
            )
        for (node, name), schema in schemas_of_inputs(ops, resources):
            self._inputs.setdefault(node, {})[name] = _field(schema, "Config of its IO manager.")
        self._outputs: dict[str, dict[str, Field]] = {}
        for (node, name), schema in schemas_of_outputs(ops, resources):
            self._outputs.setdefault(node, {})[name] = _field(schema, "Config of its IO manager.")
        self._graphs = {node[:end] for node in ops for end, sign in enumerate(node) if sign == "."}
        self._shared: dict[tuple[object, ...], tuple[Shape, Field]] = {}
        self._values: dict[str, dict[tuple[str, ...], Field]] = {}

    def values_in_order(self) -> dict[tuple[str, ...], Field]:
        """Return the values: config of graphs, of ops, inputs, then resources."""
        made: dict[tuple[str, ...], Field] = {}
        for kind in ("graphs", "ops", "inputs", "outputs", "resources"):
            made |= self._values.get(kind, {})
        return made

    def _note(self, kind: str, path: tuple[str, ...], value: Field) -> None:
        if value is not NO_EFFECT:
            self._values.setdefault(kind, {})[path] = value

    def graph(self, graph: GraphDefinition, prefix: str, path: tuple[str, ...]) -> Shape:
        """Return the schema of the nodes of a graph, or of the config of its mapping."""
        if graph.config is not None:
            value = _field(graph.config.config_schema, graph.description)
            self._note("graphs", (*path, "config"), value)
            return Shape({"config": value})
        return Shape(dict(self._nodes(graph, prefix, path)))

    def _nodes(
        self, graph: GraphDefinition, prefix: str, path: tuple[str, ...]
    ) -> Iterator[tuple[str, Field]]:
        for node in graph.nodes:
            name, here = f"{prefix}{node.name}", (*path, node.name)
            definition = node.definition
            if isinstance(definition, GraphDefinition):
                if name not in self._graphs:
                    yield node.name, UNSELECTED
                    continue
                fields: dict[str, object] = {}
                if definition.config is None:
                    inner = self.graph(definition, f"{name}.", (*here, "ops"))
                    fields["ops"] = _section(inner, "Config of the ops in this graph.")
                else:
                    fields |= self.graph(definition, f"{name}.", here).fields
                inputs = self.inputs(name, definition.input_names(), (*here, "inputs"))
                fields["inputs"] = _section(inputs, "Values of its inputs.")
                yield node.name, _section(Shape(fields), definition.description)
            elif name in self._ops:
                yield node.name, _section(self._op(name, definition, here), definition.description)
            else:
                yield node.name, UNSELECTED

    def _op(self, name: str, op: OpDefinition, path: tuple[str, ...]) -> Shape:
        inputs, outputs = self._inputs.get(name, {}), self._outputs.get(name, {})
        form = (
            id(op),
            *((key, id(value.config), value.is_required) for key, value in inputs.items()),
            *((key, id(value.config)) for key, value in outputs.items()),
        )
        if form not in self._shared:
            config = _given(op, None)
            fields = {
                "config": config,
                "inputs": _section(Shape(inputs), "Values of its inputs."),
                "outputs": _section(Shape(outputs), "Config of its outputs, for IO managers."),
            }
            self._shared[form] = Shape(fields), config
        shape, config = self._shared[form]
        self._note("ops", (*path, "config"), config)
        for kind, values in (("inputs", inputs), ("outputs", outputs)):
            for key, value in values.items():
                self._note(kind, (*path, kind, key), value)
        return shape

    def inputs(self, node: str, names: tuple[str, ...], path: tuple[str, ...]) -> Shape:
        """Return the schema of the inputs of a graph, or of the job at ``""``."""
        values = self._inputs.get(node, {})
        for key, value in values.items():
            self._note("inputs", (*path, key), value)
        # A selection may leave out what an input of the job is for.
        return Shape(
            {key: values.get(key, UNSELECTED) for key in names if key in values or not node}
        )

    def resources(self) -> Shape:
        """Return the schema of the section of resources."""
        fields = {}
        for key, definition in self._resources.items():
            needed = key in self._needed
            config = _given(definition, None if needed else False)
            value = config
            if isinstance(definition, FieldsResource) and config is not NO_EFFECT:
                # Code gives values that config replaces as a whole: they are good to begin with.
                value = Field(definition.config_schema, is_required=config.is_required)
            self._note("resources", ("resources", key, "config"), value)
            fields[key] = _section(Shape({"config": config}), definition.description)
        return Shape(fields)

    def loggers(self) -> Shape:
        """Return the schema of the section of loggers."""
        levels = Enum("LogLevel", [EnumValue(name) for name in LOG_LEVELS])
        console = Shape(
            {
                "log_level": Field(levels, "DEBUG", description="The lowest level on the console."),
                "name": Field(str, is_required=False, description="Accepted, without effect."),
            }
        )
        fields = {"console": _section(Shape({"config": _section(console)}), "The console.")}
        for name, definition in self._job.logger_defs.items():
            config = _given(definition, False)
            fields[name] = _section(Shape({"config": config}), definition.description)
        return Shape(fields)


def _given(definition: Any, required: bool | None) -> Field:
    """Return the config that a run gives to an op, a resource or a logger."""
    preset = definition.preset_config
    if isinstance(preset, ConfigMapping):
        return _field(preset.config_schema, definition.description, required)
    if preset is not NO_DEFAULT:
        return NO_EFFECT
    if isinstance(definition, FieldsResource):
        needs = is_required(definition.config_schema) if required is None else required
        return _field(definition.schema_of_given, definition.description, needs)
    if definition.config_schema is None:
        return NO_EFFECT
    return _field(definition.config_schema, None, required)


def _field(schema: Any, description: str | None, required: bool | None = None) -> Field:
    if schema is None:
        return Field(Any, is_required=False, description=description)
    given = as_type(schema)
    needs = is_required(given) if required is None else required
    if isinstance(given, Field):
        return Field(
            given.config,
            given.default_value,
            needs if given.default_value is MISSING else None,
            given.description or description,
            given.is_secret,
        )
    return Field(given, is_required=needs, description=description)


def _section(inner: ConfigType, description: str | None = None) -> Field:
    return Field(inner, is_required=is_required(inner), description=description)


def _execution(executor: str) -> Shape:
    if executor == "default":
        chosen: ConfigType = Selector(
            {name: Field(executor_model(name), is_required=False) for name in EXECUTORS}
        )
    else:
        chosen = as_type(executor_model(executor))
    return Shape({"config": Field(chosen, is_required=False, description="One executor.")})
