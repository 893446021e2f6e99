"""Jobs on two nodes with labels and logical GPUs, run as a script: ``python placed.py FOLDER``
writes report.json.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import time
import uuid
from pathlib import Path
from typing import Any

from rayexec import EngineError, JobDefinition, RayOptions, job, op

# What each op asks for by labels, and on which of the nodes it then runs.
SELECTORS = {
    "equal": {"kind": "training"},
    "not_equal": {"kind": "!training"},
    "one_of": {"zone": "in(mars, venus)", "kind": "in(training)"},
    "none_of": {"zone": "!in(mars,venus)"},
    "both": {"kind": "training", "zone": "!earth"},
    "without": {"kind": "!in(other)", "zone": "earth"},
}
GIGABYTE = 1e9


def seen(meeting: Path, expected: int) -> dict[str, Any]:
    """Wait until as many steps as expected have met, and tell where this one is and how many it
    met.
    """
    import ray

    context = ray.get_runtime_context()
    mine = meeting / uuid.uuid4().hex
    began = time.time()
    mine.touch()
    met = 0
    while time.time() < began + 120:
        met = max(met, len([each for each in meeting.iterdir() if each.name != "met"]))
        if met >= expected:
            (meeting / "met").touch()
        if (meeting / "met").exists() and time.time() > began + 0.1:
            break
        time.sleep(0.01)
    ended = time.time()
    mine.unlink()
    return {
        "node": context.get_node_id(),
        "assigned": context.get_assigned_resources(),
        "visible": os.environ.get("CUDA_VISIBLE_DEVICES"),
        "span": (began, ended),
        "met": met,
    }


def asking(name: str, steps: int = 1, at_once: int = 1, **options: Any) -> JobDefinition:
    meeting = Path(sys.argv[1], name)
    meeting.mkdir()

    @op(name=name, ray_options=RayOptions(**options))
    def asks() -> dict[str, Any]:
        return seen(meeting, at_once)

    @job(name=name)
    def made() -> None:
        for index in range(steps):
            asks.alias(f"{name}_{index}")()

    return made


def run(made: JobDefinition) -> Any:
    try:
        result = made.execute(store=False)
    except EngineError as error:
        return str(error)
    return [result.output_for_node(str(each.step_key)) for each in result.get_step_success_events()]


def main() -> None:
    import ray
    from ray.cluster_utils import Cluster

    os.environ["RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO"] = "0"
    head = {
        "num_cpus": 1,
        "include_dashboard": False,
        "labels": {"zone": "earth"},
        "memory": 2 * GIGABYTE,
    }
    cluster: Any = Cluster(initialize_head=True, head_node_args=head)
    training = cluster.add_node(
        num_cpus=8,
        num_gpus=2,
        memory=4 * GIGABYTE,
        resources={"accelerator_type:T4": 1},
        labels={"kind": "training", "zone": "mars"},
    )
    ray.init(address=cluster.address, log_to_driver=False, logging_level=logging.ERROR)
    report: dict[str, Any] = {"head": cluster.head_node.node_id, "training": training.node_id}
    report["selected"] = {
        name: run(asking(name, label_selector=each)) for name, each in SELECTORS.items()
    }
    report["whole"] = run(asking("whole", 4, 2, num_cpus=0.1, num_gpus=1))
    report["half"] = run(asking("half", 8, 4, num_cpus=0.1, num_gpus=0.5))
    all_of_it: dict[str, Any] = {
        "num_cpus": 0.5,
        "num_gpus": 1,
        "memory": 3 * GIGABYTE,
        "label_selector": {"kind": "training"},
    }
    report["unchanged"] = run(
        asking("unchanged", **all_of_it, resources={"accelerator_type:T4": 0.001})
    )
    report["refused"] = [
        run(asking("huge", memory=5 * GIGABYTE)),
        run(asking("far", label_selector={"zone": "in(venus, pluto)"})),
        run(asking("nowhere", label_selector={"zone": "!in(earth, mars)"})),
        run(asking("apart", num_gpus=1, label_selector={"kind": "!training"})),
    ]
    Path(sys.argv[1], "report.json").write_text(json.dumps(report))
    ray.shutdown()
    cluster.shutdown()


if __name__ == "__main__":
    main()
