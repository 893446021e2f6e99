"""Timing, medians and tables."""

from __future__ import annotations

import gc
import importlib.metadata
import os
import platform
import statistics
import time
from collections.abc import Callable, Sequence

from rayexec._version import DISTRIBUTION

REPEATS = 5


def seconds(work: Callable[[], object]) -> float:
    """Return the seconds of ``work``, after a garbage collection."""
    gc.collect()
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def median(values: Sequence[float]) -> float:
    """Return the middle one of the values."""
    return statistics.median(values)


def spread(values: Sequence[float]) -> str:
    """Return the least and the greatest of the values, in seconds."""
    return f"{min(values):.2f}-{max(values):.2f}"


def print_table(title: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a Markdown table; the first column aligns left, the others right."""
    widths = [max(len(row[column]) for row in [head, *rows]) for column in range(len(head))]

    def line(cells: Sequence[str]) -> str:
        first, *others = (
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(cells, widths, strict=True))
        )
        return f"| {' | '.join([first, *others])} |"

    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    print(f"\n{title}\n", line(head), line(rule), *map(line, rows), sep="\n", flush=True)


def print_machine(*packages: str) -> None:
    """Print the versions of Python and ``packages``, and the kind of this machine."""
    versions = [
        f"{name} {importlib.metadata.version(DISTRIBUTION if name == 'rayexec' else name)}"
        for name in packages
    ]
    print(
        f"{time.strftime('%Y-%m-%d')}: Python {platform.python_version()}, {', '.join(versions)}; "
        f"{platform.system()} {platform.machine()}, {os.cpu_count()} processors, medians of "
        f"{REPEATS}"
    )


def verdict(value: float, goal: float) -> str:
    """Say if ``value`` keeps within ``goal``."""
    return "yes" if value <= goal else "NO"
