"""The engine on Ray: each batch is a task; values pass through Ray's object store."""

from __future__ import annotations

import os
import pickle
import queue
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from rayexec.definitions.sources import Sources
from rayexec.engine.base import Engine
from rayexec.engine.packed_values import pack
from rayexec.engine.process_facts import Told
from rayexec.engine.ray.driver.environments import check_environments, whose_environment
from rayexec.engine.ray.driver.export import Tasks, dump
from rayexec.engine.ray.driver.lost_batch import find_journal, kill_workers, lost_object, reason_of
from rayexec.engine.ray.driver.nested_runs import (
    held_here,
    is_canceled_here,
    is_in_task,
    lend_cpus_until,
)
from rayexec.engine.ray.driver.shared_limits import SharedLimits
from rayexec.engine.ray.driver.submitted_batch import SubmittedBatch
from rayexec.engine.ray.driver.values import StepValues
from rayexec.engine.ray.protocol.crash import crashed_step
from rayexec.engine.ray.protocol.journal import journal_path, remove_journal, sweep_journals
from rayexec.engine.ray.protocol.overrun import Address, Mailbox, mailbox_at
from rayexec.engine.ray.protocol.package import make_package
from rayexec.engine.ray.protocol.request import CallWriter, Header
from rayexec.engine.ray.protocol.watchdog import hung_step
from rayexec.engine.ray.protocol.worker_resources import Keepers
from rayexec.engine.ray.tasks import refusal_in
from rayexec.errors import EngineError, OutputError, StepError, StoreError, WorkerCrashedError
from rayexec.events import (
    Attempt,
    LiveLines,
    ResourceRecord,
    StepFailureData,
    Successes,
    describe_error,
    error_types,
)
from rayexec.placement.capacity import Capacity
from rayexec.placement.preflight import notes, problems
from rayexec.plan.model import FromConfig
from rayexec.run.previous_run import StoredValue
from rayexec.run.spec import Batch, RunSpec
from rayexec.scheduler.messages import (
    BatchEnded,
    BatchLost,
    BatchProgressed,
    BatchStarted,
    EngineReport,
    StepYielded,
)
from rayexec.steps.managed_ports import managed_ports

__all__ = ["RayEngine"]


