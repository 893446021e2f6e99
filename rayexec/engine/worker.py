"""What runs inside a Ray worker: a slice, one step after another."""

from __future__ import annotations

import contextlib
import importlib
import os
import pickle
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from rayexec.definitions.code import import_module_at
from rayexec.definitions.resource import ResourceDefinition
from rayexec.engine.capture import Capture
from rayexec.engine.entries import pack_entry
from rayexec.engine.journal import Journal
from rayexec.engine.overrun import Address, Watched, watch
from rayexec.engine.package import Package, load_package
from rayexec.engine.packed import Packed, pack, unpack
from rayexec.errors import InputError
from rayexec.events import FAILURE, SUCCESS, Attempt, ErrorInfo, StepFailureData, causes_of, describe_error, error_types
from rayexec.plan.model import Template
from rayexec.run.resources import OpenResources
from rayexec.run.spec import RunInfo
from rayexec.run.step import StepCall, run_step

__all__ = ["Header", "RemoteCall", "run_slice"]


@dataclass(frozen=True, slots=True)
class Header:
    """What the slices of one run share; ``mailbox`` is where a worker reports, None where it does not."""

    run: RunInfo
    resource_config: Mapping[str, Any]
    preload_modules: tuple[str, ...]
    directory: str
    mailbox: Address | None


class RemoteCall(NamedTuple):
    """A call as it travels.

    ``follows`` names the outputs that the call before it in the slice must yield for this one to run, None where it
    does not depend on that. ``inputs`` by name are bytes, the place of a large value among the task's arguments,
    ``(output,)`` of the call before, or a list of such. ``config`` is pickled, None for none.
    """

    step: int
    key: str
    number: int
    template: int
    inputs: Mapping[str, Any]
    follows: tuple[str, ...] | None = None
    config: bytes | None = None
    tags: Mapping[str, str] | None = None


Code = tuple[tuple[Template, ...], dict[str, ResourceDefinition]]

# Per worker process. Packages stay, since one process serves the steps of a job over and over.
_CODE: dict[str, Code] = {}

_ERROR_LIMIT = 1024 * 1024  # bytes; an exception larger than that travels in words only
_ANSWER_LIMIT = 1024 * 1024  # bytes of small outputs after which a slice comes back


def run_slice(package: Package, header: bytes, work: bytes, places: int, large: tuple[Packed, ...]) -> list[Any]:
    """Run the calls of a slice until its budget is spent; return the envelope, and ``places`` for large outputs.

    The envelope is pickled: the process id, an entry for each call that was made (see ``engine.entries``), and what
    closing the resources brought up, if anything.
    """
    _prepare_path(package)
    slice_id, journal, budget, calls = pickle.loads(work)
    payloads: list[Packed | None] = [None] * places
    with Capture(journal) as capture:
        try:
            shared: Header = pickle.loads(header)
            _enter(shared)
            templates, definitions = _load(package)
        except BaseException as error:  # importing the job's modules runs user code
            what = "the job's code cannot be imported on the worker"
            entries = [pack_entry(place, _unloadable(call, error, what), {}) for place, call in enumerate(calls)]
            return [pickle.dumps((os.getpid(), entries, None)), *payloads]
        watched = Watched(slice_id, len(calls), shared.mailbox)
        with (
            contextlib.closing(Journal(journal)) as noted,
            OpenResources(definitions, shared.resource_config, shared.run) as resources,
        ):
            runner = _Runner(templates, shared.run, resources, capture, large, payloads)
            runner.run(calls, watched, noted, budget)
        closing = (resources.take_records(), *capture.take())
    return [pickle.dumps((os.getpid(), watched.entries, closing if any(closing) else None), protocol=5), *payloads]


