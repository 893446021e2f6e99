"""A run on three nodes, one of which is killed while it holds the only copy of a large output: run
as a script.

    python lose_node.py PLACE [keep_outputs]

It writes one JSON object to PLACE/outcome.json: the run's status, its results, and how often each
step started.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from rayexec import DynamicOut, DynamicOutput, execute_job, job, op
from rayexec.execute import Observer
from rayexec.execute.log import Record

PLACE = sys.argv[1] if len(sys.argv) > 1 else "."


@op
def start() -> int:
    return 2


@op(ray_options={"resources": {"holder": 0.1}})
def large(factor: int) -> Any:
    return np.full(1_000_000, factor)


@op(out=DynamicOut(), ray_options={"resources": {"holder": 0.1}})
def many(whole: Any) -> Any:
    for place in range(3):
        yield DynamicOutput(whole + place, f"k{place}")


@op
def gate(_begun: int) -> int:
    """Wait until the node that holds the large outputs is gone."""
    while not Path(PLACE, "killed").exists():
        time.sleep(0.05)
    return 0


@op
def total(whole: Any, _gate: int) -> int:
    return int(whole.sum())


@op
def of_each(value: Any, _gate: int) -> int:
    return int(value.sum())


@op
def listed(values: list[int]) -> list[int]:
    return values


@job
def lossy() -> None:
    begun = start()
    whole = large(begun)
    passed = gate(begun)
    total(whole, passed)
    listed(many(whole).map(lambda value: of_each(value, passed)).collect())


class Kill(Observer):
    """Kills the node that holds the large outputs once they are there, and has another take its
    place.
    """

    def __init__(self, cluster: Any, node: Any) -> None:
        self._cluster = cluster
        self._node = node
        self._left = {"large", "many"}

    def run_started(self, spec: Any, log: Any, waiting: Any) -> None:
        self._steps = spec.plan.steps
        self._log = log

    def recorded(self, record: Record) -> None:
        for row in self._log.attempts_of(record):
            self._left.discard(self._steps[row.step].key)
        if not self._left:
            self._left = {"nothing more"}
            self._cluster.remove_node(self._node, allow_graceful=False)
            self._cluster.add_node(num_cpus=2, resources={"holder": 1})
            Path(PLACE, "killed").touch()


def main() -> None:
    import ray
    from ray.cluster_utils import Cluster

    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    cluster = Cluster(
        initialize_head=True, head_node_args={"num_cpus": 2, "include_dashboard": False}
    )
    holder = cluster.add_node(num_cpus=2, resources={"holder": 1})
    cluster.add_node(num_cpus=2)
    ray.init(address=cluster.address, log_to_driver=False, logging_level=logging.ERROR)
    keep: Any = sys.argv[2] if len(sys.argv) > 2 else "all"
    result = execute_job(lossy, observer=Kill(cluster, holder), keep_outputs=keep)
    starts = Counter(
        event.step_key for event in result.all_events if event.event_type_value == "STEP_START"
    )
    outcome = {
        "status": result.status,
        "total": result.output_for_node("total") if keep == "all" and result.success else None,
        "listed": result.output_for_node("listed") if keep != "none" and result.success else None,
        "starts": {str(key): count for key, count in starts.items()},
        "said": [event.message for event in result.all_events if "lost" in event.message],
        "failures": [event.message for event in result.get_step_failure_events()],
    }
    Path(PLACE, "outcome.json").write_text(json.dumps(outcome))
    result.close()
    ray.shutdown()
    cluster.shutdown()


if __name__ == "__main__":
    main()
