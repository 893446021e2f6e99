"""Engines under the contract, and a run of batches on one of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from rayexec import JobDefinition
from rayexec.engine.base import Engine
from rayexec.engine.registry import make_engine
from rayexec.events import Attempt, Successes
from rayexec.execute.prepare import prepare
from rayexec.plan.model import Call
from rayexec.run.spec import Batch, RunSpec
from rayexec.scheduler.messages import BatchEnded, BatchLost, BatchProgressed, EngineReport
from rayexec.testing.simulated_engine import SimulatedEngine

BUDGET_S = 30.0
TIMEOUT_S = 180.0


@dataclass
class Kind:
    """An engine under test."""

    make: Callable[[RunSpec], Engine]
    #: The simulated engine computes no values, and keeps no exceptions.
    has_values: bool = True
    #: The simulated engine has a clock of its own.
    has_real_time: bool = True


def simulated(spec: RunSpec) -> Engine:
    def fails(call: Call) -> bool:
        return spec.plan.steps[call.step].key.startswith("fail")

    return SimulatedEngine(spec.plan, nodes=[2], seconds=lambda _call: 0.001, fails=fails)


ENGINES = {
    "in_process": Kind(lambda spec: make_engine("in_process", spec)),
    "ray": Kind(lambda spec: make_engine("ray", spec)),
    "simulated": Kind(simulated, has_values=False, has_real_time=False),
}


@dataclass
class Run:
    """An engine with a plan, and all that it reported."""

    engine: Engine
    spec: RunSpec
    kind: Kind
    events: list[EngineReport] = field(default_factory=list)
    _next_batch: int = 0

    def submit(self, *keys: str, attempt: int = 0) -> int:
        """Submit a batch of these steps; return its id."""
        batch_id, self._next_batch = self._next_batch, self._next_batch + 1
        calls = tuple([Call(self.step(key), attempt) for key in keys])
        self.engine.submit(Batch(batch_id, calls, BUDGET_S))
        return batch_id

    def step(self, key: str) -> int:
        return self.spec.plan.index_of(key)

    def wait_for_answers(self, *batch_ids: int) -> None:
        """Wait until the engine has answered these batches."""
        end = time.monotonic() + TIMEOUT_S
        while not {*batch_ids} <= {*self.answered()}:
            assert time.monotonic() < end, self.events
            self.events += self.engine.wait(1.0)

    def answered(self) -> list[int]:
        return [
            event.batch_id for event in self.events if isinstance(event, (BatchEnded, BatchLost))
        ]

    def attempts(self) -> list[Attempt]:
        """Return all rows of all events, in their order."""
        rows: list[Attempt] = []
        for event in self.events:
            if isinstance(event, (BatchEnded, BatchLost, BatchProgressed)):
                for row in event.attempts:
                    if isinstance(row, Successes):
                        rows += row.rows(self.spec.plan.output_records)
                    else:
                        rows.append(row)
        return rows

    def outcomes(self) -> dict[str, int]:
        return {self.spec.plan.steps[row.step].key: row.outcome for row in self.attempts()}

    def run(self, *keys: str, attempt: int = 0) -> None:
        self.wait_for_answers(self.submit(*keys, attempt=attempt))


Start = Callable[..., Run]


@pytest.fixture(params=list(ENGINES))
def start(request: pytest.FixtureRequest) -> Iterator[Start]:
    """Return a function that starts a job's engine; all are closed at the end."""
    if request.param == "ray":
        request.getfixturevalue("ray_session")
    kind = ENGINES[request.param]
    engines: list[Engine] = []

    def started(jobs: JobDefinition, run_config: Any = None) -> Run:
        spec = prepare(jobs, run_config).with_run_plan()
        engine = kind.make(spec)
        engines.append(engine)
        engine.start()
        return Run(engine, spec, kind)

    yield started
    for engine in engines:
        engine.close()
