"""Processes of a cluster, and their end."""

from __future__ import annotations

import signal
import subprocess
import sys

from rayexec.cluster.processes import Process, end, family, table


def test_the_family_is_the_roots_their_session_and_all_descendants() -> None:
    listed = [
        (10, 1, 9, "raylet"),
        (11, 1, 9, "gcs_server"),
        (12, 10, 12, "worker"),  # in a session of its own
        (13, 12, 12, "its child"),
        (14, 1, 12, "a stranger in that session, to which we have no right"),
        (15, 1, 15, "another"),
    ]
    running = {
        pid: Process(pid, parent, session, "0", name) for pid, parent, session, name in listed
    }
    assert family({10}, [9], running) == {10, 11, 12, 13}
    assert family(set(), [9], running) == set()
    assert family({15}, [9], running) == {15}


def _stubborn() -> subprocess.Popen[str]:
    script = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
        "print('ready', flush=True); time.sleep(600)"
    )
    process = subprocess.Popen([sys.executable, "-c", script], stdout=-1, text=True)
    assert process.stdout is not None
    process.stdout.readline()
    return process


def test_who_does_not_go_when_asked_is_killed() -> None:
    with _stubborn() as stubborn, subprocess.Popen(["sleep", "600"]) as willing:
        wanted = {stubborn.pid, willing.pid}
        left = end(
            lambda: {pid: each for pid, each in table().items() if pid in wanted},
            first="raylet",
            grace_s=1.0,
        )
        assert left == []
        assert (stubborn.wait(60), willing.wait(60)) == (-signal.SIGKILL, -signal.SIGTERM)
