"""Reuse between processes, and from a store in memory."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import cached_runs
import pytest
from cached_runs import Calls

from rayexec import job, op
from rayexec.store import MemoryRunStore

calls = cached_runs.calls


def test_a_store_in_memory_serves_runs_in_this_process_only(
    calls: Calls, ray_session: None
) -> None:
    @op(cache=True, code_version="1")
    def count() -> None:
        calls.add("count")

    @job
    def counting() -> None:
        count()

    store = MemoryRunStore()
    for _ in range(2):
        counting.execute({"execution": {"config": {"in_process": {}}}}, store=store)
    assert calls.drain() == ["count"]
    with pytest.warns(
        RuntimeWarning, match="Ray's workers cannot reach <MemoryRunStore of 3 runs>"
    ) as warned:
        assert counting.execute(store=store).success
    assert [each.filename for each in warned] == [__file__]
    assert calls.drain() == ["count"]


JOB = """
from rayexec import job, op

@op(cache=True, code_version="1")
def slow(words: list[str]) -> set[str]:
    print("slow runs")
    return set(words)

@op
def words() -> list[str]:
    return ["a", "b", "c"]

@op(cache=True, code_version="1")
def count(found: set[str]) -> int:
    print("count runs")
    return len(found)

@job(config={"execution": {"config": {"in_process": {}}}})
def counting():
    count(slow(words()))

if __name__ == "__main__":
    result = counting.execute()
    print(result.output_for_node("count"), sorted(result.reused))
"""


def test_processes_share_what_is_kept_whichever_way_the_job_is_run(tmp_path: Path) -> None:
    (tmp_path / "counting.py").write_text(textwrap.dedent(JOB))
    environment = {
        "RAYEXEC_HOME": str(tmp_path / "home"),
        "PATH": "/usr/bin:/bin",
        "HOME": str(tmp_path),
    }

    def run_file(seed: str) -> list[str]:
        done = subprocess.run(
            [sys.executable, "counting.py"],
            cwd=tmp_path,
            env={**environment, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
            timeout=180,
        )
        return done.stdout.splitlines()

    assert run_file("1") == ["slow runs", "count runs", "3 []"]
    assert run_file("2") == ["3 ['count', 'slow']"]
    done = subprocess.run(
        [Path(sys.executable).with_name("rayexec"), "job", "execute", "-f", "counting.py"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=180,
    )
    assert done.stdout == ""
    assert done.stderr.count("Reused the outputs of step") == 2
