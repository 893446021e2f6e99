"""Signature of an op's function: the role of each parameter, and the types of its outputs."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from rayexec.definitions.ports import NO_DEFAULT, DynamicOut, DynamicOutput, In, Out, Output
from rayexec.definitions.resource import is_resource_annotation
from rayexec.definitions.types import Nothing
from rayexec.errors import DefinitionError
from rayexec.names import check_name, nearest

__all__ = ["Parameters", "Signature", "read_outputs", "read_signature", "wrong_context"]

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
            if getattr(annotation, "is_asset_context", False):
                asset_context = annotation.__name__
        elif parameter.kind is parameter.POSITIONAL_ONLY:
            raise DefinitionError(
                f"{where}: input {parameter.name!r} is positional-only; remove the slash after it."
            )
        elif parameter.name == "config" and parameter.name not in declared:
            config = parameter.name
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
                    f"function cannot take it; remove the parameter."
                )
    named = tuple(inputs)
    for name, declaration in declared.items():
        if not isinstance(declaration, In):
            raise DefinitionError(
                f"{where}: ins[{name!r}] must be an In, got {type(declaration).__name__}."
            )
        if not (catches_all or declaration.type.is_nothing):
            raise DefinitionError(
                f"{where}: ins names {name!r}, which is not a parameter of the "
                f"function.{nearest(name, named)}"
            )
        inputs[check_name(name, f"an input of {where}")] = _input(
            declaration, Any, NO_DEFAULT, where
        )
    parameters = Parameters(context, config, tuple(resources), named, catches_all, asset_context)
    return Signature(parameters, inputs)


def wrong_context(op_name: str, annotation: str) -> DefinitionError:
    """Return the error for an op that runs and wants the context of an asset."""
    return DefinitionError(
        f"op {op_name!r} wants a context of the type {annotation}, which only ops of assets get: "
        f"annotate it with OpExecutionContext."
    )


def _input(declared: In, annotation: Any, default: Any, where: str) -> In:
    if not isinstance(declared, In):
        raise DefinitionError(f"{where}: ins must map names to In, got {type(declared).__name__}.")
    if declared.dagster_type is NO_DEFAULT:
        declared = replace(declared, dagster_type=annotation)
    if not declared.has_default_value and default is not NO_DEFAULT:
        declared = replace(declared, default_value=default)
    return declared


def read_outputs(where: str, out: Out | Mapping[str, Out] | None, returns: Any) -> dict[str, Out]:
    """Return the outputs by name, with their types from the annotation ``returns``.

    Raises DefinitionError, with ``where`` in its message, for a malformed declaration.
    """
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
    """Return an output with its declared type, or else with that of the annotation."""
    if out.dagster_type is not NO_DEFAULT:
        return out
    return replace(
        out, dagster_type=_item_type(returns) if out.is_dynamic else _unwrap_return(returns)
    )


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
