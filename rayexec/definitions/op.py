"""Ops: functions for steps to call, with their inputs, outputs and settings."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, overload

from rayexec.definitions.code import ByReference
from rayexec.definitions.concurrency import Pool
from rayexec.definitions.config_parameter import checked_schema, schema_of_parameter
from rayexec.definitions.direct_calls import direct_calls
from rayexec.definitions.fresh_data import ReadOnlyDict
from rayexec.definitions.handles import Level
from rayexec.definitions.invocation import Invocable, PendingInvocation
from rayexec.definitions.mapping import preset_of
from rayexec.definitions.named_ports import (
    InputDefinition,
    OutputDefinition,
    named_in,
    named_out,
)
from rayexec.definitions.op_signature import Parameters, read_signature
from rayexec.definitions.ports import NO_DEFAULT, DynamicOut, In, Out
from rayexec.definitions.ray_options import RayOptions
from rayexec.definitions.ray_options import ray_options as as_ray_options
from rayexec.definitions.retry import RetryPolicy
from rayexec.definitions.return_annotation import read_outputs
from rayexec.definitions.tags import normalize_tags, priority
from rayexec.definitions.time_limits import as_time_limit
from rayexec.definitions.types import annotations_of
from rayexec.definitions.versions import check_version
from rayexec.errors import DefinitionError, InvariantError
from rayexec.names import check_name

__all__ = ["OpDefinition", "op"]


@dataclass(frozen=True, eq=False)
class OpDefinition(ByReference, Invocable):
    """An op: a function with its inputs, outputs and settings.

    A call in the body of a graph or job makes a node. Any other call, as in a unit test, runs the
    function.
    """

    name: str
    fn: Callable[..., Any]
    ins: Mapping[str, In]
    outs: Mapping[str, Out]
    parameters: Parameters
    description: str | None = None
    config_schema: Any = None
    required_resource_keys: frozenset[str] = frozenset()
    tags: Mapping[str, str] = field(default_factory=dict)
    retry_policy: RetryPolicy | None = None
    pool: Pool | None = None
    code_version: str | None = None
    ray_options: RayOptions = field(default_factory=RayOptions)
    timeout: float | None = None
    rerun_on_loss: bool = True
    durable: bool = False
    preset_config: Any = NO_DEFAULT
    cache: bool = False
    #: Outputs with an annotation, and whether that is Output; see ``DeclaredOutputs``.
    as_output: Mapping[str, bool] = field(default_factory=dict)
    #: The required resources, and those of the types of inputs and outputs.
    resource_keys: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        for name in ("ins", "outs", "tags"):  # contexts show them to steps
            object.__setattr__(self, name, ReadOnlyDict(getattr(self, name)))
        kinds = [*(each.type for each in self.ins.values())]
        kinds += [each.type for each in self.outs.values()]
        keys = self.required_resource_keys.union(*(kind.resource_keys for kind in kinds))
        object.__setattr__(self, "resource_keys", keys)
        for name in ("__module__", "__name__", "__qualname__", "__doc__"):
            object.__setattr__(self, name, getattr(self.fn, name, None))

    @property
    def __wrapped__(self) -> Callable[..., Any]:
        """The op's function, for ``inspect.signature`` and ``inspect.unwrap``."""
        return self.fn

    @property
    def input_defs(self) -> list[InputDefinition]:
        """The inputs with their names."""
        return [named_in(name, declared) for name, declared in self.ins.items()]

    @property
    def output_defs(self) -> list[OutputDefinition]:
        """The outputs with their names."""
        return [self.output_def_named(name) for name in self.outs]

    @property
    def input_dict(self) -> dict[str, InputDefinition]:
        """The inputs by name."""
        return {each.name: each for each in self.input_defs}

    @property
    def output_dict(self) -> dict[str, OutputDefinition]:
        """The outputs by name."""
        return {each.name: each for each in self.output_defs}

    def has_input(self, name: str) -> bool:
        """Whether the op has an input of that name."""
        return name in self.ins

    def has_output(self, name: str) -> bool:
        """Whether the op has an output of that name."""
        return name in self.outs

    def input_def_named(self, name: str) -> InputDefinition:
        """Return an input; raises InvariantError for an unknown name."""
        if name not in self.ins:
            raise InvariantError(f"op {self.name!r} has no input {name!r}.")
        return named_in(name, self.ins[name])

    def output_def_named(self, name: str) -> OutputDefinition:
        """Return an output; raises InvariantError for an unknown name."""
        if name not in self.outs:
            raise InvariantError(f"op {self.name!r} has no output {name!r}.")
        return named_out(name, self.outs[name], self.code_version)

    def input_names(self) -> tuple[str, ...]:
        """Return the inputs in the order of a call's positional arguments."""
        return tuple(self.ins)

    def positional_inputs(self) -> tuple[str, ...]:
        """Return the inputs with an order: parameters, and a single one without a parameter."""
        named = self.parameters.inputs
        return named if len(self.ins) > len(named) + 1 else self.input_names()

    @property
    def is_dynamic(self) -> bool:
        """Whether any output is dynamic."""
        return any(out.is_dynamic for out in self.outs.values())

    @property
    def streams(self) -> bool:
        """Whether the values of a dynamic output are passed on while the op still runs."""
        return any(isinstance(out, DynamicOut) and out.stream for out in self.outs.values())

    def levels_by_output(self) -> Mapping[str, Level]:
        """Return the outputs in order, a dynamic one with itself as its level."""
        return {name: (name,) if out.is_dynamic else () for name, out in self.outs.items()}

    def configured(
        self,
        config_or_config_fn: Any,
        name: str | None = None,
        config_schema: Any = None,
        description: str | None = None,
    ) -> OpDefinition:
        """Return a copy called ``name`` whose config is fixed, or made by a function.

        ``config_schema`` is the schema of the function's own config.
        """
        where = f"configured() of op {self.name!r}"
        return replace(
            self,
            preset_config=preset_of(self.preset_config, config_or_config_fn, config_schema, where),
            name=check_name(name or self.name, "an op"),
            description=description or self.description,
        )

    def call_directly(
        self, pending: PendingInvocation, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> Any:
        """Run the function on plain values, as in a unit test."""
        return direct_calls().call_op(pending, args, kwargs)


@overload
def op(fn: Callable[..., Any], /) -> OpDefinition: ...
@overload
def op(
    *,
    name: str | None = ...,
    description: str | None = ...,
    ins: Mapping[str, In] | None = ...,
    out: Out | Mapping[str, Out] | None = ...,
    config_schema: Any = ...,
    required_resource_keys: Iterable[str] = ...,
    tags: Mapping[str, Any] | None = ...,
    retry_policy: RetryPolicy | None = ...,
    pool: str | Pool | None = ...,
    code_version: str | None = ...,
    ray_options: RayOptions | Mapping[str, Any] | None = ...,
    timeout: float | None = ...,
    rerun_on_loss: bool = ...,
    durable: bool = ...,
    cache: bool = ...,
) -> Callable[[Callable[..., Any]], OpDefinition]: ...
def op(
    fn: Callable[..., Any] | None = None,
    /,
    *,
    name: str | None = None,
    description: str | None = None,
    ins: Mapping[str, In] | None = None,
    out: Out | Mapping[str, Out] | None = None,
    config_schema: Any = None,
    required_resource_keys: Iterable[str] = (),
    tags: Mapping[str, Any] | None = None,
    retry_policy: RetryPolicy | None = None,
    pool: str | Pool | None = None,
    code_version: str | None = None,
    ray_options: RayOptions | Mapping[str, Any] | None = None,
    timeout: float | None = None,
    rerun_on_loss: bool = True,
    durable: bool = False,
    cache: bool = False,
) -> OpDefinition | Callable[[Callable[..., Any]], OpDefinition]:
    """Make an op of a function.

    ``timeout`` is in seconds, infinite for none. ``ray_options`` are a step's requests to Ray.
    Without ``rerun_on_loss`` a step never runs again for lost outputs. ``durable`` outputs are
    stored as soon as they exist; after a crash of the driver a resumed run reads them. With
    ``cache`` a step reuses the outputs of an earlier one with the same op, ``code_version``, config
    and inputs in the same store. Raises DefinitionError for a contradiction in the declaration.
    """

    def decorate(fn: Callable[..., Any]) -> OpDefinition:
        label = check_name(name or getattr(fn, "__name__", None), "an op")
        where = f"op {label!r}"
        if description is not None and not isinstance(description, str):
            raise DefinitionError(f"{where}: description is a string, got {description!r}.")
        annotations = annotations_of(fn)
        parameters, inputs = read_signature(fn, where, ins, annotations)
        _check_settings(where, retry_policy, timeout)
        keys = _resource_keys(where, required_resource_keys, parameters)
        check_version(code_version, where, cache=cache)
        outputs = read_outputs(where, out, fn, annotations)
        all_tags = normalize_tags(tags, where)
        priority(all_tags, where)
        return OpDefinition(
            name=label,
            fn=fn,
            ins=inputs,
            outs=outputs.outs,
            as_output=outputs.as_output,
            parameters=parameters,
            description=description or inspect.getdoc(fn),
            config_schema=_config_schema(fn, where, parameters, annotations, config_schema),
            required_resource_keys=keys,
            tags=all_tags,
            retry_policy=retry_policy,
            pool=_pool(where, pool, all_tags),
            code_version=code_version,
            ray_options=_requested(where, ray_options),
            timeout=None if timeout is None else as_time_limit(timeout),
            rerun_on_loss=rerun_on_loss,
            durable=durable,
            cache=cache,
        )

    if fn is None:
        return decorate
    if not callable(fn):
        raise DefinitionError(
            f"@op takes a function, got {type(fn).__name__}; its options are given by name."
        )
    return decorate(fn)


def _check_settings(where: str, retry_policy: Any, timeout: Any) -> None:
    if retry_policy is not None and not isinstance(retry_policy, RetryPolicy):
        raise DefinitionError(
            f"{where}: retry_policy must be a RetryPolicy, got {type(retry_policy).__name__}."
        )
    if timeout is not None:
        try:
            as_time_limit(timeout)
        except ValueError as problem:
            raise DefinitionError(f"{where}: timeout {problem}.") from None


def _resource_keys(where: str, declared: Any, parameters: Parameters) -> frozenset[str]:
    if isinstance(declared, str):
        raise DefinitionError(
            f"{where}: required_resource_keys is a set of keys: {{{declared!r}}}."
        )
    keys = frozenset(declared or ())
    for key in keys:
        if not isinstance(key, str):
            raise DefinitionError(f"{where}: resource keys are strings, got {key!r}.")
    if keys and parameters.resources:
        raise DefinitionError(
            f"{where}: it takes resource {parameters.resources[0]!r} as a parameter, and has "
            f"required_resource_keys too: take all as parameters, or none."
        )
    return keys | frozenset(parameters.resources)


def _pool(where: str, pool: str | Pool | None, tags: Mapping[str, str]) -> Pool | None:
    made = Pool(pool) if isinstance(pool, str) else pool
    key = tags.get("dagster/concurrency_key")
    if made is not None and key not in (None, made.name):
        raise DefinitionError(
            f"{where}: its pool is {made.name!r}, and its tag dagster/concurrency_key is {key!r}: "
            f"name one of them."
        )
    return made


def _config_schema(
    fn: Callable[..., Any],
    where: str,
    parameters: Parameters,
    annotations: Mapping[str, Any],
    declared: Any,
) -> Any:
    if parameters.config is None:
        return checked_schema(declared, where)
    if declared is not None:
        raise DefinitionError(
            f"{where}: give config_schema or a config parameter annotated with Config, not both."
        )
    default = inspect.signature(fn).parameters[parameters.config].default
    return schema_of_parameter(annotations.get(parameters.config, NO_DEFAULT), default, where)


def _requested(where: str, options: RayOptions | Mapping[str, Any] | None) -> RayOptions:
    try:
        return as_ray_options(options)
    except DefinitionError as error:
        raise DefinitionError(f"{where}: {error}") from None
