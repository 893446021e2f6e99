"""Faults of one part of the server, damaged records, and stores that go: the rest goes on."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from served_pages import ServedInThread, served_in_thread

import rayexec.web.faults as faults
import rayexec.web.live as live_module
from rayexec import job, op
from rayexec.web.live import Topic

PATIENCE_S = 60.0
IN_PROCESS: dict[str, Any] = {"execution": {"config": {"in_process": {}}}}


@op
def only() -> int:
    return 1


@job
def single() -> None:
    only()


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RAYEXEC_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(faults, "_reported", set())
    return tmp_path / "home"


async def heard(
    client: ServedInThread, said: dict[str, Any], *conditions: Callable[[dict[str, Any]], Any]
) -> None:
    """Be a tab that says something, and listen until one condition after another was met.

    A condition may be met late, and acts once it is: it is called with each message.
    """
    headers = {"Authorization": f"Bearer {client.token}"}
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.ws_connect(f"{client.url}api/live") as socket,
    ):
        await socket.send_json(said)
        for condition in conditions:
            while True:
                message = await asyncio.wait_for(socket.receive(), PATIENCE_S)
                if message.type is aiohttp.WSMsgType.TEXT and condition(message.json()):
                    break


def test_a_source_with_a_fault_begins_anew_and_prints_it_once(
    home: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(live_module, "FIRST_PAUSE_S", 0.01)
    starts: list[str] = []

    async def fails_thrice(topic: Topic) -> None:
        starts.append(topic.name)
        if len(starts) <= 3:
            raise ZeroDivisionError("a fault")
        topic.publish("fine", {})

    with served_in_thread() as served:
        served.session.live.register("faulty", fails_thrice)
        asyncio.run(
            heard(
                served,
                {"watch": ["faulty", "runs"]},
                lambda one: one["topic"] == "faulty" and "a fault" in one["data"].get("error", ""),
                lambda one: one["kind"] == "fine",
            )
        )
        assert served.get("api/runs")["total"] == 0
    assert len(starts) == 4
    assert capfd.readouterr().err.count("Traceback") == 1


class Faulty:
    """Rows of a run that cannot be read, for a reason nobody thought of."""

    async def rows(self, start: int, version: int) -> None:
        raise LookupError("no such column")

    async def lines(self, following: Any, former: Any) -> tuple[list[Any], Any]:
        return [], None


def test_a_fault_in_the_rows_of_one_topic_leaves_the_tab_its_others(
    home: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    async def source(topic: Topic) -> None:
        topic.followed = Faulty()
        for _ in range(5):
            topic.wake()
            await asyncio.sleep(0.02)
        topic.publish("over", {})

    with served_in_thread() as served:
        served.session.live.register("faulty", source)
        asyncio.run(
            heard(
                served,
                {"watch": ["faulty"], "have": {"faulty": 0}},
                lambda one: one["data"].get("error") == "no such column",
                lambda one: one["kind"] == "over",
            )
        )
    assert capfd.readouterr().err.count("Traceback") == 1


def test_a_request_that_fails_each_second_prints_one_traceback(
    home: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    with served_in_thread() as served:
        monkeypatch.setattr(served.session.runs, "page", lambda query: 1 // 0)
        for _ in range(5):
            assert served.request("GET", "api/runs").status == 500
        assert served.get("api/session")["has_code"] is False
    assert capfd.readouterr().err.count("ZeroDivisionError") == 1


def damaged(directory: Path, how: str, which: str) -> None:
    """Damage the record of a run, or its log."""
    for file in sorted(path for path in directory.rglob(which) if path.is_file()):
        data = file.read_bytes()
        if how == "empty":
            file.write_bytes(b"")
        elif how == "cut":
            file.write_bytes(data[: len(data) // 2])
        elif how == "zeros":
            file.write_bytes(bytes(len(data)))
        elif how == "tail":
            file.write_bytes(data + b"\xff" * 100)
        elif how == "middle":
            middle = len(data) // 2
            file.write_bytes(data[:middle] + b"\xa5" * 8 + data[middle + 8 :])
        elif file.suffix == ".json":
            file.write_text(json.dumps({**json.loads(data), "version": 99, "format": 99}))


@pytest.mark.parametrize("which", ["run.json", "events/*"])
@pytest.mark.parametrize("how", ["empty", "cut", "zeros", "tail", "middle", "future"])
def test_damaged_runs_are_shown_with_the_reason(
    home: Path, how: str, which: str, capfd: pytest.CaptureFixture[str]
) -> None:
    good = single.execute(IN_PROCESS).run_id
    bad = single.execute(IN_PROCESS).run_id
    [directory] = [path for path in home.rglob(bad) if path.is_dir()]
    damaged(directory, how, which)
    with served_in_thread() as served:
        listed = {row["run_id"]: row["status"] for row in served.get("api/runs")["runs"]}
        assert listed[good] == "SUCCESS"
        parts = ("", "/rows", "/steps", "/ops", "/graph", "/log", "/keys?steps=0", "/now")
        for part in (*parts, "/steps/only"):
            answer = served.request("GET", f"api/runs/{bad}{part}")
            assert answer.status in (200, 404, 422, 503), (part, answer.text)
            assert answer.status == 200 or answer.json["error"], part
        topic = f"run/{bad}"
        asyncio.run(
            heard(
                served,
                {"watch": ["runs", topic], "have": {topic: 0}, "follow": {topic: {"from": 0}}},
                lambda one: one["topic"] == topic,
            )
        )
        assert served.get(f"api/runs/{good}")["is_over"]
    assert "Traceback" not in capfd.readouterr().err


@pytest.mark.long("waits for looks at a store that is gone")
def test_a_store_that_goes_while_tabs_watch_it_comes_back(
    home: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    run_id = single.execute(IN_PROCESS).run_id
    away = home.with_name("away")

    def is_told(one: dict[str, Any]) -> bool:
        return bool(one["topic"] == "runs" and one["kind"] == "error" and one["data"]["error"])

    def goes(one: dict[str, Any]) -> bool:
        if one["topic"] == "runs" and one["kind"] == "error":
            shutil.move(home, away)
            home.write_text("no directory")
            return True
        return False

    def comes_back(one: dict[str, Any]) -> bool:
        if is_told(one):
            home.unlink()
            shutil.move(away, home)
            return True
        return False

    def is_fine(one: dict[str, Any]) -> bool:
        return one["topic"] == "runs" and one["kind"] == "error" and not one["data"]["error"]

    with served_in_thread() as served:
        asyncio.run(heard(served, {"watch": ["runs", f"run/{run_id}"]}, goes, comes_back, is_fine))
        assert served.get("api/runs")["total"] == 1
        assert served.get(f"api/runs/{run_id}")["is_over"]
    assert "Traceback" not in capfd.readouterr().err
