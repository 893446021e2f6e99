"""The calls of one slice, made one after another in a Ray worker."""

from __future__ import annotations

import os
import pickle
import time
from collections.abc import Collection, Generator, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from rayexec.definitions.resource import ResourceDefinition
from rayexec.engine.backstop import ProcessBackstop
from rayexec.engine.capture import Capture
from rayexec.engine.entries import Entries, pack_entry
from rayexec.engine.journal import Journal
from rayexec.engine.overrun import Teller, Watched, watch
from rayexec.engine.packed import Packed, is_lasting, pack, unpack
from rayexec.engine.wire import GONE, More, RemoteCall
from rayexec.errors import InputError, StoreError
from rayexec.events import (
    FAILURE,
    SUCCESS,
    Attempt,
    ErrorInfo,
    OutputRecord,
    StepFailureData,
    causes_of,
    describe_error,
    error_types,
)
from rayexec.plan.model import FromStep, Template
from rayexec.run.context import StepLog
from rayexec.run.managed import Managers
from rayexec.run.memory import Memory
from rayexec.run.plain import PlainOp
from rayexec.run.prior import ValueWriter
from rayexec.run.resources import OpenResources
from rayexec.run.slicing import BUDGET
from rayexec.run.spec import RunInfo
from rayexec.run.step import Made, StepCall, not_stored, pausing_step, run_step

__all__ = ["Code", "Runner", "unloadable"]


_FIRST = More(0, None, None)

_ERROR_LIMIT = 1024 * 1024  # bytes; an exception larger than that travels in words only
_ANSWER_LIMIT = 1024 * 1024  # bytes of small outputs after which a slice comes back
_OVERHEAD = 24  # bytes that a plain success takes beside its output


class Code(NamedTuple):
    """A package, loaded: its templates, the short forms of their ops where they have one, its resources."""

    templates: tuple[Template, ...]
    plain: tuple[PlainOp | None, ...]
    resources: dict[str, ResourceDefinition]


