"""The engine that runs steps in this very process, one after another."""

from __future__ import annotations

import os
import pickle
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rayexec.definitions.contexts import StepLog
from rayexec.engine.packed_values import Restored, is_lasting, pack
from rayexec.engine.process_facts import peak_rss
from rayexec.errors import OutputError, StoreError
from rayexec.events import HERE, SUCCESS, Attempt, BatchFacts, ErrorInfo, LiveLines, StepFailureData
from rayexec.names import node_path
from rayexec.placement.limits import driver_placement
from rayexec.run.previous_run import StoredValue, ValueWriter
from rayexec.run.spec import Batch, RunSpec, gather_inputs
from rayexec.scheduler.messages import BatchEnded, BatchLost, EngineReport
from rayexec.steps.attempt import StepCall, not_stored, run_step
from rayexec.steps.io_managers import Managers, find_managed
from rayexec.steps.resources import OpenResources

__all__ = ["InProcessEngine"]

_LONG = 2.0  # seconds, as on workers
_ABSENT = object()
_NOTHING: dict[str, Any] = {}


class _ToldLog(StepLog):
    """The log of a step whose lines are told as they come once it has run for 2 s."""

    __slots__ = ("_count", "_ends", "_number", "_step", "_tell", "_thread")

    def __init__(self, step: int, number: int, tell: Callable[[LiveLines], None]) -> None:
        super().__init__()
        self._step = step
        self._number = number
        self._tell = tell
        self._ends = time.time() + _LONG
        self._count = 0  # lines that were told
        self._thread = threading.get_ident()

    def log(self, level: int | str, msg: object, *args: object, **options: Any) -> None:
        """Record a line, and tell it where it is time; what other threads of the op log waits for
        its next one.
        """
        super().log(level, msg, *args, **options)
        now = self.lines[-1].time
        if now >= self._ends and threading.get_ident() == self._thread:
            first, self._count = self._count, len(self.lines)
            new = tuple(self.lines[first : self._count])
            self._tell(LiveLines(self._step, self._number, os.getpid(), now, new, first))


