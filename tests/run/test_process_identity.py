"""Processes that ended, that run, and that took the pid of another."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import replace

import pytest

from rayexec.run.process_identity import ProcessIdentity

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")


def test_this_process_runs() -> None:
    assert not ProcessIdentity.here().is_gone()


def test_a_process_that_ended_is_gone_also_as_a_zombie() -> None:
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    identity = ProcessIdentity.of(process.pid)
    assert not identity.is_gone()
    assert process.stdin is not None
    process.stdin.close()
    deadline = time.monotonic() + 120
    while not identity.is_gone():  # Nobody waits for it, so it stays a zombie.
        assert time.monotonic() < deadline
        time.sleep(0.01)
    os.kill(process.pid, 0)
    process.wait()
    assert identity.is_gone()


def test_a_later_process_with_the_pid_is_another_one() -> None:
    assert replace(ProcessIdentity.here(), started="another boot:1").is_gone()


def test_a_process_of_another_host_may_still_run() -> None:
    assert not ProcessIdentity("elsewhere.invalid", 2**22 + 1).is_gone()
