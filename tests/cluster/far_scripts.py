"""Modules and scripts of a user, to run on a far host."""

from __future__ import annotations

BESIDE = """
N = 5

def fail():
    raise ValueError("as it should")
"""

# What both nodes find; `place` is where a module that the op imports when it runs comes from.
JOB = """
import json
import sys
from rayexec import job, op
import beside
import own.deep.query
import spaced.part
import shared

def found(node):
    import late
    values = [beside.N, own.deep.query.text(), spaced.part.NAME, shared.NAME, late.NAME]
    print(json.dumps({"node": node, "values": values, "place": late.__file__}))

@op(ray_options={"resources": {"far": 0.1}})
def far():
    found("far")

@op(ray_options={"resources": {"near": 0.1}})
def near():
    found("near")

@op(ray_options={"resources": {"far": 0.1}})
def fails():
    beside.fail()

@job
def both():
    far()
    near()

@job
def failing():
    far()
    near()
    fails()
"""

SCRIPT = """
import sys
import beside
from rayexec import job, op

@op(ray_options={"resources": {"far": 0.1}})
def far():
    import late
    return [beside.N, late.NAME, late.__file__]

@job
def by_value():
    far()

if __name__ == "__main__":
    result = by_value.execute(address=sys.argv[1], raise_on_error=True)
    print(*result.output_for_node("far"))
"""

PARTED = """
from importlib.resources import files
from pathlib import Path
from rayexec import job, op
import parted
import parted._json

@op(ray_options={"resources": {"far": 0.1}})
def far():
    from parted import made
    rows = (Path(__file__).parent / "data/rows.csv").read_text()
    large = len((files("parted") / "large.bin").read_text())
    return [parted._json.__name__, large, made.N, rows, parted.N]

@op(ray_options={"resources": {"far": 0.1}})
def old():
    import parted.gone

@job
def parts():
    far()
    old()

if __name__ == "__main__":
    import sys
    result = parts.execute(address=sys.argv[1], raise_on_error=False)
    print(result.output_for_node("far"))
    print(result.failure_data_for_node("old").root.message)
"""

EDITING = """
import importlib
import os
import sys
from pathlib import Path
import beside
from rayexec import job, op

def text():
    import edited
    return [beside.N, edited.N]

@op(ray_options={"resources": {"far": 0.1}})
def far():
    return [os.getpid(), *text()]

@job
def twice():
    far()

if __name__ == "__main__":
    for number in (1, 20, 300):
        Path("beside.py").write_text(f"N = {number}")
        Path("edited.py").write_text(f"N = {number}")
        importlib.reload(beside)
        print(*twice.execute(address=sys.argv[1], raise_on_error=True).output_for_node("far"))
    Path("edited.py").write_text("N = 4000")  # which this process has not imported
    print(*twice.execute(address=sys.argv[1], raise_on_error=True).output_for_node("far"))
    Path("edited.py").unlink()
    result = twice.execute(address=sys.argv[1], raise_on_error=False)
    print(result.failure_data_for_node("far").root.message)
"""

FANCY = """
import fancy
from rayexec import RetryPolicy, job, op

@op(ray_options={"resources": {"far": 0.1}}, retry_policy=RetryPolicy(max_retries=5, delay=60))
def far():
    print(fancy)

@job
def needing():
    far()
"""


FULL = """
import noise
from rayexec import RetryPolicy, job, op

@op(ray_options={"resources": {"full": 0.1}}, retry_policy=RetryPolicy(max_retries=1))
def full(): ...

@job(config={"execution": {"config": {"ray": {"infrastructure_retries": 1}}}})
def filling():
    full()
"""
