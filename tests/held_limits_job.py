"""A job file whose steps hold a limit of tags until a file named `go` is beside it."""

__all__ = ["HOLDS"]

HOLDS = """
import time
from pathlib import Path
from rayexec import job, op

@op(tags={"db": "x"})
def load():
    ends = time.monotonic() + 240
    while not Path(__file__).with_name("go").exists() and time.monotonic() < ends:
        time.sleep(0.05)

@job
def nightly():
    load()
    load()
"""
