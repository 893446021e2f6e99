"""Ops: functions for steps to call, with their inputs, outputs and settings."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields, replace
from typing import Any, ForwardRef, overload

from rayexec.definitions.code import ByReference
from rayexec.definitions.compute_functions import function_of, parameters_of
from rayexec.definitions.concurrency import Pool, pool_of
from rayexec.definitions.config_parameter import checked_schema, schema_of_parameter
from rayexec.definitions.fresh_data import ReadOnlyDict
from rayexec.definitions.handles import Level
from rayexec.definitions.invocation import Invocable, PendingNodeInvocation
from rayexec.definitions.mapping import preset_of
from rayexec.definitions.named_ports import (
    InputDefinition,
    OutputDefinition,
    named_in,
    named_out,
)
from rayexec.definitions.op_signature import Parameters, check_ports, read_signature
from rayexec.definitions.ports import NO_DEFAULT, DynamicOut, In, Out
from rayexec.definitions.ray_options import RayOptions
from rayexec.definitions.ray_options import ray_options as as_ray_options
from rayexec.definitions.retry import RetryPolicy
from rayexec.definitions.return_annotation import read_outputs
from rayexec.definitions.tags import normalize_tags, priority
from rayexec.definitions.time_limits import as_time_limit
from rayexec.definitions.types.dagster_type import annotations_of
from rayexec.definitions.versions import check_version, version_of
from rayexec.direct_calls import direct_calls
from rayexec.errors import DefinitionError
from rayexec.names import check_name

__all__ = ["OpDefinition", "op"]


@dataclass(frozen=True, eq=False, init=False)
class OpDefinition(ByReference, Invocable):
    """An op: a function with its inputs, outputs and settings.

    A call in the body of a graph or job makes a node. Any other call, as in a unit test, runs the
    function. ``@op`` makes one of a function whose parameters are the inputs; this class takes a
    ``compute_fn`` of a context and a dict of inputs.
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

    def __init__(
        self,
        compute_fn: Callable[..., Any] | None = None,
        name: str = "",
        ins: Mapping[str, In] | None = None,
        outs: Mapping[str, Out] | None = None,
        *,
        fn: Callable[..., Any] | None = None,
        parameters: Parameters | None = None,
        tags: Mapping[str, Any] | None = None,
        required_resource_keys: Iterable[str] | None = None,
        pool: str | Pool | None = None,
        ray_options: RayOptions | None = None,
        as_output: Mapping[str, bool] | None = None,
        **settings: Any,
    ) -> None:
        label = check_name(name, "an op")
        where = f"op {label!r}"
        ins, outs = dict(ins or {}), {"result": Out()} if outs is None else dict(outs)
        if fn is None or parameters is None:
            if not callable(compute_fn):
                raise DefinitionError(f"{where}: compute_fn is a function, got {compute_fn!r}.")
            check_ports(where, ins, outs)
            fn, parameters = function_of(compute_fn), parameters_of(ins)
        unknown = settings.keys() - _DEFAULTS.keys()
        if unknown:
            raise TypeError(f"OpDefinition takes no {', '.join(sorted(unknown))}")
        all_tags = normalize_tags(tags, where)
        types = [*(port.type for port in ins.values()), *(port.type for port in outs.values())]
        required = frozenset(required_resource_keys or ())
        vars(self).update(
            _DEFAULTS | settings,
            name=label,
            fn=fn,
            ins=ReadOnlyDict(ins),  # contexts show these to steps
            outs=ReadOnlyDict(outs),
            tags=ReadOnlyDict(all_tags),
            parameters=parameters,
            required_resource_keys=required,
            resource_keys=required.union(*(kind.resource_keys for kind in types)),
            pool=pool_of(where, pool, all_tags),
            ray_options=ray_options or RayOptions(),
            as_output=as_output or {},
            **{name: getattr(fn, name, None) for name in _FUNCTION_NAMES},
        )

    @property
    def version(self) -> str | None:
        """The ``code_version``, by the name that it had first."""
        return self.code_version

    @property
    def __wrapped__(self) -> Callable[..., Any]:
        """The op's function, for ``inspect.signature`` and ``inspect.unwrap``."""
        return self.fn

    @property
    def input_defs(self) -> Sequence[InputDefinition]:
        """The inputs with their names, in order."""
        return [named_in(name, declared) for name, declared in self.ins.items()]

    @property
    def output_defs(self) -> Sequence[OutputDefinition]:
        """The outputs with their names, in order."""
        return [
            named_out(name, declared, self.code_version) for name, declared in self.outs.items()
        ]

    def input_names(self) -> tuple[str, ...]:
        """Return all inputs: parameters in order, then those without a parameter."""
        named = self.parameters.inputs
        return (*named, *(name for name in self.ins if name not in named))

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
        self, pending: PendingNodeInvocation, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> Any:
        """Run the function on plain values, as in a unit test."""
        return direct_calls().call_op(pending, args, kwargs)


_FUNCTION_NAMES = ("__module__", "__name__", "__qualname__", "__doc__")
_DEFAULTS = {
    each.name: each.default for each in fields(OpDefinition) if each.default is not MISSING
}


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
    version: str | None = ...,
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
    version: str | None = None,
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
    and inputs in the same store. ``version`` is the deprecated spelling of ``code_version``. Raises
    DefinitionError for a contradiction in the declaration.
    """

    def decorate(fn: Callable[..., Any]) -> OpDefinition:
        label = check_name(name or getattr(fn, "__name__", None), "an op")
        where = f"op {label!r}"
        if description is not None and not isinstance(description, str):
            raise DefinitionError(f"{where}: description is a string, got {description!r}.")
        annotations = annotations_of(fn)
        described, description_of_output = _descriptions(getattr(fn, "__doc__", None))
        parameters, inputs = read_signature(fn, where, ins, annotations, described)
        _check_settings(where, retry_policy, timeout)
        keys = _resource_keys(where, required_resource_keys, parameters)
        stated = version_of(code_version, version, where)
        check_version(stated, where, cache=cache)
        outputs = read_outputs(where, out, fn, annotations, description_of_output)
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
            pool=pool,
            code_version=stated,
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


def _descriptions(docstring: str | None) -> tuple[Mapping[str, str], str | None]:
    """Return the descriptions of inputs, and of the output, in a docstring."""
    if not docstring or not (":" in docstring or "---" in docstring):
        return {}, None
    from rayexec.definitions.docstrings import described  # compiles patterns, which few ops need

    return described(docstring)


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
    parameter = inspect.signature(fn).parameters[parameters.config]
    annotation = annotations.get(parameters.config, NO_DEFAULT)
    if annotation is Any and isinstance(parameter.annotation, str):
        annotation = ForwardRef(parameter.annotation)  # that no module explains
    return schema_of_parameter(annotation, parameter.default, where)


def _requested(where: str, options: RayOptions | Mapping[str, Any] | None) -> RayOptions:
    try:
        return as_ray_options(options)
    except DefinitionError as error:
        raise DefinitionError(f"{where}: {error}") from None
