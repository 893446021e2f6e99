"""IO managers at work: storing outputs, loading inputs, and the stand-ins that travel between."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, get_args, get_origin

from rayexec.definitions.config_models import Config
from rayexec.definitions.io_contexts import InputContext, OutputContext
from rayexec.definitions.metadata import MetadataValue
from rayexec.definitions.op import OpDefinition
from rayexec.definitions.plain_metadata import normalize_metadata
from rayexec.definitions.resource import ResourceDefinition
from rayexec.definitions.retry import Failure, RetryRequested
from rayexec.definitions.surroundings import (
    Resources,
    RunInfo,
    StepLog,
)
from rayexec.definitions.type_resolution import resolve_type
from rayexec.definitions.types import DagsterType
from rayexec.errors import InputError, OutputStorageError, ResourceError, StepError
from rayexec.events import Handling, LoadedInput
from rayexec.former_names import stable_name
from rayexec.names import mapping_keys, output_name
from rayexec.plan.model import Template
from rayexec.run.spec import RunSpec
from rayexec.steps.managed_ports import ManagedPorts
from rayexec.steps.resources import OpenResources

__all__ = ["AttemptIOManagers", "Handled", "IOManagers", "LoadOutput", "output_loader"]

# Errors with a meaning of their own, for a manager to raise like an op.
_MEANINGFUL = (Failure, RetryRequested, StepError)


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
    ) -> None:
        self.ports = ports
        self.templates = templates
        self.run = run
        self._definitions = definitions
        self._config = config
        self._resources = resources

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
        """Return the manager's run config; for a Config, or a manager that is one, its fields."""
        config = self._config.get(key)
        if config is None:
            config = getattr(self._resources.get((key,)), key)
            if not isinstance(config, Config):
                return None
        return dict(config) if isinstance(config, Config) else config

    def output_context(
        self,
        handled: Handled,
        key: str | None,
        log: StepLog,
        output_metadata: Mapping[str, MetadataValue] | None = None,
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

    def load(
        self,
        key: str,
        handled: Handled | None,
        name: str,
        kind: DagsterType,
        where: str,
        log: StepLog,
        *,
        op: OpDefinition | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> Any:
        """Return the value that the manager under ``key`` loads.

        Raises InputError for any error of the manager; ``where`` names the input in its message.
        """
        context = InputContext(
            run_id=self.run.run_id,
            job_name=self.run.job_name,
            name=name,
            upstream_output=None
            if handled is None
            else self.output_context(handled, handled.manager_key, log),
            op_def=op,
            dagster_type=kind,
            definition_metadata=metadata,
            resource_config=self.config_for(key),
            resources=self.resources_for(key),
            log=log,
        )
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
            if name in values:
                values[name] = self._resolve(step_key, name, values[name], declared.type, log)
            elif declared.input_manager_key is not None and not declared.has_default_value:
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
        metadata = self._op.ins[name].metadata
        value = self._managers.load(
            key, handled, name, kind, where, log, op=self._op, metadata=metadata
        )
        source = (None, None) if handled is None else (handled.step_key, handled.output)
        self.loaded.append(LoadedInput(name, key, *source))
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
        context = managers.output_context(handled, key, log, metadata)
        handle_output = managers.method(key, "handle_output")
        try:
            for added in _returned_metadata(handle_output(context, value)):
                context.add_output_metadata(added)
        except _MEANINGFUL:
            raise
        except Exception as error:
            raise OutputStorageError(
                f"IO manager {key!r} could not store output {name!r} of step {step_key!r} (op "
                f"{op.name!r}): {type(error).__name__}: {error}"
            ) from error
        return handled, Handling(key, dict(context.get_logged_metadata()) or None)


def _returned_metadata(returned: Any) -> Iterator[Mapping[str, Any]]:
    """Yield the metadata that ``handle_output`` returns, or yields as a generator."""
    if inspect.iscoroutine(returned):
        returned.close()
        raise TypeError("handle_output is async; make it a plain function")
    for metadata in returned if inspect.isgenerator(returned) else (returned,):
        if metadata is None:
            continue
        if not isinstance(metadata, Mapping):
            raise TypeError(
                f"handle_output returned a {type(metadata).__name__}; it returns nothing, or "
                f"metadata"
            )
        yield normalize_metadata(metadata)


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
def output_loader(spec: RunSpec) -> Iterator[LoadOutput]:
    """Give a function that loads outputs through their managers, with resources open for the block.

    It returns other values unchanged and raises InputError.
    """
    with OpenResources(spec.resources, spec.config.resources, spec.info) as resources:
        managers = IOManagers(
            ManagedPorts({}, frozenset(), frozenset()),
            spec.plan.templates,
            spec.resources,
            spec.config.resources,
            spec.info,
            resources,
        )

        def load(value: Any) -> Any:
            if type(value) is not Handled:
                return value
            if value.manager_key is None:
                return value.value
            log = StepLog()
            kind = managers.output_context(value, None, log).dagster_type
            return managers.load(
                value.manager_key, value, value.output, kind, "a value for the result", log
            )

        yield load