class RayEngine(Engine):
    """Runs batches as Ray tasks on a cluster that is already connected."""

    name = "ray"

    def __init__(self, spec: RunSpec, capacity: Capacity, sources: Sources | None = None) -> None:
        self._spec = spec
        self._capacity = capacity
        self._sources = sources
        settings = spec.config.execution
        self.placement = spec.choose_placement(capacity)
        self.notes: Sequence[str] = notes(
            spec.plan,
            self.placement,
            capacity,
            max_concurrent=settings.max_concurrent,
            runtime_env=settings.runtime_env,
        )
        self.grows = not capacity.is_own
        self.batching = settings.batches and not settings.fresh_process
        self._values = StepValues(spec.plan)
        self._flight: dict[int, SubmittedBatch] = {}
        self._arrived: queue.SimpleQueue[tuple[str, Any]] = queue.SimpleQueue()
        self._shared = SharedLimits(spec.plan, self.placement, self._flight)
        # Whether batches were canceled. Ray's own wait is interrupted each time then, where this
        # task is canceled too.
        self._is_ending = False
        # The journals of batches that were canceled.
        self._canceled: list[str] = []
        self._mailbox: Mailbox | None = None
        self._address: Address | None = None
        # The workers that keep resources open; None where none of this run may be kept.
        self.resources: Keepers | None = None
        self._header = b""
        self._streams = spec.streaming_templates
        self._dynamic = spec.plan.dynamic_templates
        # Why a node cannot run any batch of this run, to be raised, and the batches that came back
        # for that reason.
        self._refusal: EngineError | None = None
        self._refused: list[BatchLost] = []

    def start(self) -> None:
        """Check that Ray can run the plan, and export its code; raises EngineError or
        DefinitionError.
        """
        import ray

        self.is_nested = is_in_task()
        self._check_requests()
        check_environments(self._spec.plan, self.placement)
        sweep_journals()
        info, config = self._spec.info, self._spec.config
        package = make_package(self._spec.plan, self._spec.resources, self._sources)
        contents = b"" if self._sources is None else self._sources.contents
        step_config = {
            key: dump(value, f"the config of step {key!r}") for key, value in config.ops.items()
        }
        host = "127.0.0.1" if len(self._capacity.nodes) == 1 else ray.util.get_node_ip_address()
        self._mailbox = mailbox_at(host)
        self._address = self._mailbox.open_box(
            lambda message: self._arrived.put(("report", message))
        )
        kept = [] if config.execution.fresh_process else self._spec.worker_resource_keys()
        if kept:
            self.resources = Keepers(host, kept)
        durable = self._spec.durable_templates
        value_storage = self._spec.value_storage if durable else None
        if value_storage is not None and not value_storage.is_shared:
            raise StoreError(
                "outputs are to be durable, but workers cannot reach the run store: give it a "
                "directory."
            )
        header = Header(
            run=info,
            resource_config=config.resources,
            preload_modules=config.execution.preload_modules,
            directory=os.getcwd(),
            mailbox=self._address,
            streams=self._streams,
            keepers=None if self.resources is None else self.resources.address,
            managed=managed_ports(self._spec.plan, self._spec.resources),
            value_storage=value_storage,
            durable=durable,
            run_cache=self._spec.run_cache,
        )
        self._header = dump(header, "the run's config")
        given = {
            FromConfig(*source): self._keep(source, value)
            for source, value in config.inputs.items()
        }
        self._writer = CallWriter(
            self._spec.plan, self._values.by_step, step_config, given, self._streams
        )
        # A node that joined later would bring another 1.0 of the resources that stand for limits.
        (node,) = self._capacity.node_ids if self.placement.uses_tokens else (None,)
        fresh_process = config.execution.fresh_process
        self._tasks = Tasks(
            package, contents, self.placement, fresh_process=fresh_process, node=node
        )

    def _keep(self, source: tuple[str, str], value: Any) -> Any:
        """Serialise a value that run config gave for an input, once for all steps that take it."""
        import ray

        path, name = source
        what = f"the value of input {name!r} of " + (f"node {path!r}" if path else "the job")
        try:
            packed = pack(value, what)
        except OutputError as error:
            raise EngineError(str(error)) from error
        return packed if isinstance(packed, bytes) else ray.put(packed)

    def _check_requests(self) -> None:
        """Raise EngineError for requests that Ray would let wait for ever."""
        found = problems(self._spec.plan, self.placement, self._capacity, held_here=held_here())
        if found:
            raise EngineError(
                f"job {self._spec.info.job_name!r} would wait for ever on this Ray:\n"
                + "\n".join(f"  {each}" for each in found)
                + "\nGive the ops less (ray_options, pool), or Ray more; rayexec job plan shows "
                "what each asks for."
            )

    def submit(self, work: Batch) -> None:
        """Hand a batch to Ray's scheduler."""
        self._values.grow()
        calls, places, large = self._writer.write(work.calls)
        origins = self._writer.take_origins() if large else {}
        journal = journal_path(self._spec.info.run_id, work.id)
        number = self.placement.class_of[work.calls[0].step]
        # Of batches that other runs may keep waiting, workers say when they begin.
        announces = self.placement.cluster_limit_of(number) is not None
        wire = pickle.dumps((work.id, journal, work.budget, announces, calls), protocol=5)
        if (
            len(work.calls) == 1
            and self._spec.plan.template_of[work.calls[0].step] in self._dynamic
        ):
            # Nobody knows how many values come: as items of a stream they are the driver's,
            # whatever its worker does.
            stream = self._tasks.streamer(number).remote(self._header, wire, *large)
            flight = SubmittedBatch(
                work, [stream.completed()], time.time(), journal, origins, stream=stream
            )
            self._take_off(flight)
            return
        refs = self._tasks.runner(number, places).remote(self._header, wire, places, *large)
        if not isinstance(refs, list):
            refs = [refs]
        self._take_off(SubmittedBatch(work, refs, time.time(), journal, origins))

    def _take_off(self, flight: SubmittedBatch) -> None:
        batch_id = flight.work.id
        self._flight[batch_id] = flight
        flight.refs[0].future().add_done_callback(
            lambda done: self._arrived.put(("done", (batch_id, done)))
        )

    def wait(self, timeout: float | None) -> list[EngineReport]:
        """Return what has come back, waiting up to ``timeout`` seconds for a first one.

        Raises EngineError once a node has turned out to be none that could run this run's batches.
        """
        if self._refusal is not None:
            refusal, self._refusal = self._refusal, None
            raise refusal
        back: list[EngineReport] = [*self._refused]
        if back:
            self._refused.clear()
            return back
        if self.is_nested and not self._is_ending:
            timeout = lend_cpus_until(
                self._arrived, [flight.refs[0] for flight in self._flight.values()], timeout
            )
        try:
            arrived = self._arrived.get(timeout=timeout)
            while True:
                kind, what = arrived
                if kind == "done":
                    returned = self._collect(*what)
                    (back if self._refusal is None else self._refused).append(returned)
                elif kind == "report":
                    back.append(self._read_report(what))
                arrived = self._arrived.get_nowait()
        except queue.Empty:
            return back

    def wake(self) -> None:
        """End a ``wait`` under way, or the next one."""
        self._arrived.put(("wake", None))

    def _collect(self, batch_id: int, done: Any) -> BatchEnded | BatchLost:
        flight = self._flight.pop(batch_id)
        if self.resources is not None:
            self.resources.accept()
        self._shared.ended(flight.work)
        error = done.exception()
        answer: bytes = b"" if error is not None else done.result()
        if flight.stream is not None:
            answer, error = self._end_stream(flight, error)
        if error is not None:
            return self._loss(flight, error)
        remove_journal(flight.journal)
        items, closing, told = pickle.loads(answer)
        told = Told(*told)
        attempts = self._take(flight, items, told.pid, flight.refs)
        if closing is not None and attempts:  # what closing the batch's resources brought up
            records, stdout, stderr = closing
            last = attempts[-1]
            if isinstance(last, Successes):
                *others, last = last.rows(self._spec.plan.output_records)
                attempts = (*attempts[:-1], *others, last)
            closed = last._replace(
                resources=last.resources + records,
                stdout=last.stdout + stdout,
                stderr=last.stderr + stderr,
            )
            attempts = (*attempts[:-1], closed)
        return BatchEnded(batch_id, attempts, flight.facts(told))

    def _end_stream(
        self, flight: SubmittedBatch, error: BaseException | None
    ) -> tuple[bytes, BaseException | None]:
        """Return the answer of a batch that streamed, or what it died of; its large outputs are in
        ``refs`` then.
        """
        import ray

        flight.large += flight.stream
        try:
            answer: bytes = ray.get(flight.large.pop()) if flight.large else b""
        except ray.exceptions.RayError as broken:
            error = error or broken
            answer = b""
        if error is None and not (answer and isinstance(answer, bytes)):
            error = EngineError("the batch ended without an answer: it was canceled")
        flight.refs = [flight.refs[0], *flight.large]
        return (b"" if error is not None else answer), error

    def _take(
        self, flight: SubmittedBatch, items: Sequence[Any], pid: int, refs: Sequence[Any] | None
    ) -> tuple[Attempt | Successes, ...]:
        """Keep the outputs of finished calls; return their rows. Without ``refs``, calls with large
        outputs wait.
        """
        is_streaming = self._spec.plan.template_of[flight.work.calls[0].step] in self._streams
        told, work = flight.told if is_streaming else None, flight.work
        rows, flight.heard = self._values.take(
            items, work.calls, pid, work.id, flight.heard, refs, told=told
        )
        for row in rows:
            flight.made += (
                sum(row.sizes) if isinstance(row, Successes) else max(0, row.output_bytes)
            )
        return rows

    def _hear_values(self, batch_id: int, told: Sequence[tuple[str, bytes | None]]) -> StepYielded:
        """Keep values that a step which still runs has yielded."""
        flight = self._flight.get(batch_id)
        if flight is None:  # its answer overtook the report
            return StepYielded(batch_id, -1, ())
        step = flight.work.calls[0].step
        known = self._values.of(step)
        names = []
        for name, packed in told:
            handle: Any = packed
            if packed is None:
                try:
                    handle = next(flight.stream)
                except StopIteration:  # it ended before its time, as its answer will tell
                    break
                flight.large.append(None)  # whoever needs it has it from the values
            known.setdefault(name, handle)
            names.append(name)
        flight.told += len(names)
        return StepYielded(batch_id, step, tuple(names))

    def _hear_lines(self, batch_id: int, lines: LiveLines) -> EngineReport:
        """Name the step behind lines, and keep what it logged for the case that it dies."""
        flight, position = self._flight.get(batch_id), lines.step
        if flight is None or position <= flight.heard:  # its attempt overtook them
            return BatchProgressed(batch_id, (), ())
        known = flight.logged[1] if flight.logged[0] == position else ()
        flight.logged = position, known + lines.logs
        step, number = flight.work.calls[position]
        return lines._replace(step=step, number=number)

    def _read_report(self, message: bytes) -> EngineReport:
        batch_id, pid, packed, returned = pickle.loads(message)
        if isinstance(packed, LiveLines):
            return self._hear_lines(batch_id, packed)
        if returned is None:
            return self._hear_values(batch_id, packed)
        if packed is None:
            if batch_id in self._flight:
                self._shared.begun(batch_id)
            return BatchStarted(batch_id)
        flight = self._flight.get(batch_id)
        if flight is None:  # its answer overtook the report
            return BatchProgressed(batch_id, (), ())
        calls = flight.work.calls
        return BatchProgressed(
            batch_id,
            self._take(flight, packed, pid, None),
            tuple(calls[each].step for each in returned),
        )

    def _loss(self, flight: SubmittedBatch, error: BaseException) -> BatchLost:
        """Tell a lost batch: what its journal says was over, and what it says was running."""
        calls, plan = flight.work.calls, self._spec.plan
        missing = lost_object(error)
        lost = None if missing is None else self._values.lost_with(missing, flight.origins)
        # What could not be given its inputs has not begun, and left nothing.
        left = (
            None
            if lost is not None
            else find_journal(flight.journal, is_one_node=len(self._capacity.nodes) == 1)
        )
        reason = reason_of(error)
        attempts: tuple[Attempt | Successes, ...] = ()
        culprit: int | None = calls[0].step
        if left is not None:
            attempts = self._take(
                flight, left.entries, left.told.pid if left.told is not None else 0, None
            )
            culprit = None if left.started is None or reason.by_node else calls[left.started].step
        elif reason.has_died or lost is not None:
            # it had not begun; or its node took the journal with it, which is no step's fault
            culprit = None
        elif (refusal := refusal_in(error)) is not None:
            culprit, self._refusal = None, refusal
            reason = reason._replace(words=str(refusal))
            if self._is_ending:
                self._refusal = None
        died_in = calls[0].step if culprit is None else culprit
        key, timeout = plan.steps[died_in].key, plan.op_of(died_in).timeout
        said_of = reason.words if culprit is not None or reason.idle is None else reason.idle
        if reason.is_environment:
            said_of = f"the runtime_env of {whose_environment(plan.templates[plan.template_of[died_in]])} {said_of}"
        crash: StepError = WorkerCrashedError(f"step {key!r}: {said_of}")
        words = replace(describe_error(crash), stack="")
        if left is not None and left.hung and timeout is not None:
            crash, words = hung_step(key, timeout, left.hung)
        elif left is not None and reason.has_died and reason.memory is None:
            told = crashed_step(key, exited=left.exited, stderr=left.stderr)
            if told is not None:
                crash, words = told
        self._values.crashed(died_in, crash)
        failure = StepFailureData(words, error_types(crash))
        said = (left.stdout, left.stderr) if left is not None else ("", "")
        ended = time.time()
        return BatchLost(
            flight.work.id,
            attempts,
            culprit,
            failure,
            flight.submitted,
            ended,
            *said,
            inputs=lost or (),
            memory=reason.memory,
            facts=flight.facts(left.told if left is not None else None, ended=ended),
            logs=flight.logged[1] if left is not None and left.started == flight.logged[0] else (),
        )

    def cancel(self, batch_ids: Sequence[int], *, force: bool) -> None:
        """Interrupt batches, or kill the workers that run them."""
        import ray

        self._is_ending = True
        flights = [self._flight[each] for each in batch_ids if each in self._flight]
        # One interrupt is enough: a second one would cut short what a step does to end.
        is_asked = not force and self.is_nested and is_canceled_here()
        self._canceled += [flight.journal for flight in flights]
        for flight in () if is_asked else flights:
            target = flight.refs[0] if flight.stream is None else flight.stream
            ray.cancel(target, force=force, recursive=True)
        if force and flights:
            kill_workers(
                [flight.journal for flight in flights], is_one_node=len(self._capacity.nodes) == 1
            )

    def release(self, steps: Sequence[int]) -> None:
        """Drop the values, and with the last reference Ray's objects, that steps yielded."""
        self._values.release(steps)

    def release_values(self, step: int, names: Sequence[str]) -> None:
        """Drop some of the values that a step yielded."""
        self._values.release_values(step, names)

    def restore(self, step: int, values: Mapping[str, StoredValue]) -> None:
        """Take values of an earlier run for outputs of a step, to be loaded where they are needed."""
        is_reached = (
            len(self._capacity.nodes) == 1
            and self._spec.value_storage is not None
            and self._spec.value_storage.is_shared
        )
        is_reached = is_reached or not any(stored.is_local for stored in values.values())
        self._values.restore(step, values, is_reached=is_reached)

    def packed(self, step: int, output: str) -> Any:
        """Return the value behind an output, serialised."""
        return self._values.packed(step, output)

    def value(self, step: int, output: str) -> object:
        """Return the value behind an output, brought here from the object store."""
        return self._values.value(step, output)

    def exception(self, step: int) -> BaseException | None:
        """Return the exception that failed a step, where it survived the way here."""
        return self._values.exception(step)

    def others(self) -> Mapping[int, int]:
        """Return how much other runs hold of the cluster's limits, by their places; as Ray knew it
        a moment ago.
        """
        return self._shared.others()

    def warnings(self) -> list[str]:
        """Return which steps wait for Ray tasks of their own that wait for a limit which this run
        itself holds.
        """
        return self._shared.warnings()

    def take_resource_records(self) -> Sequence[ResourceRecord]:
        """Return records of resources of worker scope since the last call."""
        return () if self.resources is None else self.resources.take_records()

    def close(self) -> None:
        """Stop listening and have workers close what they keep; the tasks are over, Ray stays for
        the next run.

        What a step that was canceled has started, and did not come to end, is ended now.
        """
        if self._canceled:
            kill_workers(self._canceled, is_one_node=len(self._capacity.nodes) == 1)
        if self._mailbox is not None and self._address is not None:
            self._mailbox.close_box(self._address)
        if self.resources is not None:
            self.resources.close()
