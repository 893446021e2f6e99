"""Times of steps in an earlier run, for an estimate of the next one."""

from __future__ import annotations

import contextlib
import itertools
import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import NamedTuple

from rayexec.errors import LoadError, RunNotFoundError, StoreError
from rayexec.events import RunStatus, StepEnd
from rayexec.plan import Plan
from rayexec.store import RunStore, default_store
from rayexec.store.reading import StoredLog

__all__ = ["Timings", "last_means", "last_timings", "timings_of_file"]

_MOST_RUNS = 10  # of the same job; the last ones may be of a part of it
_FORM = "give what rayexec job execute --json printed"


class Timings(NamedTuple):
    """Seconds of each step of a plan, by its index, and their source in words."""

    seconds: list[float]
    source: str


def timings_of_file(plan: Plan, path: Path) -> Timings:
    """Return the timings in a file.

    Raises LoadError for a file without timings, or with those of other ops.
    """
    try:
        ops = json.loads(path.read_text(encoding="utf-8"))["ops"]
        mean = {name: op["seconds"] / max(1, op["attempts"]) for name, op in ops.items()}
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
    """Return the timings of the last run of the same job that succeeded and ran all its ops.

    None without such a run.
    """
    with contextlib.suppress(StoreError):
        means, run_id = last_means(default_store(), plan.job_name, _ops(plan))
        if run_id is not None:
            return Timings(_by_step(plan, means), f"run {run_id[:8]}")
    return None


def last_means(
    store: RunStore, job: str, ops: Collection[str]
) -> tuple[Mapping[str, float], str | None]:
    """Return mean seconds of the ops in the last success of a job with all of them, and its id.

    Nothing and None without such a run. Only a store on this machine is asked, since another may
    be slow to answer and the callers can do without.
    """
    if "://" in str(getattr(store, "root", "")):
        return {}, None
    with contextlib.suppress(StoreError, RunNotFoundError):  # another process may remove one now
        runs = (
            record
            for record in store.list()
            if record.job_name == job
            and record.status == RunStatus.SUCCESS
            and not record.steps.get(StepEnd.REUSED)
        )
        for record in itertools.islice(runs, _MOST_RUNS):
            # The sums come from columns, so that a long log costs milliseconds here.
            spent = StoredLog(store.open(record.run_id)).spent()
            if spent.keys() >= set(ops):
                means = {op: seconds / attempts for op, (attempts, seconds) in spent.items()}
                return means, record.run_id
    return {}, None


def _ops(plan: Plan) -> set[str]:
    return {plan.op_of(step.index).name for step in plan.steps}


def _by_step(plan: Plan, mean: Mapping[str, float]) -> list[float]:
    return [mean[plan.op_of(step.index).name] for step in plan.steps]
