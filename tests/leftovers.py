"""Leftovers of runs: files and processes that must be gone however a run ended."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from pathlib import Path

from rayexec.engine.ray.protocol.batch_files import JOURNAL_PREFIX, own_directories

__all__ = ["Leftovers"]

_PATIENCE = 30.0  # seconds in which what is left behind has to go


class Leftovers:
    """What runs of certain drivers left on this machine: files in memory, processes that have them
    open, resources.

    ``drivers`` are the pids of these drivers: this process, and those that a test adds.
    """

    def __init__(self) -> None:
        self.drivers = {os.getpid()}
        self._files = self._find_files()
        self._free = _free_resources()

    def find(self) -> dict[str, object]:
        """Return what there is now and was not before, by kind; empty where nothing is left."""
        free = _free_resources()
        taken = {name: amount - free.get(name, 0.0) for name, amount in self._free.items()}
        found: dict[str, object] = {
            "files": sorted(map(str, self._find_files() - self._files)),
            "processes": self._find_processes(),
            "resources": {name: amount for name, amount in taken.items() if amount > 0}
            if free
            else {},
        }
        return {kind: each for kind, each in found.items() if each}

    def check(self, patience: float = _PATIENCE) -> None:
        """Raise AssertionError where something still is there after ``patience`` seconds."""
        end = time.monotonic() + patience
        while found := self.find():
            assert time.monotonic() < end, f"{patience:g} s after the run there is still: {found}"
            time.sleep(0.05)

    def _find_files(self) -> set[Path]:
        named = {
            path for directory in own_directories() for path in directory.glob(f"{JOURNAL_PREFIX}*")
        }
        return {path for path in named if self._is_ours(path.name)}

    def _is_ours(self, name: str) -> bool:
        driver = name[len(JOURNAL_PREFIX) :].partition("-")[0].partition(".")[0]
        return driver.isdigit() and int(driver) in self.drivers

    def _find_processes(self) -> list[str]:
        """Return the processes that run a step, or that a step started: they have files of its
        batch open.
        """
        found = []
        for process in Path("/proc").iterdir():
            if process.name.isdigit() and int(process.name) != os.getpid():
                with contextlib.suppress(OSError):  # it is gone, or somebody else's
                    names = [
                        os.readlink(each).rpartition("/")[2] for each in (process / "fd").iterdir()
                    ]
                    if any(
                        name.startswith(JOURNAL_PREFIX) and self._is_ours(name) for name in names
                    ):
                        words = (
                            (process / "cmdline")
                            .read_bytes()
                            .replace(b"\0", b" ")
                            .decode(errors="replace")
                        )
                        found.append(f"{process.name} {words}")
        return found


def _free_resources() -> dict[str, float]:
    """Return what is free of the Ray that this process is connected to, but for memory; nothing
    without one.
    """
    ray = sys.modules.get("ray")
    if ray is None or not ray.is_initialized():
        return {}
    free = ray.available_resources()
    return {
        name: amount
        for name, amount in free.items()
        if name not in ("memory", "object_store_memory")
    }
