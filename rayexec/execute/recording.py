"""Recording of a run in a store."""

from __future__ import annotations

import contextlib
import datetime
import enum
import functools
import importlib.metadata
import os
import platform
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal, TypeAlias
from uuid import UUID

from pydantic_core import to_jsonable_python

from rayexec._version import __version__
from rayexec.config.secret_config import mask_run_config
from rayexec.definitions.config_fields import config_dict
from rayexec.definitions.config_models import Config
from rayexec.definitions.graphs.job_definition import JobDefinition
from rayexec.errors import StoreError
from rayexec.events import BatchFacts, LiveLines, RunStatus, describe_error
from rayexec.execute.input_digests import input_digests
from rayexec.execute.log import Record, RunLog
from rayexec.execute.now_document import NowDocument
from rayexec.execute.observer import Observer
from rayexec.execute.resume import PARENT, ROOT
from rayexec.run.process_identity import ProcessIdentity
from rayexec.run.spec import RunSpec
from rayexec.scheduler.wait_reasons import Waiting

if TYPE_CHECKING:
    from rayexec.execute.now_writer import NowWriter
    from rayexec.store import RunRecord, RunStore
    from rayexec.store.writing import LogWriter

__all__ = ["Recording", "StoreChoice", "record_run", "store_of"]

# Store for a run: None is the one of RAYEXEC_HOME, False is none.
StoreChoice: TypeAlias = "str | os.PathLike[str] | RunStore | Literal[False] | None"

_SWITCH = "RAYEXEC_RECORD"
_OFF = frozenset({"0", "false", "no", "off"})
# Reasons of waits are recorded for runs of few attempts, and where finding them takes a small share
# of the run's time.
_FEW_ATTEMPTS = 500
_SECONDS_PER_WAIT = 15e-6
_MOST_SHARE = 0.03
_POLL_INTERVAL_S = 0.5  # between two looks at a store that is behind
_warned: list[str] = []


