"""``rayexec run events`` and ``run logs``: lines about a run, also while it lasts."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import TextIO

from rayexec.cli.exit_codes import INTERRUPTED, SUCCEEDED, USAGE, complain, with_exit_code
from rayexec.cli.printable import printable_line, printable_output
from rayexec.cli.render.lines import event_line
from rayexec.cli.streams import reader_left, results_on_stdout, say
from rayexec.errors import RunNotFoundError
from rayexec.events import Event, EventType
from rayexec.launch.launched_run import LaunchedRun, locate, not_recorded
from rayexec.launch.monitor import RunMonitor
from rayexec.names import is_of_node, nearest
from rayexec.store import RunReader, current, is_over
from rayexec.store.reading import FollowedLog, StoredLog
from rayexec.strict_json import json_text
from rayexec.views.log_damage import check_log

__all__ = ["print_events", "print_logs"]

_POLL_INTERVAL_S = 0.2


@with_exit_code
def print_events(
    location: str | None,
    run_id: str,
    *,
    step: str | None,
    kinds: Sequence[str],
    follow: bool,
    as_json: bool,
) -> int:
    """Print the events of a run, one a line."""
    all_kinds = [kind.name for kind in EventType]
    chosen = {kind.upper() for kind in kinds}
    for kind in sorted(chosen.difference(all_kinds)):
        complain(f"there is no event type {kind!r}.{nearest(kind, all_kinds)}")
        return USAGE

    def lines_of(event: Event, job: str, run_id: str) -> Iterator[str]:
        if not chosen or event.event_type.name in chosen:
            yield json_text(event.to_dict()) if as_json else event_line(event, job, run_id)

    return _print_lines(location, run_id, step, lines_of, follow=follow)


@with_exit_code
def print_logs(
    location: str | None, run_id: str, *, step: str | None, follow: bool, as_json: bool
) -> int:
    """Print the log lines and the output of ops; of a run without a record its driver's output."""

    def lines_of(event: Event, job: str, run_id: str) -> Iterator[str]:
        if event.event_type not in (EventType.LOG_MESSAGE, EventType.LOGS_CAPTURED):
            return
        if as_json:
            yield json_text(event.to_dict())
        elif event.event_type is EventType.LOG_MESSAGE:
            yield event_line(event, job, run_id)
        else:
            for stream in ("stdout", "stderr"):
                for line in event.event_specific_data.get(stream, "").splitlines():
                    yield f"{event.step_key or job} {stream}: {line}"

    def print_output(results: TextIO, launched: LaunchedRun) -> None:
        if step is not None:  # a driver's output has no steps
            raise not_recorded(launched.note)
        for part in launched.logs(follow=follow):
            text = printable_output(part, colors=False)
            results.write(f"{json_text({'output': part})}\n" if as_json else text)
            results.flush()
            if reader_left(results):
                break

    return _print_lines(location, run_id, step, lines_of, follow=follow, unrecorded=print_output)


def _print_lines(
    location: str | None,
    run_id: str,
    step: str | None,
    lines_of: Callable[[Event, str, str], Iterator[str]],
    *,
    follow: bool,
    unrecorded: Callable[[TextIO, LaunchedRun], None] | None = None,
) -> int:
    """Print the lines of each event; ``lines_of`` gets it with the run's job and id.

    ``unrecorded`` prints a launched run without a record.
    """
    try:
        with results_on_stdout() as results:
            run = locate(location, run_id)
            if isinstance(run, LaunchedRun):
                if unrecorded is None:
                    raise not_recorded(run.note)
                unrecorded(results, run)
                return SUCCEEDED
            reader = run.reader
            job = reader.record().job_name
            log = FollowedLog(reader) if follow else StoredLog(reader)
            for events in _events(reader, log, step, follow=follow):
                for event in events:
                    lines = lines_of(event, job, reader.run_id)
                    results.writelines(f"{printable_line(line)}\n" for line in lines)
                results.flush()
                if reader_left(results):
                    break
            check_log(current(reader), log)
    except KeyboardInterrupt:
        if not follow:
            raise
        return INTERRUPTED
    return SUCCEEDED


def _events(
    reader: RunReader, log: StoredLog, step: str | None, *, follow: bool
) -> Iterator[Iterator[Event]]:
    """Yield the events of a run, or of its node ``step``; with ``follow`` new ones until its end.

    Raises RunNotFoundError for a node that the run has not.
    """
    monitor = RunMonitor(reader, say)
    while True:
        # The status comes before the events, so that none can follow the last ones.
        is_last = not follow or is_over(monitor.record())
        events = list(log.news()) if isinstance(log, FollowedLog) else log.events()
        if step is not None:
            if is_last and not any(is_of_node(key, step) for key in log.keys):
                check_log(current(reader), log)  # The node may be in the part that is damaged.
                raise RunNotFoundError(
                    f"run {reader.run_id} has no step {step!r}.{nearest(step, log.keys)}"
                )
            events = [event for event in events if is_of_node(event.step_key or "", step)]
        yield iter(events)
        if is_last:
            return
        time.sleep(_POLL_INTERVAL_S)
