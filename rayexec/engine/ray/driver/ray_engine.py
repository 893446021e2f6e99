"""Engine on Ray: each batch is a task, and large values pass through Ray's object store."""

from __future__ import annotations

import queue
import time
from collections.abc import Mapping, Sequence
from typing import Any

from rayexec.cluster import WatchedHead
from rayexec.definitions.sources import Sources
from rayexec.engine.base import Engine
from rayexec.engine.ray.driver.batch_reports import BatchReports
from rayexec.engine.ray.driver.call_writer import CallWriter
from rayexec.engine.ray.driver.environments import check_environments
from rayexec.engine.ray.driver.exported_tasks import ExportedTasks
from rayexec.engine.ray.driver.lost_batch import find_remains, kill_workers, loss_error
from rayexec.engine.ray.driver.mailbox import Mailbox, mailbox_at
from rayexec.engine.ray.driver.nested_runs import (
    held_here,
    is_canceled_here,
    is_in_task,
    lend_cpus_until,
)
from rayexec.engine.ray.driver.resource_workers import ResourceWorkers
from rayexec.engine.ray.driver.run_header import given_inputs, pickle_header, pickle_step_config
from rayexec.engine.ray.driver.shared_limits import SharedLimits
from rayexec.engine.ray.driver.shipped_code import NO_CODE, ship_code
from rayexec.engine.ray.driver.step_values import StepValues
from rayexec.engine.ray.driver.submitted_batch import SubmittedBatch
from rayexec.engine.ray.driver.task_errors import lost_object, reason_of, refusal_in
from rayexec.engine.ray.protocol.batch_files import remove_journal
from rayexec.engine.ray.protocol.batch_request import pack_request
from rayexec.engine.ray.protocol.driver_lock import journal_name, sweep_journals_for_run
from rayexec.engine.ray.protocol.envelope import Closing, unpack_envelope
from rayexec.engine.ray.protocol.framing import Address
from rayexec.errors import EngineError
from rayexec.events import Attempt, ResourceRecord, StepFailureData, Successes, error_types
from rayexec.placement.capacity import Capacity
from rayexec.placement.preflight import notes, problems
from rayexec.run.previous_run import StoredValue
from rayexec.run.spec import Batch, RunSpec
from rayexec.scheduler.messages import BatchEnded, BatchLost, EngineReport

__all__ = ["RayEngine"]


