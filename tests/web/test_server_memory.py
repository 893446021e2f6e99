"""Memory of the server for a run of many steps, and what of it goes again."""

from __future__ import annotations

import contextlib
import http.client
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from rayexec.store import DirectoryRunStore
from rayexec.testing.recorded_runs import record_large_run
from rayexec.web.open_runs import PARTS_IDLE_S, OpenRuns

RUN = "memory"

# Looks at a run as the endpoints do, in a process of its own.
_LOOKS = """
import os, re, sys
from pathlib import Path
import rayexec.web.dev
from rayexec.web.api import jobs, run_parts, runs
from rayexec.web.open_runs import OpenRuns
from rayexec.views.log_search import LineFilter, log_page

def own_mb():
    # Pages of libraries that nobody wrote to count if no other process has them, so by chance.
    text = Path("/proc/self/smaps_rollup").read_text()
    return int(re.search(r"Private_Dirty:\\s+(\\d+) kB", text)[1]) / 1e3

before = own_mb()
run = OpenRuns(sys.argv[1]).get("memory")
run.report()
run.made_once("details", runs._details)
run.rows(0)
run.read(lambda columns: columns.ops())
print("page", own_mb() - before)
run.read(lambda columns: columns.steps_page(sort="seconds", desc=True))
run.read(lambda columns: log_page(columns, LineFilter(text="is empty")))
print("tabs", own_mb() - before)
import pyarrow as pa
assert pa.default_memory_pool().backend_name == "system", pa.default_memory_pool().backend_name
assert "ARROW_DEFAULT_MEMORY_POOL" not in os.environ
assert "pandas" not in sys.modules, "a look at a run imports pandas"
"""


def looks(home: Path) -> dict[str, float]:
    """Return how many MB more the process has, after a page and after its tabs."""
    ended = subprocess.run(
        [sys.executable, "-c", _LOOKS, str(home)], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
    return {name: float(more) for name, more in map(str.split, ended.stdout.splitlines())}


def test_looks_at_a_run_take_common_memory_and_import_no_pandas(tmp_path: Path) -> None:
    record_large_run(DirectoryRunStore(tmp_path), RUN, 1_000, failing=[5], waiting=10)
    looks(tmp_path)


@pytest.mark.long("a run of 100,000 steps")
def test_a_run_of_100_000_steps_takes_little_memory(tmp_path: Path) -> None:
    record_large_run(DirectoryRunStore(tmp_path), RUN, 100_000, failing=[5], waiting=3_000)
    more = looks(tmp_path)
    print(more)
    assert more["page"] <= 40
    assert more["tabs"] <= 50


@pytest.mark.long("waits for processes for some seconds")
def test_a_server_imports_what_reads_runs_before_somebody_asks(tmp_path: Path) -> None:
    with served_in_process(tmp_path) as process:
        maps = Path(f"/proc/{process.pid}/maps")
        deadline = time.monotonic() + 60
        while "pyarrow/_acero" not in maps.read_text():
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)


@pytest.mark.long("a run of 100,000 steps")
def test_a_tab_that_has_the_rows_takes_little_memory(tmp_path: Path) -> None:
    record_large_run(DirectoryRunStore(tmp_path), RUN, 100_000)
    with served_in_process(tmp_path) as process, contextlib.ExitStack() as opened:
        assert process.stdout is not None
        address = urlsplit(process.stdout.readline().decode().strip())
        assert address.hostname is not None
        headers = {"Authorization": f"Bearer {parse_qs(address.query)['token'][0]}"}

        def open_tab() -> None:
            tab = http.client.HTTPConnection(str(address.hostname), address.port, timeout=60)
            opened.callback(tab.close)
            tab.request("GET", f"/api/runs/{RUN}/rows", headers=headers)
            answer = tab.getresponse()
            assert len(answer.read()) > 2_000_000
            assert not answer.will_close  # A browser keeps the connection too.

        for _ in range(3):  # The first ones read the run.
            open_tab()
        before, tabs = own_mb(process.pid), 20
        for _ in range(tabs):
            open_tab()
        more = (own_mb(process.pid) - before) / tabs
    print(more)
    assert more <= 2


def own_mb(pid: int) -> float:
    """Return the memory that a process has written to and shares with none."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return sum(int(size) for size in re.findall(r"Private_Dirty:\s+(\d+) kB", text)) / 1e3


@contextlib.contextmanager
def served_in_process(home: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Yield the process of ``rayexec dev`` without jobs."""
    command = [sys.executable, "-m", "rayexec", "dev", "--no-open", "--port=0", f"--home={home}"]
    output = subprocess.PIPE
    with subprocess.Popen(command, stdout=output, stderr=subprocess.DEVNULL) as process:
        try:
            yield process
        finally:
            process.terminate()


def test_parts_that_nobody_uses_go_and_come_again(tmp_path: Path) -> None:
    record_large_run(DirectoryRunStore(tmp_path), RUN, 100, failing=[5])
    runs = OpenRuns(str(tmp_path))
    run = runs.get(RUN)

    def make() -> object:
        return run.made_once("graph", lambda _columns, _record: object())

    first = make()
    page = run.read(lambda columns: columns.steps_page(count=2))
    lines = run.read(lambda columns: columns.failure_groups()[0].steps)
    columns = run.read(lambda columns: columns)
    runs.drop_idle(time.monotonic())
    assert make() is first
    assert columns._table is not None
    # A page that watches the run keeps it open, and not what the page no longer shows.
    later = time.monotonic() + PARTS_IDLE_S + 1
    runs.drop_idle(later)
    assert len(runs) == 1
    assert columns._table is None
    assert not columns.frames.drop_cached()
    assert make() is not first
    assert run.read(lambda columns: columns.steps_page(count=2)) == page
    assert run.read(lambda columns: columns.failure_groups()[0].steps) == lines