class Runner:
    """Makes the calls of one slice, one after another."""

    def __init__(
        self,
        code: Code,
        run: RunInfo,
        resources: OpenResources,
        capture: Capture,
        large: tuple[Packed, ...],
        payloads: list[Packed | list[Any] | None],
        journal: Journal,
        entries: Entries,
        managers: Managers | None,
        backstop: ProcessBackstop,
        watched: Watched,
        durably: tuple[ValueWriter, Collection[int]] | None = None,
        memory: Memory | None = None,
    ) -> None:
        self._code = code
        self._run = run
        self._resources = resources
        self._capture = capture
        self._large = large
        self._payloads = payloads
        self._journal = journal
        self._entries = entries
        self._managers = managers
        self._backstop = backstop
        self._watched = watched
        # Who stores outputs as they are made, and of which templates.
        self._durably = durably
        self._memory = memory
        # What the call before yielded, as live objects: its only consumer may have them without a copy.
        self._before: dict[str, Any] | None = None
        # The steps that calls further behind take from, and what those of them that are over yielded.
        self._needed: set[int] = set()
        self._inside: dict[int, Mapping[str, bytes | int]] = {}
        self._size = 0
        # Bytes of the outputs of the call that is made now, and seconds in which large inputs were made objects.
        self._made = 0
        self.loading = 0.0
        # References of large values of dynamic outputs, of which nobody knows before how many there will be.
        self._references: list[Any] = []
        # Whether nothing more may start: a large output came, or somebody wants the slice to end.
        self._is_full = False

    def run(self, calls: Sequence[RemoteCall], budget: float) -> None:
        """Make the calls until the budget is spent; what was made is in the entries."""
        watched = self._watched
        now = watched.since = time.monotonic()
        ends, tells = now + budget, now + BUDGET
        if len(calls) > 1:
            watch(watched, budget)
        last = len(calls) - 1
        self._needed = {source[0] for call in calls if type(call[3]) is list for source in call[3]}
        plain_ops, journal = self._code.plain, self._journal
        try:
            for position, call in enumerate(calls):
                follows, before = call[3], self._before
                if follows is not None and not self._may_follow(follows):
                    self._before = None
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
                if self._is_full or self._size > _ANSWER_LIMIT or now >= ends:
                    break
                if now >= tells and position < last:  # what others may wait for does not wait for the next call
                    watched.tell()
                    tells = now + BUDGET
        except KeyboardInterrupt:  # between two calls: the run is being canceled, and what was finished is kept
            pass
        watched.is_over = True

    def _may_follow(self, follows: tuple[str, ...] | list[FromStep]) -> bool:
        if isinstance(follows, tuple):
            return self._before is not None and self._before.keys() >= {*follows}
        return all(output in self._inside.get(step, ()) for step, output in follows)

    def _call_plainly(
        self, plain: PlainOp, position: int, call: RemoteCall, before: dict[str, Any] | None, is_followed: bool
    ) -> None:
        """Make a call of an op in its short form; what does not go plainly well is handed to ``_call``."""
        self._before = None  # whatever happens here, nobody may take it for this call's
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
                else self._load(declared[0], wire, before)
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
            self._call(position, call, before, is_followed, Made(started, result, raised))
            return
        ended = time.time()
        stdout, stderr = self._capture.take()
        if type(packed) is bytes and not (stdout or stderr):
            self._journal.succeeded(position, started, ended, packed)
            self._entries.succeeded(position, started, ended, packed)
            self._size += len(packed) + _OVERHEAD
            if is_followed:
                self._before = {plain.output: result}
            if call[0] in self._needed:
                self._inside[call[0]] = {plain.output: packed}
            return
        stored = {plain.output: packed if isinstance(packed, bytes) else self._keep(packed)}
        outputs = (OutputRecord(plain.output),)
        row = Attempt(call[0], 0, SUCCESS, started, ended, outputs, stdout=stdout, stderr=stderr, pid=os.getpid())
        self._made = _bytes_of(packed)
        self._enter_in(position, row, stored, {plain.output: result} if is_followed else None)

    def _keep(self, packed: Packed) -> int:
        """Return the place that a large output takes among the task's; a slice ends with it."""
        place = self._payloads.index(None)
        self._payloads[place] = packed
        self._is_full = True
        return place

    def _put(self, packed: Packed) -> int:
        """Put a large value of a dynamic output into the object store; return its place, as a negative number."""
        import ray

        if not self._references:
            self._payloads[-1] = self._references
        self._references.append(ray.put(packed))
        self._is_full = True
        return -len(self._references)

    def _call(
        self,
        position: int,
        call: RemoteCall,
        before: dict[str, Any] | None,
        is_followed: bool,
        made: Made | None = None,
    ) -> None:
        template = self._code.templates[call[2]]
        self._before = None  # whatever happens here, nobody may take it for this call's
        self._made = 0
        step = self._step_call(position, call)
        if step is None:
            return
        stored: dict[str, bytes | int] = {}
        live: dict[str, Any] | None = {} if is_followed else None
        writer = self._writer_of(call)
        kept: dict[str, bytes | Packed] = {}

        def store(name: str, value: Any) -> None:
            packed = pack(value, f'output "{name}" of op "{template.op.name}"')
            if writer is not None and is_lasting(packed):
                kept[name] = packed
            self._made += _bytes_of(packed)
            if isinstance(packed, bytes):
                stored[name] = packed
            else:
                stored[name] = self._keep(packed) if name in template.op.outs else self._put(packed)
            if live is not None:
                live[name] = value

        row, error = run_step(
            template,
            step,
            lambda: self._inputs(template, call[4], before),
            run=self._run,
            resources=self._resources,
            store=store,
            interrupt_is_failure=True,
            made=made,
            managing=None if self._managers is None else self._managers.of(call[2]),
            backstop=self._backstop,
            log=self._log_of(position),
            memory=self._memory,
        )
        if writer is not None:
            row = _commit(writer, call[1], row, kept)
        self._enter_in(position, self._complete(row, error), stored, live)

    def _writer_of(self, call: RemoteCall) -> ValueWriter | None:
        """Return who stores what a call yields, None where nobody does."""
        return self._durably[0] if self._durably is not None and call[2] in self._durably[1] else None

    def _log_of(self, position: int) -> StepLog:
        """Return the log of a call that starts, which is told of while it runs."""
        log = StepLog()
        self._watched.log = position, log
        return log

    def _step_call(self, position: int, call: RemoteCall) -> StepCall | None:
        """Return a call as ``run.step`` takes it; None, with its failure entered, where its config cannot be loaded."""
        step, key, template_index, _, _, more = call
        number, packed_config, tags = more or _FIRST
        try:
            config = None if packed_config is None else pickle.loads(packed_config)
        except Exception as broken:  # unpickling runs user code
            what = "the step's config cannot be loaded on the worker"
            self._enter_in(position, unloadable(call, broken, what), {}, None)
            return None
        own_tags = self._code.templates[template_index].op.tags
        return StepCall(step, key, number, config, own_tags if tags is None else tags)

    def _inputs(self, template: Template, wires: Sequence[Any], before: dict[str, Any] | None) -> Mapping[str, Any]:
        names = [name for name, each in template.op.ins.items() if not each.type.is_nothing]
        return {
            name: self._load(name, wire, before) for name, wire in zip(names, wires, strict=True) if wire is not None
        }

    def _complete(self, row: Attempt, error: BaseException | None) -> Attempt:
        """Return a row with the exception that ended it, pickled, and with what was printed."""
        if error is not None and row.failure is not None:
            row = row._replace(failure=replace(row.failure, pickled=_pickle_error(error)))
            self._is_full = self._is_full or isinstance(error, KeyboardInterrupt)
        stdout, stderr = self._capture.take()
        return row._replace(stdout=stdout, stderr=stderr) if stdout or stderr else row

    def stream(self, call: RemoteCall, teller: Teller) -> Generator[Packed, None, None]:
        """Make a call and yield its large outputs as they come; ``teller`` is told of values of dynamic outputs."""
        template = self._code.templates[call[2]]
        self._watched.may_start(0)
        self._watched.since = time.monotonic()
        self._journal.started(0)
        step = self._step_call(0, call)
        if step is None:
            return
        stored: dict[str, bytes | int] = {}
        # What is still to be told, in its order: from the first large output on that Ray does not have yet.
        due: list[tuple[str, bytes | Packed]] = []
        count = 0
        writer = self._writer_of(call)

        def store(name: str, value: Any) -> None:
            nonlocal count
            packed = pack(value, f'output "{name}" of op "{template.op.name}"')
            if writer is not None and is_lasting(packed):
                writer.add(call[1], step.number, name, packed)
            self._made += _bytes_of(packed)
            if isinstance(packed, bytes):
                stored[name] = packed
            else:
                stored[name] = count
                count += 1
            if due or not isinstance(packed, bytes):
                due.append((name, packed))
            else:
                teller.tell(name, packed)

        row, error = yield from _with_pauses(
            pausing_step(
                template,
                step,
                lambda: self._inputs(template, call[4], None),
                run=self._run,
                resources=self._resources,
                store=store,
                interrupt_is_failure=True,
                managing=None if self._managers is None else self._managers.of(call[2]),
                backstop=self._backstop,
                log=self._log_of(0),
                memory=self._memory,
            ),
            due,
            teller,
        )
        if writer is not None:
            row = _commit(writer, call[1], row, {})
        self._enter_in(0, self._complete(row, error), stored, None)

    def _enter_in(
        self, position: int, row: Attempt, stored: Mapping[str, bytes | int], live: dict[str, Any] | None
    ) -> None:
        """Note a call that is over in the journal and in the answer."""
        entry = pack_entry(position, row._replace(output_bytes=self._made), stored)
        self._journal.finished(entry)
        self._entries.add(entry)
        self._size += len(entry)
        if row.outcome == SUCCESS:
            self._before = live
            if row.step in self._needed:
                self._inside[row.step] = stored

    def _load(self, name: str, wire: Any, before: Mapping[str, Any] | None) -> Any:
        """Return the value behind a wire (see ``RemoteCall``); raises InputError where it cannot be unpickled."""
        if wire == GONE:
            raise InputError(f'the value of input "{name}" is not there: it was dropped, or never came')
        try:
            if isinstance(wire, list):
                return [self._load(name, each, before) for each in wire]
            if type(wire) is tuple:
                return (before or {})[wire[0]]
            if isinstance(wire, FromStep):
                wire = self._inside[wire.step][wire.output]
            if isinstance(wire, bytes):
                return pickle.loads(wire)
            began = time.perf_counter()
            value = unpack(self._large[wire])
            self.loading += time.perf_counter() - began
            return value
        except InputError:
            raise
        except Exception as error:  # unpickling runs user code
            raise InputError(f'input "{name}" cannot be unpickled: {type(error).__name__}: {error}') from error