class Recording(Observer):
    """Writes a run to a store, and passes every call on to another observer.

    ``error`` is the failure of the store, if any. It ends the run. With ``is_lenient``, for a store
    by default, it costs a warning and the rest of the recording. Raises StoreError if the store
    cannot begin the run.
    """

    def __init__(
        self, store: RunStore, record: RunRecord, observer: Observer, *, is_lenient: bool
    ) -> None:
        from rayexec.store.background import BackgroundWriter

        self.store = store
        self.error: StoreError | None = None
        self.writer = BackgroundWriter(store.create(record))
        self._record = record
        self._observer = observer
        self._is_lenient = is_lenient
        self._log: LogWriter | None = None
        self._run_log: RunLog | None = None
        self._now: NowDocument | None = None

    @contextlib.contextmanager
    def _attempted(self) -> Iterator[None]:
        try:
            yield
        except StoreError as error:
            self._failed(error)

    def _failed(self, error: StoreError) -> None:
        self.error, self._log = error, None
        if self._is_lenient:
            _warn(f"{error}. The run continues, and is recorded no further.")

    @property
    def failure(self) -> StoreError | None:
        """Failure of the store that ends the run."""
        return None if self._is_lenient else self.error

    @property
    def times(self) -> tuple[float, float] | None:
        """Begin and end of the run in its record, None before the end."""
        ended = self._record.end_time
        return None if ended is None else (self._record.start_time, ended)

    def run_started(self, spec: RunSpec, log: RunLog, waiting: Callable[[], Waiting]) -> None:
        """Write the steps of the plan."""
        from rayexec.store.writing import LogWriter

        self._run_log = log
        with self._attempted():
            writer = LogWriter(spec.plan, self.writer)
            writer.write()
            self._log = writer
            node_id = "" if log.placement is None else log.placement.capacity.own_node
            self._now = NowDocument(spec.info.run_id, spec.plan, waiting, writer, node_id=node_id)
        self._observer.run_started(spec, log, waiting)

    def now(self) -> dict[str, Any] | None:
        """Return the state of the run at this moment, None before its start; for any thread."""
        return None if self._now is None else self._now.document(time.monotonic())

    def now_writer(self) -> NowWriter:
        """Return a writer of that state for those who watch."""
        from rayexec.execute.now_writer import NowWriter

        return NowWriter(self.writer, self.now)

    def recorded(self, record: Record) -> None:
        """Add a record to the next frame."""
        if self._log is not None:
            self._log.add(record)
        self._observer.recorded(record)

    def batch_ended(self, facts: BatchFacts) -> None:
        """Add facts about a batch to the next frame."""
        if self._log is not None:
            self._log.add(facts)
        self._observer.batch_ended(facts)

    def lines_received(self, lines: LiveLines) -> None:
        """Add lines of a running step to the next frame."""
        if self._log is not None:
            self._log.add(lines)
            # At once: while a step runs in this process, the loop does not call ``idle``.
            with self._attempted():
                self._log.write_if_due()
        self._observer.lines_received(lines)

    def idle(self) -> float | None:
        """Write the records if they are due; raises StoreError after a failure of the store."""
        due = None
        if self._log is not None:
            try:  # Without a context manager, since a run in this process comes by each step.
                due = self._log.write_if_due()
                if self.writer.is_behind:
                    self.writer.check()
                    due = _POLL_INTERVAL_S if due is None else min(due, _POLL_INTERVAL_S)
            except StoreError as error:
                self._failed(error)
        if self.failure is not None:
            raise self.failure
        observer_due = self._observer.idle()
        is_sooner = observer_due is None or (due is not None and due < observer_due)
        return due if is_sooner else observer_due

    def run_ended(self, status: RunStatus) -> None:
        """Write the rest of the log, and the record of the run's end."""
        self._write_rest()
        self._end(status, self.failure)
        self._observer.run_ended(status)

    def _write_rest(self) -> None:
        log = self._log
        if log is None or self._run_log is None:
            return
        with self._attempted():
            self.writer.end()
            log.write()
            if self._is_cheap(log.attempts):
                log.write(self._run_log.blocked)
            self._record = replace(self._record, steps=log.counts)

    def _is_cheap(self, attempts: int) -> bool:
        """Whether finding the reasons of waits takes a small share of the run's time."""
        seconds = time.time() - self._record.start_time
        return attempts <= _FEW_ATTEMPTS or attempts * _SECONDS_PER_WAIT <= seconds * _MOST_SHARE

    def broke_off(self, error: BaseException) -> None:
        """Record an error that ended the run before its first step, or outside of the loop."""
        self._write_rest()
        is_canceled = isinstance(error, (KeyboardInterrupt, SystemExit))
        self._end(RunStatus.CANCELED if is_canceled else RunStatus.FAILURE, error)

    def _end(self, status: RunStatus, error: BaseException | None) -> None:
        self._log = None
        failure = None
        if error is not None:
            described = describe_error(error)
            failure = {"error": described.own_name, "message": described.message}
            if isinstance(error, StoreError):
                status = RunStatus.FAILURE
        note = f"recorded in part: {self.error}" if self.error is not None else None
        self._record = record = replace(
            self._record, status=status, end_time=time.time(), error=failure, note=note
        )
        with self._attempted() if self.error is None else contextlib.suppress(StoreError):
            self.writer.update(record)
        with self._attempted() if self.error is None else contextlib.suppress(StoreError):
            self.writer.close()


