"""What runs inside a Ray worker: a batch, in the surroundings of its run."""

from __future__ import annotations

import functools
import importlib
import os
import pickle
import sys
import time
from collections.abc import Callable, Generator
from typing import Any

from rayexec.definitions.code import import_module_at
from rayexec.engine.packed_values import Packed
from rayexec.engine.process_facts import peak_rss, tell
from rayexec.engine.ray.protocol.answer import pack_entry
from rayexec.engine.ray.protocol.capture import Capture
from rayexec.engine.ray.protocol.crash import ExitNoted
from rayexec.engine.ray.protocol.journal import Journal
from rayexec.engine.ray.protocol.overrun import Teller, Watched
from rayexec.engine.ray.protocol.package import Package, load_package
from rayexec.engine.ray.protocol.request import Header
from rayexec.engine.ray.protocol.watchdog import ProcessBackstop
from rayexec.engine.ray.protocol.worker_resources import IN_BATCH, kept_at
from rayexec.engine.ray.worker.answer import Answer
from rayexec.engine.ray.worker.batch_inputs import BatchInputs
from rayexec.engine.ray.worker.batch_runner import Runner, Surroundings, unloadable
from rayexec.engine.ray.worker.interrupt import WAKEFUL
from rayexec.engine.ray.worker.live_lines import watch_live
from rayexec.engine.ray.worker.loaded_code import forget_changed
from rayexec.engine.ray.worker.missing_package import lacking_here
from rayexec.engine.ray.worker.run_code import Code, RunCode, run_code
from rayexec.engine.ray.worker.unpacking import NotUnpackedError, importable_paths
from rayexec.steps.fast_path import plain_op
from rayexec.steps.io_managers import Managers
from rayexec.steps.resources import OpenResources

__all__ = ["run_batch", "stream_batch"]


# Per worker process. Packages stay, since one process serves the steps of a job over and over.
_CODE: dict[str, Code] = {}


def run_batch(
    package: Package,
    contents: Any,
    header: bytes,
    work: bytes,
    places: int,
    large: tuple[Packed, ...],
) -> list[Any]:
    """Run the calls of a batch until its budget is spent; return the envelope, and ``places`` for
    large outputs.

    The envelope is pickled: an entry for each call that was made (see ``engine.entries``), what
    closing the resources brought up, if anything, and the facts of the batch. ``contents`` are
    those of the package's sources.
    """
    pauses = _run(package, contents, header, work, places, large, streams=False)
    try:
        next(pauses)
    except StopIteration as end:
        answer: list[Any] = end.value
        return answer
    raise AssertionError("only a batch that streams pauses")


def stream_batch(
    package: Package, contents: Any, header: bytes, work: bytes, large: tuple[Packed, ...]
) -> Generator[Packed | bytes, None, None]:
    """Run a batch of one call; yield its large outputs as they come, and the envelope at last.

    Small values of dynamic outputs, and that a large one came, are told on the run's channel
    meanwhile.
    """
    answer = yield from _run(package, contents, header, work, 0, large, streams=True)
    yield answer[0]


