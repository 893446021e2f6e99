"""Runs in odd surroundings: a running event loop, several threads, run ids and labels that cannot
be.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from rayexec import DefinitionError, EngineError, Output, execute_job, job, op

THREADS = """
import threading
from rayexec import job, op

@op
def one():
    return 1

@job
def alone():
    one()

if __name__ == "__main__":
    said = []
    run = lambda: said.append(alone.execute().status)
    threads = [threading.Thread(target=run) for _ in range(2)]
    [each.start() for each in threads]
    [each.join() for each in threads]
    print(said)
"""


@op
async def awaited() -> int:
    await asyncio.sleep(0)
    return 4


@op
async def yielded() -> Any:
    await asyncio.sleep(0)
    yield Output(5)


@job
def asynchronous() -> None:
    awaited()
    yielded()


def test_async_ops_run_where_an_event_loop_runs_already() -> None:
    async def in_a_notebook() -> Any:
        return asynchronous.execute_in_process()

    result = asyncio.run(in_a_notebook())
    assert (result.output_for_node("awaited"), result.output_for_node("yielded")) == (4, 5)


@pytest.mark.long("starts Rays in processes of its own")
def test_two_threads_may_start_ray_at_once(tmp_path: Path) -> None:
    script = tmp_path / "threads.py"
    script.write_text(THREADS)
    ended = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, timeout=300, check=False
    )
    assert ended.stdout == "['SUCCESS', 'SUCCESS']\n", ended.stderr


@pytest.mark.parametrize("run_id", ["team/x", "", "a b", "../up", 5])
def test_a_run_id_that_cannot_name_a_file_is_refused(run_id: Any) -> None:
    with pytest.raises(DefinitionError, match="not a valid run id"):
        asynchronous.execute_in_process(run_id=run_id)


def test_labels_that_no_node_has_are_found_before_anything_runs(ray_session: None) -> None:
    @op(ray_options={"label_selector": {"zone": "nowhere"}})
    def placed() -> int:
        return 1

    @job
    def placing() -> None:
        placed()

    with pytest.raises(EngineError, match="op 'placed' asks for label zone=nowhere"):
        execute_job(placing)
