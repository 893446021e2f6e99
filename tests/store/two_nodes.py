"""A recorded run on two nodes, run as a script: ``python two_nodes.py PLACE`` writes what it knows
to told.json.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from pathlib import Path
from typing import Any

from rayexec import job, op
from rayexec.store import MemoryRunStore
from rayexec.store.reading import StoredLog


def node() -> str:
    import ray

    return str(ray.get_runtime_context().get_node_id())


@op(ray_options={"resources": {"head": 0.1}})
def head() -> str:
    return node()


@op(ray_options={"resources": {"other": 0.1}})
def other() -> str:
    return node()


@job
def spread() -> None:
    head()
    other()


def main() -> None:
    import ray
    from ray.cluster_utils import Cluster

    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    first = {"num_cpus": 1, "resources": {"head": 1}, "include_dashboard": False}
    cluster: Any = Cluster(initialize_head=True, head_node_args=first)
    second = cluster.add_node(num_cpus=1, resources={"other": 1})
    ray.init(address=cluster.address, log_to_driver=False, logging_level=logging.ERROR)
    store = MemoryRunStore()
    result = spread.execute(store=store)
    log = StoredLog(store.open(result.run_id))
    told = {log.keys[each.step]: log.batches[each.batch]._asdict() for each in log.attempts()}
    nodes = {"head": cluster.head_node.node_id, "other": second.node_id}
    said = {key: result.output_for_node(key) for key in ("head", "other")}
    Path(sys.argv[1], "told.json").write_text(json.dumps({**told, "nodes": nodes, "said": said}))
    ray.shutdown()
    cluster.shutdown()


if __name__ == "__main__":
    main()
