"""Body of the child process that has a one-node Ray, until its standard input ends.

It answers one line of JSON: the ``address``, or the ``error`` of the start.
"""

from __future__ import annotations

import json
import os
import select
import signal
import sys
from typing import Any, NoReturn

from rayexec.cluster.own_ray import has_living_node, mark_ray, start_ray

__all__ = ["main"]

# Between two looks at Ray's processes.
_LOOK_INTERVAL_S = 0.5


def main() -> None:
    """Start Ray, tell the address, and end Ray with the owner of this process."""
    signal.signal(signal.SIGTERM, _end)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # Ray's own lines are no answers
    try:
        start_ray()
        import ray

        address = str(ray.get_runtime_context().gcs_address)
        mark_ray()
    except Exception as error:  # a dozen kinds of Ray's
        _tell(answers, {"error": str(error) or type(error).__name__})
        return
    _tell(answers, {"address": address})
    while has_living_node():
        ready, _, _ = select.select([0], [], [], _LOOK_INTERVAL_S)
        if ready and not os.read(0, 1024):
            break
    ray.shutdown()


def _tell(answers: Any, document: dict[str, str]) -> None:
    try:
        answers.write(f"{json.dumps(document)}\n")
        answers.flush()
    except BrokenPipeError:  # the owner died meanwhile
        sys.exit(0)


def _end(*_: object) -> NoReturn:
    sys.exit(0)
