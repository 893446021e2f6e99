"""``rayexec run events`` and ``run logs``: lines about a run, also while it lasts."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TextIO

from rayexec.cli.exit_codes import INTERRUPTED, SUCCEEDED, USAGE, complain, with_exit_code
from rayexec.cli.render.lines import event_line
from rayexec.cli.streams import reader_left, results_on_stdout, say
from rayexec.errors import RunNotFoundError
from rayexec.events import Event, EventType
from rayexec.launch.launched_run import LaunchedRun, locate, not_recorded
from rayexec.launch.monitor import RunMonitor
from rayexec.names import nearest
from rayexec.store import RunReader, is_over
from rayexec.store.reading import FollowedLog, StoredLog

__all__ = ["print_events", "print_logs"]

_PATIENCE = 0.2  # seconds between two looks at a run that is followed


def _print_output(
    results: TextIO, launched: LaunchedRun, step: str | None, *, follow: bool, as_json: bool
) -> int:
    """Print all that the driver of a run printed, which is not told by steps."""
    if step is not None:
        raise not_recorded(launched.note)
    for part in launched.logs(follow=follow):
        results.write(f"{json.dumps({'output': part})}\n" if as_json else _printable(part))
        results.flush()
        if reader_left(results):
            break
    return SUCCEEDED


def _within(node: str) -> Callable[[str], bool]:
    inside = (f"{node}.", f"{node}[")
    return lambda key: key == node or key.startswith(inside)


def _events(reader: RunReader, step: str | None, *, follow: bool) -> Iterator[Iterator[Event]]:
    """Yield the events of a run; those of a node, where one is named. Raises RunNotFoundError where
    it has no such.

    To ``follow`` is to yield what has come since, over and over, until the run is over.
    """
    wanted = _within(step) if step is not None else None
    log = FollowedLog(reader) if follow else StoredLog(reader)
    monitor = RunMonitor(reader, say)
    while True:
        ends = not follow or is_over(
            monitor.record()
        )  # asked first, so that the look below is the last one then
        found = list(log.news()) if isinstance(log, FollowedLog) else log.events()
        if ends and wanted is not None and not any(map(wanted, log.keys)):
            raise RunNotFoundError(
                f"run {reader.run_id} has no step {step!r}.{nearest(step or '', log.keys)}"
            )
        yield (
            each
            for each in found
            if wanted is None or (each.step_key is not None and wanted(each.step_key))
        )
        if ends:
            return
        time.sleep(_PATIENCE)


def _print_events(
    place: str | None,
    run_id: str,
    step: str | None,
    written: Callable[[Event, str, str], Iterator[str]],
    *,
    follow: bool,
    elsewhere: Callable[[TextIO, LaunchedRun], int] | None = None,
) -> int:
    """Print what ``written`` makes of each event, the run's job and its id.

    A run that was launched, and is not in a store, is left to ``elsewhere``.
    """
    try:
        with results_on_stdout() as results:
            run = locate(place, run_id)
            if isinstance(run, LaunchedRun):
                if elsewhere is None:
                    raise not_recorded(run.note)
                return elsewhere(results, run)
            reader = run.reader
            job = reader.record().job_name
            for events in _events(reader, step, follow=follow):
                for event in events:
                    results.writelines(
                        f"{_printable(line)}\n" for line in written(event, job, reader.run_id)
                    )
                results.flush()
                if reader_left(results):
                    break
    except KeyboardInterrupt:
        if not follow:
            raise
        return INTERRUPTED
    return SUCCEEDED


def _printable(text: str) -> str:
    """Return text that a stream takes, also where what an op wrote was not UTF-8."""
    return text.encode("utf-8", "backslashreplace").decode()


@with_exit_code
def print_events(
    place: str | None,
    run_id: str,
    *,
    step: str | None,
    kinds: Sequence[str],
    follow: bool,
    as_json: bool,
) -> int:
    """Print the events of a run, one a line."""
    known = [each.value for each in EventType]
    wanted = {each.upper() for each in kinds}
    for each in sorted(wanted.difference(known)):
        complain(f"there is no event type {each!r}.{nearest(each, known)}")
        return USAGE

    def written(event: Event, job: str, run_id: str) -> Iterator[str]:
        if not wanted or event.event_type_value in wanted:
            yield json.dumps(event.to_dict()) if as_json else event_line(event, job, run_id)

    return _print_events(place, run_id, step, written, follow=follow)


@with_exit_code
def print_logs(
    place: str | None, run_id: str, *, step: str | None, follow: bool, as_json: bool
) -> int:
    """Print what ops logged and wrote."""

    def written(event: Event, job: str, run_id: str) -> Iterator[str]:
        if event.event_type not in (EventType.LOG_MESSAGE, EventType.LOGS_CAPTURED):
            return
        if as_json:
            yield json.dumps(event.to_dict())
        elif event.event_type is EventType.LOG_MESSAGE:
            yield event_line(event, job, run_id)
        else:
            for stream in ("stdout", "stderr"):
                for line in event.event_specific_data.get(stream, "").splitlines():
                    yield f"{event.step_key or job} {stream}: {line}"

    def elsewhere(results: TextIO, launched: LaunchedRun) -> int:
        return _print_output(results, launched, step, follow=follow, as_json=as_json)

    return _print_events(place, run_id, step, written, follow=follow, elsewhere=elsewhere)
