"""CPUs of this machine for this process: its affinity, and the quota of its container."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["usable_cpus"]


def usable_cpus() -> int:
    """Return the number of CPUs for this process, at least 1."""
    try:
        count = len(os.sched_getaffinity(0))
    except AttributeError:  # not on every system
        count = os.cpu_count() or 1
    for name in ("/sys/fs/cgroup/cpu.max", "/sys/fs/cgroup/cpu/cpu.cfs_quota_us"):
        try:
            quota, *rest = Path(name).read_text().split()
            period = rest[0] if rest else Path(name).with_name("cpu.cfs_period_us").read_text()
            if int(quota) > 0:
                count = min(count, int(quota) // int(period))
        except (OSError, ValueError):  # not there, or "max"
            continue
    return max(1, count)
