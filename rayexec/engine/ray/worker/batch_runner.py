"""The calls of one batch, made one after another in a Ray worker."""

from __future__ import annotations

import os
import pickle
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from rayexec.definitions.contexts import StepLog
from rayexec.engine.packed_values import Packed, is_lasting, pack, pack_error
from rayexec.engine.ray.protocol.capture import Capture
from rayexec.engine.ray.protocol.overrun import Teller, Watched, watch
from rayexec.engine.ray.protocol.request import More, RemoteCall
from rayexec.engine.ray.protocol.watchdog import ProcessBackstop
from rayexec.engine.ray.worker.answer import Answer
from rayexec.engine.ray.worker.batch_inputs import BatchInputs
from rayexec.engine.ray.worker.run_code import RunCode
from rayexec.engine.ray.worker.streaming import Underway
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
from rayexec.steps.attempt import FinishedCall, StepCall, StepExecutor
from rayexec.steps.attempt_failure import not_stored
from rayexec.steps.fast_path import PlainOp
from rayexec.steps.io_managers import Managers
from rayexec.steps.resources import OpenResources

__all__ = ["Runner", "Surroundings", "unloadable"]


_FIRST = More(0, None, None)


class Surroundings(NamedTuple):
    """What is open around the calls of a batch: ``writer`` stores what those of durable ops yield."""

    resources: OpenResources
    managers: Managers | None
    writer: ValueWriter | None
    capture: Capture
    backstop: ProcessBackstop


