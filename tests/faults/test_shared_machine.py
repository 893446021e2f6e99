"""Runs on a machine that strangers and other containers share, with little memory for files."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from strangers import STRANGER_UID, in_namespaces, needs

from rayexec import RunResult, job, op

Execute = Callable[..., RunResult]
ROOT = Path(__file__).parents[2]

# What a stranger can plant who foresees the names of files: a directory and files under the names
# of this user's, and journals that run code when they are unpickled.
PLANT = """
import os, pickle, struct, sys
class Pwns:
    def __reduce__(self):
        return os.system, ("touch " + sys.argv[1],)
payload = pickle.dumps(Pwns())
journal = struct.pack("<I", 1) + struct.pack("<cI", b"W", len(payload)) + payload
os.umask(0)
for base in ("/dev/shm", "/tmp"):
    own = f"{base}/rayexec-0"
    os.mkdir(own, 0o777)
    for directory in (base, own):
        for batch in range(1, 30):
            for pid in range(1, 3):
                name = f"{directory}/rayexec-batch-{pid}.{batch}"
                open(name, "wb").write(journal)
                os.mkdir(name + ".stdout")
"""
RUN = """
import json, os, subprocess, sys, threading, time
import ray
from rayexec import RunResult, job, op

most = 0
def used():
    status = os.statvfs("/dev/shm")
    return (status.f_blocks - status.f_bfree) * status.f_frsize

@op
def prints_a_lot() -> int:
    for _ in range(100 * 1024):
        sys.stdout.write("x" * 1023 + "\\n")
    for _ in range(100):
        os.write(2, b"y" * 1024 * 1024)
    return subprocess.run(["head", "-c", "200000000", "/dev/zero"]).returncode

@op
def prints_a_little() -> int:
    for index in range(300):
        print(index)
        subprocess.run(["echo", "from a child"], check=True)
        time.sleep(0.005)
    return 1

@op
def dies() -> None:
    print("said before")
    os._exit(3)

@job
def noisy() -> None:
    prints_a_lot.alias("first")()
    prints_a_lot.alias("second")()
    prints_a_little()
    dies()

def watch():
    global most
    while True:
        most = max(most, used())
        time.sleep(0.01)

if __name__ == "__main__":
    ray.init(
        address="local", num_cpus=4, include_dashboard=False, log_to_driver=False,
        object_store_memory=80_000_000, _plasma_directory="/tmp",
    )
    before = used()
    threading.Thread(target=watch, daemon=True).start()
    result = noisy.execute(raise_on_error=False)
    def captured(step):
        [event] = [
            e for e in result.all_events
            if (e.step_key, e.event_type_value) == (step, "LOGS_CAPTURED")
        ]
        return event.event_specific_data
    shown = {
        "succeeded": sorted(k for k in ("first", "second", "prints_a_little")
                            if k not in result.get_failed_step_keys()),
        "error": result.failure_data_for_node("dies").error.message,
        "said": captured("dies")["stdout"],
        "left out": captured("first")["stderr"][-200:],
        "little": captured("prints_a_little")["stdout"],
        "used": most - before,
        "pwned": os.path.exists(sys.argv[1]),
    }
    with open(sys.argv[2], "w") as file:
        json.dump(shown, file)
    ray.shutdown()
"""


def covered_and_shown_again(directory: str) -> str:
    """Return commands that put an empty file system over a directory, but not over this code."""
    code = [str(ROOT), sys.prefix, sys.base_prefix]
    below = [
        path
        for path in code
        if path.startswith(f"{directory}/")
        and not any(path.startswith(f"{other}/") for other in code)
    ]
    return "; ".join(
        [
            *(f"exec {3 + index}<'{path}'" for index, path in enumerate(below)),
            f"mount -t tmpfs -o size=2g,mode=1777 tmpfs {directory}",
            *(
                f"mkdir -p '{path}'; mount --no-canonicalize --bind /proc/self/fd/{3 + index} "
                f"'{path}'; exec {3 + index}<&-"
                for index, path in enumerate(below)
            ),
        ]
    )


@pytest.mark.long("starts a Ray in a mount namespace, and prints 800 MB there")
def test_with_little_memory_for_files_and_a_stranger_in_it_steps_print_and_die_as_ever(
    tmp_path: Path,
) -> None:
    needs("setpriv", f"--reuid={STRANGER_UID}", "--clear-groups")
    shown, pwned = tmp_path / "shown.json", "/tmp/pwned"
    (tmp_path / "noisy.py").write_text(RUN)
    (tmp_path / "plant.py").write_text(PLANT)
    setup = f"""
        mount --bind '{tmp_path}' /mnt
        mount -t tmpfs -o size=64m,mode=1777 tmpfs /dev/shm
        {covered_and_shown_again("/tmp")}
        chmod 755 /mnt
        setpriv --reuid={STRANGER_UID} --regid={STRANGER_UID} --clear-groups \
            {sys.executable} -I /mnt/plant.py {pwned}
    """
    command = in_namespaces("--mount", setup=textwrap.dedent(setup))
    with open(tmp_path / "log", "w") as log:
        subprocess.run(
            [*command, sys.executable, "/mnt/noisy.py", pwned, "/mnt/shown.json"],
            stdout=log,
            stderr=log,
            check=False,
            timeout=300,
            cwd="/",
        )
    assert shown.exists(), (tmp_path / "log").read_text()
    seen = json.loads(shown.read_text())
    assert seen["succeeded"] == ["first", "prints_a_little", "second"]
    assert "os._exit(3)" in seen["error"]
    assert seen["said"] == "said before\n"
    assert "bytes that the step printed on stdout were left out" in seen["left out"]
    assert seen["little"].count("from a child\n") == 300
    # Two journals with entries of the two chatty steps: their prints are 1 MiB a stream.
    assert seen["used"] < 6 * 1024 * 1024
    assert not seen["pwned"]


SWEEP = "from rayexec.engine.ray.protocol.driver_lock import sweep_journals; sweep_journals()"


def test_a_driver_in_another_container_costs_a_run_nothing(
    execute_on_ray: Execute, tmp_path: Path
) -> None:
    """Containers may share /dev/shm, and in each of them pids count from 1."""
    elsewhere = [*in_namespaces("--pid", "--fork", "--mount-proc"), sys.executable, "-c", SWEEP]

    @op
    def crashes() -> None:
        import os

        with open(tmp_path / "tries", "a") as file:
            file.write("x")
        subprocess.run(elsewhere, check=True)
        print("said before")
        os._exit(3)

    @job
    def crashing() -> None:
        crashes()

    result: Any = execute_on_ray(crashing)
    assert not result.success
    assert (tmp_path / "tries").read_text() == "x"
    data = result.failure_data_for_node("crashes")
    assert "it was ended by os._exit(3), in crashes" in data.error.message
    [captured] = [
        event
        for event in result.all_events
        if (event.step_key, event.event_type_value) == ("crashes", "LOGS_CAPTURED")
    ]
    assert captured.event_specific_data["stdout"] == "said before\n"
