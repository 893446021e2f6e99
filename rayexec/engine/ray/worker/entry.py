"""Entry of a batch in a Ray worker: the code and the surroundings of its run."""

from __future__ import annotations

import dataclasses
import functools
import importlib
import os
import pickle
import socket
import sys
import time
from collections.abc import Callable, Generator
from typing import Any

from rayexec.config.file_owners import adopt_owners
from rayexec.definitions.code import import_module_at
from rayexec.engine.packed_values import Packed
from rayexec.engine.process_memory import peak_rss
from rayexec.engine.ray.protocol.batch_files import capture_path, journal_path
from rayexec.engine.ray.protocol.batch_request import BatchRequest, Header, unpack_request
from rayexec.engine.ray.protocol.entries import pack_entry
from rayexec.engine.ray.protocol.envelope import Closing, Envelope, pack_envelope
from rayexec.engine.ray.protocol.package import CodeArgument, Package
from rayexec.engine.ray.protocol.refusals import NotUnpackedError
from rayexec.engine.ray.protocol.worker_facts import WorkerFacts
from rayexec.engine.ray.worker.answer import Answer
from rayexec.engine.ray.worker.batch_inputs import BatchInputs
from rayexec.engine.ray.worker.batch_runner import BatchRunner, Surroundings, unloadable
from rayexec.engine.ray.worker.capture import Capture
from rayexec.engine.ray.worker.code_cache import CodeCache
from rayexec.engine.ray.worker.exit_note import ExitNoted
from rayexec.engine.ray.worker.fresh_defaults import FreshDefaults
from rayexec.engine.ray.worker.interrupt import WAKEFUL
from rayexec.engine.ray.worker.journal import Journal
from rayexec.engine.ray.worker.live_watch import watch_live
from rayexec.engine.ray.worker.loaded_code import forget_changed
from rayexec.engine.ray.worker.missing_package import missing_package
from rayexec.engine.ray.worker.process_backstop import ProcessBackstop
from rayexec.engine.ray.worker.report_sender import ReportSender
from rayexec.engine.ray.worker.run_code import Code, RunCode, run_code
from rayexec.engine.ray.worker.run_resources import IN_BATCH, resources_of_run
from rayexec.engine.ray.worker.running_batch import RunningBatch
from rayexec.engine.ray.worker.step_changes import watch_process
from rayexec.engine.ray.worker.streaming import ValueSender
from rayexec.engine.ray.worker.unpacking import importable_paths
from rayexec.steps.fast_path import plain_op
from rayexec.steps.forked_child import ForkGuard
from rayexec.steps.io_managers import IOManagers
from rayexec.steps.resources import OpenResources

__all__ = ["run_batch", "stream_batch"]


# Per worker process: one serves the steps of a job over and over.
_CODE = CodeCache()


def run_batch(
    code: CodeArgument,
    header: bytes,
    request: bytes,
    output_count: int,
    large: tuple[Packed, ...],
) -> list[Any]:
    """Run the calls of a batch until its budget is spent.

    Returns the packed envelope, and ``output_count`` large outputs.
    """
    pauses = _run(code, header, request, output_count, large, streams=False)
    try:
        next(pauses)
    except StopIteration as end:
        answer: list[Any] = end.value
        return answer
    raise AssertionError("only a batch that streams pauses")


def stream_batch(
    code: CodeArgument, header: bytes, request: bytes, large: tuple[Packed, ...]
) -> Generator[Packed | bytes, None, None]:
    """Run a batch of one call; yield its large outputs as they come, and the envelope last.

    The run's channel has reports of all its values meanwhile.
    """
    answer = yield from _run(code, header, request, 0, large, streams=True)
    yield answer[0]


def _run(
    code: CodeArgument,
    header: bytes,
    packed_request: bytes,
    output_count: int,
    large: tuple[Packed, ...],
    *,
    streams: bool,
) -> Generator[Packed, None, list[Any]]:
    sizes = [value.nbytes for value in large]
    facts = _facts(time.time())._replace(input_bytes=len(packed_request) + sum(sizes))
    request = unpack_request(packed_request)
    journal_file, captured = journal_path(request.journal), capture_path(request.journal)
    with IN_BATCH, WAKEFUL, Capture(captured) as capture, ExitNoted(journal_file), ForkGuard():
        try:
            run = _loaded_run(code, header)
        except NotUnpackedError:
            raise
        except BaseException as error:  # importing the job's modules runs user code
            return [_unloadable(request, error, facts), *[None] * output_count]
        shared = run.header
        sender = ReportSender(shared.report_address)
        batch = RunningBatch(request.batch_id, len(request.calls), sender)
        if request.announces:
            batch.announce()
        inputs = BatchInputs(large)
        with (
            Journal(journal_file, _key_of(shared)) as journal,
            ProcessBackstop(journal_file) as backstop,
            _open_resources(run) as resources,
        ):
            journal.begun(facts)
            journal.printed(*capture.starts)
            capture.note_starts = journal.printed
            answer = Answer(batch.entries, journal, output_count)
            writer = None if shared.value_storage is None else shared.value_storage.writer()
            surroundings = Surroundings(
                resources, _managers(run, resources), writer, capture, backstop
            )
            runner = BatchRunner(run, inputs, answer, surroundings, batch)
            watch_live(batch, captured, capture)
            try:
                if streams:
                    is_reported = request.calls[0].template in shared.streams
                    values = ValueSender(
                        request.batch_id, sender if is_reported else ReportSender(None)
                    )
                    with values, ForkGuard(), runner.changes:
                        yield from runner.stream(request.calls[0], values)
                    batch.is_over = True
                else:
                    with ForkGuard(), runner.changes:
                        runner.run(request.calls, request.budget)
            finally:
                if writer is not None:
                    writer.close()
        closing = Closing(resources.take_records(), *capture.drain())
    facts = facts._replace(ended=time.time(), loading=inputs.loading, peak_rss=peak_rss())
    envelope = Envelope(batch.entries.so_far(), closing if any(closing) else None, facts)
    return [pack_envelope(envelope), *answer.payloads]


