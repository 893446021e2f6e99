"""Ops: the functions that steps call, and what is declared about them."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, overload

from rayexec.definitions.code import ByReference
from rayexec.definitions.config import Config
from rayexec.definitions.handles import Level
from rayexec.definitions.invocation import Invocable
from rayexec.definitions.limits import Pool
from rayexec.definitions.ports import NO_DEFAULT, DynamicOut, DynamicOutput, In, Out, Output
from rayexec.definitions.ray_options import RayOptions, ray_options
from rayexec.definitions.resource import is_resource_annotation
from rayexec.definitions.retry import RetryPolicy
from rayexec.definitions.tags import normalize_tags, priority
from rayexec.definitions.types import Nothing, annotations_of
from rayexec.definitions.versions import check_version
from rayexec.errors import DefinitionError, InvocationError, TypeCheckError
from rayexec.names import check_name, nearest

__all__ = ["OpDefinition", "op"]

_CONTEXT_NAMES = frozenset({"context", "_context", "_", "__"})
_GENERATORS = frozenset(
    {"Generator", "Iterator", "Iterable", "AsyncGenerator", "AsyncIterator", "AsyncIterable"}
)


@dataclass(frozen=True, eq=False)
class OpDefinition(ByReference, Invocable):
    """An op: a function, its inputs and outputs, and how it wants to be run.

    Inside the body of a graph or job a call makes a node; outside it runs the function, as a unit
    test does.
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

    def input_names(self) -> tuple[str, ...]:
        """The inputs in the order in which a call gives them by position."""
        return tuple(self.ins)

    @property
    def is_dynamic(self) -> bool:
        """Whether any of its outputs is a number of values known only at run time."""
        return any(out.is_dynamic for out in self.outs.values())

    @property
    def streams(self) -> bool:
        """Whether values of a dynamic output of it are handed on before it is over."""
        return any(isinstance(out, DynamicOut) and out.stream for out in self.outs.values())

    def levels_by_output(self) -> Mapping[str, Level]:
        """The outputs in order, each with the dynamic outputs that make it several values: itself,
        or none.
        """
        return {name: (name,) if out.is_dynamic else () for name, out in self.outs.items()}

    def configured(self, config: Any, name: str | None = None) -> OpDefinition:
        """Return a copy whose config is fixed to ``config``, or made by it where it is a
        ConfigMapping.

        ``name`` tells the copy from the original.
        """
        return replace(self, preset_config=config, name=check_name(name or self.name, "an op"))

    def _call_directly(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        return self.parameters.call_directly(self, args, kwargs)


@dataclass(frozen=True, slots=True)
class Parameters:
    """What each parameter of an op's function receives.

    ``context`` and ``config`` name the parameters for those two, or are None; ``resources`` are
    keys as well as parameter names; ``catches_all`` tells whether further inputs arrive in
    ``**kwargs``.
    """

    context: str | None
    config: str | None
    resources: tuple[str, ...]
    inputs: tuple[str, ...]
    catches_all: bool = False

    def call_directly(self, op: OpDefinition, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Run the op's function on plain values; raises InvocationError where they do not fit."""
        context, rest = self._split_context(op, args, kwargs)
        given = dict(zip(self.inputs, rest, strict=False))
        if len(rest) > len(self.inputs):
            raise InvocationError(
                f"op {op.name!r} takes {len(self.inputs)} inputs, got {len(rest)}."
            )
        call: dict[str, Any] = {}
        for name, value in kwargs.items():
            if name in given:
                raise InvocationError(f"op {op.name!r} got input {name!r} twice.")
            if name in op.ins:
                given[name] = value
            elif name in self.resources or name == self.config:
                call[name] = value
            elif name != self.context:
                raise InvocationError(
                    f"op {op.name!r} has no input {name!r}.{nearest(name, op.ins)}"
                )
        for name, declared in op.ins.items():
            if name in given or declared.type.is_nothing:
                continue
            if not declared.has_default_value:
                raise InvocationError(f"op {op.name!r} needs a value for input {name!r}.")
            given[name] = declared.default_value
        for name, value in given.items():
            kind = op.ins[name].type
            if kind.is_nothing:
                continue
            wrong = kind.check(value, context)
            if wrong is not None:
                raise TypeCheckError(
                    f'Type check failed for input "{name}" of op "{op.name}": {wrong}.'
                )
            call[name] = value
        if self.context is not None:
            call[self.context] = context
        if self.config is not None and self.config not in call:
            call[self.config] = _direct_config(op, context)
        for key in self.resources:
            if key not in call:
                call[key] = (
                    getattr(context.resources, key)
                    if context is not None
                    else _missing_resource(op, key)
                )
        positional = [call.pop(self.context)] if self.context is not None else []
        return op.fn(*positional, **call)

    def _split_context(
        self, op: OpDefinition, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[Any, Any]:
        leads = bool(args) and getattr(args[0], "is_op_context", False)
        if leads:
            return args[0], args[1:]
        if self.context is None:
            return None, args
        if self.context in kwargs:
            return kwargs[self.context], args
        if args and args[0] is None:
            return None, args[1:]
        raise InvocationError(
            f"op {op.name!r} takes a context: pass one first, made by build_op_context(), or None "
            f"where it is unused."
        )


def _direct_config(op: OpDefinition, context: Any) -> Any:
    given = context.op_config if context is not None else None
    if isinstance(given, op.config_schema):
        return given
    return op.config_schema(**(given or {}))


def _missing_resource(op: OpDefinition, key: str) -> Any:
    raise InvocationError(
        f"op {op.name!r} needs resource {key!r}: pass it by name, or in build_op_context()."
    )


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
    """Make a function an op.

    ``timeout`` is in seconds; ``ray_options`` is what a step asks of Ray; without ``rerun_on_loss``
    a step that succeeded never runs again where its outputs were lost; ``durable`` outputs are
    stored as they are made, so that the step need not run again after the process that drives the
    run was killed. With ``cache`` a step is not run where one of this op with this
    ``code_version``, config and inputs has succeeded in a run of the same store: its outputs are
    those of that step. Raises DefinitionError for whatever the declaration contradicts.
    """

    def decorate(fn: Callable[..., Any]) -> OpDefinition:
        return _build(
            fn,
            name=name,
            description=description,
            ins=ins,
            out=out,
            config_schema=config_schema,
            required_resource_keys=required_resource_keys,
            tags=tags,
            retry_policy=retry_policy,
            pool=pool,
            code_version=code_version,
            options=ray_options,
            timeout=timeout,
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


def _build(
    fn: Callable[..., Any],
    *,
    name: str | None,
    description: str | None,
    ins: Mapping[str, In] | None,
    out: Out | Mapping[str, Out] | None,
    config_schema: Any,
    required_resource_keys: Iterable[str],
    tags: Mapping[str, Any] | None,
    retry_policy: RetryPolicy | None,
    pool: str | Pool | None,
    code_version: str | None,
    options: RayOptions | Mapping[str, Any] | None,
    timeout: float | None,
    rerun_on_loss: bool,
    durable: bool,
    cache: bool,
) -> OpDefinition:
    label = check_name(name or getattr(fn, "__name__", None), "an op")
    where = f"op {label!r}"
    annotations = annotations_of(fn)
    parameters, inputs = _read_parameters(fn, where, dict(ins or {}), annotations)
    if parameters.config is not None:
        if config_schema is not None:
            raise DefinitionError(
                f"{where}: give config_schema or a config parameter annotated with Config, not "
                f"both."
            )
        config_schema = annotations[parameters.config]
    if retry_policy is not None and not isinstance(retry_policy, RetryPolicy):
        raise DefinitionError(
            f"{where}: retry_policy must be a RetryPolicy, got {type(retry_policy).__name__}."
        )
    if timeout is not None and (
        isinstance(timeout, bool) or not isinstance(timeout, (int, float)) or timeout <= 0
    ):
        raise DefinitionError(
            f"{where}: timeout must be a number of seconds above 0, got {timeout!r}."
        )
    check_version(code_version, where, cache=cache)
    if isinstance(required_resource_keys, str):
        raise DefinitionError(
            f"{where}: required_resource_keys is a set of keys: {{{required_resource_keys!r}}}."
        )
    all_tags = normalize_tags(tags, where)
    priority(all_tags, where)
    try:
        requested = ray_options(options)
    except DefinitionError as error:
        raise DefinitionError(f"{where}: {error}") from None
    return OpDefinition(
        name=label,
        fn=fn,
        ins=inputs,
        outs=_read_outs(where, out, annotations.get("return", Any)),
        parameters=parameters,
        description=description or inspect.getdoc(fn),
        config_schema=config_schema,
        required_resource_keys=frozenset(required_resource_keys) | frozenset(parameters.resources),
        tags=all_tags,
        retry_policy=retry_policy,
        pool=Pool(pool) if isinstance(pool, str) else pool,
        code_version=code_version,
        ray_options=requested,
        timeout=None if timeout is None else float(timeout),
        rerun_on_loss=rerun_on_loss,
        durable=durable,
        cache=cache,
    )


def _read_parameters(
    fn: Callable[..., Any], where: str, declared: dict[str, In], annotations: dict[str, Any]
) -> tuple[Parameters, dict[str, In]]:
    context = config = None
    catches_all = False
    resources: list[str] = []
    inputs: dict[str, In] = {}
    for position, parameter in enumerate(inspect.signature(fn).parameters.values()):
        annotation = annotations.get(parameter.name, Any)
        if parameter.kind is parameter.VAR_POSITIONAL:
            raise DefinitionError(f"{where}: *{parameter.name} is not supported; name each input.")
        if parameter.kind is parameter.VAR_KEYWORD:
            catches_all = True
        elif position == 0 and (
            parameter.name in _CONTEXT_NAMES or getattr(annotation, "is_op_context", False)
        ):
            context = parameter.name
        elif parameter.kind is parameter.POSITIONAL_ONLY:
            raise DefinitionError(
                f"{where}: input {parameter.name!r} is positional-only; remove the slash after it."
            )
        elif parameter.name == "config" and parameter.name not in declared:
            config = _config_parameter(where, annotation)
        elif is_resource_annotation(annotation):
            resources.append(parameter.name)
        else:
            check_name(parameter.name, f"an input of {where}")
            default = NO_DEFAULT if parameter.default is parameter.empty else parameter.default
            inputs[parameter.name] = _input(
                declared.pop(parameter.name, In()), annotation, default, where
            )
            if inputs[parameter.name].type.is_nothing:
                raise DefinitionError(
                    f"{where}: input {parameter.name!r} is Nothing, which passes no value, so the "
                    f"function cannot "
                    "take it; remove the parameter."
                )
    named = tuple(inputs)
    for name, given in declared.items():
        if not isinstance(given, In):
            raise DefinitionError(
                f"{where}: ins[{name!r}] must be an In, got {type(given).__name__}."
            )
        if not (catches_all or given.type.is_nothing):
            raise DefinitionError(
                f"{where}: ins names {name!r}, which is not a parameter of the "
                f"function.{nearest(name, named)}"
            )
        inputs[check_name(name, f"an input of {where}")] = _input(given, Any, NO_DEFAULT, where)
    return Parameters(context, config, tuple(resources), named, catches_all), inputs


def _config_parameter(where: str, annotation: Any) -> str:
    if not (isinstance(annotation, type) and issubclass(annotation, Config)):
        raise DefinitionError(
            f"{where}: the parameter named config receives run config: annotate it with a "
            f"subclass of "
            "rayexec.Config, or give the input another name."
        )
    return "config"


def _input(given: In, annotation: Any, default: Any, where: str) -> In:
    if not isinstance(given, In):
        raise DefinitionError(f"{where}: ins must map names to In, got {type(given).__name__}.")
    if given.dagster_type is NO_DEFAULT:
        given = replace(given, dagster_type=annotation)
    if not given.has_default_value and default is not NO_DEFAULT:
        given = replace(given, default_value=default)
    return given


def _read_outs(where: str, out: Out | Mapping[str, Out] | None, returns: Any) -> dict[str, Out]:
    if out is None:
        if typing.get_origin(returns) is list and _yields_dynamic(returns):
            out = DynamicOut()
        elif typing.get_origin(returns) is DynamicOutput or _yields_dynamic(returns):
            raise DefinitionError(
                f"{where}: an op that yields DynamicOutput must declare out=DynamicOut()."
            )
        else:
            out = Out()
    if isinstance(out, Out):
        return {"result": _typed(out, returns)}
    if not isinstance(out, Mapping) or not all(isinstance(each, Out) for each in out.values()):
        raise DefinitionError(
            f"{where}: out must be an Out or a mapping of names to Out, got {out!r}."
        )
    inner = _unwrap_return(returns)
    members = typing.get_args(inner) if typing.get_origin(inner) is tuple else ()
    types = (
        list(members) if len(members) == len(out) and Ellipsis not in members else [Any] * len(out)
    )
    if len(out) == 1:
        types = [returns]
    return {
        check_name(name, f"an output of {where}"): _typed(each, inferred)
        for (name, each), inferred in zip(out.items(), types, strict=True)
    }


def _typed(out: Out, returns: Any) -> Out:
    """Return an output with the type of what is returned for it, where it does not declare one
    itself.
    """
    if out.dagster_type is not NO_DEFAULT:
        return out
    return replace(out, dagster_type=_each(returns) if out.is_dynamic else _unwrap_return(returns))


def _each(returns: Any) -> Any:
    """Return the type of the values of a dynamic output: of what is in an annotated list, or Any."""
    origin, args = typing.get_origin(returns), typing.get_args(returns)
    is_list = origin in (list, Sequence) or (origin is tuple and args[1:] == (Ellipsis,))
    return _unwrap_return(args[0]) if is_list else Any


def _yields_dynamic(returns: Any) -> bool:
    args = typing.get_args(returns)
    return bool(args) and any(
        typing.get_origin(arg) is DynamicOutput or arg is DynamicOutput for arg in args
    )


def _unwrap_return(returns: Any) -> Any:
    """Return the type of the value that an annotated return hands over: what is inside Output, or
    Any.
    """
    if returns is None or returns is type(None):
        return Nothing
    if returns in (Output, DynamicOutput):
        return Any
    origin = typing.get_origin(returns)
    if origin in (Output, DynamicOutput):
        return typing.get_args(returns)[0]
    if getattr(origin or returns, "__name__", None) in _GENERATORS:
        return Any  # what a generator yields is checked by the Output that carries it
    return returns
