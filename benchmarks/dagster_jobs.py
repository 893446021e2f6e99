"""Jobs for the processes of Dagster's steps; each imports this file, so it imports no rayexec."""

from __future__ import annotations

import importlib
import json
from typing import Any

from benchmarks.jobs import make_job, make_napping_job


def no_ops(shape: str, steps: int) -> Any:
    """Return a job of no-ops."""
    return make_job(importlib.import_module("dagster"), shape, steps)


def naps(dag: str) -> Any:
    """Return a job of naps along a graph in JSON."""
    return make_napping_job(importlib.import_module("dagster"), json.loads(dag))[0]
