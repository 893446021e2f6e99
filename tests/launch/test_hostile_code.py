"""The child process with the user's jobs survives what their code does, and leaves nothing."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hosted_jobs import JOBS, MARK, TIMEOUT_S, hosted, marked_processes, run, selected, until

from rayexec.launch.hosted_code import AskError, CodeEndedError, CodeState, NoCodeError

pytestmark = pytest.mark.long("starts several processes, one after another")

# What the code does as it is imported, and how its jobs fare all the same.
HARMLESS = {
    "prints megabytes": "print('x' * 50_000_000); import sys; sys.stderr.write('y' * 1_000_000)",
    "prints a false message": """print('{"kind": "failed", "message": "", "files": {}}')""",
    "closes low descriptors": "import os; os.closerange(0, 100)",
    "changes the directory": "import os; os.chdir('/')",
    "starts a thread": "import threading, time\nthreading.Timer(300, print).start()",
    "starts a process": "import subprocess; subprocess.Popen(['sleep', '300'])",
    "starts a daemon": "import os; os.system('setsid sleep 300 & setsid sleep 301 &')",
    "forks and both go on": "import os; os.fork()",
    "forks and one sleeps": "import os, time\nif os.fork() == 0: time.sleep(300)",
    "ignores signals": "import signal\nfor n in (1, 2, 15, 17): signal.signal(n, signal.SIG_IGN)",
    "leaves a pool": "import multiprocessing; pool = multiprocessing.get_context('fork').Pool(2)",
    "replaces the streams": "import sys; sys.stdout = sys.stderr = None",
}


@pytest.mark.parametrize("prelude", HARMLESS.values(), ids=HARMLESS)
def test_code_that_does_odd_things_is_served(tmp_path: Path, prelude: str) -> None:
    async def test() -> None:
        async with hosted(tmp_path, f"{prelude}\n{JOBS}") as code:
            assert code.state == CodeState.READY, code.error
            assert await selected(code, "*save") == ["load", "save"]
            assert len(code.output) <= 256 << 10

    run(test)


FATAL = {
    "sys.exit": ("import sys; sys.exit(4)", r"ends the process \(sys.exit\(4\)\)"),
    "os._exit": ("import os; os._exit(5)", "exit code 5"),
    "a crash": ("import ctypes; ctypes.string_at(0)", "SIGSEGV"),
    "a kill": ("import os; os.kill(os.getpid(), 9)", "SIGKILL"),
    "an interrupt": ("raise KeyboardInterrupt", "KeyboardInterrupt"),
    "memory": ("bytearray(1 << 40)", "MemoryError"),
    "a hang": ("import time\ntime.sleep(300)", "no end of the import in 2 s"),
    "a hang in C": ("import re\nre.match('(a+)+b', 'a' * 60)", "no end of the import in 2 s"),
}


@pytest.mark.parametrize(("prelude", "message"), FATAL.values(), ids=FATAL)
def test_last_good_jobs_outlast_code_that_ends_its_process(
    tmp_path: Path, prelude: str, message: str
) -> None:
    async def test() -> None:
        async with hosted(tmp_path, import_patience_s=2.0, memory=4 << 30) as code:
            assert code.state == CodeState.READY, code.error
            (tmp_path / "jobs.py").write_text(f"{prelude}\n{JOBS}")
            with code.watching():
                await until(lambda: code.state == CodeState.FAILED)
                assert code.is_stale
                assert code.error is not None
                with pytest.raises(AssertionError, match=message):
                    raise AssertionError(code.error.message)
                if "hang" in message or "SIGSEGV" in message:
                    assert "jobs.py" in (code.error.traceback or "")
                assert await selected(code, "save") == ["save"]
                (tmp_path / "jobs.py").write_text(JOBS)
                await until(lambda: code.state == CodeState.READY)

    run(test)


HANGS = """
import os, time
from rayexec import config_mapping, job, op

@op(config_schema={"rows": int})
def load(context):
    pass

@config_mapping(config_schema={"do": str})
def mapping(config):
    if config["do"] == "hang":
        time.sleep(300)
    if config["do"] == "exit":
        os._exit(3)
    if config["do"] == "memory":
        bytearray(3 << 30)
    if config["do"] == "raise":
        raise ValueError("broken")
    return {"ops": {"load": {"config": {"rows": 1}}}}

@job(config=mapping)
def copy():
    load()
