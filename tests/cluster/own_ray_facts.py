"""Program that starts Ray by runs from many places, and prints facts as JSON, one a line.

A thread that has ended starts the first run; then come others, forked children, and a dead head.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import os
import signal
import socket
import sys
import threading
import time
from pathlib import Path
from typing import Any

from rayexec import RunResult, job, op


@op
def large() -> bytes:
    """Return what is too large for a message."""
    return bytes(2_000_000)


@job
def single() -> None:
    """Have one step."""
    large()


def execute(**options: Any) -> RunResult:
    """Run the job without a record."""
    return single.execute(store=False, **options)


def tell(name: str, fact: object) -> None:
    """Print a fact."""
    print(json.dumps([name, fact]), flush=True)


def status_or_error(**options: Any) -> str:
    """Run the job, and return how it ended."""
    try:
        return str(execute(**options).status)
    except Exception as error:
        return f"{type(error).__name__}: {error}"


def in_thread() -> str:
    """Return how a run ended in a thread that has ended too."""
    statuses: list[str] = []
    thread = threading.Thread(target=lambda: statuses.append(status_or_error()))
    thread.start()
    thread.join()
    return statuses[0]


def at_once(count: int) -> list[str]:
    """Return how runs in threads ended that ran at once."""
    statuses: list[str] = []
    threads = [
        threading.Thread(target=lambda: statuses.append(status_or_error())) for _ in range(count)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return statuses


def in_fork(code: Any) -> list[object]:
    """Return what ``code`` returned in a forked child, and the child's exit code.

    The child ends as any process does, by the end of Python.
    """
    reading, writing = os.pipe()
    pid = os.fork()
    if not pid:
        os.close(reading)
        os.write(writing, str(code()).encode())
        sys.exit(7)
    os.close(writing)
    with os.fdopen(reading) as answer:
        text = answer.read()
    return [text, os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])]


def value_or_error(result: RunResult) -> str:
    """Return the type of a run's output, or the error."""
    try:
        return type(result.output_for_node("large")).__name__
    except Exception as error:
        return f"{type(error).__name__}: {error}"


def listening() -> list[str]:
    """Return addresses other than the loopback one that processes of this session listen at."""
    session, inodes = os.getsid(0), set()
    for process in Path("/proc").iterdir():
        try:
            if process.name.isdigit() and os.getsid(int(process.name)) == session:
                inodes |= {os.readlink(entry) for entry in (process / "fd").iterdir()}
        except OSError:  # it has just ended
            continue
    outward = []
    for protocol in ("tcp", "tcp6"):
        for line in Path("/proc/net", protocol).read_text().splitlines()[1:]:
            fields = line.split()
            is_local = fields[1].partition(":")[0].endswith("0100007F")
            if fields[3] == "0A" and f"socket:[{fields[9]}]" in inodes and not is_local:
                outward.append(fields[1])
    return outward


def is_admitted_without_token() -> bool:
    """Whether this process's Ray answers a stranger."""
    import ray

    from rayexec.cluster.access import asks_for_token

    return asks_for_token(ray.get_runtime_context().gcs_address) is False


def main() -> None:
    """Print all facts."""
    address = {"address": sys.argv[1]} if len(sys.argv) > 1 else {}
    tell("in a thread", in_thread() if not address else status_or_error(**address))
    import ray

    node: Any = ray._private.worker._global_node
    directory = Path(node.get_session_dir_path()).parents[1]
    tell("again", status_or_error(**address))
    if not address:
        for _ in range(2):
            asyncio.run(asyncio.to_thread(execute))
        tell("asyncio", "done")
        tell("at once", at_once(8))
        tell("modes", [oct(directory.stat().st_mode & 0o777), str(directory)])
        tell("listening", listening())
        tell("admitted", is_admitted_without_token())
        tell("gcs", node.get_session_dir_path())
    result = execute(**address)
    tell("fork", in_fork(lambda: status_or_error(**address)))
    tell("fork exits", in_fork(lambda: "exits"))
    tell("fork in process", in_fork(lambda: single.execute_in_process().status))
    tell("fork reads", in_fork(lambda: value_or_error(result)))
    with multiprocessing.get_context("fork").Pool(1) as pool:
        tell("pool", pool.apply_async(status_or_error, kwds=address).get(60))
    tell("after forks", [status_or_error(**address), value_or_error(result)])
    if not address:
        os.kill(node.all_processes["gcs_server"][0].process.pid, signal.SIGKILL)
        node.all_processes["gcs_server"][0].process.wait()
        began = time.monotonic()
        tell("after a death", [status_or_error(), time.monotonic() - began])
        node = ray._private.worker._global_node
        tell("second directory", node.get_session_dir_path())
    with socket.socket():
        tell("end", "reached")


if __name__ == "__main__":
    main()
