"""The wall clock of the server jumps: runs that run are told from those that ended all the same."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from dev_processes import until
from served_pages import served_in_thread

from rayexec import job, op

IN_PROCESS: dict[str, Any] = {"execution": {"config": {"in_process": {}}}}
GATE = "GATE_OF_THE_JUMP"
DAY_S = 86_400.0
RUN = "through-a-jump"


@op
def waits() -> int:
    while not os.path.exists(os.environ[GATE]):
        time.sleep(0.01)
    return 1


@job
def nightly() -> None:
    waits()


class Clock:
    """The wall clock, and how far it has jumped."""

    def __init__(self) -> None:
        self._real = time.time
        self.jump_s = 0.0

    def __call__(self) -> float:
        return self._real() + self.jump_s


@pytest.fixture
def clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Clock:
    monkeypatch.setenv("RAYEXEC_HOME", str(tmp_path / "home"))
    monkeypatch.setenv(GATE, str(tmp_path / "open"))
    clock = Clock()
    monkeypatch.setattr(time, "time", clock)
    return clock


@pytest.mark.parametrize("jump_s", [-DAY_S, DAY_S], ids=["back", "forward"])
def test_a_jump_of_a_day_changes_nothing(clock: Clock, tmp_path: Path, jump_s: float) -> None:
    over = nightly_over(tmp_path)
    runner = threading.Thread(target=lambda: nightly.execute(IN_PROCESS, run_id=RUN))
    with served_in_thread() as served:

        def statuses() -> dict[str, str]:
            return {row["run_id"]: row["status"] for row in served.get("api/runs")["runs"]}

        def state() -> Any:
            served.get(f"api/runs/{RUN}")
            answer = served.request("GET", f"api/runs/{RUN}/now")
            return answer.json if answer.status == 200 else None

        runner.start()
        try:
            until(lambda: RUN in statuses())
            before = until(state)
            clock.jump_s = jump_s
            assert statuses() == {over: "SUCCESS", RUN: "STARTED"}
            # The driver goes on to tell what it does, for those who ask after the jump.
            after = until(state, lambda now: now and abs(now["as_of"] - before["as_of"]) > 1000)
            assert [step["key"] for step in after["running"]] == ["waits"]
            assert after["running"][0]["seconds"] < 1000
            assert [row["run_id"] for row in served.get("api/runs", limit=1)["runs"]] == [RUN]
        finally:
            (tmp_path / "open").touch()
            runner.join()
        assert until(lambda: statuses()[RUN], lambda one: one != "STARTED") == "SUCCESS"
        assert served.get(f"api/runs/{RUN}")["is_over"]
        page = served.request("GET", f"api/runs/{RUN}/rows")
        assert page.status == 200


def nightly_over(directory: Path) -> str:
    """Return a run that is over, and lets the next one wait."""
    (directory / "open").touch()
    run_id = nightly.execute(IN_PROCESS).run_id
    (directory / "open").unlink()
    return str(run_id)
