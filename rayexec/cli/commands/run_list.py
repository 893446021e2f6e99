"""``rayexec run``: runs that were recorded, listed, shown, waited for and removed."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TextIO, TypeAlias

from rayexec.cli.exit_codes import FAILED, INTERRUPTED, SUCCEEDED, USAGE, complain, with_exit_code
from rayexec.cli.streams import reader_left, results_on_stdout
from rayexec.errors import RunNotFoundError
from rayexec.events import Event, EventType, RunStatus
from rayexec.launch.monitor import Vigil, awaited, with_launched
from rayexec.launch.polling import Patience
from rayexec.launch.registry import LaunchedElsewhere, LaunchedRun, locate, noted
from rayexec.names import nearest
from rayexec.store import (
    RunReader,
    RunRecord,
    RunStore,
    current,
    default_store,
    is_over,
    settled,
    store_at,
)

__all__ = [
    "delete_runs",
    "export_run",
    "list_runs",
    "print_events",
    "print_logs",
    "show_run",
    "wait_for",
]

_PATIENCE = 0.2  # seconds between two looks at a run that is waited for


# From an event, the run's job and its id to lines.
_Written: TypeAlias = Callable[[Event, str, str], Iterator[str]]


def _store(place: str | None) -> RunStore:
    return default_store() if place is None else store_at(place)


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def _write_json(results: TextIO, document: Any) -> None:
    results.write(f"{json.dumps(document, indent=2)}\n")


@with_exit_code
def list_runs(
    place: str | None, *, job: str | None, status: str | None, limit: int | None, as_json: bool
) -> int:
    """Print the runs of a store."""
    from rayexec.views.run_report import brief, runs_table

    if status is not None and status.upper() not in set(RunStatus):
        complain(f"there is no status {status!r}: it is one of {', '.join(RunStatus)}.")
        return USAGE
    with results_on_stdout() as results:
        store = _store(place)
        known = list(store.list())
        if place is None:
            # What is not of the kind that is asked for does not count.
            most = limit if job is None and status is None else None
            known = sorted(
                with_launched(known, most), key=lambda each: each.start_time, reverse=True
            )
        found = [
            each
            for each in map(settled, known)
            if job in (None, each.job_name) and (status is None or each.status == status.upper())
        ][:limit]
        if as_json:
            _write_json(results, [brief(each) for each in found])
        elif found:
            _console(results).print(runs_table(found))
        else:
            which = " of that kind" if job is not None or status is not None else ""
            results.write(f"No runs{which} in {getattr(store, 'root', store)}.\n")
    return SUCCEEDED


def _console(results: TextIO) -> Any:
    from rich.console import Console

    # What is read by programs is not cut to the width of a terminal that is not there.
    return Console(
        file=results, highlight=False, soft_wrap=True, width=None if results.isatty() else 10_000
    )


@with_exit_code
def show_run(place: str | None, run_id: str, *, as_json: bool) -> int:
    """Print a run as a whole."""
    from rayexec.store.reading import StoredLog
    from rayexec.views.run_report import RunReport

    with results_on_stdout() as results:
        try:
            _, reader = locate(place, run_id)
        except LaunchedElsewhere as elsewhere:
            return _show_launched(results, elsewhere.launched, as_json=as_json)
        record, log = Vigil(reader).look(), StoredLog(reader)
        report = RunReport(record, log)
        if as_json:
            _write_json(results, report.to_dict())
        else:
            results.writelines(f"{line}\n" for line in report.lines())
            results.flush()
            if log.keys:
                console = _console(results)
                console.print()
                console.print(report.ops_table())
            results.writelines(f"\n{part}\n" for part in report.failures())
    return SUCCEEDED


def _show_launched(results: TextIO, launched: LaunchedRun, *, as_json: bool) -> int:
    """Print what is known of a run without its store."""
    from rayexec.views.run_report import brief

    record = launched.now()
    if as_json:
        _write_json(
            results, {**brief(record), "source": launched.source, "address": launched.address}
        )
    else:
        results.write(
            f"Run {record.run_id}: {record.status} ({record.note})\nJob of: {launched.source}\n"
        )
        if launched.log is not None:
            results.write(f"Log of its driver: {launched.log}\n")
        results.write(f"What it printed:   rayexec run logs {launched.run_id}\n")
    return SUCCEEDED


def _print_output(
    results: TextIO, launched: LaunchedRun, step: str | None, *, follow: bool, as_json: bool
) -> int:
    """Print all that the driver of a run printed, which is not told by steps."""
    if step is not None:
        raise LaunchedElsewhere(launched)
    for part in launched.output(follow=follow):
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
    from rayexec.store.reading import FollowedLog, StoredLog

    wanted = _within(step) if step is not None else None
    log = FollowedLog(reader) if follow else StoredLog(reader)
    vigil = Vigil(reader, _say)
    while True:
        ends = not follow or is_over(
            vigil.look()
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
            try:
                _, reader = locate(place, run_id)
            except LaunchedElsewhere as error:
                if elsewhere is None:
                    raise
                return elsewhere(results, error.launched)
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
    from rayexec.cli.render.lines import event_line

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
    from rayexec.cli.render.lines import event_line

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


def _over(reader: RunReader, deadline: float | None) -> RunRecord | None:
    """Return a run once it is over; None where it is not by the deadline."""
    vigil = Vigil(reader, _say)
    while not is_over(record := vigil.look()):
        if deadline is not None and time.monotonic() >= deadline:
            return None
        time.sleep(_PATIENCE)
    return record


@with_exit_code
def wait_for(place: str | None, run_id: str, *, timeout: float | None, as_json: bool) -> int:
    """Wait until a run is over; return whether it succeeded."""
    from rayexec.views.run_report import brief, ended_line

    with results_on_stdout() as results:
        deadline = None if timeout is None else time.monotonic() + timeout
        try:
            found: RunReader | RunRecord | None = locate(place, run_id)[1]
        except LaunchedElsewhere as elsewhere:
            patience = Patience(elsewhere.launched.run_id)
            awaited_one = awaited(elsewhere.launched, deadline, patience)
            if awaited_one is None:
                patience.give_up()
            found = awaited_one[1] if isinstance(awaited_one, tuple) else awaited_one
        record = found if found is None or isinstance(found, RunRecord) else _over(found, deadline)
        if record is None:
            complain(f"run {run_id} goes on after {timeout:g} s.")
            return FAILED
        if as_json:
            _write_json(results, brief(record))
        else:
            results.write(f"{ended_line(record)}\n")
    return SUCCEEDED if record.status == RunStatus.SUCCESS else FAILED


def _stores(places: Iterable[RunStore | LaunchedRun]) -> Iterator[RunStore]:
    """Yield each store once."""
    known: set[str] = set()
    for each in places:
        if not isinstance(each, LaunchedRun) and repr(each) not in known:
            known.add(repr(each))
            yield each


@with_exit_code
def delete_runs(place: str | None, run_ids: Sequence[str], *, force: bool, as_json: bool) -> int:
    """Remove runs, all of them or, where one is not there or goes on, none."""
    with results_on_stdout() as results:
        found: dict[str, RunStore | LaunchedRun] = {}
        for each in run_ids:
            try:
                store, reader = locate(place, each)
                found[reader.run_id] = store
            except LaunchedElsewhere as elsewhere:
                found[elsewhere.launched.run_id] = elsewhere.launched
        if not force:
            states = {
                each.run_id: each.status
                for store in _stores(found.values())
                for each in map(settled, store.list())
            }
            notes = [each for each in found.values() if isinstance(each, LaunchedRun)]
            states |= {each.run_id: each.now().status for each in notes}
            going_on = [each for each in found if states.get(each) == RunStatus.STARTED]
            if going_on:
                complain(
                    f"not removed, since it goes on: {', '.join(going_on)}. Remove it all the "
                    f"same with --force."
                )
                return USAGE
        for each, where in found.items():
            if not isinstance(where, LaunchedRun):
                where.delete(each)
            if place is None and (launched := noted(each)) is not None:
                launched.forget()
        if as_json:
            _write_json(results, {"deleted": list(found)})
        else:
            results.writelines(f"Removed run {each}.\n" for each in found)
    return SUCCEEDED


@with_exit_code
def export_run(
    place: str | None,
    run_id: str,
    *,
    parquet: Path | None,
    chrome_trace: Path | None,
    html: Path | None,
) -> int:
    """Write a run into files."""
    from rayexec.cli.commands.run_export import write_parquet, write_trace
    from rayexec.cli.render.page import write_page
    from rayexec.store.reading import StoredLog

    if parquet is None and chrome_trace is None and html is None:
        complain("say what to write: --html FILE, --parquet FILE or --chrome-trace FILE.")
        return USAGE
    _, reader = locate(place, run_id)
    record, log = current(reader), StoredLog(reader)
    for path, write in ((parquet, write_parquet), (chrome_trace, write_trace), (html, write_page)):
        if path is None:
            continue
        try:
            rows = write(path, record, log)
        except OSError as error:
            complain(
                f"{path} cannot be written: {os.strerror(error.errno) if error.errno else error}"
            )
            return USAGE
        sys.stdout.write(f"Wrote {path}: {rows:,} attempts.\n")
    return SUCCEEDED
