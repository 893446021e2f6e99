"""Choice of the driver process for a note."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from rayexec.launch.cluster_driver import ClusterDriver, connect_jobs
from rayexec.launch.driver_process import DriverProcess
from rayexec.launch.local_driver import LocalDriver
from rayexec.launch.notes import LaunchNote

if TYPE_CHECKING:
    from rayexec.cluster.jobs_api import Jobs

__all__ = ["driver_of"]


def driver_of(note: LaunchNote, connect: Callable[[str], Jobs] = connect_jobs) -> DriverProcess:
    """Return the driver of a launched run; ``connect`` reaches the cluster of one that has one."""
    return LocalDriver(note) if note.address is None else ClusterDriver(note, connect)
