"""Signature of an op's function: the role of each parameter, and the types of its outputs."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from rayexec.definitions.config_models import Config
from rayexec.definitions.ports import NO_DEFAULT, DynamicOut, DynamicOutput, In, Out, Output
from rayexec.definitions.resource import is_resource_annotation
from rayexec.definitions.types import Nothing, is_subclass
from rayexec.errors import DefinitionError
from rayexec.names import check_name, nearest

__all__ = [
    "Parameters",
    "Signature",
    "check_ports",
    "read_outputs",
    "read_signature",
    "wrong_context",
]

_CONTEXT_NAMES = frozenset({"context", "_context", "_", "__"})
_GENERATORS = frozenset(
    {"Generator", "Iterator", "Iterable", "AsyncGenerator", "AsyncIterator", "AsyncIterable"}
)


@dataclass(frozen=True, slots=True)
class Parameters:
    """Roles of the parameters of an op's function."""

    #: The parameter for the context, if there is one.
    context: str | None
    #: The parameter for the config, if there is one.
    config: str | None
    #: The parameters for resources, named like their keys.
    resources: tuple[str, ...]
    inputs: tuple[str, ...]
    #: Whether further inputs arrive in ``**kwargs``.
    catches_all: bool = False
    #: The type of its context if only the ops of assets have such a one: the op can't run in a job.
    asset_context: str | None = None


class Signature(NamedTuple):
    """Parameters of an op's function, with the inputs that they and ``ins`` declare."""

    parameters: Parameters
    inputs: dict[str, In]


def read_signature(
    fn: Callable[..., Any], where: str, ins: Mapping[str, In] | None, annotations: dict[str, Any]
) -> Signature:
    """Return the parameters and inputs of ``fn``; ``ins`` are the declarations of inputs.

    Raises DefinitionError, with ``where`` in its message, if they contradict each other.
    """
    if ins is not None and not isinstance(ins, Mapping):
        raise DefinitionError(
            f"{where}: ins must map names of inputs to In, got {type(ins).__name__}."
        )
    declared = dict(ins or {})
    context = config = asset_context = None
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
            _check_context(where, parameter.name, annotation)
            if getattr(annotation, "is_asset_context", False):
                asset_context = annotation.__name__
        elif parameter.kind is parameter.POSITIONAL_ONLY:
            raise DefinitionError(
                f"{where}: input {parameter.name!r} is positional-only; remove the slash after it."
            )
        elif parameter.name == "config" and parameter.name not in declared:
            config = _config_parameter(where, annotation)
        elif is_resource_annotation(annotation):
            resources.append(parameter.name)
        else:
            check_name(parameter.name, f"an input of {where}", allowed="config")
            default = NO_DEFAULT if parameter.default is parameter.empty else parameter.default
            is_inferred = parameter.name not in declared
            inputs[parameter.name] = _input(
                parameter.name, declared.pop(parameter.name, In()), annotation, default, where
            )
            if inputs[parameter.name].type.is_nothing or (
                is_inferred and annotation in (None, type(None))
            ):
                raise DefinitionError(
                    f"{where}: input {parameter.name!r} is Nothing, which passes no value, so the "
                    f"function cannot take it; remove the parameter, and declare it in ins, "
                    f"{{{parameter.name!r}: In(Nothing)}}."
                )
    named = tuple(inputs)
    for name, declaration in declared.items():
        _check_is_in(where, name, declaration)
        if not (catches_all or declaration.type.is_nothing):
            raise DefinitionError(
                f"{where}: ins names {name!r}, which is not a parameter of the "
                f"function.{nearest(name, named)}"
            )
        inputs[check_name(name, f"an input of {where}", allowed="config")] = _input(
            name, declaration, Any, NO_DEFAULT, where
        )
    parameters = Parameters(context, config, tuple(resources), named, catches_all, asset_context)
    return Signature(parameters, inputs)


def wrong_context(op_name: str, annotation: str) -> DefinitionError:
    """Return the error for an op that runs and wants the context of an asset."""
    return DefinitionError(
        f"op {op_name!r} wants a context of the type {annotation}, which only ops of assets get: "
        f"annotate it with OpExecutionContext."
    )


def _config_parameter(where: str, annotation: Any) -> str:
    if not is_subclass(annotation, Config):
        raise DefinitionError(
            f"{where}: the parameter named config receives run config: annotate it with a "
            f"subclass of rayexec.Config, or give the input another name."
        )
    return "config"


def check_ports(where: str, ins: Mapping[str, Any], outs: Mapping[str, Any]) -> None:
    """Raise DefinitionError for an input that is no In, or an output that is no Out."""
    for name, declared in ins.items():
        _check_is_in(where, check_name(name, f"an input of {where}", allowed="config"), declared)
    for name, declared in outs.items():
        check_name(name, f"an output of {where}")
        if not isinstance(declared, Out):
            raise DefinitionError(f"{where}: outs[{name!r}] must be an Out, got {declared!r}.")


def _check_context(where: str, name: str, annotation: Any) -> None:
    is_context = getattr(annotation, "is_op_context", False)
    if isinstance(annotation, type) and annotation not in (object, Any) and not is_context:
        raise DefinitionError(
            f"{where}: parameter {name!r} receives the context, and is annotated with "
            f"{annotation.__name__}: annotate it with OpExecutionContext, or give an input another "
            f"name."
        )


