"""Command-line options that override executor keys, derived from the keys' declarations."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Annotated, Any

import typer

from rayexec.cli.shared_options import PANEL_RUN, no_nan
from rayexec.config.execution_settings import ExecutorKey, overridable_keys

__all__ = ["ExecutionOverrides", "execution_options", "inherited_origin", "inherited_overrides"]


class ExecutionOverrides(dict[str, Any]):
    """The executor keys given on the command line, by name."""


class _WithExecutionOptions:
    """A command with an option for each executor key in place of its ExecutionOverrides parameter.

    Typer reads the signature when the program starts. By then ``add_executor_key`` may have
    declared more keys than at import.
    """

    def __init__(
        self, command: Callable[..., None], without: Collection[str], is_resume: bool
    ) -> None:
        self._command = command
        self._without = without
        self._is_resume = is_resume
        self.__name__ = command.__name__
        self.__doc__ = command.__doc__
        self.__module__ = command.__module__
        self.__annotations__: dict[str, Any] = {}  # the signature has them all

    def _keys(self) -> list[ExecutorKey]:
        keys = overridable_keys().values()
        return [key for key in keys if key.option is not None and key.name not in self._without]

    @property
    def __signature__(self) -> inspect.Signature:
        return inspect.Signature(list(self._parameters()))

    def _parameters(self) -> Iterator[inspect.Parameter]:
        # Not by get_type_hints: below Python 3.11 it puts Optional[...] around the annotation of a
        # parameter with the default None, and typer sees no option in that.
        for parameter in inspect.signature(self._command, eval_str=True).parameters.values():
            if parameter.annotation is ExecutionOverrides:
                for key in self._keys():
                    yield _parameter(key, self._is_resume)
            else:
                yield parameter

    def __call__(self, **given: Any) -> None:
        overrides = ExecutionOverrides()
        for key in self._keys():
            value = given.pop(key.name)
            assert key.option is not None
            if key.option.type is bool:
                value = key.option.flag_value if value else None
            if value is not None:
                overrides[key.name] = value
        self._command(**given, execution=overrides)


def execution_options(
    *, without: Collection[str] = (), is_resume: bool = False
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Return a decorator of commands with the parameter ``execution: ExecutionOverrides``.

    The command line then has an option for each executor key in its place, except for ``without``.
    With ``is_resume`` they have the help of ``rayexec run resume``.
    """
    return lambda command: _WithExecutionOptions(command, without, is_resume)


def _parameter(key: ExecutorKey, is_resume: bool) -> inspect.Parameter:
    option = key.option
    assert option is not None
    is_flag = option.type is bool
    info = typer.Option(
        option.flag,
        help=(option.resume_help if is_resume else None) or option.help,
        metavar=option.metavar,
        min=option.minimum,
        callback=no_nan if option.type is float else None,
        rich_help_panel=None if is_resume else PANEL_RUN,
    )
    return inspect.Parameter(
        key.name,
        inspect.Parameter.KEYWORD_ONLY,
        default=False if is_flag else None,
        annotation=Annotated[bool if is_flag else option.type | None, info],
    )


def inherited_origin(execution: Mapping[str, Any]) -> dict[str, str]:
    """Return the overrides that a resumed run inherits, in the form of a run's origin."""
    keys = overridable_keys()
    origin = {}
    for name, value in execution.items():
        option = keys[name].option
        if option is not None and option.is_inherited:
            origin[name] = "true" if option.type is bool else str(value)
    return origin


def inherited_overrides(origin: Mapping[str, str]) -> ExecutionOverrides:
    """Return the overrides that a resumed run inherits from the origin of its former run."""
    overrides = ExecutionOverrides()
    for name, key in overridable_keys().items():
        option = key.option
        if option is not None and option.is_inherited and name in origin:
            is_flag = option.type is bool
            overrides[name] = option.flag_value if is_flag else option.type(origin[name])
    return overrides
