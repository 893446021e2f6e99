"""Body of the child process that looks at a cluster, until its standard input ends.

It writes one line of JSON a second: the state of the cluster, or the error of a look; and with the
first state, and then now and then, the findings of the doctor. A process that attaches to a cluster
stays attached, and Ray may end it, so that the server has this child instead.
"""

from __future__ import annotations

import json
import os
import select
import signal
import sys
import time
from dataclasses import asdict
from typing import Any

from rayexec.cluster.doctor import Finding, examine
from rayexec.cluster.examination import gather
from rayexec.cluster.status import ClusterStatus, cluster_status
from rayexec.errors import EngineError

__all__ = ["main"]

LOOK_INTERVAL_S = 1.0
FINDINGS_INTERVAL_S = 300.0


def main() -> None:
    """Look at the cluster at the address in the arguments, until nobody reads any more."""
    # Ctrl-C is for the server, which ends this process in order.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    lines = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # Ray's own lines are no answers
    address = sys.argv[1]
    findings_at: float | None = None
    try:
        while True:
            document = _look(address)
            _write(lines, document)
            now = time.monotonic()
            is_due = findings_at is None or now - findings_at > FINDINGS_INTERVAL_S
            if is_due and "status" in document:
                findings_at = now
                _write(lines, _findings(address))
            if select.select([0], [], [], LOOK_INTERVAL_S)[0] and not os.read(0, 1024):
                break
    except BrokenPipeError:
        pass
    # Ray would wait half a second for nothing.
    os._exit(0)


def _write(lines: Any, document: dict[str, Any]) -> None:
    lines.write(f"{json.dumps({**document, 'time': time.time()})}\n")
    lines.flush()


def _look(address: str) -> dict[str, Any]:
    try:
        return {"status": _document(cluster_status(address))}
    except EngineError as error:
        return {"error": str(error)}
    except Exception as error:  # of many kinds: the cluster may go between two questions to it
        return {"error": f"Ray does not answer: {type(error).__name__}"}


def _document(status: ClusterStatus) -> dict[str, Any]:
    return {
        "address": status.address,
        "nodes": [asdict(node) for node in status.nodes],
        "holders_unknown": status.unknown,
        "limits": [
            {
                "name": limit.name,
                "kind": limit.kind,
                "total": limit.total,
                "used": limit.used,
                "nodes": [
                    node.host for node in status.nodes if node.resources.get(limit.resource, 0) > 0
                ],
                "holders": [
                    {
                        "name": holder.name,
                        "amount": holder.amount,
                        "pid": holder.pid,
                        "node_id": holder.node_id,
                    }
                    for holder in limit.holders or ()
                ],
            }
            for limit in status.limits
        ],
    }


def _findings(address: str) -> dict[str, Any]:
    try:
        findings = examine(gather(address))
    except Exception as error:  # as above
        return {"findings": [f"the doctor could not look: {error}"]}
    return {"findings": [_line(finding) for finding in findings if finding.level != "ok"]}


def _line(finding: Finding) -> str:
    advice = f". {finding.advice}" if finding.advice else ""
    return " ".join(f"{finding.check}: {finding.text.rstrip('.')}{advice}".split())
