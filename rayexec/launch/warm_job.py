"""Job of one step, for the warming of a driver and of a worker."""

from __future__ import annotations

from rayexec.definitions.op import op
from rayexec.jobs import job

__all__ = ["warm"]


@op
def step() -> int:
    """Do nothing."""
    return 0


@job
def warm() -> None:
    """Run one step."""
    step()