def _bytes_of(packed: bytes | Packed) -> int:
    return len(packed) if isinstance(packed, bytes) else packed.nbytes


def _with_pauses(
    pauses: Generator[None, None, tuple[Attempt, BaseException | None]],
    due: list[tuple[str, bytes | Packed]],
    teller: Teller,
) -> Generator[Packed, None, tuple[Attempt, BaseException | None]]:
    """Go through a step, tell and yield what is ``due`` at each of its pauses and at its end; return what it does.

    That a large output came is told when it goes to Ray and no sooner, so that the driver need not wait for it.
    """
    while True:
        row: tuple[Attempt, BaseException | None] | None = None
        try:
            next(pauses)
        except StopIteration as end:
            row = end.value
        for name, packed in due:  # not "yield from": Ray sends to its generators, which a list's iterator does not take
            if isinstance(packed, Packed):
                teller.tell(name, None)
                yield packed
            else:
                teller.tell(name, packed)
        due.clear()
        if row is not None:
            return row


def _commit(writer: ValueWriter, key: str, row: Attempt, values: Mapping[str, bytes | Packed]) -> Attempt:
    """Store what a call yielded that succeeded; return its row, a failed one where that was not possible."""
    if row.outcome != SUCCESS:
        return row
    try:
        writer.commit(key, row.number, row.outputs, values)
    except StoreError as error:
        return not_stored(row, error)
    return row


def unloadable(call: RemoteCall, error: BaseException, what: str, words: str | None = None) -> Attempt:
    """Return the row of a call that could not be made, since ``what``; ``words`` say more than the error's message."""
    now = time.time()
    cause = describe_error(error)
    shown = ErrorInfo("LoadError", what, "", cause if words is None else replace(cause, message=words))
    return Attempt(
        call[0],
        (call[5] or _FIRST).number,
        FAILURE,
        now,
        now,
        failure=StepFailureData(shown, error_types(error)),
        pid=os.getpid(),
    )


def _pickle_error(error: BaseException) -> bytes | None:
    """Return the exception and its causes pickled as a list, or None where it would not come out as what it is."""
    from ray import cloudpickle

    for chain in (causes_of(error), [error]):
        try:
            pickled: bytes = cloudpickle.dumps(chain)
            if len(pickled) <= _ERROR_LIMIT and list(map(type, pickle.loads(pickled))) == list(map(type, chain)):
                return pickled
        except BaseException:  # its __reduce__ or __init__ may raise anything, even SystemExit
            continue
    return None
