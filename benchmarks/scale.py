"""Cost of a step and memory of the driver, for 1,000 to 100,000 no-op steps on Ray.

Run it from the repository: ``python -m benchmarks.scale``.
"""

from __future__ import annotations

import logging
import resource

import rayexec
from benchmarks.fine import SLOTS
from benchmarks.jobs import SHAPES, make_job
from benchmarks.measure import REPEATS, median, print_machine, print_table, seconds
from rayexec.plan import compile_job

SIZES = (1_000, 10_000, 100_000)


def main() -> None:
    """Print the table."""
    import ray

    ray.init(
        address="local",
        num_cpus=SLOTS,
        include_dashboard=False,
        log_to_driver=False,
        logging_level=logging.ERROR,
    )
    print_machine("rayexec", "ray")
    make_job(rayexec, "fan-out", 1_000).execute()
    rows = []
    for shape in SHAPES:
        least = 0.0
        for size in SIZES:
            job = make_job(rayexec, shape, size)
            compile_job(job)
            job.execute()
            times = [seconds(job.execute) / size * 1e6 for _ in range(REPEATS)]
            took = median(times)
            least = least or took
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            spread = f"{min(times):.1f}-{max(times):.1f}"
            rows.append(
                [
                    f"{shape}, {size:,} steps",
                    f"{took:.1f}",
                    spread,
                    f"{took / least:.2f}",
                    f"{peak:,.0f}",
                ]
            )
    head = ["job", "µs a step", "least-most", "to 1,000 steps", "driver's peak so far, MB"]
    print_table(f"No-op steps, {SLOTS} slots", head, rows)


if __name__ == "__main__":
    main()
