"""Steps of a job, grouped into batches by a test, and run by the parts of the engine on Ray.

Everything between the scheduler and a step is real: the writer of calls, the runner of batches and
the driver's values. Ray itself is not there: a large output stays as read-only memory of its own.
"""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rayexec import JobDefinition
from rayexec.engine.packed_values import Packed, unpack
from rayexec.engine.ray.driver.call_writer import CallWriter
from rayexec.engine.ray.driver.run_header import pickle_header
from rayexec.engine.ray.driver.step_values import StepValues
from rayexec.engine.ray.protocol.batch_request import pack_request, unpack_request
from rayexec.engine.ray.worker.answer import Answer
from rayexec.engine.ray.worker.batch_inputs import BatchInputs
from rayexec.engine.ray.worker.batch_runner import BatchRunner, Surroundings
from rayexec.engine.ray.worker.capture import Capture
from rayexec.engine.ray.worker.fresh_defaults import FreshDefaults
from rayexec.engine.ray.worker.journal import Journal
from rayexec.engine.ray.worker.process_backstop import ProcessBackstop
from rayexec.engine.ray.worker.report_sender import ReportSender
from rayexec.engine.ray.worker.run_code import Code, run_code
from rayexec.engine.ray.worker.running_batch import RunningBatch
from rayexec.execute.prepare import prepare
from rayexec.run.spec import Call
from rayexec.steps.fast_path import plain_op
from rayexec.steps.resources import OpenResources


def in_object_store(packed: Packed) -> Packed:
    """Return a large value as Ray's object store hands it out: a copy, read-only."""
    return Packed(bytes(packed.main), [memoryview(bytes(buffer)) for buffer in packed.buffers])


def run_grouped(job: JobDefinition, groups: Sequence[int], directory: Path) -> dict[str, Any]:
    """Run the steps of a job in batches of the sizes ``groups``, the last size again and again.

    Returns the outputs by ``step.output``. Every step must succeed.
    """
    spec = prepare(job, {"execution": {"config": {"ray": {}}}})
    plan = spec.plan
    templates = plan.templates
    code = Code(templates, tuple(map(plain_op, templates)), {}, FreshDefaults(templates))
    header = pickle.loads(pickle_header(spec, None, None))
    run = run_code(header, code)
    values = StepValues(plan)
    writer = CallWriter(plan, values.by_step, {}, {})
    waiting, sizes = list(range(len(plan.steps))), [*groups]
    batch_id = 0
    while waiting:
        size = sizes.pop(0) if len(sizes) > 1 else sizes[0]
        calls = [Call(step, 0) for step in waiting[:size]]
        written = writer.write(calls)
        path = str(directory / f"journal-{batch_id}")
        request = unpack_request(pack_request(batch_id, path, 60.0, False, written.calls))
        batch = RunningBatch(batch_id, len(calls), ReportSender(None))
        with (
            Capture(path) as capture,
            Journal(path, b"") as journal,
            ProcessBackstop(path) as backstop,
            OpenResources({}, {}, spec.info) as resources,
        ):
            answer = Answer(batch.entries, journal, written.return_count)
            inputs = BatchInputs(tuple(written.large))
            around = Surroundings(resources, None, None, capture, backstop)
            BatchRunner(run, inputs, answer, around, batch).run(request.calls, request.budget)
        refs = [
            in_object_store(payload) if isinstance(payload, Packed) else payload
            for payload in answer.payloads
        ]
        rows, last = values.accept(
            batch.entries.so_far(), calls, 0, batch_id, -1, [None, *refs], yielded=None
        )
        for row in rows:
            failure = getattr(row, "failure", None)
            assert failure is None, failure
        assert last >= 0
        del waiting[: last + 1]
        batch_id += 1
    outputs: dict[str, Any] = {}
    stored: dict[str, Any]
    for step, held in enumerate(values.by_step):
        key = plan.steps[step].key
        stored = held if isinstance(held, dict) else {"result": held}
        for name, packed in stored.items():
            outputs[f"{key}.{name}"] = unpack(packed)
    return outputs
