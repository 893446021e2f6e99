"""Resolution of run config against its job: merge defaults, check all values, list problems."""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass, field
from typing import Any

from rayexec.config.config_paths import OpenInputs, config_path
from rayexec.config.definition_config import Configurable, resolve_config
from rayexec.config.document import RunConfig, apply_mapping, merged_run_config
from rayexec.config.execution import ExecutionSettings, resolve_execution
from rayexec.config.input_values import BadInputError, load_input
from rayexec.config.port_config import PortConfig, PortSchemas
from rayexec.definitions.config_models import Config
from rayexec.definitions.graphs.graph import GraphDefinition
from rayexec.definitions.graphs.job_definition import JobDefinition
from rayexec.definitions.log_levels import LOG_LEVELS
from rayexec.definitions.mapping import ConfigMapping, open_schema
from rayexec.definitions.op import OpDefinition
from rayexec.definitions.ports import NO_DEFAULT
from rayexec.definitions.resource import ResourceClass, ResourceDefinition
from rayexec.definitions.schemas.schema import MISSING, describe, is_required
from rayexec.errors import ConfigError, Problem
from rayexec.names import nearest

__all__ = ["ResolvedConfig", "resolve_run_config"]

ROOT_KEYS = ("execution", "inputs", "loggers", "ops", "resources")


@dataclass(frozen=True, slots=True)
class ResolvedConfig:
    """Run config with all defaults, checked against its job."""

    #: The config of ops by path.
    ops: Mapping[str, Any]
    #: The values of unconnected inputs by (node path, input name).
    inputs: Mapping[tuple[str, str], Any]
    resources: Mapping[str, Any]
    execution: ExecutionSettings
    #: The lowest level of log lines on the console.
    log_level: str
    #: The merged run config, as it was given.
    document: Mapping[str, Any]
    #: The config of the job's loggers that run config names, by name.
    loggers: Mapping[str, Any]
    #: The console shows log lines.
    has_console: bool
    #: Inputs whose values ``document`` does not show: objects, and the content of files.
    unrecorded_inputs: frozenset[tuple[str, str]] = frozenset()
    #: Config of single outputs and inputs, for their IO managers.
    ports: PortConfig = field(default_factory=PortConfig)


def resolve_run_config(
    job: JobDefinition,
    run_config: Any,
    *,
    ops: Mapping[str, OpDefinition],
    open_inputs: OpenInputs,
    input_values: Mapping[str, Any] | None = None,
    resources: Mapping[str, ResourceDefinition],
    needed: Set[str],
    ignore_execution: bool = False,
) -> ResolvedConfig:
    """Return the config of one run; raises ConfigError with every problem.

    ``resources`` are all of the run; only those ``needed`` by its steps must have their config.
    ``ops`` are the selected ops by path, ``open_inputs`` the inputs without a selected source.
    Config of unselected ops has no effect. ``ignore_execution`` skips the ``execution`` section.
    """
    document = merged_run_config(job, run_config)
    resources = {**job.resource_defs, **(resources or {})}
    ports = PortSchemas(ops, resources)
    job_inputs = dict(job.input_values) | dict(input_values or {})
    resolver = _Resolver(job, ops, open_inputs, job_inputs, ports)
    for key in document:
        if key not in ROOT_KEYS:
            resolver.problem(
                (str(key),),
                f"unknown key. Expected: {', '.join(ROOT_KEYS)}.{nearest(str(key), ROOT_KEYS)}",
            )
    if job.graph.config is None:
        resolver.nodes(job.graph, document.get("ops"), "", ())
    else:
        resolver.mapped(job.graph, job.graph.config, document.get("ops"), "", ("ops",))
    resolver.job_inputs(document.get("inputs"))
    resolver.unmentioned()
    port_config = ports.finish()
    resolver.problems += ports.problems
    resource_config = resolver.resources(resources, needed, document.get("resources"))
    log_level, loggers, has_console = resolver.loggers(document.get("loggers"))
    settings = ExecutionSettings(engine="in_process", max_concurrent=1)
    if not ignore_execution:
        settings, problems = resolve_execution(job.executor_def, document.get("execution"))
        resolver.problems += problems
    if resolver.problems:
        raise ConfigError(resolver.problems, subject=f"run config of job {job.name!r}")
    return ResolvedConfig(
        resolver.op_config,
        resolver.input_values,
        resource_config,
        settings,
        log_level,
        document,
        loggers,
        has_console,
        frozenset(resolver.unrecorded_inputs),
        port_config,
    )


