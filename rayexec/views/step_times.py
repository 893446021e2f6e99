"""How long steps took in an earlier run, from which ``job plan`` says how long the next one takes
at least.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from rayexec.errors import LoadError, RunNotFoundError, StoreError
from rayexec.events import RunStatus
from rayexec.plan import Plan

__all__ = ["Timings", "given_timings", "last_timings"]

_LOOKED_AT = 10  # runs, of which the last may be of a part of the job
_FORM = "give what rayexec job execute --json printed"


class Timings(NamedTuple):
    """Seconds of each step of a plan, by its index, and in words where they are from."""

    seconds: list[float]
    source: str


def given_timings(plan: Plan, path: Path) -> Timings:
    """Return what a file says; raises LoadError for one without timings, or with those of other
    ops.
    """
    try:
        ops = json.loads(path.read_text(encoding="utf-8"))["ops"]
        mean = {name: each["seconds"] / max(1, each["attempts"]) for name, each in ops.items()}
    except OSError as error:
        raise LoadError(f"--timings {path}: {error.strerror}; {_FORM}.") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise LoadError(f"--timings {path} holds no timings of ops; {_FORM}.") from None
    missing = sorted(_ops(plan) - set(mean))
    if missing:
        raise LoadError(
            f"--timings {path} is of another run: it knows no op {', '.join(map(repr, missing))}."
        )
    return Timings(_by_step(plan, mean), str(path))


def last_timings(plan: Plan) -> Timings | None:
    """Return what the last run has that succeeded, was of the same job and ran all of the ops; None
    where none has.

    Only stores on this machine are asked: a plan is none the worse without, and another may be slow
    to answer.
    """
    from rayexec.store import default_store
    from rayexec.store.reading import StoredLog

    if "://" in os.environ.get("RAYEXEC_HOME", ""):
        return None
    with contextlib.suppress(StoreError, RunNotFoundError):  # one may be removed just now
        store = default_store()
        whole = (
            each
            for each in store.list()
            if each.status == RunStatus.SUCCESS and not each.steps.get("reused")
        )
        same = (each for each in whole if each.job_name == plan.job_name)
        for record in itertools.islice(same, _LOOKED_AT):
            spent = StoredLog(store.open(record.run_id)).spent()
            if spent.keys() >= _ops(plan):
                mean = {op: seconds / attempts for op, (attempts, seconds) in spent.items()}
                return Timings(_by_step(plan, mean), f"run {record.run_id[:8]}")
    return None


def _ops(plan: Plan) -> set[str]:
    return {plan.op_of(step.index).name for step in plan.steps}


def _by_step(plan: Plan, mean: Mapping[str, float]) -> list[float]:
    return [mean[plan.op_of(step.index).name] for step in plan.steps]
