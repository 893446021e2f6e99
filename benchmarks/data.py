"""One large Arrow table into eight steps on one node, beside the same by hand.

Run it from the repository: ``python -m benchmarks.data`` (``--size MB``, 1,000 by default).
"""

from __future__ import annotations

import argparse
import logging
import re
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import rayexec
from benchmarks.fine import SLOTS
from benchmarks.measure import REPEATS, median, print_machine, print_table, seconds
from rayexec.plan import compile_job

CONSUMERS = 8
MB = 1_000_000


def table_of(megabytes: int) -> Any:
    """Return an Arrow table of one column of doubles."""
    import numpy as np
    import pyarrow as pa

    return pa.table({"value": np.ones(megabytes * MB // 8)})


def look_at(table: Any) -> tuple[float, float]:
    """Read a whole table; return the sum of its values, and the growth of own memory in MB."""
    import pyarrow.compute as pc

    before = own_memory()
    total = pc.sum(table["value"]).as_py()
    return float(total), own_memory() - before


def own_memory() -> float:
    """Return this process's memory in MB without its mappings of the object store."""
    readings = re.search(r"RssAnon:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return float(readings[1]) / 1000 if readings is not None else 0.0


def by_rayexec(megabytes: int) -> Any:
    """Return a job that makes a table and looks at it in eight steps."""

    @rayexec.op
    def make() -> Any:
        return table_of(megabytes)

    @rayexec.op
    def look(table: Any) -> Any:
        return look_at(table)

    @rayexec.op
    def join(seen: Any) -> Any:
        return seen

    @rayexec.job
    def shared() -> None:
        table = make()
        join([look(table) for _ in range(CONSUMERS)])

    return shared


def by_hand(megabytes: int) -> Callable[[], Any]:
    """Return the same as Ray tasks."""
    import ray

    make = ray.remote(table_of)
    look = ray.remote(look_at)

    def run() -> Any:
        table = make.remote(megabytes)
        return ray.get([look.remote(table) for _ in range(CONSUMERS)])

    return run


def stored() -> float:
    """Return the MB in Ray's object store, once Ray's occasional reports agree."""
    import ray

    name = "object_store_memory"
    readings: list[float] = []
    while len(readings) < 20 and (len(readings) < 4 or len(set(readings[-4:])) > 1):
        time.sleep(0.5)
        readings.append(
            (ray.cluster_resources()[name] - ray.available_resources().get(name, 0)) / MB
        )
    return readings[-1]


def main() -> None:
    """Print the table."""
    import ray

    parser = argparse.ArgumentParser(prog="python -m benchmarks.data", description=__doc__)
    parser.add_argument("--size", type=int, default=1_000, metavar="MB")
    size = parser.parse_args().size
    ray.init(
        address="local",
        num_cpus=SLOTS,
        include_dashboard=False,
        log_to_driver=False,
        logging_level=logging.ERROR,
    )
    print_machine("rayexec", "ray", "pyarrow")
    job = by_rayexec(size)
    compile_job(job)
    hand = by_hand(size)

    def ours(keep: str = "none") -> Any:
        return job.execute(raise_on_error=True, keep_outputs=keep)

    for _ in range(2):  # the first to touch the store's pages pays for them
        ours()
        hand()
    driver = own_memory()
    result = ours("all")
    seen = result.output_for_node("join")
    assert [total for total, _ in seen] == [size * MB / 8] * CONSUMERS
    in_store = stored()
    grown = max(more for _, more in seen)
    result.close()
    mine, theirs = [], []
    for _ in range(REPEATS):
        mine.append(seconds(ours))
        theirs.append(seconds(partial(hand)))
    ratio = median([one / other for one, other in zip(mine, theirs, strict=True)])
    head = [
        "table",
        "to by hand",
        "rayexec, s",
        "by hand, s",
        "in store, MB",
        "a reader's own, MB",
        "driver's growth, MB",
    ]
    row = [
        f"{size:,} MB into {CONSUMERS} steps",
        f"{ratio:.3f}",
        f"{median(mine):.2f}",
        f"{median(theirs):.2f}",
    ]
    row += [f"{in_store:,.0f}", f"{grown:.1f}", f"{own_memory() - driver:.1f}"]
    print_table(f"One large value, {SLOTS} slots", head, [row])


if __name__ == "__main__":
    main()
