"""A run on three nodes, one of which is killed while steps run on it: run as a script.

    python lose_running_node.py PLACE

It writes one JSON object to PLACE/outcome.json: the run's status, its results, and what was said.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import threading
import time
from pathlib import Path
from typing import Any

from rayexec import execute_job, job, op

PLACE = Path(sys.argv[1] if len(sys.argv) > 1 else ".")


@op(ray_options={"resources": {"holder": 1}})
def runs_there(context: Any) -> int:
    """Run until one of the two nodes that have a holder is killed: on that one for ever."""
    import ray

    node = ray.get_runtime_context().get_node_id()
    with open(PLACE / "began", "a") as file:
        file.write(f"{context.op_handle.name} {node}\n")
    while not (PLACE / "killed").exists() or (PLACE / "killed").read_text() == node:
        time.sleep(0.02)
    return 3


@op
def elsewhere() -> int:
    return 4


@op
def total(one: int, two: int, three: int) -> int:
    return one + two + three


@job
def lossy() -> None:
    total(runs_there.alias("first")(), runs_there.alias("second")(), elsewhere())


def main() -> None:
    import ray
    from ray.cluster_utils import Cluster

    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    cluster = Cluster(
        initialize_head=True, head_node_args={"num_cpus": 2, "include_dashboard": False}
    )
    holder = cluster.add_node(num_cpus=2, resources={"holder": 1})
    cluster.add_node(num_cpus=2, resources={"holder": 1})
    ray.init(address=cluster.address, log_to_driver=False, logging_level=logging.ERROR)

    def kill() -> None:
        while not (PLACE / "began").exists() or (PLACE / "began").read_text().count("\n") < 2:
            time.sleep(0.02)
        (PLACE / "new").write_text(holder.node_id)
        (PLACE / "new").rename(PLACE / "killed")
        cluster.remove_node(holder, allow_graceful=False)

    killer = threading.Thread(target=kill)
    killer.start()
    result = execute_job(lossy, raise_on_error=False)
    killer.join()
    lines = [line.split() for line in (PLACE / "began").read_text().splitlines()]
    outcome = {
        "status": result.status,
        "victims": [name for name, node in lines if node == holder.node_id],
        "began": [name for name, _ in lines],
        "total": result.output_for_node("total") if result.success else None,
        "retries": {
            key: result.retry_attempts_for_node(key) for key in ("first", "second", "elsewhere")
        },
        "said": [
            event.message for event in result.all_events if event.event_type_value == "ENGINE_EVENT"
        ],
        "failures": [event.message for event in result.get_step_failure_events()],
    }
    (PLACE / "outcome.json").write_text(json.dumps(outcome))
    result.close()
    ray.shutdown()
    cluster.shutdown()


if __name__ == "__main__":
    main()
