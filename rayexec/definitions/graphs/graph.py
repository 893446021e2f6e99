"""Graphs: ops and other graphs wired together, by running a function once or as data."""

from __future__ import annotations

import copy
import functools
import inspect
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar, cast

from rayexec.definitions.graphs.composition import Composition, composing
from rayexec.definitions.graphs.dependencies import Dependencies, InputMapping, OutputMapping
from rayexec.definitions.graphs.graph_data import (
    dependencies_of,
    input_mappings_of,
    output_mappings_of,
)
from rayexec.definitions.graphs.wiring import checked_outputs
from rayexec.definitions.handles import (
    Collected,
    GraphInput,
    InvokedOutput,
    InvokedOutputs,
    Level,
    NodeOutput,
)
from rayexec.definitions.hooks import Hooked
from rayexec.definitions.invocation import Invocable, Invocation, PendingNodeInvocation
from rayexec.definitions.mapping import ConfigMapping, Fixed, preset_of
from rayexec.definitions.named_ports import (
    DynamicOutputDefinition,
    InputDefinition,
    OutputDefinition,
)
from rayexec.definitions.op import OpDefinition
from rayexec.definitions.ports import GraphIn, GraphOut
from rayexec.definitions.ports_by_name import common_type, item_type
from rayexec.definitions.tags import normalize_tags
from rayexec.definitions.types.dagster_type import DagsterType
from rayexec.errors import DefinitionError, InvariantError, MisuseError
from rayexec.names import check_name, nearest

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["GraphDefinition", "Node", "compose"]


