"""Job files for tests of the job page and the Launchpad."""

from __future__ import annotations

JOBS = '''
"""Jobs of a test."""
from enum import Enum

from rayexec import Config, DynamicOut, DynamicOutput, RetryPolicy, graph, job, op


class Mode(Enum):
    FAST = "fast"
    CAREFUL = "careful"


class Source(Config):
    """Where rows come from."""

    #: Rows to load.
    rows: int
    mode: Mode = Mode.FAST
    deep: bool = False


@op(tags={"database": "redshift"})
def load(config: Source) -> int:
    """Load rows of a table."""
    return config.rows


@op(retry_policy=RetryPolicy(max_retries=2), cache=True, code_version="1")
def clean(rows: int) -> int:
    """Clean rows."""
    return rows


@op(out=DynamicOut())
def split(rows: int):
    for index in range(3):
        yield DynamicOutput(rows + index, mapping_key=str(index))


@op
def weigh(row: int) -> int:
    return row


@op
def total(rows: list[int]) -> int:
    return sum(rows)


@graph
def tidy(rows):
    return clean.alias("second")(clean.alias("first")(rows))


@job
def copy():
    """Copy a table, in parts."""
    total(split(tidy(load())).map(weigh).collect())
'''

LARGE = '''
"""A job of 1,000 ops in nested graphs, and one of 1,000 ops side by side."""
from rayexec import graph, job, op


@op
def step(x: int) -> int:
    return x


@op
def first() -> int:
    return 1


@op
def total(xs: list[int]) -> int:
    return sum(xs)


def region(name):
    @graph(name=name)
    def part(x):
        outs = [step.alias(f"step_{index}")(x) for index in range(24)]
        chained = [step.alias(f"then_{index}")(out) for index, out in enumerate(outs)]
        return total(chained)

    return part


@job
def nested():
    start = first()
    total.alias("whole")([region(f"region_{index}")(start) for index in range(20)])


@job
def flat():
    start = first()
    outs = [start]
    for index in range(998):
        outs.append(step.alias(f"s{index}")(outs[index // 3]))
    total(outs[-50:])
'''
