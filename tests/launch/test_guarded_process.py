"""The guard of a process that holds the user's code."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

_PROGRAM = """
import os, sys
from rayexec.launch.guarded_process import guard
guard(int(sys.argv[1]))
os.system("true")  # its end is a signal to this process, and not to the guard
print("works", flush=True)
sys.stdin.read(1)
os._exit(7)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_guard_sleeps_until_its_worker_ends() -> None:
    """One that looks again and again takes a core for as long as `rayexec dev` runs."""
    reading, writing = os.pipe()
    with subprocess.Popen(
        [sys.executable, "-c", _PROGRAM, str(reading)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        pass_fds=[reading],
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == b"works\n"
        states = []
        for _ in range(20):
            time.sleep(0.005)
            states.append(_state(process.pid))
        process.stdin.close()
        assert process.wait(60) == 7
    os.close(reading)
    os.close(writing)
    assert states[5:] == ["S"] * 15, "it does not sleep"


def _state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
