"""Things of a set of definitions that rayexec leaves aside: assets, schedules and the like."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum

from rayexec.definitions.graphs.graph import GraphDefinition
from rayexec.definitions.graphs.job_definition import JobDefinition
from rayexec.definitions.stand_ins.inert import Stage, StandIn, facts_of, topic_of
from rayexec.errors import UnsupportedError

__all__ = [
    "Kind",
    "LeftAside",
    "asset_jobs",
    "is_foreign",
    "kind_of",
    "leave_aside",
    "no_such_attribute",
    "targets",
]


class Kind(str, Enum):
    """Kinds of things that rayexec leaves aside."""

    ASSET = "asset"
    ASSET_CHECK = "asset check"
    ASSET_JOB = "asset job"
    SCHEDULE = "schedule"
    SENSOR = "sensor"
    EXECUTOR = "executor"


@dataclass(frozen=True, slots=True)
class LeftAside:
    """A thing that a set of definitions has and rayexec does not run."""

    kind: Kind
    name: str
    #: Why, and what to do instead.
    reason: str


def kind_of(value: object) -> Kind | None:
    """Return the kind of a stand-in; None for anything that no set of definitions holds."""
    if not isinstance(value, StandIn) or facts_of(value).stage is Stage.NAMED:
        return None
    origin = facts_of(value).path.partition(".")[0].lower()
    if origin == "define_asset_job":
        return Kind.ASSET_JOB
    if origin == "executor":
        return Kind.EXECUTOR
    if "schedule" in origin and not origin.endswith(("context", "status")):
        return Kind.SCHEDULE
    if "sensor" in origin and not origin.endswith(("context", "status", "result")):
        return Kind.SENSOR
    if origin in _CHECKS or origin.startswith("load_asset_checks") or origin.endswith("_checks"):
        return Kind.ASSET_CHECK
    if origin in _ASSETS or origin.startswith("load_assets"):
        return Kind.ASSET
    return None


_CHECKS = frozenset({"asset_check", "multi_asset_check", "assetchecksdefinition"})
_ASSETS = frozenset(
    {
        "asset",
        "assetsdefinition",
        "assetspec",
        "graph_asset",
        "graph_multi_asset",
        "map_asset_specs",
        "multi_asset",
        "multi_observable_source_asset",
        "observable_source_asset",
        "sourceasset",
        "with_resources",
    }
)


def leave_aside(value: object, kind: Kind) -> LeftAside:
    """Return the entry for a thing of a kind: a stand-in, or an object of another package."""
    if isinstance(value, StandIn):
        topic, label = topic_of(value), facts_of(value).label or _label_by_target(value)
        reason = f"rayexec does not have {topic.title}. {topic.advice}"
        return LeftAside(kind, label or facts_of(value).path, reason)
    name = getattr(value, "name", None) or getattr(value, "key", None)
    reason = f"It is of {type(value).__module__}, and rayexec does not have {kind.value}s."
    return LeftAside(kind, str(name or type(value).__name__), reason)


def _label_by_target(value: StandIn) -> str | None:
    """Return the name that Dagster gives to a schedule without one."""
    named = [target.name for target in targets((value,))]
    return f"{named[0]}_{(kind_of(value) or Kind.SCHEDULE).value}" if named else None


def targets(triggers: Iterable[object]) -> Iterator[JobDefinition | GraphDefinition]:
    """Yield the jobs and graphs that schedules and sensors start: they belong to the set too."""
    for value in _started(triggers):
        if isinstance(value, (JobDefinition, GraphDefinition)):
            yield value


def asset_jobs(triggers: Iterable[object]) -> Iterator[StandIn]:
    """Yield the asset jobs that schedules and sensors start."""
    for value in _started(triggers):
        if isinstance(value, StandIn) and kind_of(value) is Kind.ASSET_JOB:
            yield value


def _started(triggers: Iterable[object]) -> Iterator[object]:
    for trigger in triggers:
        if isinstance(trigger, StandIn):
            facts = facts_of(trigger)
            for name in ("job", "jobs", "target", "request_job", "request_jobs"):
                yield from _flat(facts.kwargs.get(name))
            yield from _flat(facts.args[:1])


def _flat(value: object) -> Iterator[object]:
    if isinstance(value, (list, tuple)):
        for member in value:
            yield from _flat(member)
    else:
        yield value


def no_such_attribute(owner: str, name: str) -> Exception:
    """Return the error for an attribute that a set of jobs does not have."""
    if "asset" in name and not name.startswith("_"):
        return UnsupportedError(
            f"{name} of a {owner} was asked for, and rayexec does not have assets. Its jobs of ops "
            "are there as in Dagster.",
            feature=name,
        )
    return AttributeError(f"a {owner} has no attribute {name!r}")


def is_foreign(value: object) -> bool:
    """Whether a value is an object that another package made, such as an asset of dagster-dbt."""
    origin = type(value).__module__
    return (
        origin != "builtins"
        and origin.partition(".")[0] != "rayexec"
        and not inspect.isclass(value)
        and not callable(getattr(type(value), "__get__", None))  # a function
    )
