"""Runner of a batch: makes its calls one after another in a Ray worker."""

from __future__ import annotations

import os
import pickle
import sys
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from rayexec.definitions.loggers.python_logger import RUNNING
from rayexec.definitions.surroundings import StepLog
from rayexec.engine.packed_values import Packed, is_lasting, pack, pack_error
from rayexec.engine.ray.protocol.batch_request import CallExtras, RemoteCall
from rayexec.engine.ray.protocol.entries import StoredOutput
from rayexec.engine.ray.worker.answer import Answer
from rayexec.engine.ray.worker.batch_inputs import BatchInputs
from rayexec.engine.ray.worker.budget_watch import watch_budget
from rayexec.engine.ray.worker.capture import Capture
from rayexec.engine.ray.worker.process_backstop import ProcessBackstop
from rayexec.engine.ray.worker.run_code import RunCode
from rayexec.engine.ray.worker.running_batch import RunningBatch
from rayexec.engine.ray.worker.step_changes import StepChanges
from rayexec.engine.ray.worker.streaming import StreamedOutputs, ValueSender
from rayexec.errors import StoreError
from rayexec.events import (
    FAILURE,
    SUCCESS,
    Attempt,
    ErrorInfo,
    OutputRecord,
    StepFailureData,
    describe_error,
    error_types,
)
from rayexec.run.previous_run import ValueWriter
from rayexec.run.spec import BATCH_BUDGET_S
from rayexec.steps.attempt_failure import not_stored
from rayexec.steps.fast_path import PlainOp
from rayexec.steps.io_managers import IOManagers
from rayexec.steps.resources import OpenResources
from rayexec.steps.step_call import FinishedCall, StepCall
from rayexec.steps.step_executor import StepExecutor

__all__ = ["BatchRunner", "Surroundings", "unloadable"]


_NO_EXTRAS = CallExtras(0, None, None)

# Values that a chained call gets as they are: immutable, and without an identity that anybody could
# look at, unlike a NaN or a text.
_PASSED_ON = frozenset({type(None), bool, int})


class Surroundings(NamedTuple):
    """Everything that is open around the calls of a batch."""

    resources: OpenResources
    managers: IOManagers | None
    #: Stores durable outputs.
    writer: ValueWriter | None
    capture: Capture
    backstop: ProcessBackstop