def _check_is_in(where: str, name: str, declared: Any) -> None:
    if not isinstance(declared, In):
        raise DefinitionError(
            f"{where}: ins[{name!r}] must be an In, got "
            f"{declared.__name__ if isinstance(declared, type) else type(declared).__name__}."
        )


def _input(name: str, declared: In, annotation: Any, default: Any, where: str) -> In:
    _check_is_in(where, name, declared)
    try:
        if declared.dagster_type is NO_DEFAULT:
            declared = replace(declared, dagster_type=annotation)
        if not declared.has_default_value and default is not NO_DEFAULT:
            declared = replace(declared, default_value=default)
    except DefinitionError as error:
        raise DefinitionError(f"{where}: input {name!r}: {error}") from None
    return declared


def read_outputs(
    where: str, out: Out | Mapping[str, Out] | None, fn: Callable[..., Any], returns: Any
) -> dict[str, Out]:
    """Return the outputs by name, with their types from the annotation ``returns`` of ``fn``.

    Raises DefinitionError, with ``where`` in its message, for a malformed declaration.
    """
    if out is None:
        out = _inferred_out(where, returns)
    if isinstance(out, Out):
        _check_dynamic(where, "result", out, fn, returns)
        return {"result": _typed(where, "result", out, returns)}
    if not isinstance(out, Mapping) or not all(isinstance(each, Out) for each in out.values()):
        raise DefinitionError(
            f"{where}: out must be an Out or a mapping of names to Out, got {out!r}."
        )
    if len(out) == 1:
        types: Sequence[Any] = [returns]
        (name,) = out
        _check_dynamic(where, name, out[name], fn, returns)
    else:
        types = _types_of_several(where, out, fn, returns)
    return {
        check_name(name, f"an output of {where}"): _typed(where, name, each, inferred)
        for (name, each), inferred in zip(out.items(), types, strict=True)
    }


def _inferred_out(where: str, returns: Any) -> Out:
    if typing.get_origin(returns) is list and _yields_dynamic(returns):
        return DynamicOut()
    if _is_dynamic(returns) or _yields_dynamic(returns):
        raise DefinitionError(
            f"{where}: an op that yields DynamicOutput must declare out=DynamicOut()."
        )
    return Out()


def _check_dynamic(where: str, name: str, out: Out, fn: Callable[..., Any], returns: Any) -> None:
    """Raise DefinitionError if a returned DynamicOutput does not fit an output."""
    if _yields(fn):
        return
    if not out.is_dynamic and (_is_dynamic(returns) or _yields_dynamic(returns)):
        raise DefinitionError(
            f"{where}: output {name!r} has one value, and the function returns DynamicOutput: "
            f"declare it DynamicOut()."
        )
    if _is_dynamic(returns):
        raise DefinitionError(
            f"{where}: output {name!r} is DynamicOut(), and the function returns one "
            f"DynamicOutput: return a list of them, or yield each."
        )


def _types_of_several(
    where: str, out: Mapping[str, Out], fn: Callable[..., Any], returns: Any
) -> Sequence[Any]:
    """Return the types of several outputs, from the annotation of a tuple with one for each."""
    inner = _unwrap_return(returns)
    if _yields(fn) or inner is Any:
        return [Any] * len(out)
    members = typing.get_args(inner) if typing.get_origin(inner) is tuple else ()
    if Ellipsis in members or len(members) != len(out):
        name = getattr(returns, "__name__", None) if not typing.get_args(returns) else None
        raise DefinitionError(
            f"{where}: the annotation of what it returns, {name or returns}, does not fit its "
            f"{len(out)} outputs ({', '.join(out)}): annotate a tuple with a type for each, such "
            f"as tuple[{', '.join(['int'] * len(out))}]."
        )
    return members


def _yields(fn: Callable[..., Any]) -> bool:
    return inspect.isgeneratorfunction(fn) or inspect.isasyncgenfunction(fn)


def _is_dynamic(returns: Any) -> bool:
    return DynamicOutput in (returns, typing.get_origin(returns))


def _typed(where: str, name: str, out: Out, returns: Any) -> Out:
    """Return an output with its declared type, or else with that of the annotation."""
    if out.dagster_type is not NO_DEFAULT:
        return out
    try:
        return replace(
            out, dagster_type=_item_type(returns) if out.is_dynamic else _unwrap_return(returns)
        )
    except DefinitionError as error:
        raise DefinitionError(f"{where}: output {name!r}: {error}") from None


def _item_type(returns: Any) -> Any:
    """Return the type of a dynamic output's values: that of an annotated list's items, or Any."""
    origin, args = typing.get_origin(returns), typing.get_args(returns)
    is_list = origin in (list, Sequence) or (origin is tuple and args[1:] == (Ellipsis,))
    return _unwrap_return(args[0]) if is_list else Any


def _yields_dynamic(returns: Any) -> bool:
    args = typing.get_args(returns)
    return bool(args) and any(
        typing.get_origin(arg) is DynamicOutput or arg is DynamicOutput for arg in args
    )


def _unwrap_return(returns: Any) -> Any:
    """Return the type of the returned value; for an Output, the type inside."""
    if returns is None or returns is type(None):
        return Nothing
    if returns in (Output, DynamicOutput):
        return Any
    origin = typing.get_origin(returns)
    if origin in (Output, DynamicOutput):
        return typing.get_args(returns)[0]
    if getattr(origin or returns, "__name__", None) in _GENERATORS:
        return Any  # a generator yields Outputs, each checked by its own type
    return returns