class _Runner:
    """Makes the calls of one slice, one after another."""

    def __init__(
        self,
        templates: tuple[Template, ...],
        run: RunInfo,
        resources: OpenResources,
        capture: Capture,
        large: tuple[Packed, ...],
        payloads: list[Packed | None],
    ) -> None:
        self._templates = templates
        self._run = run
        self._resources = resources
        self._capture = capture
        self._large = large
        self._payloads = payloads
        # What the call before yielded, as live objects: its only consumer may have them without a copy.
        self._before: dict[str, Any] | None = None
        self._size = 0
        # Whether nothing more may start: a large output came, or somebody wants the slice to end.
        self._is_full = False

    def run(self, calls: Sequence[RemoteCall], watched: Watched, journal: Journal, budget: float) -> None:
        """Make the calls until the budget is spent; what was made is in ``watched.entries``."""
        ends = time.monotonic() + budget
        if len(calls) > 1:
            watch(watched, budget)
        last = len(calls) - 1
        for position, call in enumerate(calls):
            if call.follows is not None and (
                self._before is None or not all(name in self._before for name in call.follows)
            ):
                self._before = None
                watched.skip(position)
                continue
            if not watched.may_start(position):
                break
            journal.started(position)
            is_followed = position < last and calls[position + 1].follows is not None
            entry = self._call(position, call, is_followed)
            watched.entries.append(entry)
            journal.finished(entry)
            self._size += len(entry)
            if self._is_full or self._size > _ANSWER_LIMIT or time.monotonic() >= ends:
                break
        watched.is_over = True
        journal.flush()

    def _call(self, position: int, call: RemoteCall, is_followed: bool) -> bytes:
        template = self._templates[call.template]
        before, self._before = self._before, None  # whatever happens here, nobody may take it for this call's
        try:
            config = None if call.config is None else pickle.loads(call.config)
        except Exception as broken:  # unpickling runs user code
            what = "the step's config cannot be loaded on the worker"
            return pack_entry(position, _unloadable(call, broken, what), {})
        stored: dict[str, bytes | int] = {}
        live: dict[str, Any] | None = {} if is_followed else None
        large, payloads = self._large, self._payloads

        def store(name: str, value: Any) -> None:
            packed = pack(value, f'output "{name}" of op "{template.op.name}"')
            if isinstance(packed, Packed):
                place = payloads.index(None)
                payloads[place] = packed
                stored[name] = place
                self._is_full = True
            else:
                stored[name] = packed
            if live is not None:
                live[name] = value

        def load() -> Mapping[str, Any]:
            return {name: _load_input(name, each, large, before) for name, each in call.inputs.items()}

        row, error = run_step(
            template,
            StepCall(
                call.step,
                call.key,
                call.number,
                config,
                template.op.tags if call.tags is None else call.tags,
            ),
            load,
            run=self._run,
            resources=self._resources,
            store=store,
            interrupt_is_failure=True,
        )
        if error is not None and row.failure is not None:
            row = row._replace(failure=replace(row.failure, pickled=_pickle_error(error)))
            self._is_full = self._is_full or isinstance(error, KeyboardInterrupt)
        stdout, stderr = self._capture.take()
        if stdout or stderr:
            row = row._replace(stdout=stdout, stderr=stderr)
        if row.outcome == SUCCESS:
            self._before = live
        return pack_entry(position, row, stored)


def _prepare_path(package: Package) -> None:
    if package.digest not in _CODE:
        # In the driver's order, so that a name means the same module here as there.
        wanted = set(package.paths)
        sys.path[:] = [*package.paths, *(path for path in sys.path if path not in wanted)]


def _enter(header: Header) -> None:
    """Make the worker's surroundings those of the driver, where they exist here."""
    if os.getcwd() != header.directory and os.path.isdir(header.directory):
        os.chdir(header.directory)
    for module in header.preload_modules:
        if module not in sys.modules:
            importlib.import_module(module)


def _load(package: Package) -> Code:
    if package.digest not in _CODE:
        for name, file in package.modules:
            import_module_at(name, file)
        _CODE[package.digest] = load_package(package.code)
    return _CODE[package.digest]


def _unloadable(call: RemoteCall, error: BaseException, what: str) -> Attempt:
    now = time.time()
    shown = ErrorInfo("LoadError", what, "", describe_error(error))
    return Attempt(
        call.step, call.number, FAILURE, now, now, failure=StepFailureData(shown, error_types(error)), pid=os.getpid()
    )


def _load_input(name: str, wire: Any, large: tuple[Packed, ...], before: Mapping[str, Any] | None) -> Any:
    try:
        if isinstance(wire, bytes):
            return pickle.loads(wire)
        if isinstance(wire, list):
            return [_load_input(name, each, large, before) for each in wire]
        if isinstance(wire, tuple):
            return (before or {})[wire[0]]
        return unpack(large[wire])
    except Exception as error:  # unpickling runs user code
        raise InputError(f'input "{name}" cannot be unpickled: {type(error).__name__}: {error}') from error


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
