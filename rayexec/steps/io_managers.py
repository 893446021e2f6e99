"""Values that go through IO managers: which they are, what travels in their place, storing and
loading them.
"""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, get_args, get_origin

from rayexec.definitions.config import Config
from rayexec.definitions.contexts import Resources, RunInfo, StepLog
from rayexec.definitions.io_contexts import InputContext, OutputContext
from rayexec.definitions.io_manager import manager_key
from rayexec.definitions.metadata import MetadataValue, normalize_metadata
from rayexec.definitions.op import OpDefinition
from rayexec.definitions.resource import ResourceDefinition
from rayexec.definitions.retry import Failure, RetryRequested
from rayexec.definitions.types import RuntimeType, runtime_type
from rayexec.errors import InputError, OutputError, ResourceError, StepError
from rayexec.events import Handling, LoadedInput
from rayexec.former_names import stable_name
from rayexec.names import mapping_keys, output_name
from rayexec.plan.base import Plan
from rayexec.plan.model import FromCollected, FromConfig, FromStep, NodeSource, Template, innermost
from rayexec.run.spec import RunSpec
from rayexec.steps.resources import OpenResources

__all__ = ["Handled", "Managed", "Managers", "OpManagers", "Read", "find_managed", "reading"]

# What means what it says, whoever raises it.
_SPEAKING = (Failure, RetryRequested, StepError)


@dataclass(frozen=True, slots=True)
class Handled:
    """Stands for an output on its way to the steps that take it: says which it is, and who stored
    it.

    ``template`` is the place of its op among the plan's templates, and ``metadata`` what the
    output's definition declares. Where no manager stored it (``manager_key`` is None) it holds the
    ``value`` itself, for an input that a manager of its own loads.
    """

    run_id: str
    step_key: str
    output: str
    mapping_key: str | None
    op: str
    template: int
    metadata: Mapping[str, Any] | None
    manager_key: str | None
    value: Any = None


class Managed(NamedTuple):
    """What of a run goes through managers.

    ``outputs`` are manager keys by (template, output), None for an output that is handed on as a
    value beside which stands where it comes from. ``inputs`` are the (template, input) that may get
    one of them or that have a manager of their own, ``templates`` all that have such inputs or
    outputs.
    """

    outputs: Mapping[tuple[int, str], str | None]
    inputs: frozenset[tuple[int, str]]
    templates: frozenset[int]


def find_managed(plan: Plan, known: Mapping[str, ResourceDefinition]) -> Managed | None:
    """Return what goes through managers in runs of ``plan`` whose resources are ``known``; None for
    nothing.
    """
    outputs: dict[tuple[int, str], str | None] = {}
    inputs: set[tuple[int, str]] = set()
    for place, template in enumerate(plan.templates):
        for name, out in template.op.outs.items():
            key = manager_key(out, known)
            if key is not None:
                outputs[place, name] = key
        inputs |= {
            (place, name)
            for name, each in template.op.ins.items()
            if each.input_manager_key is not None
        }
    if not outputs and not inputs:
        return None
    taken: dict[tuple[int, str], set[tuple[int, str]]] = {}
    for taker, behind in _connections(plan):
        taken.setdefault(taker, set()).add(behind)
    for own in inputs:
        for output in taken.get(own, ()):
            outputs.setdefault(output, None)
    inputs |= {taker for taker, producers in taken.items() if not producers.isdisjoint(outputs)}
    return Managed(outputs, frozenset(inputs), frozenset(place for place, _ in (*outputs, *inputs)))


def _connections(plan: Plan) -> Iterator[tuple[tuple[int, str], tuple[int, str]]]:
    """Yield (template, input) and the (template, output) that it takes, of every connection that
    passes values.
    """

    def producer(source: NodeSource) -> tuple[int, str] | None:
        if isinstance(source, FromCollected):
            source = innermost(source)
        if isinstance(source, FromConfig):
            return None
        node = (
            plan.steps[source.step]
            if isinstance(source, FromStep)
            else plan.mapped_nodes[source.node]
        )
        return node.template, source.output

    for step in plan.steps:
        for place, each in enumerate(step.inputs):
            gathered = plan.collected_inputs.get((step.index, place))
            for source in each.sources if gathered is None else (gathered,):
                behind = producer(source)
                if behind is not None and not each.is_nothing:
                    yield (step.template, each.name), behind
    for node in plan.mapped_nodes:
        for given in node.inputs:
            for symbol in given.sources:
                behind = producer(symbol)
                if behind is not None and not given.is_nothing:
                    yield (node.template, given.name), behind


