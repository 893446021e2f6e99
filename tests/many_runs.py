"""Run store with thousands of runs, made of copies of one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from rayexec import job, op

__all__ = ["copied_runs"]

IN_PROCESS: dict[str, Any] = {"execution": {"config": {"in_process": {}}}}
_FAILED_EACH = 10


@op
def only() -> int:
    return 1


@job
def copied() -> None:
    only()


def copied_runs(home: Path, count: int) -> list[str]:
    """Have ``count`` runs below a home, in the store of this process; return their ids, by age.

    Each tenth one has failed. They began a second after one another, the first one last.
    """
    run_id = copied.execute(IN_PROCESS).run_id
    [first] = [path for path in home.rglob(run_id) if path.is_dir()]
    document = json.loads((first / "run.json").read_text())
    ids = [run_id]
    for number in range(1, count):
        copy = first.with_name(f"copy-{number:05}")
        copy.mkdir()
        changed = {
            "run_id": copy.name,
            "status": "SUCCESS" if number % _FAILED_EACH else "FAILURE",
            "start_time": document["start_time"] - number,
            "end_time": document["start_time"] - number + 0.5,
            "tags": {"part": str(number % 4)},
        }
        (copy / "run.json").write_text(json.dumps({**document, **changed}))
        ids.append(copy.name)
    return ids