@dataclass(frozen=True, eq=False)
class GraphDefinition(Invocable, Hooked):
    """Nodes wired together, as a part of other graphs or of a job."""

    name: str
    nodes: tuple[Node, ...]
    #: The parameters of the body, in order.
    inputs: tuple[str, ...] = ()
    #: The source of each output, by its name.
    outputs: Mapping[str, NodeOutput | Collected] = field(default_factory=dict)
    #: The dynamic outputs inside the graph that multiply an output, by its name.
    levels: Mapping[str, Level] = field(default_factory=dict)
    description: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    #: Makes the config of the nodes from one smaller config; None where run config has it itself.
    config: ConfigMapping | None = None

    def configured(
        self,
        config_or_config_fn: Any,
        name: str | None = None,
        config_schema: Any = None,
        description: str | None = None,
    ) -> Self:
        """Return a copy called ``name`` whose config is fixed, or made by a function.

        ``config_schema`` is the schema of the function's own config. Raises DefinitionError for a
        graph without a config mapping.
        """
        if self.config is None:
            raise DefinitionError(
                f"graph {self.name!r} has no config mapping, so there is nothing to configure: "
                f"give it one by @graph(config=…)."
            )
        where = f"configured() of graph {self.name!r}"
        made = copy.copy(self)  # subclasses have other parameters
        for field_name, value in {
            "name": check_name(name or self.name, "a graph"),
            "config": preset_of(self.config, config_or_config_fn, config_schema, where),
            "description": description or self.description,
        }.items():
            object.__setattr__(made, field_name, value)
        return made

    @functools.cached_property
    def mapped_graphs(self) -> Mapping[str, GraphDefinition]:
        """The graphs in this one, by node, that have a config mapping or contain such graphs."""
        inner = {
            node.name: node.definition
            for node in self.nodes
            if isinstance(node.definition, GraphDefinition)
        }
        return {
            name: graph
            for name, graph in inner.items()
            if graph.config is not None or graph.mapped_graphs
        }

    def input_names(self) -> tuple[str, ...]:
        """Return the inputs in the order of a call's positional arguments."""
        return self.inputs

    def levels_by_output(self) -> Mapping[str, Level]:
        """Return the outputs in order, each with the dynamic outputs that multiply it."""
        return {name: self.levels.get(name, ()) for name in self.outputs}

    @property
    def node_dict(self) -> Mapping[str, Node]:
        """The nodes by name."""
        return {node.name: node for node in self.nodes}

    @property
    def node_defs(self) -> Sequence[OpDefinition | GraphDefinition]:
        """The definitions of the nodes, each once."""
        return list({id(node.definition): node.definition for node in self.nodes}.values())

    def has_node_named(self, name: str) -> bool:
        """Return whether the graph has a node of that name."""
        return any(node.name == name for node in self.nodes)

    def node_named(self, name: str) -> Node:
        """Return the node of that name; raises InvariantError."""
        nodes = self.node_dict
        if name not in nodes:
            raise InvariantError(f"graph {self.name!r} has no node {name!r}.{nearest(name, nodes)}")
        return nodes[name]

    @property
    def dependencies(self) -> Dependencies:
        """The source of each connected input, by node."""
        return dependencies_of(self.nodes)

    @property
    def input_mappings(self) -> Sequence[InputMapping]:
        """The inputs of the graph, each with an input of a node that takes it."""
        return input_mappings_of(self.nodes, self.inputs)

    @property
    def output_mappings(self) -> Sequence[OutputMapping]:
        """The outputs of the graph, each with the output of a node that gives it."""
        return output_mappings_of(self.outputs, self.levels)

    @property
    def input_defs(self) -> Sequence[InputDefinition]:
        """The inputs, each of the type that all nodes which take it have, or else Any."""
        types: dict[str, list[DagsterType]] = {name: [] for name in self.inputs}
        for node in self.nodes:
            kinds = {port.name: port.type for port in node.definition.input_defs}
            for name, binding in node.inputs.items():
                is_list = isinstance(binding, tuple)
                for source in binding if isinstance(binding, tuple) else (binding,):
                    if isinstance(source, GraphInput):
                        kind = item_type(kinds[name]) if is_list else kinds[name]
                        types[source.name].append(kind)
        return [
            InputDefinition(name=name, dagster_type=common_type(kinds))
            for name, kinds in types.items()
        ]

    @property
    def output_defs(self) -> Sequence[OutputDefinition]:
        """The outputs, each of the type of the node's output behind it."""
        nodes, outputs = self.node_dict, []
        for mapping in self.output_mappings:
            name, source = mapping.graph_output_name, mapping.maps_from
            inner = nodes[source.node_name].definition.output_def_named(source.output_name)
            kind = DynamicOutputDefinition if name in self.levels else OutputDefinition
            outputs.append(kind(name=name, dagster_type=inner.type))
        return outputs

    def call_directly(
        self, pending: PendingNodeInvocation, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> Any:
        """Raise MisuseError: a graph runs as a job only."""
        raise MisuseError(
            f"graph {self.name!r} was called outside the body of a graph or job; run it by "
            f"execute_in_process()."
        )


Node: TypeAlias = Invocation[OpDefinition | GraphDefinition]

GraphT = TypeVar("GraphT", bound=GraphDefinition)


def compose(
    cls: type[GraphT],
    fn: Callable[..., Any],
    *,
    kind: str,
    name: str,
    description: str | None = None,
    ins: Mapping[str, GraphIn] | None = None,
    out: GraphOut | Mapping[str, GraphOut] | None = None,
    tags: Mapping[str, Any] | None = None,
    config: Any = None,
) -> GraphT:
    """Run the body ``fn`` and return the ``cls`` that it wires.

    ``kind`` is ``"graph"`` or ``"job"``; a job has no outputs. Raises DefinitionError for a
    contradiction in the body.
    """
    where = f"@{kind} {name}"
    inputs = _inputs_of(fn, where, ins)
    with composing(kind, name) as composition:
        returned = fn(**{each: composition.graph_input(each) for each in inputs})
    if inspect.isgenerator(returned) or inspect.iscoroutine(returned):
        returned.close()
        raise DefinitionError(
            f"{where}: the body wires ops and is a plain function, without yield or async."
        )
    if kind == "job":
        _check_returned_by_job(returned, where)
        handles = {}
    else:
        handles = _outputs(returned, where, out)
    outputs = checked_outputs(composition, handles, where)
    _check_use(composition, inputs, where)
    return cls(
        name=name,
        # A body can call ops and graphs only: nothing else is Invocable.
        nodes=cast("tuple[Node, ...]", composition.nodes),
        inputs=inputs,
        outputs=outputs,
        levels={each: handle.level for each, handle in handles.items() if handle.level},
        description=description or inspect.getdoc(fn),
        tags=normalize_tags(tags, where),
        config=graph_config(config, where),
    )


def graph_config(config: Any, where: str) -> ConfigMapping | None:
    """Return the config mapping of a graph; a mapping of nodes becomes one that ignores its config.

    Raises DefinitionError, with ``where`` in its message, for anything else.
    """
    if config is None or isinstance(config, ConfigMapping):
        return config
    if isinstance(config, Mapping):
        return ConfigMapping(Fixed(config))
    raise DefinitionError(
        f"{where}: config is what @config_mapping or ConfigMapping makes, or a mapping of the "
        f"graph's nodes, got {type(config).__name__}."
    )


def _inputs_of(
    fn: Callable[..., Any], where: str, ins: Mapping[str, GraphIn] | None
) -> tuple[str, ...]:
    parameters = inspect.signature(fn).parameters
    for parameter in parameters.values():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            raise DefinitionError(f"{where}: {parameter} is not supported; name each input.")
    for name, declared in (ins or {}).items():
        if name not in parameters:
            raise DefinitionError(
                f"{where}: ins names {name!r}, which is not a parameter of the body."
                f"{nearest(name, parameters)}"
            )
        if not isinstance(declared, GraphIn):
            raise DefinitionError(
                f"{where}: ins[{name!r}] must be a GraphIn, got {type(declared).__name__}."
            )
    return tuple(check_name(name, f"an input of {where}", allowed="config") for name in parameters)


def _check_use(composition: Composition, inputs: Sequence[str], where: str) -> None:
    """Raise DefinitionError for an unused input; warn of what is prepared and never called."""
    for name in inputs:
        if name not in composition.graph_inputs_used:
            raise DefinitionError(
                f"{where}: nothing takes its input {name!r}. Pass it to an op or a graph in the "
                f"body, or remove the parameter."
            )
    for pending in composition.uncalled:
        warnings.warn(
            f"{where}: {pending.node_name!r} is prepared by alias, tag, with_hooks or "
            f"with_retry_policy, and an uninvoked op or graph is no node: call it, "
            f"{pending.definition.name}.alias(…)().",
            UserWarning,
            stacklevel=5,
        )


def _check_returned_by_job(returned: Any, where: str) -> None:
    """Raise DefinitionError unless the body of a job returns nothing, or a tuple of outputs."""
    if returned is None or isinstance(returned, InvokedOutputs) or returned == {}:
        return
    if isinstance(returned, tuple) and all(isinstance(each, InvokedOutput) for each in returned):
        return
    what = (
        ", ".join(map(repr, returned))
        if isinstance(returned, Mapping)
        else type(returned).__name__
        if not isinstance(returned, InvokedOutput)
        else repr(returned)
    )
    raise DefinitionError(
        f"{where}: the body returns a value ({what}), but a job has no outputs. Make it a @graph "
        f"and call to_job()."
    )


def _outputs(
    returned: Any, where: str, out: GraphOut | Mapping[str, GraphOut] | None
) -> dict[str, InvokedOutput]:
    """Return the handles that a graph returns, by the names of its outputs."""
    declared = _declared_outputs(out, where)
    if returned is None:
        if out is not None:
            raise DefinitionError(
                f"{where}: out declares {', '.join(declared)}, but the body returns nothing."
            )
        return {}
    if isinstance(returned, Mapping):
        outputs = dict(returned)
        _check_output_names(outputs, declared, out is not None, where)
    elif isinstance(returned, InvokedOutput):
        outputs = _in_order([returned], declared, where)
    elif isinstance(returned, (tuple, InvokedOutputs)):
        outputs = _in_order(list(returned), declared, where)
    else:
        raise DefinitionError(
            f"{where}: the body must return outputs of its nodes, alone, in a tuple or in a dict "
            f"by name; it returned a {type(returned).__name__}."
        )
    for name, handle in outputs.items():
        if not isinstance(handle, InvokedOutput):
            raise DefinitionError(
                f"{where}: output {name!r} is a {type(handle).__name__}, not the output of a node."
            )
    return outputs


def _declared_outputs(out: Any, where: str) -> tuple[str, ...]:
    if out is None or isinstance(out, GraphOut):
        return ("result",)
    if not isinstance(out, Mapping):
        raise DefinitionError(
            f"{where}: out must be a GraphOut or a mapping of names to GraphOut, got "
            f"{type(out).__name__}."
        )
    for name, declared in out.items():
        check_name(name, f"an output of {where}")
        if not isinstance(declared, GraphOut):
            raise DefinitionError(
                f"{where}: out[{name!r}] must be a GraphOut, got {type(declared).__name__}."
            )
    return tuple(out)


def _in_order(
    handles: Sequence[Any], declared: Sequence[str], where: str
) -> dict[str, InvokedOutput]:
    """Return the handles by the declared names; warn of those too many, as Dagster drops them."""
    if len(handles) < len(declared):
        raise DefinitionError(
            f"{where}: out declares {', '.join(declared)}, but the body returns {len(handles)} "
            f"of them: return a dict with each."
        )
    if len(handles) > len(declared):
        warnings.warn(
            f"{where}: the body returns {len(handles)} outputs, and the graph has "
            f"{', '.join(declared)} only: those after it are dropped. Name all in "
            f"out={{…: GraphOut()}}.",
            UserWarning,
            stacklevel=6,
        )
    return dict(zip(declared, handles, strict=False))


def _check_output_names(
    outputs: Mapping[str, Any], declared: Sequence[str], is_explicit: bool, where: str
) -> None:
    unknown = [name for name in outputs if name not in declared]
    if unknown:
        raise DefinitionError(
            f"{where}: the body returns {', '.join(map(repr, unknown))}, which out does not "
            f"declare. Write out={{{', '.join(f'{name!r}: GraphOut()' for name in outputs)}}}."
        )
    missing = [name for name in declared if name not in outputs]
    if missing and is_explicit:
        raise DefinitionError(
            f"{where}: out declares {', '.join(map(repr, missing))}, which the body does not "
            f"return."
        )