class Managers:
    """The managers of a run as far as ``resources`` are open: one for a whole run in-process, one a
    batch on Ray.
    """

    def __init__(
        self,
        managed: Managed,
        templates: Sequence[Template],
        known: Mapping[str, ResourceDefinition],
        config: Mapping[str, Any],
        run: RunInfo,
        resources: OpenResources,
    ) -> None:
        self.managed = managed
        self.templates = templates
        self.run = run
        self._known = known
        self._config = config
        self._resources = resources

    def of(self, template: int) -> OpManagers | None:
        """Return what an attempt of this template's op needs; None where nothing of it goes through
        a manager.
        """
        return OpManagers(self, template) if template in self.managed.templates else None

    def method(self, key: str, name: str) -> Any:
        """Return a method of the manager under a key; raises ResourceError where there is none."""
        manager = getattr(self._resources.get((key,)), key)
        method = getattr(manager, name, None)
        if method is None:
            raise ResourceError(
                f"resource {key!r} is a {type(manager).__name__}, which has no {name}: make it a "
                f"subclass of IOManager."
            )
        return method

    def resources_for(self, key: str) -> Resources:
        """Return the resources that the manager itself requires."""
        return self._resources.get(self._known[key].required_resource_keys)

    def config_for(self, key: str) -> Any:
        """Return the manager's config as it was given; where it is a Config, or the manager is one,
        its fields.
        """
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
        """Return the context of an output whose manager has ``key``."""
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
        return None  # the value is another run's, whose plan was another

    def load(
        self,
        key: str,
        handled: Handled | None,
        name: str,
        kind: RuntimeType,
        where: str,
        log: StepLog,
        *,
        op: OpDefinition | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> Any:
        """Return what the manager under ``key`` loads; raises InputError, saying ``where``, if it
        raises anything.
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
        except _SPEAKING:
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


class OpManagers:
    """What one attempt of one op has to do with managers; ``loaded`` tells what it has loaded."""

    def __init__(self, managers: Managers, template: int) -> None:
        self._managers = managers
        self._template = template
        self._op = managers.templates[template].op
        self.loaded: list[LoadedInput] = []

    def load(self, step_key: str, inputs: Mapping[str, Any], log: StepLog) -> dict[str, Any]:
        """Return the inputs of a step with what they stand for loaded; raises InputError."""
        found = dict(inputs)
        for name, declared in self._op.ins.items():
            if (
                declared.type.is_nothing
                or (self._template, name) not in self._managers.managed.inputs
            ):
                continue
            if name in found:
                found[name] = self._resolve(step_key, name, found[name], declared.type, log)
            elif declared.input_manager_key is not None and not declared.has_default_value:
                found[name] = self._load(
                    step_key, name, declared.input_manager_key, None, declared.type, log
                )
        return found

    def _resolve(
        self, step_key: str, name: str, value: Any, kind: RuntimeType, log: StepLog
    ) -> Any:
        if type(value) is list and _holds_handled(
            value
        ):  # a fan-in, whose members are of the list's type
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
        kind: RuntimeType,
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
        """Return which manager stores an output: its key, its class and its config; None where none
        does.
        """
        key = self._managers.managed.outputs.get((self._template, name))
        if key is None or self._op.outs[name].type.is_nothing:
            return None
        kind = type(self._managers.method(key, "handle_output").__self__)
        return key, ".".join(stable_name(kind)), self._managers.config_for(key)

    def again(
        self, step_key: str, stored_as: str, value: Any, log: StepLog, *, is_handled: bool
    ) -> Any:
        """Return what travels for an output that an earlier run yielded; a manager that has it has
        it still.
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
        """Store an output; return what travels in its place, and what is to be told of it. Raises
        OutputError.
        """
        managers, op = self._managers, self._op
        if op.outs[name].type.is_nothing or (self._template, name) not in managers.managed.outputs:
            return value, None
        key, run_id = managers.managed.outputs[self._template, name], managers.run.run_id
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
            for each in _returned(handle_output(context, value)):
                context.add_output_metadata(each)
        except _SPEAKING:
            raise
        except Exception as error:
            raise OutputError(
                f"IO manager {key!r} could not store output {name!r} of step {step_key!r} (op "
                f"{op.name!r}): "
                f"{type(error).__name__}: {error}"
            ) from error
        return handled, Handling(key, dict(context.get_logged_metadata()) or None)


def _returned(made: Any) -> Iterator[Mapping[str, Any]]:
    """Yield the metadata that ``handle_output`` returned, or yields as a generator."""
    if inspect.iscoroutine(made):
        made.close()
        raise TypeError("handle_output is async; make it a plain function")
    for each in made if inspect.isgenerator(made) else (made,):
        if each is None:
            continue
        if not isinstance(each, Mapping):
            raise TypeError(
                f"handle_output returned a {type(each).__name__}; it returns nothing, or metadata"
            )
        yield normalize_metadata(each)


def _holds_handled(values: list[Any]) -> bool:
    return any(
        type(each) is Handled or (type(each) is list and _holds_handled(each)) for each in values
    )


def _member(kind: RuntimeType) -> RuntimeType:
    """Return the type of the members of a fan-in whose whole is of type ``kind``."""
    arguments = get_args(kind.annotation)
    return runtime_type(arguments[0] if get_origin(kind.annotation) is list and arguments else Any)


# Returns the value that stands behind what an engine keeps of an output.
Read = Callable[[Any], Any]


@contextlib.contextmanager
def reading(spec: RunSpec) -> Iterator[Read]:
    """Give a function that loads an output as its manager does, whose resource is open as long as
    the block lasts.

    Other values it returns as they are. It raises InputError.
    """
    with OpenResources(spec.resources, spec.config.resources, spec.info) as resources:
        nothing = Managed({}, frozenset(), frozenset())
        managers = Managers(
            nothing,
            spec.plan.templates,
            spec.resources,
            spec.config.resources,
            spec.info,
            resources,
        )

        def read(value: Any) -> Any:
            if type(value) is not Handled:
                return value
            if value.manager_key is None:
                return value.value
            log = StepLog()
            kind = managers.output_context(value, None, log).dagster_type
            return managers.load(
                value.manager_key, value, value.output, kind, "a value for the result", log
            )

        yield read