def _run(
    package: Package,
    contents: Any,
    header: bytes,
    work: bytes,
    places: int,
    large: tuple[Packed, ...],
    *,
    streams: bool,
) -> Generator[Packed, None, list[Any]]:
    facts = tell(time.time())._replace(input_bytes=len(work) + sum([each.nbytes for each in large]))
    batch_id, journal, budget, announces, calls = pickle.loads(work)
    with IN_BATCH, WAKEFUL, Capture(journal) as capture, ExitNoted(journal):
        try:
            _prepare_path(package, contents)
            shared = _read_header(header)
            _enter(shared)
            run = _run_of(shared, _load(package))
        except NotUnpackedError:
            raise
        except BaseException as error:  # importing the job's modules runs user code
            what = "the job's code cannot be imported on the worker"
            words = lacking_here(error)
            refused = [
                pack_entry(place, unloadable(call, error, what, words), {})
                for place, call in enumerate(calls)
            ]
            facts = facts._replace(ended=time.time(), peak_rss=peak_rss())
            return [pickle.dumps((refused, None, tuple(facts))), *[None] * places]
        watched = Watched(batch_id, len(calls), shared.mailbox)
        if announces:
            watched.announce()
        inputs = BatchInputs(large)
        with (
            Journal(journal) as noted,
            ProcessBackstop(journal) as backstop,
            _open_resources(run) as resources,
        ):
            noted.begun(facts)
            answer = Answer(watched.entries, noted, places)
            writer = None if shared.value_storage is None else shared.value_storage.writer()
            surroundings = Surroundings(
                resources, _managers(run, resources), writer, capture, backstop
            )
            runner = Runner(run, inputs, answer, surroundings, watched)
            watch_live(watched, journal)
            try:
                if streams:
                    told = calls[0][2] in shared.streams
                    with Teller(batch_id, shared.mailbox if told else None) as teller:
                        yield from runner.stream(calls[0], teller)
                    watched.is_over = True
                else:
                    runner.run(calls, budget)
            finally:
                if writer is not None:
                    writer.close()
        closing = (resources.take_records(), *capture.take())
    items = watched.entries.so_far()
    facts = facts._replace(ended=time.time(), loading=inputs.loading, peak_rss=peak_rss())
    return [
        pickle.dumps((items, closing if any(closing) else None, tuple(facts)), protocol=5),
        *answer.payloads,
    ]


def _managers(run: RunCode, resources: OpenResources) -> Managers | None:
    """Return the managers of a batch, None where nothing of its run goes through any."""
    shared, code = run.header, run.code
    if shared.managed is None:
        return None
    return Managers(
        shared.managed,
        code.templates,
        code.resources,
        shared.resource_config,
        shared.run,
        resources,
    )


def _open_resources(run: RunCode) -> OpenResources:
    """Return the resources of a batch, those of worker scope among those that this process keeps
    for the run.
    """
    shared = run.header

    def make(kept: Callable[[], OpenResources | None] | None = None) -> OpenResources:
        return OpenResources(
            run.code.resources, shared.resource_config, shared.run, worker_scope=kept
        )

    address = shared.keepers
    return make(None if address is None else lambda: kept_at(address, make))


# The last run's header, loaded.
_HEADER: tuple[bytes, Header] | None = None


def _read_header(header: bytes) -> Header:
    global _HEADER
    if _HEADER is None or _HEADER[0] != header:
        _HEADER = (header, pickle.loads(header))
    return _HEADER[1]


# The last run whose batches came here.
_RUN: RunCode | None = None


def _run_of(header: Header, code: Code) -> RunCode:
    global _RUN
    if _RUN is None or _RUN.header is not header or _RUN.code is not code:
        _RUN = run_code(header, code)
    return _RUN


def _prepare_path(package: Package, contents: Any) -> None:
    global _HEADER
    if package.digest not in _CODE:
        if forget_changed(package):  # what was loaded has classes and functions of those modules
            _CODE.clear()
            _HEADER = None
        paths = package.paths
        if package.sources is not None:
            paths = importable_paths(paths, package.sources, contents)
        # In the driver's order, so that a name means the same module here as there.
        known = {*package.paths, *paths}
        sys.path[:] = [*paths, *(path for path in sys.path if path not in known)]


@functools.cache
def _has_own_directory() -> bool:
    """Whether this worker has a working_dir, by the runtime environment of the run or of an op."""
    import ray

    return bool(ray.get_runtime_context().runtime_env.get("working_dir"))


def _enter(header: Header) -> None:
    """Make the worker's surroundings those of the driver, where they exist here and Ray made no
    others.
    """
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
    if package.digest not in _CODE:
        for name, file in package.modules:
            import_module_at(name, file)
        templates, resources = load_package(package.code)
        _CODE[package.digest] = Code(templates, tuple(map(plain_op, templates)), resources)
    return _CODE[package.digest]
