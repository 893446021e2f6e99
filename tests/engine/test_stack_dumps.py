"""Stack dumps of dead workers: the op's own frames, wherever rayexec's files are."""

from __future__ import annotations

import importlib
import inspect
import os
import subprocess
import sys

import pytest

from rayexec.engine.ray.driver.stack_dumps import crashed_step, frames_of_step, hung_step
from rayexec.engine.ray.tasks import OP_CALLERS
from rayexec.engine.ray.worker import batch_runner
from rayexec.steps import step_executor


def dump_of(caller: str, package: str = "/elsewhere/rayexec") -> str:
    """Return a dump as faulthandler writes it, of an op that a module of rayexec called."""
    file = os.path.join(package, *caller.split(".")[1:]) + ".py"
    return "\n".join(
        [
            "Thread 0x00007f01 (most recent call first):",
            '  File "/usr/lib/python3.11/threading.py", line 320 in wait',
            f'  File "{package}/engine/ray/worker/live_watch.py", line 200 in _run',
            "",
            "Current thread 0x00007f02 (most recent call first):",
            f'  File "{package}/definitions/contexts.py", line 60 in log',
            '  File "/home/me/jobs.py", line 12 in inner',
            '  File "/home/me/jobs.py", line 34 in my_op',
            f'  File "{file}", line 292 in call_op',
            '  File "/usr/lib/python3.11/site-packages/ray/worker.py", line 1 in main',
        ]
    )


@pytest.mark.parametrize("caller", OP_CALLERS)
def test_frames_are_those_inside_of_the_module_that_calls_ops(caller: str) -> None:
    frames = frames_of_step(dump_of(caller))
    assert [(frame.name, frame.line) for frame in frames] == [("my_op", 34), ("inner", 12)]


def test_the_modules_that_call_ops_are_where_they_say() -> None:
    assert set(OP_CALLERS) == {step_executor.__name__, batch_runner.__name__}
    for name in OP_CALLERS:
        module = importlib.import_module(name)
        path = os.path.join(*name.split(".")) + ".py"
        assert (module.__file__ or "").endswith(path)
        assert "(*" in inspect.getsource(module)  # an op's function gets its inputs unpacked


def test_the_driver_reads_a_dump_without_worker_code() -> None:
    code = """
import sys
from rayexec.engine.ray.driver.stack_dumps import frames_of_step
frames_of_step('Thread 0x1 (most recent call first):\\n  File "a.py", line 1 in f')
print([name for name in sys.modules if name.startswith("rayexec.engine.ray.worker")])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("[]\n", "")


def test_without_frames_of_rayexec_the_last_thread_is_the_step_s() -> None:
    dump = 'Thread 0x1 (most recent call first):\n  File "a.py", line 1 in f\n'
    dump += 'Thread 0x2 (most recent call first):\n  File "b.py", line ??? in g\n'
    assert frames_of_step(dump) == [("b.py", 0, "g")]
    assert frames_of_step("") == []


def test_errors_name_the_innermost_frame() -> None:
    dump = dump_of("rayexec.steps.step_executor")
    error, info = hung_step("s", 2, dump)
    assert "in inner (/home/me/jobs.py, line 12)" in str(error)
    assert info.message == str(error)
    crash = crashed_step("s", exited=f"3\n{dump}", stderr="")
    assert crash is not None
    assert "os._exit(3), in inner" in str(crash[0])
    assert crashed_step("s", exited="", stderr="nothing of a signal") is None