def _key_of(header: Header) -> bytes:
    """Return the key of a run, for the seals of a journal."""
    return b"" if header.report_address is None else header.report_address.key


def _facts(began: float) -> WorkerFacts:
    """Return the facts of this worker at the start of a batch."""
    return WorkerFacts(*_process(os.getpid()), began)


@functools.cache
def _process(pid: int) -> tuple[str, str, int]:
    import ray

    return socket.gethostname(), ray.get_runtime_context().get_node_id(), pid


def _unloadable(request: BatchRequest, error: BaseException, facts: WorkerFacts) -> bytes:
    """Return the envelope of a batch whose code cannot be imported: all its calls failed."""
    what = "the job's code cannot be imported on the worker"
    message = missing_package(error)
    entries = [
        pack_entry(position, unloadable(call, error, what, message), {})
        for position, call in enumerate(request.calls)
    ]
    facts = facts._replace(ended=time.time(), peak_rss=peak_rss())
    return pack_envelope(Envelope(entries, None, facts))


def _loaded_run(code: CodeArgument, header: bytes) -> RunCode:
    """Return the code of a run, and make the worker's surroundings those of its driver."""
    watch_process()  # before the job's modules bind names such as os.chdir
    digest, packed, contents = code
    package = None
    if digest not in _CODE:
        package = _fetch_package(packed)
        _prepare_path(package, contents if isinstance(contents, bytes) else contents[0])
    shared = _read_header(header)
    _enter(shared)
    loaded = _load(package) if package is not None else _CODE[digest]
    return _run_of(shared, loaded)


def _fetch_package(packed: bytes | list[Any]) -> Package:
    """Return the package of a run; raises NotUnpackedError where a reference leads nowhere."""
    import ray

    if isinstance(packed, bytes):
        package: Package = pickle.loads(packed)
        return package
    try:
        (apart,) = ray.get(packed)
    except ray.exceptions.RayError as error:
        node = f"{socket.gethostname()} ({ray.util.get_node_ip_address()})"
        raise NotUnpackedError(f"the job's code does not reach node {node}: {error}") from None
    package = pickle.loads(apart.main)
    # A view of the object store, without a copy: the unpickled code has its own.
    return dataclasses.replace(package, code=apart.buffers[0])


def _managers(run: RunCode, resources: OpenResources) -> IOManagers | None:
    """Return the IO managers of a batch, None for a run without any."""
    shared, code = run.header, run.code
    if shared.managed is None:
        return None
    return IOManagers(
        shared.managed,
        code.templates,
        code.resources,
        shared.resource_config,
        shared.run,
        resources,
        shared.port_config,
    )


def _open_resources(run: RunCode) -> OpenResources:
    """Return the resources of a batch; those of worker scope stay open in this process."""
    shared = run.header

    def make(worker_scope: Callable[[], OpenResources | None] | None = None) -> OpenResources:
        return OpenResources(
            run.code.resources, shared.resource_config, shared.run, worker_scope=worker_scope
        )

    address = shared.resource_address
    return make(None if address is None else lambda: resources_of_run(address, make))


# Header of the last run, pickled and loaded.
_HEADER: tuple[bytes, Header] | None = None


def _read_header(header: bytes) -> Header:
    global _HEADER
    if _HEADER is None or _HEADER[0] != header:
        _HEADER = (header, pickle.loads(header))
        adopt_owners(_HEADER[1].trusted_owners)
    return _HEADER[1]


# Code of the last run.
_RUN: RunCode | None = None


def _run_of(header: Header, code: Code) -> RunCode:
    global _RUN
    if _RUN is None or _RUN.header is not header or _RUN.code is not code:
        _RUN = run_code(header, code)
    return _RUN


def _prepare_path(package: Package, contents: Any) -> None:
    global _HEADER
    if forget_changed(package):
        _CODE.clear()  # loaded packages have classes and functions of the old modules
        _HEADER = None
    paths = package.paths
    if package.sources is not None:
        paths = importable_paths(paths, package.sources, contents)
    # In the driver's order, so that a name means the same module here as there.
    own = {*package.paths, *paths}
    sys.path[:] = [*paths, *(path for path in sys.path if path not in own)]


@functools.cache
def _has_own_directory() -> bool:
    """Tell whether this worker has a working_dir, by a runtime_env of the run or of an op."""
    import ray

    return bool(ray.get_runtime_context().runtime_env.get("working_dir"))


def _enter(header: Header) -> None:
    """Enter the driver's directory, if it exists here and Ray made no other; preload modules."""
    if (
        os.getcwd() != header.directory
        and not _has_own_directory()
        and os.path.isdir(header.directory)
    ):
        os.chdir(header.directory)
    for module in header.preload_modules:
        if module not in sys.modules:
            importlib.import_module(module)


def _load(package: Package) -> Code:
    global _RUN
    for name, file in package.modules:
        import_module_at(name, file)
    _RUN = None
    size = len(package.code)
    _CODE.make_room(size)
    templates, resources = pickle.loads(package.code)
    code = Code(templates, tuple(map(plain_op, templates)), resources, FreshDefaults(templates))
    _CODE.add(package.digest, code, size)
    return code
