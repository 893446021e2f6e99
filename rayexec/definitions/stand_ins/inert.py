"""Stand-ins for names of Dagster that rayexec lacks: they import, and say so when they are used.

A file with a job in it often has assets, schedules or sensors beside the job. All of that must work
while the file is imported: decorators, constructors, chains of methods, base classes, annotations.
So whatever comes out of a stand-in is one too. A use raises UnsupportedError: to run something made
of it, to call a decorated function, or to touch it in a step.
"""

from __future__ import annotations

import inspect
import re
import sys
from abc import ABCMeta
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from functools import cache
from typing import Any, NoReturn, cast

from rayexec.definitions.invocation import (
    CURRENT_BODY,
    InvocationRecorder,
    PendingNodeInvocation,
)
from rayexec.definitions.loggers.python_logger import RUNNING
from rayexec.definitions.stand_ins.topics import ACTIONS, MIXINS, PRIVATE_PARTS, TOPIC_OF, Topic
from rayexec.errors import UnsupportedError

__all__ = [
    "Facts",
    "Stage",
    "StandIn",
    "facts_of",
    "in_body",
    "private_name",
    "topic_of",
    "unsupported",
]

# Methods that do work, on whatever they are called.
_ACTION_METHODS = frozenset({"evaluate_tick", "execute", "execute_in_process", "launch"})
# Attributes that rayexec looks for on any object, to learn its kind: a stand-in has none of them.
_PROBES = frozenset({"is_asset_context", "is_op_context"})


class Stage(Enum):
    """How far a stand-in has come, and so the meaning of a call."""

    #: A name, or an attribute of one: a call makes something.
    NAMED = "named"
    #: The result of a call: a call with a function decorates it.
    MADE = "made"
    #: A decorated function: a call is a use.
    DECORATED = "decorated"


@dataclass(frozen=True, slots=True)
class Facts:
    """The origin of a stand-in."""

    #: The name, and attributes of it, such as ``AssetSelection.all``.
    path: str
    stage: Stage = Stage.MADE
    #: The name that somebody gave to the object.
    label: str | None = None
    #: The arguments of the call that made it.
    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)


class _NoLengthError(UnsupportedError, TypeError):
    """A use of the length of a stand-in; list() catches a TypeError, and goes on without it."""


class StandIn:
    """An object of a part of Dagster that rayexec does not have."""

    # The class has facts too, for subclasses of users that don't call __init__ of their base.
    _rayexec_facts = Facts("")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        _refuse_in_step(self)
        bases = type(self).__mro__
        if bases[bases.index(StandIn) + 1 :] != (object,):  # such as pydantic's
            super().__init__(*args, **kwargs)
            return
        path = self._rayexec_facts.path
        vars(self)["_rayexec_facts"] = Facts(path, Stage.MADE, _label(args, kwargs), args, kwargs)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        _refuse_in_step(self)
        facts = self._rayexec_facts
        body = CURRENT_BODY.get()
        if body is not None and facts.stage is Stage.DECORATED:
            return in_body(body, self)
        if facts.stage is not Stage.DECORATED:
            is_action = facts.path in ACTIONS or facts.path.rpartition(".")[2] in _ACTION_METHODS
            if not is_action and len(args) == 1 and not kwargs and _is_of_user(args[0]):
                return _decorated(facts, args[0])
            if not is_action and facts.stage is Stage.NAMED:
                label = _label(args, kwargs)
                return _stand_in(Facts(facts.path, Stage.MADE, label, args, kwargs))
        raise unsupported(self, "was called")

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name in _PROBES:
            raise AttributeError(f"{self!r} has no attribute {name!r}")
        facts = self._rayexec_facts
        if name == "name" and facts.label is not None:
            return facts.label
        _refuse_in_step(self)
        return _stand_in(Facts(f"{facts.path}.{name}", Stage.NAMED))

    def __iter__(self) -> Iterator[Any]:
        # One stands for all: [*load_assets_from_modules([a]), b] must work.
        _refuse_in_step(self)
        return iter((_stand_in(Facts(self._rayexec_facts.path)),))

    def __bool__(self) -> bool:
        return True

    def __len__(self) -> int:
        raise _NoLengthError(str(unsupported(self, "was asked for its length")))

    def __getitem__(self, key: Any) -> Any:
        _refuse_in_step(self)
        return _stand_in(Facts(self._rayexec_facts.path))

    def __class_getitem__(cls, parameters: Any) -> Any:
        return cls

    def __enter__(self) -> NoReturn:
        raise unsupported(self, "was entered by with")

    def __exit__(self, *_error: object) -> None:
        raise AssertionError("a stand-in is never entered")

    def _combine(self, *_other: Any) -> Any:
        _refuse_in_step(self)
        return _stand_in(Facts(self._rayexec_facts.path))

    __or__ = __ror__ = __and__ = __rand__ = __add__ = __radd__ = __sub__ = __rsub__ = _combine
    __invert__ = _combine

    def __repr__(self) -> str:
        facts = self._rayexec_facts
        label = f" {facts.label!r}" if facts.label is not None else ""
        return f"<{facts.path}{label}: rayexec only imports it>"


