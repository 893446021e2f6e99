"""Engine that runs steps in the driver's own process, one after another."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rayexec.definitions.fresh_data import fresh
from rayexec.definitions.surroundings import StepLog
from rayexec.engine.base import Engine
from rayexec.engine.packed_values import Restored, is_lasting, pack
from rayexec.engine.process_memory import peak_rss
from rayexec.errors import OutputStorageError, StoreError
from rayexec.events import (
    DRIVER_BATCH,
    SUCCESS,
    Attempt,
    BatchFacts,
    ErrorInfo,
    LiveLines,
    ResourceRecord,
    StepFailureData,
)
from rayexec.former_names import load_stored
from rayexec.names import node_path
from rayexec.placement.choice import driver_placement
from rayexec.run.previous_run import StoredValue, ValueWriter
from rayexec.run.spec import Batch, RunSpec, gather_inputs
from rayexec.scheduler.messages import BatchEnded, BatchLost, EngineReport
from rayexec.steps.attempt_failure import not_stored
from rayexec.steps.io_managers import IOManagers
from rayexec.steps.managed_ports import managed_ports
from rayexec.steps.resources import OpenResources
from rayexec.steps.step_call import StepCall
from rayexec.steps.step_executor import StepExecutor

__all__ = ["InProcessEngine"]

_LIVE_AFTER_S = 2.0  # as on workers
_ABSENT = object()
_NO_OUTPUTS: dict[str, Any] = {}


class _LiveLog(StepLog):
    """Log of a step; passes its lines on at once after the first 2 s."""

    __slots__ = ("_attempt_number", "_live_from", "_on_lines", "_passed_on", "_step", "_thread")

    def __init__(
        self, step: int, attempt_number: int, on_lines: Callable[[LiveLines], None]
    ) -> None:
        super().__init__()
        self._step = step
        self._attempt_number = attempt_number
        self._on_lines = on_lines
        self._live_from = time.time() + _LIVE_AFTER_S
        self._passed_on = 0  # count of lines
        self._thread = threading.get_ident()

    def log(self, level: int | str, msg: object, *args: object, **options: Any) -> None:
        """Record a line, and pass it on once the step has run for a while.

        Lines of the op's other threads wait for the next line of its own thread.
        """
        super().log(level, msg, *args, **options)
        now = self.lines[-1].time
        if now >= self._live_from and threading.get_ident() == self._thread:
            first, self._passed_on = self._passed_on, len(self.lines)
            new = tuple(self.lines[first : self._passed_on])
            self._on_lines(
                LiveLines(self._step, self._attempt_number, os.getpid(), now, new, first)
            )


class InProcessEngine(Engine):
    """Runs each batch inside ``wait``.

    Values pass as the objects they are. Resources stay open for the run, or for their step.
    """

    name = "in_process"
    runs_here = True
    batching = False

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
        self._resources = OpenResources(spec.resources, spec.config.resources, spec.info)
        self._durable = spec.durable_templates
        self._writer: ValueWriter | None = None
        ports = managed_ports(spec.plan, spec.resources)
        self._managers: IOManagers | None = None
        if ports is not None:
            self._managers = IOManagers(
                ports,
                spec.plan.templates,
                spec.resources,
                spec.config.resources,
                spec.info,
                self._resources,
                spec.config.ports,
            )
        self._executor = StepExecutor(
            spec.plan.templates,
            spec.info,
            self._resources,
            managers=self._managers,
            run_cache=spec.run_cache,
        )

    def start(self) -> None:
        """Open the resources of the plan's steps; raises ResourceError.

        A resource of step scope opens with its step.
        """
        self._resources.open_ahead(self._spec.used_resources())

    def remember(self) -> None:
        """Hold the outputs that IO managers store until their steps are released."""
        if self._managers is not None:
            self.originals = self._managers.originals = {}

    def facts(self) -> BatchFacts:
        """Return the facts of this process; all steps count as one batch."""
        host, pid = socket.gethostname(), os.getpid()
        return BatchFacts(
            DRIVER_BATCH, host, "", pid, began=self._began, ended=time.time(), peak_rss=peak_rss()
        )

    def submit(self, work: Batch) -> None:
        """Queue a batch for a coming ``wait``."""
        self._queue.append(work)

    def wait(self, timeout: float | None) -> list[EngineReport]:
        """Run the next batch and return its answer; with none queued, sleep for ``timeout``."""
        if self._canceled:
            canceled, self._canceled = self._canceled, []
            return canceled
        if not self._queue:
            if timeout:
                self._woken.wait(timeout)
            return []
        work = self._queue.popleft()
        return [
            BatchEnded(work.id, tuple([self._run(call.step, call.attempt) for call in work.calls]))
        ]

    def wake(self) -> None:
        """End the sleep in ``wait``; a running step continues."""
        self._woken.set()

    def _run(self, index: int, attempt_number: int) -> Attempt:
        spec = self._spec
        step = spec.plan.steps[index]
        values = self._values
        # Outputs of an earlier attempt are void, unless consumers may have them already.
        yielded = values[index] = (
            dict(values.get(index, {})) if step.template in self._streams else {}
        )
        given = spec.config.inputs

        def inputs() -> dict[str, Any]:
            return gather_inputs(
                step,
                lambda producer, output: _loaded(
                    values.get(producer, _NO_OUTPUTS).get(output, _ABSENT)
                ),
                lambda source: given.get(source, _ABSENT),
                _ABSENT,
            )

        def store(name: str, value: Any) -> None:
            if name[-1] != "]" or name not in yielded:
                yielded[name] = value

        call = StepCall(
            index,
            step.key,
            step.template,
            attempt_number,
            fresh(spec.config.ops.get(node_path(step.key))),
            step.tags,
        )
        log = None
        if self._on_lines is not None and spec.plan.op_of(index).parameters.context is not None:
            log = _LiveLog(index, attempt_number, self._on_lines)
        row, error = self._executor.run(call, inputs, store, log=log)
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
            self._writer.commit(key, row.attempt_number, row.outputs, lasting)
        except (StoreError, OutputStorageError) as error:
            return not_stored(row, error)
        return row

    def cancel(self, batch_ids: Sequence[int], *, force: bool) -> None:
        """Drop queued batches; the caller's own thread runs steps, so that none runs now."""
        self._queue.clear()
        now = time.time()
        failure = StepFailureData(
            ErrorInfo("RunCanceledError", "the step was canceled before it ended", "")
        )
        self._canceled = [
            BatchLost(batch_id, (), None, failure, now, now) for batch_id in batch_ids
        ]

    def release(self, steps: Sequence[int]) -> None:
        """Drop all outputs of steps."""
        for step in steps:
            self._values.pop(step, None)
            if self.originals:
                self.originals.pop(self._spec.plan.steps[step].key, None)

    def release_values(self, step: int, names: Sequence[str]) -> None:
        """Drop some outputs of a step."""
        for name in names:
            self._values.get(step, _NO_OUTPUTS).pop(name, None)

    def restore(self, step: int, values: Mapping[str, StoredValue]) -> None:
        """Adopt values of an earlier run as a step's outputs; each use loads them anew."""
        self._values[step] = {name: Restored(stored) for name, stored in values.items()}

    def packed(self, step: int, output: str) -> Any:
        """Return an output, pickled; raises OutputStorageError for an object without a pickle."""
        key = self._spec.plan.steps[step].key
        return pack(self._values[step][output], f'output "{output}" of step "{key}"')

    def value(self, step: int, output: str) -> object:
        """Return an output as the object that it is."""
        value: object = _loaded(self._values[step][output])
        return value

    def exception(self, step: int) -> BaseException | None:
        """Return the exception of a failed step."""
        return self._exceptions.get(step)

    def take_resource_records(self) -> Sequence[ResourceRecord]:
        """Return records of resources outside of any attempt, since the last call."""
        return self._resources.take_records()

    def close(self) -> None:
        """Close the resources."""
        if self._writer is not None:
            self._writer.close()
        self._resources.__exit__(None, None, None)


def _loaded(value: Any) -> Any:
    """Return a value of an earlier run, as writable as it was then; any other value as it is."""
    if type(value) is not Restored:
        return value
    main, *buffers = value.stored.parts()
    return load_stored(main, [bytearray(buffer) for buffer in buffers])
