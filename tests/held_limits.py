"""A job of steps that wait for each other, for longer than for anything else of a busy machine."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from rayexec import JobDefinition, job, op

__all__ = ["LIMITED", "hold_limit", "queries_job"]

HOLD_S = 0.3
REDSHIFT = {"key": "database", "value": "redshift", "limit": 1}
#: Run config for ``queries_job``.
LIMITED: dict[str, Any] = {"execution": {"config": {"ray": {"tag_concurrency_limits": [REDSHIFT]}}}}


def hold_limit(folder: Path, since: float) -> None:
    """Stay in a step; the first one stays twice the time since ``since``, in which workers start.

    So the limit is the reason of the waits behind it, however late the first one came.
    """
    try:
        (folder / "first").touch(exist_ok=False)
        late_s = time.time() - since
    except FileExistsError:
        late_s = 0.0
    time.sleep(max(HOLD_S, 2 * late_s))


def queries_job(folder: Path) -> JobDefinition:
    """Return a job of three steps that run one at a time under a limit; run it soon."""
    made_at = time.time()

    @op(tags={"database": "redshift"})
    def query() -> None:
        hold_limit(folder, made_at)

    @job
    def queries() -> None:
        for _ in range(3):
            query()

    return queries
