"""IO managers at work: storing outputs, loading inputs, and the stand-ins that travel between."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, get_args, get_origin

from rayexec.config.port_config import PortConfig
from rayexec.definitions.config_models import as_data
from rayexec.definitions.io_contexts import InputContext, OutputContext
from rayexec.definitions.metadata.metadata_value import MetadataValue
from rayexec.definitions.metadata.plain_metadata import normalize_metadata
from rayexec.definitions.op import OpDefinition
from rayexec.definitions.resource import ResourceDefinition
from rayexec.definitions.retry import Failure, RetryRequested
from rayexec.definitions.surroundings import Resources, RunInfo, StepLog
from rayexec.definitions.types.dagster_type import DagsterType
from rayexec.definitions.types.type_resolution import resolve_type
from rayexec.definitions.user_events import AssetMaterialization
from rayexec.errors import (
    InputError,
    OutputError,
    OutputStorageError,
    ResourceError,
    StepError,
)
from rayexec.events import Handling, LoadedInput
from rayexec.former_names import stable_name
from rayexec.names import mapping_keys, node_path, output_name
from rayexec.plan.model import Template
from rayexec.run.spec import RunSpec
from rayexec.steps.managed_ports import ManagedPorts
from rayexec.steps.resources import OpenResources

__all__ = ["AttemptIOManagers", "Handled", "IOManagers", "LoadOutput", "Originals", "output_loader"]

# Errors with a meaning of their own, for a manager to raise like an op.
_MEANINGFUL = (Failure, RetryRequested, StepError)


# Outputs as the ops yielded them, by step key, then by name and mapping key.
Originals = dict[str, dict[tuple[str, str | None], Any]]


@dataclass(frozen=True, slots=True)
class Handled:
    """Stand-in for an output on its way to consumers: its identity, and its IO manager."""

    run_id: str
    step_key: str
    output: str
    mapping_key: str | None
    op: str
    #: Index of the op's template in the plan.
    template: int
    #: The metadata of the output's definition.
    metadata: Mapping[str, Any] | None
    #: None if no manager stored the output, but a consumer's own manager loads it.
    manager_key: str | None
    #: The output itself if no manager stored it.
    value: Any = None


class IOManagers:
    """IO managers among the open resources, of a whole run in-process or of one batch on Ray."""

    def __init__(
        self,
        ports: ManagedPorts,
        templates: Sequence[Template],
        definitions: Mapping[str, ResourceDefinition],
        config: Mapping[str, Any],
        run: RunInfo,
        resources: OpenResources,
        port_config: PortConfig,
    ) -> None:
        self.ports = ports
        self.port_config = port_config
        self.templates = templates
        self.run = run
        self._definitions = definitions
        self._config = config
        self._resources = resources
        #: Gets every output that a manager stores; None for a run that does not remember them.
        self.originals: Originals | None = None

    def of(self, template: int) -> AttemptIOManagers | None:
        """Return the managers for an attempt of this template's op; None if it needs none."""
        return AttemptIOManagers(self, template) if template in self.ports.templates else None

    def method(self, key: str, name: str) -> Any:
        """Return a method of a manager; raises ResourceError for a manager without it."""
        manager = getattr(self._resources.get((key,)), key)
        method = getattr(manager, name, None)
        if method is None:
            raise ResourceError(
                f"resource {key!r} is a {type(manager).__name__}, which has no {name}: make it a "
                f"subclass of IOManager.",
                key=key,
            )
        return method

    def resources_for(self, key: str) -> Resources:
        """Return the resources that the manager itself requires."""
        return self._resources.get(self._definitions[key].required_resource_keys)

    def config_for(self, key: str) -> Any:
        """Return the manager's run config; for a class with fields, their values."""
        return as_data(self._config.get(key))

    def output_context(
        self,
        handled: Handled,
        key: str | None,
        log: StepLog,
        output_metadata: Mapping[str, MetadataValue] | None = None,
        report: Callable[[Any], None] | None = None,
    ) -> OutputContext:
        """Return the context of an output for the manager under ``key``."""
        op = self._op_of(handled)
        return OutputContext(
            run_id=handled.run_id,
            job_name=self.run.job_name,
            step_key=handled.step_key,
            name=handled.output,
            mapping_key=handled.mapping_key,
            op_def=op,
            dagster_type=None if op is None else op.outs[handled.output].type,
            definition_metadata=handled.metadata,
            output_metadata=output_metadata,
            report=report,
            config=as_data(
                self.port_config.outputs.get((node_path(handled.step_key), handled.output))
            ),
            partition_key=self.run.partition_key,
            resource_config=None if key is None else self.config_for(key),
            resources=None if key is None else self.resources_for(key),
            log=log,
        )

    def _op_of(self, handled: Handled) -> OpDefinition | None:
        if handled.template < len(self.templates):
            op = self.templates[handled.template].op
            if op.name == handled.op and handled.output in op.outs:
                return op
        return None  # the value comes from a run with another plan

    def input_context(
        self, key: str, handled: Handled | None, log: StepLog, **facts: Any
    ) -> InputContext:
        """Return the context of an input for the manager under ``key``."""
        upstream = None
        if handled is not None:
            upstream = self.output_context(handled, handled.manager_key, log)
        return InputContext(
            run_id=self.run.run_id,
            job_name=self.run.job_name,
            upstream_output=upstream,
            resource_config=self.config_for(key),
            resources=self.resources_for(key),
            log=log,
            partition_key=self.run.partition_key,
            **facts,
        )

    def load(self, key: str, handled: Handled | None, context: InputContext, where: str) -> Any:
        """Return the value that the manager under ``key`` loads.

        Raises InputError for any error of the manager; ``where`` names the input in its message.
        """
        load_input = self.method(key, "load_input")
        try:
            return load_input(context)
        except _MEANINGFUL:
            raise
        except Exception as error:
            source = (
                ""
                if handled is None
                else f", which is output {handled.output!r} of step {handled.step_key!r}"
            )
            raise InputError(
                f"IO manager {key!r} could not load {where}{source}: {type(error).__name__}: "
                f"{error}"
            ) from error