class BatchRunner:
    """Makes the calls of one batch of a run."""

    def __init__(
        self,
        run: RunCode,
        inputs: BatchInputs,
        answer: Answer,
        surroundings: Surroundings,
        batch: RunningBatch,
    ) -> None:
        self._run = run
        self._inputs = inputs
        self._answer = answer
        self._around = surroundings
        self._batch = batch
        # Lines of Python loggers in calls of the short form; such a call becomes a long one.
        self._plain_log = StepLog()
        self._plain_lines = self._plain_log.lines
        #: To be open around the calls.
        self.changes = StepChanges()
        self._executor = StepExecutor(
            run.code.templates,
            run.header.run,
            surroundings.resources,
            managers=surroundings.managers,
            run_cache=run.header.run_cache,
            backstop=surroundings.backstop,
            interrupt_is_failure=True,
        )

    def run(self, calls: Sequence[RemoteCall], budget: float) -> None:
        """Make the calls until the budget (seconds) is spent; the answer has them then."""
        batch, inputs, answer = self._batch, self._inputs, self._answer
        now = batch.since = time.monotonic()
        ends, reports = now + budget, now + BATCH_BUDGET_S
        if len(calls) > 1:
            watch_budget(batch, budget)
        last = len(calls) - 1
        inputs.expect(calls)
        plain_ops, journal = self._run.plain, answer.journal
        changes, modules = self.changes, sys.modules
        RUNNING.log = self._plain_log
        noted, path, module_count = changes.noted, changes.path, changes.module_count
        try:
            for position, call in enumerate(calls):
                follows, before = call.follows, inputs.before
                if follows is not None and not inputs.are_there(follows):
                    inputs.before = None
                    batch.skip(position)
                    continue
                if not batch.may_start(position):
                    break
                journal.started(position)
                is_followed = position < last and type(calls[position + 1].follows) is tuple
                plain = plain_ops[call.template]
                if plain is None or call.extras is not None:
                    self._call(position, call, before)
                else:
                    self._call_plainly(plain, position, call, before, is_followed)
                if noted or sys.path != path or len(modules) != module_count:
                    changes.undo(keeps_path=self._may_open(call))
                    path, module_count = changes.path, changes.module_count
                now = batch.since = time.monotonic()
                if answer.is_full or now >= ends:
                    break
                # Steps elsewhere may wait for these outputs, and not for the next call's.
                if now >= reports and position < last:
                    batch.report_progress()
                    reports = now + BATCH_BUDGET_S
        except KeyboardInterrupt:
            # It came between two calls: the run is being canceled, and finished calls count.
            pass
        RUNNING.log = None
        batch.is_over = True

    def _call_plainly(
        self,
        plain: PlainOp,
        position: int,
        call: RemoteCall,
        before: Mapping[str, Any] | None,
        is_followed: bool,
    ) -> None:
        """Make a call in its op's short form; anything but a plain success goes to ``_call``."""
        inputs, answer = self._inputs, self._answer
        inputs.before = None  # or the next call might get an earlier call's outputs
        result: Any = None
        raised: BaseException | None = None
        packed: bytes | Packed | None = None
        started = time.time()
        try:
            values = [
                pickle.loads(wire)
                if type(wire) is bytes
                else (
                    value
                    # Only a chained call has such a wire.
                    if type(value := before[wire[0]]) is not bytes  # type: ignore[index]
                    else pickle.loads(value)
                )
                if type(wire) is tuple
                else self._run.code.defaults.get(call.template, *declared)
                if wire is None
                else inputs.load(declared[0], wire, before)
                for wire, declared in zip(call.wires, plain.inputs, strict=True)
            ]
            is_fit = plain.takes(values)
        except Exception:
            is_fit = False
        if not is_fit:
            self._call(position, call, before)
            return
        try:
            result = plain.call(*values)
            if plain.is_plain(result):
                packed = pack(result, plain.what)
        except BaseException as error:
            raised = error
        if packed is None or self._plain_lines:
            self._call(position, call, before, FinishedCall(started, result, raised))
            return
        ended = time.time()
        stdout, stderr = self._around.capture.drain()
        if type(packed) is bytes and not (stdout or stderr):
            answer.succeeded(position, started, ended, packed)
            if is_followed:
                inputs.before = {plain.output: result if type(result) in _PASSED_ON else packed}
            if call.step in inputs.needed:
                inputs.inside[call.step] = {plain.output: packed}
            return
        stored = {plain.output: answer.store(packed)}
        outputs = (OutputRecord(plain.output),)
        row = Attempt(
            call.step,
            0,
            SUCCESS,
            started,
            ended,
            outputs,
            stdout=stdout,
            stderr=stderr,
            pid=os.getpid(),
        )
        self._over(position, row, stored)

    def _call(
        self,
        position: int,
        call: RemoteCall,
        before: Mapping[str, Any] | None,
        finished: FinishedCall | None = None,
    ) -> None:
        self._inputs.before = None  # or the next call might get an earlier call's outputs
        step = self._step_call(position, call)
        if step is None:
            return
        op = self._run.code.templates[call.template].op
        stored: dict[str, StoredOutput] = {}
        writer = self._writer_of(call)
        lasting: dict[str, bytes | Packed] = {}

        def store(name: str, value: Any) -> None:
            packed = pack(value, f'output "{name}" of op "{op.name}"')
            if writer is not None and is_lasting(packed):
                lasting[name] = packed
            stored[name] = self._answer.store(packed, is_dynamic=name not in op.outs)

        row, error = self._executor.run(
            step,
            self._inputs_of(call, before),
            store,
            log=self._log_of(position),
            finished=finished,
        )
        if writer is not None:
            row = _commit(writer, call.key, row, lasting)
        self._over(position, self._complete(row, error), stored)

    def _inputs_of(
        self, call: RemoteCall, before: Mapping[str, Any] | None
    ) -> Callable[[], Mapping[str, Any]]:
        code = self._run.code
        template = code.templates[call.template]
        return lambda: {
            **code.defaults.of(call.template),
            **self._inputs.by_name(template, call.wires, before),
        }

    def _may_open(self, call: RemoteCall) -> bool:
        """Tell whether a call may open resources, which stay open behind it."""
        op = self._run.code.templates[call.template].op
        return bool(op.resource_keys) or self._around.managers is not None

    def _log_of(self, position: int) -> StepLog:
        """Return the log of a call; the live watch passes its lines on during the call."""
        log = StepLog()
        log.lines += self._plain_lines
        self._plain_lines.clear()
        self._batch.log = position, log
        return log

    def _writer_of(self, call: RemoteCall) -> ValueWriter | None:
        """Return the writer for a durable call, None for any other."""
        return self._around.writer if call.template in self._run.header.durable else None

    def _step_call(self, position: int, call: RemoteCall) -> StepCall | None:
        """Return a call as ``rayexec.steps`` makes it; None, with a failure in the answer, for
        config that cannot be loaded.
        """
        attempt_number, packed_config, tags = call.extras or _NO_EXTRAS
        try:
            config = None if packed_config is None else pickle.loads(packed_config)
        except Exception as broken:  # unpickling runs user code
            what = "the step's config cannot be loaded on the worker"
            self._over(position, unloadable(call, broken, what), {})
            return None
        own_tags = self._run.code.templates[call.template].op.tags
        tags = own_tags if tags is None else tags
        return StepCall(call.step, call.key, call.template, attempt_number, config, tags)

    def _complete(self, row: Attempt, error: BaseException | None) -> Attempt:
        """Return a row with its exception, pickled, and with the captured output."""
        if error is not None and row.failure is not None:
            row = row._replace(failure=replace(row.failure, pickled=pack_error(error)))
            if isinstance(error, KeyboardInterrupt):
                self._answer.is_full = True
        stdout, stderr = self._around.capture.drain()
        return row._replace(stdout=stdout, stderr=stderr) if stdout or stderr else row

    def _over(self, position: int, row: Attempt, stored: Mapping[str, StoredOutput]) -> None:
        """Add a finished call to the answer, and its outputs to the inputs of later calls."""
        self._answer.add(position, row, stored)
        if row.outcome == SUCCESS:
            self._inputs.yielded(row.step, stored)

    def stream(self, call: RemoteCall, sender: ValueSender) -> Generator[Packed, None, None]:
        """Make a call and yield its large outputs as they come; ``sender`` reports all of them."""
        self._batch.may_start(0)
        self._batch.since = time.monotonic()
        self._answer.journal.started(0)
        step = self._step_call(0, call)
        if step is None:
            return
        op = self._run.code.templates[call.template].op
        stored: dict[str, StoredOutput] = {}
        outputs = StreamedOutputs(sender)
        writer = self._writer_of(call)

        def store(name: str, value: Any) -> None:
            packed = pack(value, f'output "{name}" of op "{op.name}"')
            if writer is not None and is_lasting(packed):
                writer.add(call.key, step.attempt, name, packed)
            stored[name] = self._answer.store_streamed(packed)
            outputs.add(name, packed)

        log = self._log_of(0)
        pauses = self._executor.run_pausing(step, self._inputs_of(call, None), store, log=log)
        RUNNING.log = log
        try:
            row, error = yield from outputs.along(pauses)
        finally:
            RUNNING.log = None
        self.changes.undo(keeps_path=self._may_open(call))
        if writer is not None:
            row = _commit(writer, call.key, row, {})
        self._over(0, self._complete(row, error), stored)


def _commit(
    writer: ValueWriter, key: str, row: Attempt, values: Mapping[str, bytes | Packed]
) -> Attempt:
    """Store the outputs of a successful call; return its row, or that of a failure."""
    if row.outcome != SUCCESS:
        return row
    try:
        writer.commit(key, row.attempt_number, row.outputs, values)
    except StoreError as error:
        return not_stored(row, error)
    return row


def unloadable(
    call: RemoteCall, error: BaseException, what: str, message: str | None = None
) -> Attempt:
    """Return the row of a call that could not be made, since ``what``.

    ``message`` replaces the error's own.
    """
    now = time.time()
    cause = describe_error(error)
    shown = ErrorInfo(
        "LoadError", what, "", cause if message is None else replace(cause, message=message)
    )
    return Attempt(
        call.step,
        (call.extras or _NO_EXTRAS).attempt_number,
        FAILURE,
        now,
        now,
        failure=StepFailureData(shown, error_types(error)),
        pid=os.getpid(),
    )
