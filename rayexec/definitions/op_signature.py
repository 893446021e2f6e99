"""Signature of an op's function: the role of each parameter."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from rayexec.definitions.config_models import Config
from rayexec.definitions.ports import NO_DEFAULT, In, Out
from rayexec.definitions.resource import is_resource_annotation
from rayexec.definitions.types.dagster_type import is_subclass
from rayexec.errors import DefinitionError
from rayexec.names import check_name, nearest

__all__ = ["Parameters", "Signature", "check_ports", "read_signature", "wrong_context"]

_CONTEXT_NAMES = frozenset({"context", "_context", "context_", "_", "__"})


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
    fn: Callable[..., Any],
    where: str,
    ins: Mapping[str, In] | None,
    annotations: dict[str, Any],
    descriptions: Mapping[str, str],
) -> Signature:
    """Return the parameters and inputs of ``fn``; ``ins`` are the declarations of inputs.

    Declared inputs come first, by name; ``descriptions`` are those of the docstring. Raises
    DefinitionError, with ``where`` in its message, if they contradict each other.
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
            parameter.name in _CONTEXT_NAMES or _is(annotation, "is_op_context")
        ):
            context = parameter.name
            _check_context(where, parameter.name, annotation)
            if _is(annotation, "is_asset_context"):
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
            check_name(parameter.name, f"an input of {where}", allowed="config")
            if is_subclass(annotation, Config):
                warnings.warn(
                    f"{where}: parameter {parameter.name!r} is annotated with the Config class "
                    f"{annotation.__name__}, and is an input. The run config of an op is its "
                    f"parameter named config.",
                    stacklevel=4,
                )
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
    order = [*sorted(ins or ()), *(name for name in named if name not in (ins or ()))]
    parameters = Parameters(context, config, tuple(resources), named, catches_all, asset_context)
    return Signature(
        parameters, {name: _described(inputs[name], descriptions.get(name)) for name in order}
    )


def wrong_context(op_name: str, annotation: str) -> DefinitionError:
    """Return the error for an op that runs and wants the context of an asset."""
    return DefinitionError(
        f"op {op_name!r} wants a context of the type {annotation}, which only ops of assets get: "
        f"annotate it with OpExecutionContext."
    )


def _is(annotation: Any, mark: str) -> bool:
    """Whether a class has the mark, and is no stand-in with any attribute (such as a mock)."""
    return getattr(annotation, mark, False) is True


def check_ports(where: str, ins: Mapping[str, Any], outs: Mapping[str, Any]) -> None:
    """Raise DefinitionError for an input that is no In, or an output that is no Out."""
    for name, declared in ins.items():
        _check_is_in(where, check_name(name, f"an input of {where}", allowed="config"), declared)
    for name, declared in outs.items():
        check_name(name, f"an output of {where}")
        if not isinstance(declared, Out):
            raise DefinitionError(f"{where}: outs[{name!r}] must be an Out, got {declared!r}.")


def _check_context(where: str, name: str, annotation: Any) -> None:
    is_context = _is(annotation, "is_op_context")
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


def _described(declared: In, description: str | None) -> In:
    if description is None or declared.description is not None:
        return declared
    return replace(declared, description=description)


def _input(name: str, declared: In, annotation: Any, default: Any, where: str) -> In:
    _check_is_in(where, name, declared)
    try:
        if declared.dagster_type is NO_DEFAULT:
            kind = type(None) if annotation is None else annotation
            declared = replace(declared, dagster_type=kind)
        if not declared.has_default_value and default is not NO_DEFAULT:
            declared = replace(declared, default_value=default)
    except DefinitionError as error:
        raise DefinitionError(f"{where}: input {name!r}: {error}") from None
    return declared