class InProcessEngine:
    """Runs each batch inside ``wait``; values pass as the objects they are, resources stay open for
    the run or step.
    """

    name = "in_process"
    grows = False
    runs_here = True
    batching = False
    notes: Sequence[str] = ()

    def __init__(self, spec: RunSpec) -> None:
        self._spec = spec
        self.placement = driver_placement(spec.plan, slots=1, max_concurrent=1)
        self._streams = spec.streaming_templates
        self._queue: deque[Batch] = deque()
        self._canceled: list[EngineReport] = []
        self._woken = threading.Event()
        # By step, then by output.
        self._values: dict[int, dict[str, Any]] = {}
        self._exceptions: dict[int, BaseException] = {}
        self._began = time.time()
        # Gets what steps log once they have run for a while, in the thread that runs them.
        self.tell: Callable[[LiveLines], None] | None = None
        self.resources = OpenResources(spec.resources, spec.config.resources, spec.info)
        self._durable = spec.durable_templates
        self._writer: ValueWriter | None = None
        self._managers = None
        managed = find_managed(spec.plan, spec.resources)
        if managed is not None:
            self._managers = Managers(
                managed,
                spec.plan.templates,
                spec.resources,
                spec.config.resources,
                spec.info,
                self.resources,
            )

    def start(self) -> None:
        """Open every resource that a step of the plan needs and that outlasts it; raises
        ResourceError where one fails.

        Those of step scope are opened when the step is.
        """
        self.resources.open_ahead(self._spec.needed_resources())

    def facts(self) -> BatchFacts:
        """Return what is known of this process, in which all steps are one batch."""
        host, pid = socket.gethostname(), os.getpid()
        return BatchFacts(
            HERE, host, "", pid, began=self._began, ended=time.time(), peak_rss=peak_rss()
        )

    def submit(self, work: Batch) -> None:
        """Take a batch to run in a coming ``wait``."""
        self._queue.append(work)

    def wait(self, timeout: float | None) -> list[EngineReport]:
        """Run the next batch and return its answer; with none queued, let ``timeout`` seconds pass."""
        if self._canceled:
            canceled, self._canceled = self._canceled, []
            return canceled
        if not self._queue:
            if timeout:
                self._woken.wait(timeout)
            return []
        work = self._queue.popleft()
        return [
            BatchEnded(work.id, tuple([self._run(call.step, call.number) for call in work.calls]))
        ]

    def wake(self) -> None:
        """Let no more time pass in ``wait``; a step that runs there goes on."""
        self._woken.set()

    def _run(self, index: int, number: int) -> Attempt:
        spec = self._spec
        step = spec.plan.steps[index]
        values = self._values
        # What an attempt before this one yielded is void, unless others may have it already.
        yielded = values[index] = (
            dict(values.get(index, {})) if step.template in self._streams else {}
        )
        given = spec.config.inputs

        def inputs() -> dict[str, Any]:
            return gather_inputs(
                step,
                lambda producer, output: _loaded(
                    values.get(producer, _NOTHING).get(output, _ABSENT)
                ),
                lambda source: given.get(source, _ABSENT),
                _ABSENT,
            )

        def store(name: str, value: Any) -> None:
            if name[-1] != "]" or name not in yielded:
                yielded[name] = value

        call = StepCall(
            index, step.key, number, spec.config.ops.get(node_path(step.key)), step.tags
        )
        log = None
        if self.tell is not None and spec.plan.op_of(index).parameters.context is not None:
            log = _ToldLog(index, number, self.tell)
        row, error = run_step(
            spec.plan.templates[step.template],
            call,
            inputs,
            run=spec.info,
            resources=self.resources,
            store=store,
            managing=None if self._managers is None else self._managers.of(step.template),
            log=log,
            run_cache=spec.run_cache,
        )
        if row.outcome == SUCCESS and step.template in self._durable:
            row = self._commit(row, step.key, yielded)
        if error is not None:
            self._exceptions[index] = error
        return row

    def _commit(self, row: Attempt, key: str, yielded: Mapping[str, Any]) -> Attempt:
        assert self._spec.value_storage is not None, (
            "outputs are durable only where there is a store"
        )
        self._writer = self._writer or self._spec.value_storage.writer()
        try:
            values = {
                name: pack(value, f'output "{name}" of step "{key}"')
                for name, value in yielded.items()
            }
            lasting = {name: value for name, value in values.items() if is_lasting(value)}
            self._writer.commit(key, row.number, row.outputs, lasting)
        except (StoreError, OutputError) as error:
            return not_stored(row, error)
        return row

    def cancel(self, batch_ids: Sequence[int], *, force: bool) -> None:
        """Drop what is queued; a step that ran was interrupted itself, since it runs in the
        caller's thread.
        """
        self._queue.clear()
        now = time.time()
        failure = StepFailureData(
            ErrorInfo("RunCanceledError", "the step was canceled before it ended", "")
        )
        self._canceled = [BatchLost(each, (), None, failure, now, now) for each in batch_ids]

    def release(self, steps: Sequence[int]) -> None:
        """Drop the objects that steps yielded."""
        for step in steps:
            self._values.pop(step, None)

    def release_values(self, step: int, names: Sequence[str]) -> None:
        """Drop some of the objects that a step yielded."""
        for name in names:
            self._values.get(step, _NOTHING).pop(name, None)

    def restore(self, step: int, values: Mapping[str, StoredValue]) -> None:
        """Take values of an earlier run for outputs of a step; they are loaded each time one is
        needed.
        """
        self._values[step] = {name: Restored(stored) for name, stored in values.items()}

    def packed(self, step: int, output: str) -> Any:
        """Return the object that the step yielded, serialised; raises OutputError where it cannot
        be.
        """
        key = self._spec.plan.steps[step].key
        return pack(self._values[step][output], f'output "{output}" of step "{key}"')

    def value(self, step: int, output: str) -> object:
        """Return the object that the step yielded."""
        found: object = _loaded(self._values[step][output])
        return found

    def exception(self, step: int) -> BaseException | None:
        """Return the exception that failed the step."""
        return self._exceptions.get(step)

    def others(self) -> Mapping[int, int]:
        """Return nothing: there is no cluster here."""
        return {}

    def warnings(self) -> list[str]:
        """Return nothing: a step that runs here is seen to run."""
        return []

    def close(self) -> None:
        """Close the resources."""
        if self._writer is not None:
            self._writer.close()
        self.resources.__exit__(None, None, None)


def _loaded(value: Any) -> Any:
    """Return what stands behind a value of an earlier run, as writable as it was; any other as it
    is.
    """
    if type(value) is not Restored:
        return value
    main, *buffers = value.stored.parts()
    return pickle.loads(main, buffers=[bytearray(each) for each in buffers])