class RayEngine(Engine):
    """Runs batches as Ray tasks on a connected cluster.

    ``sources`` is the job's local code, for nodes on other machines.
    """

    name = "ray"

    def __init__(self, spec: RunSpec, capacity: Capacity, sources: Sources | None = None) -> None:
        self._spec = spec
        self._capacity = capacity
        self._sources = sources
        settings = spec.config.execution
        self.placement = spec.choose_placement(capacity)
        self.notes = notes(
            spec.plan,
            self.placement,
            capacity,
            max_concurrent=settings.max_concurrent,
            runtime_env=settings.runtime_env,
        )
        # Batches that are tied to a node get nothing of a later one.
        self.grows = not (capacity.is_own or self.placement.uses_tokens)
        self.batching = settings.batches and not settings.fresh_process
        self._is_one_node = len(capacity.nodes) == 1
        self._dynamic = spec.plan.dynamic_templates
        self._values = StepValues(spec.plan)
        self._in_flight: dict[int, SubmittedBatch] = {}
        self._shared = SharedLimits(spec.plan, self.placement, self._in_flight)
        self._reports = BatchReports(
            spec.plan, spec.streaming_templates, self._values, self._shared, self._in_flight
        )
        # From other threads: a report, an answer with its batch's id, or None for a wake.
        self._arrived: queue.SimpleQueue[bytes | tuple[int, Any] | None] = queue.SimpleQueue()
        # True once batches were canceled. Ray interrupts its own ``wait`` each time then, where a
        # task around this process is canceled too.
        self._is_ending = False
        self._canceled_journals: list[str] = []
        self._has_swept = False
        self._code = NO_CODE
        self._mailbox: Mailbox | None = None
        self._address: Address | None = None
        self._resource_workers: ResourceWorkers | None = None
        # Refusal of a node, for ``wait`` to raise first, and the batches that came back with it.
        self._refusal: EngineError | None = None
        self._refused: list[EngineReport] = []
        self._head: WatchedHead | None = None

    def start(self) -> None:
        """Check that Ray can run the plan, and export its code.

        Raises EngineError, DefinitionError or StoreError.
        """
        import ray

        spec = self._spec
        self.is_nested = is_in_task()
        self._head = WatchedHead(self._head_died)
        self._check_requests()
        check_environments(spec.plan, self.placement)
        self._code = ship_code(spec, self._sources)
        self.notes = [*self.notes, *self._code.warnings]
        step_config = pickle_step_config(spec)
        host = "127.0.0.1" if self._is_one_node else ray.util.get_node_ip_address()
        self._mailbox = mailbox_at(host)
        self._address = self._mailbox.open_channel(self._arrived.put)
        fresh_process = spec.config.execution.fresh_process
        lasting = [] if fresh_process else spec.worker_resource_keys()
        if lasting:
            self._resource_workers = ResourceWorkers(self._mailbox, lasting)
        resource_address = (
            None if self._resource_workers is None else self._resource_workers.address
        )
        self._header = pickle_header(spec, self._address, resource_address)
        self._writer = CallWriter(
            spec.plan,
            self._values.by_step,
            step_config,
            given_inputs(spec),
            spec.streaming_templates,
        )
        # Implicit resources hold limits: a node that joined later would bring another 1.0 of each.
        (node,) = self._capacity.node_ids if self.placement.uses_tokens else (None,)
        self._tasks = ExportedTasks(
            self.placement, spec.info.run_id, fresh_process=fresh_process, node=node
        )

    def _check_requests(self) -> None:
        """Raise EngineError for requests that no node can ever meet: Ray lets them wait."""
        impossible = problems(
            self._spec.plan, self.placement, self._capacity, held_here=held_here()
        )
        if impossible:
            raise EngineError(
                f"job {self._spec.info.job_name!r} would wait for ever on this Ray:\n"
                + "\n".join(f"  {problem}" for problem in impossible)
                + "\nGive the ops less (ray_options, pool), or Ray more; rayexec job plan shows "
                "what each asks for."
            )

    def submit(self, work: Batch) -> None:
        """Hand a batch to Ray's scheduler."""
        self._values.grow()
        written = self._writer.write(work.calls)
        journal = journal_name(self._spec.info.run_id, work.id)
        first_step = work.calls[0].step
        scheduling_class = self.placement.class_of[first_step]
        # Only batches that other runs may hold up announce their start.
        announces = self.placement.cluster_limit_of(scheduling_class) is not None
        request = pack_request(work.id, journal, work.budget, announces, written.calls)
        stream = None
        if len(work.calls) == 1 and self._spec.plan.template_of[first_step] in self._dynamic:
            # The count of values is open. As items of a stream they are the driver's, whatever
            # happens to the worker.
            task = self._tasks.stream_task(scheduling_class)
            stream = task.remote(self._code.argument, self._header, request, *written.large)
            refs = [stream.completed()]
        else:
            outputs = written.return_count
            task = self._tasks.batch_task(scheduling_class, outputs)
            refs = task.remote(self._code.argument, self._header, request, outputs, *written.large)
            if not isinstance(refs, list):
                refs = [refs]
        batch = SubmittedBatch(work, refs, time.time(), journal, written.origins, stream=stream)
        self._in_flight[work.id] = batch
        arrived, batch_id = self._arrived, work.id
        refs[0].future().add_done_callback(lambda answer: arrived.put((batch_id, answer)))

    def wait(self, timeout: float | None) -> list[EngineReport]:
        """Return the events since the last call, waiting up to ``timeout`` for the first one.

        Raises EngineError once a node turns out to be unable to run any batch of this run.
        """
        if self._refusal is not None:
            refusal, self._refusal = self._refusal, None
            raise refusal
        back: list[EngineReport] = [*self._refused]
        if back:
            self._refused.clear()
            return back
        if not self._has_swept:  # while the first batch is on its way
            self._sweep()
        if self.is_nested and not self._is_ending:
            timeout = lend_cpus_until(
                self._arrived, [batch.refs[0] for batch in self._in_flight.values()], timeout
            )
        try:
            arrived = self._arrived.get(timeout=timeout)
            while True:
                if type(arrived) is tuple:
                    event = self._answered(*arrived)
                    # A refusal may come with answers of batches on other nodes.
                    (back if self._refusal is None else self._refused).append(event)
                elif type(arrived) is bytes:
                    back.append(self._reports.read(arrived))
                arrived = self._arrived.get_nowait()
        except queue.Empty:
            return back

    def _sweep(self) -> None:
        self._has_swept = True
        sweep_journals_for_run()

    def wake(self) -> None:
        """End a ``wait`` under way, or the next one."""
        self._arrived.put(None)

    def _head_died(self, death: EngineError) -> None:
        """Have ``wait`` raise an error, from the thread of the watch."""
        self._refusal = death
        self._arrived.put(None)

    def _answered(self, batch_id: int, future: Any) -> BatchEnded | BatchLost:
        batch = self._in_flight.pop(batch_id)
        self._shared.ended(batch.work)
        error = future.exception()
        answer: bytes = b"" if error is not None else future.result()
        if batch.stream is not None:
            answer, error = self._end_stream(batch, error)
        if error is not None:
            return self._lost(batch, error)
        remove_journal(batch.journal)
        entries, closing, facts = unpack_envelope(answer)
        rows = self._reports.accept(batch, entries, facts.pid, batch.refs)
        if closing is not None and rows:
            rows = self._with_closing(rows, closing)
        return BatchEnded(batch_id, rows, batch.facts(facts))

    def _with_closing(
        self, rows: tuple[Attempt | Successes, ...], closing: Closing
    ) -> tuple[Attempt | Successes, ...]:
        """Return rows of a batch with the end of its resources in the last one."""
        *others, last = rows
        if isinstance(last, Successes):
            *split, last = last.rows(self._spec.plan.output_records)
            others += split
        last = last._replace(
            resources=last.resources + closing.records,
            stdout=last.stdout + closing.stdout,
            stderr=last.stderr + closing.stderr,
        )
        return (*others, last)

    def _end_stream(
        self, batch: SubmittedBatch, error: BaseException | None
    ) -> tuple[bytes, BaseException | None]:
        """Return the answer of a batch that streamed, or its error; its ``refs`` have its large
        outputs then.
        """
        import ray

        batch.stream_refs += batch.stream
        try:
            answer: bytes = ray.get(batch.stream_refs.pop()) if batch.stream_refs else b""
        except ray.exceptions.RayError as broken:
            error = error or broken
            answer = b""
        if error is None and not (answer and isinstance(answer, bytes)):
            error = EngineError("the batch ended without an answer: it was canceled")
        batch.refs = [batch.refs[0], *batch.stream_refs]
        return (b"" if error is not None else answer), error

    def _lost(self, batch: SubmittedBatch, error: BaseException) -> BatchLost:
        """Return the loss of a batch: calls that its journal has as over, and the culprit.

        1. An input that no node has any more: no call has begun, and there are no remains.
        2. Remains: the running call is the culprit, unless the node is to blame.
        3. A death without remains: no call had begun, or the node had them. No culprit.
        4. A refusal of the node's: no culprit, and ``wait`` raises it.
        5. Anything else counts as the first call's.
        """
        calls = batch.work.calls
        reason = reason_of(error)
        missing = lost_object(error)
        lost = None if missing is None else self._values.lost_with(missing, batch.origins)
        remains = None
        if lost is None and self._address is not None:
            # The one node of a cluster may belong to another user, or be in a container.
            is_here = self._is_one_node and self._capacity.is_own
            remains = find_remains(batch.journal, self._address.key, len(calls), is_here=is_here)
        rows: tuple[Attempt | Successes, ...] = ()
        culprit: int | None = calls[0].step
        if remains is not None:
            pid = remains.worker.pid if remains.worker is not None else 0
            rows = self._reports.accept(batch, remains.entries, pid, None)
            is_innocent = remains.running is None or reason.by_node
            culprit = None if is_innocent else calls[remains.running or 0].step
        elif reason.has_died or lost is not None:
            culprit = None
        elif (refusal := refusal_in(error)) is not None:
            culprit, reason = None, reason._replace(text=str(refusal))
            self._refusal = None if self._is_ending else refusal
        if culprit is None and reason.idle is not None:
            reason = reason._replace(text=reason.idle)
        blamed = calls[0].step if culprit is None else culprit
        crash = loss_error(self._spec.plan, blamed, reason, remains)
        self._values.crashed(blamed, crash.exception)
        ended = time.time()
        has_logged = remains is not None and remains.running == batch.logged[0]
        return BatchLost(
            batch.work.id,
            rows,
            culprit,
            StepFailureData(crash.info, error_types(crash.exception)),
            batch.submitted,
            ended,
            remains.stdout if remains is not None else "",
            remains.stderr if remains is not None else "",
            inputs=lost or (),
            memory=reason.memory,
            facts=batch.facts(remains.worker if remains is not None else None, ended=ended),
            logs=batch.logged[1] if has_logged else (),
        )

    def cancel(self, batch_ids: Sequence[int], *, force: bool) -> None:
        """Interrupt batches, or kill the workers that run them."""
        import ray

        self._is_ending = True
        batches = [
            self._in_flight[batch_id] for batch_id in batch_ids if batch_id in self._in_flight
        ]
        journals = [batch.journal for batch in batches]
        self._canceled_journals += journals
        # One interrupt is enough: a second one would cut short a step that is about to end.
        is_interrupted = not force and self.is_nested and is_canceled_here()
        for batch in () if is_interrupted else batches:
            target = batch.refs[0] if batch.stream is None else batch.stream
            ray.cancel(target, force=force, recursive=True)
        if force and batches:
            kill_workers(journals, is_one_node=self._is_one_node)

    def release(self, steps: Sequence[int]) -> None:
        """Drop all outputs of steps, and with the last reference Ray's objects."""
        self._values.release(steps)

    def release_values(self, step: int, names: Sequence[str]) -> None:
        """Drop some outputs of a step."""
        self._values.release_values(step, names)

    def restore(self, step: int, values: Mapping[str, StoredValue]) -> None:
        """Adopt values of an earlier run as a step's outputs.

        Workers load those that they can reach; the driver brings the others to the object store.
        """
        value_storage = self._spec.value_storage
        is_reached = (
            self._is_one_node and value_storage is not None and value_storage.is_shared
        ) or not any(stored.is_local for stored in values.values())
        self._values.restore(step, values, is_reached=is_reached)

    def packed(self, step: int, output: str) -> Any:
        """Return an output, pickled; raises KeyError for none."""
        return self._values.packed(step, output)

    def value(self, step: int, output: str) -> object:
        """Return an output, brought here from the object store; raises KeyError for none."""
        return self._values.value(step, output)

    def exception(self, step: int) -> BaseException | None:
        """Return the exception of a failed step, None where it did not survive the way here."""
        return self._values.exception(step)

    def take_resource_records(self) -> Sequence[ResourceRecord]:
        """Return records of resources of worker scope since the last call."""
        return () if self._resource_workers is None else self._resource_workers.take_records()

    def others(self) -> Mapping[int, int]:
        """Return the share of other runs in each limit of the cluster, by its index."""
        return self._shared.others()

    def warnings(self) -> Sequence[str]:
        """Return each step with a Ray task of its own that waits for a limit of this very run."""
        return self._shared.warnings()

    def close(self) -> None:
        """Stop listening, and have workers close the run's resources.

        Canceled steps are over by now; processes that they started and left are killed. Ray stays
        for the next run.
        """
        self._code = NO_CODE  # a result may stay for long, and large code must not
        if not self._has_swept:
            self._sweep()
        if self._canceled_journals:
            kill_workers(self._canceled_journals, is_one_node=self._is_one_node)
        if self._mailbox is not None and self._address is not None:
            self._mailbox.close_channel(self._address)
        if self._resource_workers is not None:
            self._resource_workers.close()
        if self._head is not None:
            self._head.close()
