"""Refusal of a node, with answers of batches on other nodes at the same time."""

from __future__ import annotations

from typing import Any

import pytest

from rayexec import EngineError, job, op
from rayexec.engine.ray.driver.ray_engine import RayEngine
from rayexec.events import ErrorInfo, StepFailureData
from rayexec.execute import prepare
from rayexec.placement.capacity import Capacity
from rayexec.scheduler.messages import BatchEnded, BatchLost


class _Answering(RayEngine):
    """An engine that reads the refusal of a node from batch 0, and a success from any other."""

    def _answered(self, batch_id: int, future: Any) -> BatchEnded | BatchLost:
        if batch_id:
            return BatchEnded(batch_id, ())
        self._refusal = EngineError("node b has another rayexec")
        failure = StepFailureData(ErrorInfo("WorkerCrashedError", "refused", ""))
        return BatchLost(batch_id, (), None, failure, 0.0, 0.0)


@op
def one() -> int:
    return 1


@job
def ones() -> None:
    one()


def test_answers_that_come_with_a_refusal_follow_it() -> None:
    engine = _Answering(prepare(ones), Capacity(({"CPU": 2.0},), is_own=True))
    for batch_id in (0, 1):
        engine._arrived.put((batch_id, None))
    assert engine.wait(0) == []
    with pytest.raises(EngineError, match="another rayexec"):
        engine.wait(0)
    lost, ended = engine.wait(0)
    assert isinstance(lost, BatchLost)
    assert ended == BatchEnded(1, ())
