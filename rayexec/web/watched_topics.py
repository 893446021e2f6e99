"""Sources of the live channel's topics: the list of runs, and each run that somebody watches."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Any, NamedTuple

from rayexec.errors import RayexecError, RunNotFoundError
from rayexec.names import RUN_ID
from rayexec.store import RunRecord, is_over
from rayexec.web.actions import actions_of
from rayexec.web.all_runs import listed_row
from rayexec.web.followed_runs import FollowedRun
from rayexec.web.live import Topic
from rayexec.web.open_runs import OpenRun, reads_run
from rayexec.web.session import Session

__all__ = ["drop_idle_runs", "register_topics"]

LOOK_S = 0.1  # between two looks at a run that lasts
_OVER_LOOK_S = 3.0
_LIST_LOOK_S = 1.0
# Looks at the list take at most this part of the time, however many runs there are.
_LIST_SHARE = 0.04
_WATCH_S = 4.0  # between two signs to the driver, which holds one for 10 s
_MOST_ROWS_OF_LIST = 500
_IDLE_LOOK_S = 15.0


def register_topics(session: Session) -> None:
    """Let the list of runs and single runs be watched."""
    session.live.register("runs", lambda topic: _watch_list(session, topic))
    session.live.register("run/", lambda topic: _watch_run(session, topic))


async def drop_idle_runs(session: Session) -> None:
    """Drop read models that nobody looks at, again and again, until it is canceled."""
    while True:
        await asyncio.sleep(_IDLE_LOOK_S)
        if len(session.open_runs):
            session.open_runs.drop_idle(time.monotonic())


async def _watch_list(session: Session, topic: Topic) -> None:
    former: dict[str, RunRecord] | None = None
    counted: dict[str, Any] = {}
    next_sign = 0.0
    while True:
        began = time.monotonic()
        asks = began >= next_sign
        try:
            records = await session.in_thread(session.runs.records)
            await session.in_thread(session.runs.count_steps, asks=asks)
        except RayexecError as error:
            topic.publish("error", {"error": str(error)})
            await asyncio.sleep(_LIST_LOOK_S)
            continue
        if asks:
            next_sign = began + _WATCH_S
        topic.publish("error", {"error": None})
        latest = {record.run_id: record for record in records}
        if former is not None:
            _publish_changes(topic, former, latest)
        former = latest
        topic.publish("version", {"version": session.runs.version})
        counts = session.runs.counts
        rows = [
            session.runs.row(latest[run_id])
            for run_id, steps in counts.items()
            if run_id in latest and counted.get(run_id) != steps
        ]
        if rows:
            topic.publish("steps", {"runs": rows}, stays=False)
        counted = counts
        took = time.monotonic() - began
        await asyncio.sleep(max(_LIST_LOOK_S, took / _LIST_SHARE))


def _publish_changes(
    topic: Topic, former: Mapping[str, RunRecord], latest: Mapping[str, RunRecord]
) -> None:
    changed = [
        record
        for run_id, record in latest.items()
        if former.get(run_id) is not record and former.get(run_id) != record
    ]
    gone = [run_id for run_id in former if run_id not in latest]
    if changed or gone:
        rows = [listed_row(record) for record in changed[:_MOST_ROWS_OF_LIST]]
        topic.publish("runs", {"runs": rows, "gone": gone}, stays=False)


class _Look(NamedTuple):
    """A run at one moment."""

    version: int
    light: dict[str, Any]
    now: dict[str, Any] | None


async def _watch_run(session: Session, topic: Topic) -> None:
    run_id = topic.name.partition("/")[2]
    if not RUN_ID.match(run_id):
        topic.publish("error", {"error": "a run's id has letters, digits, dots, _ and - only."})
        return
    topic.followed = followed = FollowedRun(session, run_id)
    next_sign = 0.0
    while True:
        began = time.monotonic()
        asks = began >= next_sign
        try:
            look = await session.in_thread(_look, session, run_id, asks=asks)
        except RayexecError as error:
            kind = "gone" if isinstance(error, RunNotFoundError) else "error"
            topic.publish(kind, {"error": str(error)})
            await asyncio.sleep(_OVER_LOOK_S)
            continue
        if asks:
            next_sign = began + _WATCH_S
        topic.publish("error", {"error": None})
        topic.publish("run", look.light)
        if look.now is not None:
            topic.publish("now", session.watched_cluster.with_other_runs(look.now))
        if look.version != followed.version:
            followed.version = look.version
            topic.wake()
        took = time.monotonic() - began
        await asyncio.sleep(_OVER_LOOK_S if look.light["is_over"] else max(LOOK_S, took))


def _look(session: Session, run_id: str, *, asks: bool) -> _Look:
    """Read a run on, in a thread; with ``asks`` its driver is asked to tell what it does."""

    def read(run: OpenRun) -> _Look:
        version, counts = run.read(lambda columns: (columns.version, dict(columns.counts)))
        record = run.read_record
        state = None if is_over(record) else run.state(asks=asks)
        light = {
            "status": str(record.status),
            "is_over": is_over(record),
            "note": record.note,
            "end_time": record.end_time,
            "steps": {str(end.value): count for end, count in counts.items()},
            "actions": actions_of(session, record),
        }
        return _Look(version, light, state)

    return reads_run(read, session.open_runs, run_id)