class _Resolver:
    def __init__(
        self,
        job: JobDefinition,
        ops: Mapping[str, OpDefinition],
        open_inputs: OpenInputs,
        job_inputs: Mapping[str, Any],
        ports: PortSchemas,
    ) -> None:
        self.problems: list[Problem] = []
        self.op_config: dict[str, Any] = {}
        self.input_values: dict[tuple[str, str], Any] = {}
        self.unrecorded_inputs: set[tuple[str, str]] = set()
        self._job = job
        self._ops = ops
        self._open = open_inputs
        self._job_inputs = job_inputs
        self._ports = ports
        self._mentioned: set[str] = set()
        # The place of the config of each graph with a mapping, by the prefix of its nodes.
        self._mapped: dict[str, tuple[str, ...]] = {}

    def problem(self, path: tuple[str, ...], message: str) -> None:
        self.problems.append(Problem(path, message))

    def _mapping(self, value: Any, path: tuple[str, ...]) -> Mapping[Any, Any]:
        if value is None or isinstance(value, Mapping):
            return value or {}
        self.problem(path, f"expected a mapping, got {value!r}")
        return {}

    def nodes(
        self, graph: GraphDefinition, section: Any, prefix: str, path: tuple[str, ...]
    ) -> None:
        """Read the ``ops`` section of one graph."""
        definitions = {node.name: node.definition for node in graph.nodes} if section else {}
        for name, entry in self._mapping(section, (*path, "ops")).items():
            here = (*path, "ops", str(name))
            if name not in definitions:
                hint = nearest(str(name), definitions)
                self.problem(here, f"unknown op; {graph.name!r} has {_listing(definitions)}.{hint}")
                continue
            definition, node = definitions[name], f"{prefix}{name}"
            fields = self._mapping({"config": entry} if isinstance(entry, Config) else entry, here)
            allowed: tuple[str, ...] = ("config", "inputs", "outputs")
            if isinstance(definition, GraphDefinition):
                allowed = ("ops" if definition.config is None else "config", "inputs")
            self._check_keys(fields, allowed, here)
            self._inputs(node, fields.get("inputs"), (*here, "inputs"), definition)
            if isinstance(definition, GraphDefinition):
                self._graph(definition, fields, f"{node}.", here)
            elif node in self._ops:
                self._mentioned.add(node)
                self._op(node, definition, fields.get("config", MISSING), (*here, "config"))
                outputs = self._mapping(fields.get("outputs"), (*here, "outputs"))
                self._ports.read_outputs(node, definition, outputs, (*here, "outputs"))

        for name, inner in graph.mapped_graphs.items():
            if name not in definitions or name not in section:
                self._graph(inner, {}, f"{prefix}{name}.", (*path, "ops", name))

    def _graph(
        self,
        graph: GraphDefinition,
        fields: Mapping[Any, Any],
        prefix: str,
        path: tuple[str, ...],
    ) -> None:
        """Read the section of a graph at ``path``; its nodes are below ``prefix``."""
        if graph.config is None:
            self.nodes(graph, fields.get("ops"), prefix, path)
        elif any(node.startswith(prefix) for node in self._ops):
            self.mapped(graph, graph.config, fields, prefix, path)

    def mapped(
        self,
        graph: GraphDefinition,
        mapping: ConfigMapping,
        section: Any,
        prefix: str,
        path: tuple[str, ...],
    ) -> None:
        """Read the config of a graph whose mapping makes the config of its nodes."""
        fields = self._mapping(section, path)
        if not prefix:
            self._check_keys(fields, ("config",), path)
        here = (*path, "config")
        self._mapped[prefix] = here
        made, problems = apply_mapping(mapping, fields.get("config", MISSING), here)
        self.problems += problems
        if not problems:
            nodes = made.ops if isinstance(made, RunConfig) else made
            self.nodes(graph, nodes, prefix, here)

    def _check_keys(
        self, fields: Mapping[Any, Any], allowed: tuple[str, ...], path: tuple[str, ...]
    ) -> None:
        for key in fields:
            if key not in allowed:
                self.problem(
                    (*path, str(key)),
                    f"unknown key. Expected: {', '.join(allowed)}.{nearest(str(key), allowed)}",
                )

    def _op(self, node: str, op: OpDefinition, given: Any, path: tuple[str, ...]) -> None:
        value = self._config(op, given, path, f"op {op.name!r}")
        if value is not MISSING:
            self.op_config[node] = value

    def _config(
        self,
        definition: Configurable,
        given: Any,
        path: tuple[str, ...],
        owner: str,
    ) -> Any:
        """Return the config of an op, resource or logger, MISSING without any."""
        value, problems = resolve_config(definition, given, path, owner)
        self.problems += problems
        return value

    def _inputs(
        self,
        node: str,
        section: Any,
        path: tuple[str, ...],
        definition: OpDefinition | GraphDefinition,
    ) -> None:
        for name, given in self._mapping(section, path).items():
            if name not in definition.input_names():
                self.problem(
                    (*path, str(name)),
                    f"unknown input.{nearest(str(name), definition.input_names())}",
                )
            elif self._ports.takes_input(node, name):
                self._ports.read_input(node, name, given, (*path, name))
            elif (node, name) in self._open:
                self._value((node, name), given, (*path, name))
            elif node in self._ops or any(each.startswith(f"{node}.") for each in self._ops):
                self.problem(
                    (*path, name),
                    "this input is connected to an output, so no value can be given for it",
                )

    def job_inputs(self, section: Any) -> None:
        """Read the job's inputs: objects from input_values, or the ``inputs`` section."""
        for name, given in self._mapping(section, ("inputs",)).items():
            if name not in self._job.graph.inputs:
                self.problem(
                    ("inputs", str(name)),
                    f"the job has no such input.{nearest(str(name), self._job.graph.inputs)}",
                )
            elif ("", name) in self._open and name not in self._job_inputs:
                self._value(("", name), given, ("inputs", name))
        for name, value in self._job_inputs.items():
            if ("", name) in self._open:
                self.input_values["", name] = value
                self.unrecorded_inputs.add(("", name))

    def _value(self, key: tuple[str, str], given: Any, path: tuple[str, ...]) -> None:
        kind = self._open[key][0]
        try:
            loaded = load_input(kind, given)
        except BadInputError as error:
            self.problem(path, str(error))
            return
        self.input_values[key] = loaded.value
        if loaded.is_in_file:
            self.unrecorded_inputs.add(key)

    def unmentioned(self) -> None:
        """Add the defaults of unmentioned ops and inputs, and a problem for each required one."""
        required: dict[int, bool] = {}
        configurable = [
            (node, op)
            for node, op in self._ops.items()
            if op.config_schema is not None or op.preset_config is not NO_DEFAULT
        ]
        for node, op in configurable:
            if node in self._mentioned:
                continue
            path = config_path(node, "config")
            if id(op) not in required:
                schema = open_schema(op)
                required[id(op)] = schema is not None and is_required(schema)
            above = [here for prefix, here in self._mapped.items() if node.startswith(prefix)]
            if required[id(op)] and above:
                given = any(
                    problem.path[: len(above[-1])] == above[-1] for problem in self.problems
                )
                if not given:
                    self.problem(
                        above[-1], f"the config mapping gives no config for op {op.name!r}"
                    )
            elif required[id(op)]:
                self.problem(
                    path, f"missing; op {op.name!r} needs config: {describe(open_schema(op))}"
                )
            else:
                self._op(node, op, MISSING, path)
        for (node, name), (kind, needed, is_cut) in self._open.items():
            if needed and (node, name) not in self.input_values:
                path = config_path(node, "inputs", name)
                if not any(problem.path[: len(path)] == path for problem in self.problems):
                    reason = (
                        "the selection leaves out what feeds"
                        if is_cut
                        else "nothing is connected to"
                    )
                    self.problem(
                        path,
                        f"missing; {reason} this input, so give a value of type {kind.name}",
                    )

    def resources(
        self, definitions: Mapping[str, ResourceDefinition], needed: Set[str], section: Any
    ) -> dict[str, Any]:
        """Read the ``resources`` section; return the config of needed resources by key."""
        given = self._mapping(section, ("resources",))
        for key in given:
            if key not in definitions:
                hint = nearest(str(key), definitions)
                self.problem(
                    ("resources", str(key)),
                    f"unknown resource; the job has {_listing(definitions)}.{hint}",
                )
        resolved: dict[str, Any] = {}
        for key, definition in definitions.items():
            path = ("resources", key)
            entry = given.get(key)
            fields = self._mapping(
                {"config": entry} if isinstance(entry, ResourceClass) else entry, path
            )
            self._check_keys(fields, ("config",), path)
            config = fields.get("config", MISSING)
            if config is MISSING and key not in needed:
                continue
            value = self._config(definition, config, (*path, "config"), f"resource {key!r}")
            resolved[key] = None if value is MISSING else value
        return resolved

    def loggers(self, section: Any) -> tuple[str, dict[str, Any], bool]:
        """Read the ``loggers`` section.

        Return the console's lowest level, the config of named loggers, and whether the console
        shows log lines: where the section names it or nothing.
        """
        level = "DEBUG"
        named: dict[str, Any] = {}
        has_console = False
        for name, entry in self._mapping(section, ("loggers",)).items():
            path = ("loggers", str(name))
            definition = self._job.logger_defs.get(name)
            if definition is not None:
                fields = self._mapping(entry, path)
                self._check_keys(fields, ("config",), path)
                value = self._config(
                    definition, fields.get("config", MISSING), (*path, "config"), f"logger {name!r}"
                )
                named[name] = None if value is MISSING else value
                continue
            if name != "console":
                self.problem(
                    path,
                    f"unknown logger; there are {_listing(['console', *self._job.logger_defs])}",
                )
                continue
            has_console = True
            fields = self._mapping(self._mapping(entry, path).get("config"), (*path, "config"))
            self._check_keys(fields, ("log_level", "name"), (*path, "config"))
            if "log_level" in fields:
                level = str(fields["log_level"]).upper()
                if level not in LOG_LEVELS:
                    self.problem(
                        (*path, "config", "log_level"),
                        f"expected one of {', '.join(LOG_LEVELS)}, got {fields['log_level']!r}",
                    )
        return level, named, has_console or not named


def _listing(names: Any) -> str:
    listed = sorted(map(str, names))
    return (
        ", ".join(listed[:10]) + (f" and {len(listed) - 10} more" if len(listed) > 10 else "")
        if listed
        else "none"
    )