def record_run(
    choice: StoreChoice,
    job: JobDefinition,
    spec: RunSpec,
    observer: Observer,
    *,
    op_selection: Sequence[str] | None = None,
    origin: Mapping[str, str] | None = None,
) -> Recording | None:
    """Begin to record a run; return None for a run without a store.

    Raises StoreError if the chosen store is not writable; the default directory costs a warning.
    """
    from rayexec.store import is_default

    is_durable = spec.config.execution.durable
    store = store_of(choice)
    if store is None:
        if is_durable:
            raise StoreError(
                "outputs are to be durable, but the run is not to be recorded: they need a run "
                "store."
            )
        return None
    is_lenient = choice is None and is_default() and not is_durable
    try:
        record = _describe(job, spec, op_selection, origin)
        return Recording(store, record, observer, is_lenient=is_lenient)
    except StoreError as error:
        if not is_lenient:
            raise
        _warn(
            f"{error}. The run is not recorded. Set RAYEXEC_HOME to a place that can be written, "
            f"or {_SWITCH}=0 to record nothing."
        )
        return None


def store_of(choice: StoreChoice) -> RunStore | None:
    """Return the chosen store, None for none."""
    if choice is False or (choice is None and os.environ.get(_SWITCH, "").lower() in _OFF):
        return None
    from rayexec.store import default_store, store_at

    return default_store() if choice is None else store_at(choice)


def _warn(message: str) -> None:
    """Warn once in a process, for all of its runs."""
    if not _warned:
        _warned.append(message)
        warnings.warn(message, RuntimeWarning, stacklevel=2)


def _describe(
    job: JobDefinition,
    spec: RunSpec,
    op_selection: Sequence[str] | None,
    origin: Mapping[str, str] | None,
) -> RunRecord:
    from rayexec.store.record import RunRecord

    info = spec.info
    lost: list[str] = []  # parts of the config that JSON cannot hold
    return RunRecord(
        run_id=info.run_id,
        job_name=info.job_name,
        start_time=time.time(),
        tags=dict(info.tags),
        run_config=_plain(mask_run_config(job, spec.resources, info.run_config), lost),
        op_selection=None if op_selection is None else tuple(op_selection),
        versions=_versions(),
        origin={
            "directory": os.getcwd(),
            **(_home_of(job) if origin is None else origin),
            **({"config": lost[0]} if lost else {}),
        },
        input_digests=input_digests(spec.config, info.run_id),
        driver=ProcessIdentity.here(),
        parent_run_id=info.tags.get(PARENT),
        root_run_id=info.tags.get(ROOT),
    )


@functools.cache
def _versions() -> dict[str, str]:
    return {
        "rayexec": __version__,
        "ray": importlib.metadata.version("ray"),
        "pyarrow": importlib.metadata.version("pyarrow"),
        "python": platform.python_version(),
    }


def _home_of(job: JobDefinition) -> dict[str, str]:
    """Return the module and file with ``job`` under its own name, if there are any."""
    # A script may import its job, so the main module comes last.
    for name, module in sorted(sys.modules.items(), key=lambda item: item[0] == "__main__"):
        if getattr(module, "__dict__", {}).get(job.name) is job:
            file = module.__dict__.get("__file__")
            home = {"module": name, "attribute": job.name, "job": job.name}
            return home if file is None else {"file": os.path.abspath(file), **home}
    return {"job": job.name}


def _plain(value: Any, lost: list[str]) -> Any:
    """Return run config as JSON-able data, with dates and paths as text.

    Other objects become their repr, and ``lost`` gets the names of their classes.
    """
    from rayexec.store.encoding import in_words

    if isinstance(value, Config):
        return _plain(config_dict(value, for_document=True), lost)
    if isinstance(value, enum.Enum):
        return _plain(value.value, lost)
    if isinstance(value, Mapping):
        lost += [f"a key of type {type(key).__name__}" for key in value if not isinstance(key, str)]
        return {str(key): _plain(each, lost) for key, each in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_plain(each, lost) for each in value]
    if isinstance(value, (datetime.date, datetime.time, datetime.timedelta, Decimal, UUID)):
        return to_jsonable_python(value)
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if value is None or isinstance(value, (str, int, float, bool)):
        return value
    lost.append(f"an object of type {type(value).__name__}")
    return in_words(value)
