"""Jobs with dynamic outputs, to show and run by the command line."""

from __future__ import annotations

JOBS = """
import time
from rayexec import Config, DynamicOut, DynamicOutput, graph, job, op

class Size(Config):
    n: int = 4

class Odd(Config):
    fails: bool = False

@op(out=DynamicOut())
def load(config: Size):
    for index in range(config.n):
        yield DynamicOutput(index, mapping_key=f"k{index}")

@op(tags={"db": "red"})
def clean(x):
    time.sleep(0.004)
    return x

@op
def check(x, config: Odd):
    if config.fails and x % 2:
        raise ValueError(f"{x} is odd")
    return x

@op
def total(xs):
    return len(xs)

@job
def fan():
    total(load().map(lambda x: check(clean(x))).collect())

@op(out=DynamicOut(int, is_required=True))
def split(x):
    time.sleep(0.1)
    for index in range(3):
        yield DynamicOutput(index, mapping_key=str(index))

@graph
def part(x):
    return total(split(x).map(clean).collect())

@job
def nested():
    total.alias("all")(load().map(part).collect())

@op
def start():
    return 1

@op
def pair(x, y):
    return x

@job
def late():
    values, one = load(), start()
    total(values.map(lambda x: pair(x, one)).collect())

@job
def wide():
    def row(x):
        for index in range(9):
            x = clean.alias(f"clean_{index}")(x)
        return x
    load().map(row)

@op
def nap(x):
    time.sleep(0.5)

@job
def naps():
    load().map(nap)

@op(ray_options={"resources": {"redshift": 1}})
def ask(x):
    return x

@job
def lacking():
    load().map(ask)
"""
