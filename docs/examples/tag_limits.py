"""Limits: at most four ops at once, and at most two of those that query the same database."""

import time

from rayexec import job, op


@op(tags={"database": "redshift"})
def query(table: str) -> int:
    """Stand for a query that takes a moment."""
    time.sleep(0.2)
    return len(table)


@op
def table_name() -> str:
    return "flights"


@op
def other_work() -> int:
    """Use no database, and so run beside the queries."""
    time.sleep(0.2)
    return 1


@op
def total(values: list[int]) -> int:
    return sum(values)


@job(
    config={
        "execution": {
            "config": {
                "multiprocess": {
                    "max_concurrent": 4,
                    "tag_concurrency_limits": [
                        {
                            "key": "database",
                            "value": "redshift",
                            "limit": 2,
                        }
                    ],
                },
            }
        }
    }
)
def tag_concurrency_job() -> None:
    name = table_name()
    total([query(name) for _ in range(6)] + [other_work() for _ in range(4)])