class AttemptIOManagers:
    """IO managers of one attempt; ``loaded`` records the inputs that they have loaded."""

    #: The input that is next to load.
    loading = ""

    #: Receives the events that managers log or yield.
    report: Callable[[Any], None] | None = None

    def __init__(self, managers: IOManagers, template: int) -> None:
        self._managers = managers
        self._template = template
        self._op = managers.templates[template].op
        self.loaded: list[LoadedInput] = []

    def load(self, step_key: str, inputs: Mapping[str, Any], log: StepLog) -> dict[str, Any]:
        """Return the inputs of a step, with values loaded for stand-ins; raises InputError."""
        values = dict(inputs)
        for name, declared in self._op.ins.items():
            if (
                declared.type.is_nothing
                or (self._template, name) not in self._managers.ports.inputs
            ):
                continue
            self.loading = name
            if name in values:
                values[name] = self._resolve(step_key, name, values[name], declared.type, log)
            elif declared.input_manager_key is not None:
                values[name] = self._load(
                    step_key, name, declared.input_manager_key, None, declared.type, log
                )
        return values

    def _resolve(
        self, step_key: str, name: str, value: Any, kind: DagsterType, log: StepLog
    ) -> Any:
        if type(value) is list and _holds_handled(value):  # a fan-in
            member = _member(kind)
            return [self._resolve(step_key, name, each, member, log) for each in value]
        if type(value) is not Handled:
            return value
        key = self._op.ins[name].input_manager_key or value.manager_key
        return value.value if key is None else self._load(step_key, name, key, value, kind, log)

    def _load(
        self,
        step_key: str,
        name: str,
        key: str,
        handled: Handled | None,
        kind: DagsterType,
        log: StepLog,
    ) -> Any:
        where = f"input {name!r} of step {step_key!r} (op {self._op.name!r})"
        context = self._managers.input_context(
            key,
            handled,
            log,
            name=name,
            op_def=self._op,
            dagster_type=kind,
            definition_metadata=self._op.ins[name].metadata,
            config=as_data(self._managers.port_config.inputs.get((node_path(step_key), name))),
        )
        value = self._managers.load(key, handled, context, where)
        step, output = (None, None) if handled is None else (handled.step_key, handled.output)
        added = dict(context.consume_logged_metadata()) or None
        self.loaded.append(LoadedInput(name, key, step, output, added))
        return value

    def stores(self, name: str) -> tuple[str, str, Any] | None:
        """Return key, class and config of an output's manager, for cache keys; None for none."""
        key = self._managers.ports.outputs.get((self._template, name))
        if key is None or self._op.outs[name].type.is_nothing:
            return None
        kind = type(self._managers.method(key, "handle_output").__self__)
        return key, ".".join(stable_name(kind)), self._managers.config_for(key)

    def restore(
        self, step_key: str, stored_as: str, value: Any, log: StepLog, *, is_handled: bool
    ) -> Any:
        """Return the value or stand-in to pass on for an output of an earlier run.

        A handled output stays where its manager stored it then.
        """
        if is_handled:
            return replace(value, template=self._template)
        keys = mapping_keys(stored_as)
        return self.handle(
            step_key, output_name(stored_as), keys[0] if keys else None, value, {}, log
        )[0]

    def handle(
        self,
        step_key: str,
        name: str,
        mapping_key: str | None,
        value: Any,
        metadata: Mapping[str, MetadataValue],
        log: StepLog,
    ) -> tuple[Any, Handling | None]:
        """Store an output and return the value or stand-in to pass on, with the record of storing.

        Raises OutputStorageError.
        """
        managers, op = self._managers, self._op
        if op.outs[name].type.is_nothing or (self._template, name) not in managers.ports.outputs:
            return value, None
        key, run_id = managers.ports.outputs[self._template, name], managers.run.run_id
        declared = op.outs[name].metadata
        handled = Handled(
            run_id, step_key, name, mapping_key, op.name, self._template, declared, key, None
        )
        if key is None:
            return Handled(
                run_id, step_key, name, mapping_key, op.name, self._template, declared, None, value
            ), None
        if managers.originals is not None:
            managers.originals.setdefault(step_key, {})[name, mapping_key] = value
        context = managers.output_context(handled, key, log, metadata, self.report)
        handle_output = managers.method(key, "handle_output")
        metadata_of_manager: dict[str, MetadataValue] = {}
        try:
            for item in _returned(handle_output(context, value), name):
                if isinstance(item, AssetMaterialization):
                    context.log_event(item)
                else:
                    metadata_of_manager |= normalize_metadata(item)
        except _MEANINGFUL:
            raise
        except Exception as error:
            raise OutputStorageError(
                f"IO manager {key!r} could not store output {name!r} of step {step_key!r} (op "
                f"{op.name!r}): {type(error).__name__}: {error}"
            ) from error
        metadata_of_manager |= context.get_logged_metadata()
        return handled, Handling(key, metadata_of_manager or None)