"""


def test_code_that_hangs_or_ends_during_a_request_starts_again(tmp_path: Path) -> None:
    async def test() -> None:
        async with hosted(tmp_path, HANGS) as code:

            async def check(do: str) -> dict[str, object]:
                return await code.ask("check", patience_s=2.0, job="copy", yaml=f"do: {do}")

            assert (await check("nothing"))["is_valid"]
            assert "broken" in str((await check("raise"))["problems"])
            with pytest.raises(CodeEndedError, match="no answer within 2 s") as caught:
                await check("hang")
            assert "in mapping" in (caught.value.trace or "")
            assert (await check("nothing"))["is_valid"]
            with pytest.raises(CodeEndedError, match="exit code 3"):
                await check("exit")
            assert (code.state, code.is_stale) == (CodeState.FAILED, True)
            assert (await check("nothing"))["is_valid"]
            assert (code.state, code.is_stale) == (CodeState.READY, False)
            assert "MemoryError" in str((await check("memory"))["problems"])
            assert (await check("nothing"))["is_valid"]

    run(test)


def test_code_that_ends_again_and_again_is_not_started_all_the_time(tmp_path: Path) -> None:
    dying = "import os, threading\nthreading.Timer(0.2, os._exit, [7]).start()\n"

    async def test() -> None:
        async with hosted(tmp_path, f"{dying}{JOBS}") as code:
            with code.watching():
                await until(lambda: code.state == CodeState.FAILED)
                before = code.version
                await asyncio.sleep(5)
                assert code.version - before <= 6
                assert [job["name"] for job in code.jobs] == ["copy"]

    run(test)


BOMBS = {
    "laughs": "a: &a [x,x,x,x,x,x,x,x,x,x]\n"
    + "".join(
        f"{name}: &{name} [{','.join(['*' + before] * 10)}]\n"
        for before, name in zip("abcdefghi", "bcdefghij", strict=True)
    )
    + "ops: {load: {config: *j}}\n",
    "depth": "[" * 100_000,
    "cycle": "ops: &a {load: *a}",
    "keys": "ops: {" + ", ".join(f"k{number}: 1" for number in range(100_000)) + "}",
    "long key": "? " + "x" * 1_000_000 + "\n: 1",
    "tag": "ops: !!python/object/apply:os.system [echo]",
    "date": "ops: 2020-99-99",
    "numbers": "ops: " + "9" * 500_000,
    "no characters": "ops: \x00\x01",
}


@pytest.mark.parametrize("bomb", BOMBS.values(), ids=BOMBS)
def test_texts_that_explode_are_refused_in_time(tmp_path: Path, bomb: str) -> None:
    async def test() -> None:
        async with hosted(tmp_path) as code:
            began = time.monotonic()
            for kind in ("check", "plan", "copy"):
                try:
                    answer = await code.ask(kind, patience_s=5.0, job="copy", yaml=bomb)
                except (AskError, CodeEndedError):
                    continue
                assert kind == "copy" or not answer["is_valid"]
            assert time.monotonic() - began < 30
            assert await selected(code, "save") == ["save"]

    run(test)


OWNER = """
import asyncio, sys
from pathlib import Path
from rayexec.launch.hosted_code import HostedCode
from rayexec.launch.job_file import JobSource

async def main():
    code = HostedCode(JobSource(Path("jobs.py")))
    code.start()
    await code.settled()
    print(code.state.value, flush=True)
    await asyncio.sleep(300)

asyncio.run(main())
"""
SPREAD = """
import subprocess, time
subprocess.Popen("setsid sleep 300 &", shell=True)
"""


@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize(
    "more", ["", "import re\nre.match('(a+)+b', 'a' * 60)\n"], ids=["", "hung"]
)
def test_nothing_outlives_the_owner(tmp_path: Path, sent: signal.Signals, more: str) -> None:
    (tmp_path / "jobs.py").write_text(f"{SPREAD}{more}{JOBS}")
    environment = {**os.environ, MARK: str(tmp_path), "PYTHONPATH": os.pathsep.join(sys.path)}
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER], cwd=tmp_path, env=environment, stdout=subprocess.PIPE
    )
    try:
        if more:
            deadline = time.monotonic() + TIMEOUT_S
            while len(marked_processes(tmp_path)) < 4:  # with its guard, and what it started
                assert time.monotonic() < deadline
                time.sleep(0.05)
        else:
            assert owner.stdout is not None
            assert owner.stdout.readline() == b"ready\n"
        owner.send_signal(sent)
        owner.wait(TIMEOUT_S)
        deadline = time.monotonic() + TIMEOUT_S
        while left := marked_processes(tmp_path):
            assert time.monotonic() < deadline, left
            time.sleep(0.05)
    finally:
        owner.kill()
        owner.communicate()


def test_no_request_is_left_waiting_at_the_end(tmp_path: Path) -> None:
    async def test() -> None:
        async with hosted(tmp_path, HANGS) as code:
            asked = asyncio.create_task(code.ask("check", job="copy", yaml="do: hang"))
            await asyncio.sleep(0.5)
            await code.close()
            with pytest.raises((CodeEndedError, NoCodeError)):
                await asked

    run(test)