class Runner:
    """Makes the calls of one batch of a run, one after another."""

    def __init__(
        self,
        run: RunCode,
        inputs: BatchInputs,
        answer: Answer,
        surroundings: Surroundings,
        watched: Watched,
    ) -> None:
        self._run = run
        self._inputs = inputs
        self._answer = answer
        self._around = surroundings
        self._watched = watched
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
        """Make the calls until the budget is spent; what was made is in the answer."""
        watched, inputs, answer = self._watched, self._inputs, self._answer
        now = watched.since = time.monotonic()
        ends, tells = now + budget, now + BATCH_BUDGET_S
        if len(calls) > 1:
            watch(watched, budget)
        last = len(calls) - 1
        inputs.expect(calls)
        plain_ops, journal = self._run.plain, answer.journal
        try:
            for position, call in enumerate(calls):
                follows, before = call[3], inputs.before
                if follows is not None and not inputs.are_there(follows):
                    inputs.before = None
                    watched.skip(position)
                    continue
                if not watched.may_start(position):
                    break
                journal.started(position)
                is_followed = position < last and type(calls[position + 1][3]) is tuple
                plain = plain_ops[call[2]]
                if plain is None or call[5] is not None:
                    self._call(position, call, before, is_followed)
                else:
                    self._call_plainly(plain, position, call, before, is_followed)
                now = watched.since = time.monotonic()
                if answer.is_full or now >= ends:
                    break
                if (
                    now >= tells and position < last
                ):  # what others may wait for does not wait for the next call
                    watched.tell()
                    tells = now + BATCH_BUDGET_S
        except (
            KeyboardInterrupt
        ):  # between two calls: the run is being canceled, and what was finished is kept
            pass
        watched.is_over = True

    def _call_plainly(
        self,
        plain: PlainOp,
        position: int,
        call: RemoteCall,
        before: dict[str, Any] | None,
        is_followed: bool,
    ) -> None:
        """Make a call of an op in its short form; what does not go plainly well is handed to
        ``_call``.
        """
        inputs, answer = self._inputs, self._answer
        inputs.before = None  # whatever happens here, nobody may take it for this call's
        result: Any = None
        raised: BaseException | None = None
        packed: bytes | Packed | None = None
        started = time.time()
        try:
            values = [
                pickle.loads(wire)
                if type(wire) is bytes
                else before[wire[0]]  # type: ignore[index]  # what is not chained holds no such wire
                if type(wire) is tuple
                else declared[1]
                if wire is None
                else inputs.load(declared[0], wire, before)
                for wire, declared in zip(call[4], plain.inputs, strict=True)
            ]
            is_fit = plain.takes(values)
        except Exception:
            is_fit = False
        if not is_fit:
            self._call(position, call, before, is_followed)
            return
        try:
            result = plain.call(*values)
            if plain.is_plain(result):
                packed = pack(result, plain.what)
        except BaseException as error:
            raised = error
        if packed is None:
            self._call(position, call, before, is_followed, FinishedCall(started, result, raised))
            return
        ended = time.time()
        stdout, stderr = self._around.capture.take()
        if type(packed) is bytes and not (stdout or stderr):
            answer.succeeded(position, started, ended, packed)
            if is_followed:
                inputs.before = {plain.output: result}
            if call[0] in inputs.needed:
                inputs.inside[call[0]] = {plain.output: packed}
            return
        stored = {plain.output: answer.take(packed)}
        outputs = (OutputRecord(plain.output),)
        row = Attempt(
            call[0],
            0,
            SUCCESS,
            started,
            ended,
            outputs,
            stdout=stdout,
            stderr=stderr,
            pid=os.getpid(),
        )
        self._over(position, row, stored, {plain.output: result} if is_followed else None)

    def _call(
        self,
        position: int,
        call: RemoteCall,
        before: dict[str, Any] | None,
        is_followed: bool,
        finished: FinishedCall | None = None,
    ) -> None:
        self._inputs.before = None  # whatever happens here, nobody may take it for this call's
        step = self._step_call(position, call)
        if step is None:
            return
        op = self._run.code.templates[call[2]].op
        stored: dict[str, bytes | int] = {}
        live: dict[str, Any] | None = {} if is_followed else None
        writer = self._writer_of(call)
        kept: dict[str, bytes | Packed] = {}

        def store(name: str, value: Any) -> None:
            packed = pack(value, f'output "{name}" of op "{op.name}"')
            if writer is not None and is_lasting(packed):
                kept[name] = packed
            stored[name] = self._answer.take(packed, is_dynamic=name not in op.outs)
            if live is not None:
                live[name] = value

        row, error = self._executor.run(
            step,
            self._inputs_of(call, before),
            store,
            log=self._watched_log(position),
            finished=finished,
        )
        if writer is not None:
            row = _commit(writer, call[1], row, kept)
        self._over(position, self._complete(row, error), stored, live)

    def _inputs_of(
        self, call: RemoteCall, before: dict[str, Any] | None
    ) -> Callable[[], Mapping[str, Any]]:
        template = self._run.code.templates[call[2]]
        return lambda: self._inputs.by_name(template, call[4], before)

    def _watched_log(self, position: int) -> StepLog:
        """Return the log of a call; the watching thread passes its lines on during the call."""
        log = StepLog()
        self._watched.log = position, log
        return log

    def _writer_of(self, call: RemoteCall) -> ValueWriter | None:
        """Return who stores what a call yields, None where nobody does."""
        return self._around.writer if call[2] in self._run.header.durable else None

    def _step_call(self, position: int, call: RemoteCall) -> StepCall | None:
        """Return a call for the executor; None, with its failure entered, where its config
        cannot be loaded.
        """
        step, key, template_index, _, _, more = call
        number, packed_config, tags = more or _FIRST
        try:
            config = None if packed_config is None else pickle.loads(packed_config)
        except Exception as broken:  # unpickling runs user code
            what = "the step's config cannot be loaded on the worker"
            self._over(position, unloadable(call, broken, what), {}, None)
            return None
        own_tags = self._run.code.templates[template_index].op.tags
        return StepCall(
            step, key, template_index, number, config, own_tags if tags is None else tags
        )

    def _complete(self, row: Attempt, error: BaseException | None) -> Attempt:
        """Return a row with the exception that ended it, pickled, and with what was printed."""
        if error is not None and row.failure is not None:
            row = row._replace(failure=replace(row.failure, pickled=pack_error(error)))
            if isinstance(error, KeyboardInterrupt):
                self._answer.is_full = True
        stdout, stderr = self._around.capture.take()
        return row._replace(stdout=stdout, stderr=stderr) if stdout or stderr else row

    def _over(
        self,
        position: int,
        row: Attempt,
        stored: Mapping[str, bytes | int],
        live: dict[str, Any] | None,
    ) -> None:
        """Take a call that is over into the answer, and what it yielded for the calls behind it."""
        self._answer.add(position, row, stored)
        if row.outcome == SUCCESS:
            self._inputs.yielded(row.step, stored, live)

    def stream(self, call: RemoteCall, teller: Teller) -> Generator[Packed, None, None]:
        """Make a call and yield its large outputs as they come; ``teller`` is told of values of
        dynamic outputs.
        """
        self._watched.may_start(0)
        self._watched.since = time.monotonic()
        self._answer.journal.started(0)
        step = self._step_call(0, call)
        if step is None:
            return
        op = self._run.code.templates[call[2]].op
        stored: dict[str, bytes | int] = {}
        underway = Underway(teller)
        writer = self._writer_of(call)

        def store(name: str, value: Any) -> None:
            packed = pack(value, f'output "{name}" of op "{op.name}"')
            if writer is not None and is_lasting(packed):
                writer.add(call[1], step.attempt, name, packed)
            stored[name] = self._answer.take_streamed(packed)
            underway.add(name, packed)

        row, error = yield from underway.along(
            self._executor.run_pausing(
                step, self._inputs_of(call, None), store, log=self._watched_log(0)
            )
        )
        if writer is not None:
            row = _commit(writer, call[1], row, {})
        self._over(0, self._complete(row, error), stored, None)


def _commit(
    writer: ValueWriter, key: str, row: Attempt, values: Mapping[str, bytes | Packed]
) -> Attempt:
    """Store what a call yielded that succeeded; return its row, a failed one where that was not
    possible.
    """
    if row.outcome != SUCCESS:
        return row
    try:
        writer.commit(key, row.number, row.outputs, values)
    except StoreError as error:
        return not_stored(row, error)
    return row


def unloadable(
    call: RemoteCall, error: BaseException, what: str, words: str | None = None
) -> Attempt:
    """Return the row of a call that could not be made, since ``what``; ``words`` say more than the
    error's message.
    """
    now = time.time()
    cause = describe_error(error)
    shown = ErrorInfo(
        "LoadError", what, "", cause if words is None else replace(cause, message=words)
    )
    return Attempt(
        call[0],
        (call[5] or _FIRST).number,
        FAILURE,
        now,
        now,
        failure=StepFailureData(shown, error_types(error)),
        pid=os.getpid(),
    )
