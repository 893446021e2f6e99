"""Stand-ins for names of Dagster that rayexec lacks: they import, and say so when they are used.

A file with a job in it often has assets, schedules or sensors beside the job. All of that must work
while the file is imported: decorators, constructors, chains of methods, base classes, annotations.
So whatever comes out of a stand-in is one too. A use raises UnsupportedError: to run something made
of it, to call a decorated function, or to touch it in a step.
"""

from __future__ import annotations

import inspect
import sys
from abc import ABCMeta
from collections.abc import Callable, Iterator, Mapping
from enum import Enum
from typing import Any, NoReturn, cast

from rayexec.definitions.python_logger import RUNNING
from rayexec.definitions.stand_in_names import ACTIONS, MIXINS, TOPIC_OF, Topic
from rayexec.errors import UnsupportedError

__all__ = ["StandIn", "unsupported"]

# Methods that do work, on whatever they are called.
_ACTION_METHODS = frozenset({"evaluate_tick", "execute", "execute_in_process", "launch"})
# Attributes that rayexec looks for on any object, to learn its kind: a stand-in has none of them.
_PROBES = frozenset({"is_asset_context", "is_op_context"})


class _Stage(Enum):
    """How far a stand-in has come, and so the meaning of a call."""

    #: A name, or an attribute of one: a call makes something.
    NAMED = "named"
    #: The result of a call: a call with a function decorates it.
    MADE = "made"
    #: A decorated function: a call is a use.
    DECORATED = "decorated"


class StandIn:
    """An object of a part of Dagster that rayexec does not have."""

    # Defaults, for subclasses of users that don't call __init__ of their base.
    _rayexec_path = ""
    _rayexec_stage = _Stage.MADE
    _rayexec_label: str | None = None
    _rayexec_given: Mapping[str, Any] = {}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        _refuse_in_step(self)
        bases = type(self).__mro__
        if bases[bases.index(StandIn) + 1 :] != (object,):  # such as pydantic's
            super().__init__(*args, **kwargs)
            return
        vars(self)["_rayexec_given"] = kwargs
        vars(self)["_rayexec_label"] = _label(args, kwargs)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        _refuse_in_step(self)
        path, stage = self._rayexec_path, self._rayexec_stage
        if stage is _Stage.NAMED:
            if path in ACTIONS or path.rpartition(".")[2] in _ACTION_METHODS:
                raise unsupported(self, "was called")
            if len(args) == 1 and not kwargs and _is_of_user(args[0]):
                return _decorated(path, args[0], {})
            return _stand_in(path, _Stage.MADE, given=kwargs, label=_label(args, kwargs))
        if stage is _Stage.MADE and len(args) == 1 and not kwargs and _is_of_user(args[0]):
            return _decorated(path, args[0], self._rayexec_given)
        raise unsupported(self, "was called")

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name in _PROBES:
            raise AttributeError(f"{self!r} has no attribute {name!r}")
        if name == "name" and self._rayexec_label is not None:
            return self._rayexec_label
        _refuse_in_step(self)
        return _stand_in(f"{self._rayexec_path}.{name}", _Stage.NAMED)

    def __iter__(self) -> Iterator[Any]:
        # One stands for all: [*load_assets_from_modules([a]), b] must work.
        _refuse_in_step(self)
        return iter((_stand_in(self._rayexec_path, _Stage.MADE),))

    def __getitem__(self, key: Any) -> Any:
        _refuse_in_step(self)
        return _stand_in(self._rayexec_path, _Stage.MADE)

    def __class_getitem__(cls, parameters: Any) -> Any:
        return cls

    def __enter__(self) -> NoReturn:
        raise unsupported(self, "was entered by with")

    def __exit__(self, *_error: object) -> None:
        raise AssertionError("a stand-in is never entered")

    def _combine(self, *_other: Any) -> Any:
        _refuse_in_step(self)
        return _stand_in(self._rayexec_path, _Stage.MADE)

    __or__ = __ror__ = __and__ = __rand__ = __add__ = __radd__ = __sub__ = __rsub__ = _combine
    __invert__ = _combine

    def __repr__(self) -> str:
        label = f" {self._rayexec_label!r}" if self._rayexec_label is not None else ""
        return f"<{self._rayexec_path}{label}: rayexec only imports it>"


class _StandInType(ABCMeta):
    """Type of the stand-ins of classes, whose attributes are stand-ins too."""

    def __getattr__(cls, name: str) -> Any:
        if name.startswith("_") or name in _PROBES:
            raise AttributeError(f"type object {cls.__name__!r} has no attribute {name!r}")
        key = (cls, name)
        if key not in _MEMBERS:
            _MEMBERS[key] = _stand_in(f"{cls.__name__}.{name}", _Stage.NAMED)
        return _MEMBERS[key]


# Attributes of classes: a member of an enum is the same object each time.
_MEMBERS: dict[tuple[type, str], StandIn] = {}


def unsupported(stand_in: StandIn | type[StandIn], use: str) -> UnsupportedError:
    """Return the error for a use of a stand-in; ``use`` is in the past: "was called"."""
    path = stand_in._rayexec_path
    label = stand_in._rayexec_label
    topic = _topic(path)
    what = path if label is None else f"{path} {label!r}"
    return UnsupportedError(
        f"{what} {use}: rayexec runs ops and jobs, and does not have {topic.title}. {topic.advice}",
        feature=path,
    )


def _topic(path: str) -> Topic:
    return TOPIC_OF[path.partition(".")[0]]


def _stand_in(
    path: str, stage: _Stage, *, given: Mapping[str, Any] | None = None, label: str | None = None
) -> StandIn:
    made = StandIn.__new__(StandIn)
    vars(made).update(
        _rayexec_path=path, _rayexec_stage=stage, _rayexec_given=given or {}, _rayexec_label=label
    )
    return made


def _decorated(path: str, fn: Callable[..., Any], given: Mapping[str, Any]) -> StandIn:
    made = _stand_in(path, _Stage.DECORATED, given=given, label=_label((), given) or fn.__name__)
    vars(made).update(__name__=fn.__name__, __doc__=fn.__doc__, __module__=fn.__module__)
    return made


def _label(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> str | None:
    """Return the name that somebody gave to an object, None without one."""
    for candidate in (kwargs.get("name"), kwargs.get("key"), *args[:1]):
        if isinstance(candidate, str):
            return candidate
    return None


def _is_of_user(value: Any) -> bool:
    """Whether a value is a function or class that a decorator could decorate."""
    if inspect.isclass(value):
        return not issubclass(value, StandIn) or "_rayexec_path" not in vars(value)
    return inspect.isfunction(value)


def _refuse_in_step(stand_in: StandIn) -> None:
    """Raise UnsupportedError in a step, unless the step is just importing a module."""
    if RUNNING.log is None:
        return
    frame = sys._getframe(1)
    while frame.f_back is not None:
        if frame.f_globals.get("__name__") == "importlib._bootstrap":
            return
        frame = frame.f_back
    raise unsupported(stand_in, "was used in a step")


def _class(name: str) -> type[StandIn]:
    kind = ABCMeta if name in MIXINS else _StandInType
    members: dict[str, Any] = {"__module__": __name__, "__doc__": None, "_rayexec_path": name}
    if name in ("AssetExecutionContext", "AssetCheckExecutionContext"):
        members |= {"is_op_context": True, "is_asset_context": True}
    return cast("type[StandIn]", kind(name, (StandIn,), members))


def __getattr__(name: str) -> Any:
    if name not in TOPIC_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = _class(name) if name[0].isupper() else _stand_in(name, _Stage.NAMED)
    globals()[name] = value
    return value