class _StandInType(ABCMeta):
    """Type of the stand-ins of classes, whose attributes are stand-ins too."""

    def __getattr__(cls, name: str) -> Any:
        if name.startswith("_") or name in _PROBES:
            raise AttributeError(f"type object {cls.__name__!r} has no attribute {name!r}")
        key = (cls, name)
        if key not in _MEMBERS:
            _MEMBERS[key] = _stand_in(Facts(f"{cls.__name__}.{name}", Stage.NAMED))
        return _MEMBERS[key]


# Attributes of classes: a member of an enum is the same object each time.
_MEMBERS: dict[tuple[type, str], StandIn] = {}


def facts_of(stand_in: StandIn | type[StandIn]) -> Facts:
    """Return the origin of a stand-in."""
    return stand_in._rayexec_facts


def topic_of(stand_in: StandIn | type[StandIn]) -> Topic:
    """Return the part of Dagster that a stand-in comes from."""
    return TOPIC_OF.get(facts_of(stand_in).path.partition(".")[0], PRIVATE_PARTS)


def unsupported(stand_in: StandIn | type[StandIn], use: str) -> UnsupportedError:
    """Return the error for a use of a stand-in; ``use`` is in the past: "was called"."""
    facts, topic = facts_of(stand_in), topic_of(stand_in)
    what = facts.path if facts.label is None else f"{facts.path} {facts.label!r}"
    return UnsupportedError(
        f"{what} {use}: rayexec runs ops and jobs, and does not have {topic.title}. {topic.advice}",
        feature=facts.path,
    )


def in_body(body: InvocationRecorder, stand_in: StandIn) -> Any:
    """Place a stand-in into the body of a graph or job; return the handle of its output.

    Its step fails with UnsupportedError, and so do no other jobs of the file.
    """
    step = vars(stand_in).get("_rayexec_step")
    if step is None:
        from rayexec.definitions.op import op

        facts = facts_of(stand_in)

        def refuse() -> Any:
            raise unsupported(stand_in, "is in a graph")

        name = re.sub(r"\W+", "_", facts.label or facts.path)
        step = vars(stand_in)["_rayexec_step"] = op(name=name)(refuse)
    return body.invoke(PendingNodeInvocation(step), (), {})


def _stand_in(facts: Facts) -> StandIn:
    made = StandIn.__new__(StandIn)
    vars(made)["_rayexec_facts"] = facts
    return made


def _decorated(decorator: Facts, fn: Callable[..., Any]) -> StandIn:
    label = _label((), decorator.kwargs) or fn.__name__
    made = _stand_in(
        Facts(decorator.path, Stage.DECORATED, label, decorator.args, decorator.kwargs)
    )
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
        return not issubclass(value, StandIn) or "_rayexec_facts" not in vars(value)
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


@cache
def private_name(path: str) -> Any:
    """Return a stand-in for a private name of Dagster, by its whole path ``dagster._core…``."""
    name = path.rpartition(".")[2]
    return _class(name, path) if name[0].isupper() else _stand_in(Facts(path, Stage.NAMED))


def _class(name: str, path: str | None = None) -> type[StandIn]:
    kind = ABCMeta if name in MIXINS else _StandInType
    members: dict[str, Any] = {
        "__module__": __name__,
        "__doc__": None,
        "_rayexec_facts": Facts(path or name),
    }
    if name in ("AssetExecutionContext", "AssetCheckExecutionContext"):
        members |= {"is_op_context": True, "is_asset_context": True}
    return cast("type[StandIn]", kind(name, (StandIn,), members))


def __getattr__(name: str) -> Any:
    if name not in TOPIC_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = _class(name) if name[0].isupper() else _stand_in(Facts(name, Stage.NAMED))
    globals()[name] = value
    return value