def _returned(returned: Any, name: str) -> Iterator[Any]:
    """Yield the metadata and materializations that ``handle_output`` returns, or yields."""
    if inspect.iscoroutine(returned):
        returned.close()
        raise OutputError("handle_output is async; make it a plain function")
    for item in returned if inspect.isgenerator(returned) else (returned,):
        if item is None:
            continue
        if not isinstance(item, (Mapping, AssetMaterialization)):
            raise OutputError(
                f"the IO manager of output {name!r} returned a {type(item).__name__} from "
                f"handle_output; it returns nothing, or yields metadata (a dict) and "
                f"AssetMaterializations."
            )
        yield item


def _holds_handled(values: list[Any]) -> bool:
    return any(
        type(each) is Handled or (type(each) is list and _holds_handled(each)) for each in values
    )


def _member(kind: DagsterType) -> DagsterType:
    """Return the type of the members of a fan-in of type ``kind``."""
    arguments = get_args(kind.annotation)
    return resolve_type(arguments[0] if get_origin(kind.annotation) is list and arguments else Any)


# Returns the value of an output for its form in the engine.
LoadOutput = Callable[[Any], Any]


@contextlib.contextmanager
def output_loader(spec: RunSpec, originals: Originals) -> Iterator[LoadOutput]:
    """Give a function that loads outputs through their managers, with resources open for the block.

    It returns ``originals`` and values without a manager unchanged, and raises InputError.
    """
    with OpenResources(spec.resources, spec.config.resources, spec.info) as resources:
        managers = IOManagers(
            ManagedPorts({}, frozenset(), frozenset()),
            spec.plan.templates,
            spec.resources,
            spec.config.resources,
            spec.info,
            resources,
            spec.config.ports,
        )

        def load(value: Any) -> Any:
            if type(value) is not Handled:
                return value
            if value.manager_key is None:
                return value.value
            yielded = originals.get(value.step_key, {})
            if (value.output, value.mapping_key) in yielded:
                return yielded[value.output, value.mapping_key]
            log = StepLog()
            output = managers.output_context(value, None, log)
            context = managers.input_context(
                value.manager_key, value, log, dagster_type=output.dagster_type
            )
            return managers.load(value.manager_key, value, context, "a value for the result")

        yield load
