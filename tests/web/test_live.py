"""The live channel: topics that tabs share, positions of each tab, and nothing without a tab."""

from __future__ import annotations

import asyncio
import contextlib
import json
import struct
import threading
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from served_pages import ServedInThread, served_in_thread

from rayexec import job, op
from rayexec.web import live as live_module

IN_PROCESS: dict[str, Any] = {"execution": {"config": {"in_process": {}}}}
PATIENCE_S = 30


@op
def one() -> int:
    return 1


@job
def small() -> None:
    one()


class Tab:
    """A tab of a browser; it keeps all that it heard."""

    def __init__(self, socket: Any) -> None:
        self.socket = socket
        self.heard: list[dict[str, Any]] = []

    async def until(self, is_it: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
        """Return the first message that fits; one of rows is ``{"kind": "rows", "head": …}``."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            message = await self.socket.receive(deadline - time.monotonic())
            if message.type is aiohttp.WSMsgType.BINARY:
                (length,) = struct.unpack_from("<I", message.data)
                head = json.loads(message.data[4 : 4 + length])
                heard = {"topic": head["topic"], "kind": "rows", "head": head}
            else:
                assert message.type is aiohttp.WSMsgType.TEXT, message
                heard = json.loads(message.data)
            self.heard.append(heard)
            if is_it(heard):
                return heard

    async def kind(self, kind: str) -> dict[str, Any]:
        return await self.until(lambda heard: heard["kind"] == kind)


@contextlib.asynccontextmanager
async def tab(client: ServedInThread) -> AsyncIterator[Tab]:
    sent = {"Authorization": f"Bearer {client.token}"}
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(f"{client.url}api/live", headers=sent) as socket,
    ):
        yield Tab(socket)


def test_a_new_run_and_a_removed_one_reach_a_tab_that_watches_the_list(
    web_client: ServedInThread,
) -> None:
    async def watched() -> None:
        async with tab(web_client) as page:
            await page.socket.send_json({"watch": ["runs"]})
            assert (await page.kind("hello"))["data"]["version"]
            await page.kind("error")  # The first look is over: none is.
            run_id = (await asyncio.to_thread(small.execute, IN_PROCESS)).run_id
            seen: dict[str, Any] = {}

            def is_over(heard: dict[str, Any]) -> bool:
                rows = heard["data"].get("runs", ()) if heard["topic"] == "runs" else ()
                seen.update({row["run_id"]: row for row in rows})
                return run_id in seen and seen[run_id]["is_over"]

            await page.until(is_over)
            assert seen[run_id]["job"] == "small"
            answer = await asyncio.to_thread(web_client.request, "DELETE", f"api/runs/{run_id}")
            assert answer.json == {"deleted": run_id}
            await page.until(lambda heard: run_id in heard["data"].get("gone", ()))

    asyncio.run(watched())


class Gate:
    """A step that waits until the test lets it go on."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def open(self) -> None:
        self.path.touch()


@pytest.fixture
def gate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Gate:
    gate = Gate(tmp_path / "open")
    monkeypatch.setenv("GATE_OF_THE_TEST", str(gate.path))
    return gate


@op
def behind_a_gate(context: Any) -> None:
    import os

    context.log.info("waits")
    while not os.path.exists(os.environ["GATE_OF_THE_TEST"]):
        time.sleep(0.01)


@job
def gated() -> None:
    behind_a_gate()


def started(run_id: str) -> threading.Thread:
    """Run the gated job in a thread."""
    thread = threading.Thread(target=lambda: gated.execute(IN_PROCESS, run_id=run_id))
    thread.start()
    return thread


def test_tabs_that_watch_a_run_see_it_end_and_get_each_row_once(
    web_client: ServedInThread, gate: Gate
) -> None:
    run_id = "watched-by-three"
    runner = started(run_id)

    async def watched() -> None:
        topic = f"run/{run_id}"
        while web_client.request("GET", f"api/runs/{run_id}").status != 200:
            await asyncio.sleep(0.05)
        async with tab(web_client) as first, tab(web_client) as second, tab(web_client) as late:
            for page in (first, second):
                await page.socket.send_json({"watch": [topic], "have": {topic: 0}})
            for page in (first, second):
                running = await page.kind("run")
                assert running["data"]["status"] == "STARTED"
                assert running["data"]["actions"]["cancel"] is None
            watched_topic = web_client.session.live.topics[topic]
            assert len(watched_topic.tabs) == 2
            await first.socket.send_json({"follow": {topic: {"kind": "log", "from": 0}}})
            gate.open()
            for page in (first, second):
                await page.until(
                    lambda heard: (
                        heard["data"].get("is_over", False) if heard["kind"] == "run" else False
                    )
                )
            await late.socket.send_json({"watch": [topic], "have": {topic: 0}})
            for page in (first, second, late):
                if not any(heard["kind"] == "rows" and heard["head"]["n"] for heard in page.heard):
                    await page.until(lambda heard: heard["kind"] == "rows" and heard["head"]["n"])
                rows = [heard["head"] for heard in page.heard if heard["kind"] == "rows"]
                assert sum(head["n"] for head in rows) == 1
            if not any(heard["kind"] == "lines" for heard in first.heard):
                await first.kind("lines")
            (lines,) = [heard["data"]["lines"] for heard in first.heard if heard["kind"] == "lines"]
            assert [line["text"] for line in lines] == ["waits"]
            # A tab that has all of it gets no row again.
            await late.socket.send_json({"have": {topic: 1}})
            again = await late.kind("rows")
            assert (again["head"]["from"], again["head"]["n"]) == (1, 0)

    try:
        asyncio.run(watched())
    finally:
        gate.open()
        runner.join(PATIENCE_S)


def test_without_a_tab_nothing_runs(
    web_client: ServedInThread, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_module, "GRACE_S", 0.05)
    live = web_client.session.live

    async def come_and_go() -> None:
        async with tab(web_client) as page:
            await page.socket.send_json({"watch": ["runs", "run/nothing", "unknown"]})
            await page.kind("gone")
            watched = {name for name, topic in live.topics.items() if topic.tabs}
            assert watched == {"runs", "run/nothing"}
            await page.socket.send_json({"watch": []})

    asyncio.run(come_and_go())
    deadline = time.monotonic() + PATIENCE_S
    while live.topics or live.tab_count:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_tab_that_reads_nothing_costs_no_queue(web_client: ServedInThread) -> None:
    """Of each kind a tab that is slow has the latest message only."""
    live = web_client.session.live

    async def watched() -> None:
        async with tab(web_client) as page:
            await page.socket.send_json({"watch": ["runs"]})
            await page.kind("error")
            size = 100_000

            def publish() -> None:
                for number in range(500):
                    live.publish("runs", "test", {"number": number, "text": "x" * size})

            web_client.loop.call_soon_threadsafe(publish)
            numbers = []

            def is_last(heard: dict[str, Any]) -> bool:
                if heard["kind"] == "test":
                    numbers.append(heard["data"]["number"])
                return bool(numbers) and numbers[-1] == 499

            await page.until(is_last)
            assert len(numbers) < 10

    asyncio.run(watched())


def test_twenty_tabs_share_one_reader(web_client: ServedInThread) -> None:
    run_id = small.execute(IN_PROCESS).run_id
    topic = f"run/{run_id}"

    async def watched() -> None:
        async with contextlib.AsyncExitStack() as stack:
            pages = [await stack.enter_async_context(tab(web_client)) for _ in range(20)]
            for page in pages:
                await page.socket.send_json({"watch": [topic], "have": {topic: 0}})
            for page in pages:
                rows = await page.until(lambda heard: heard["kind"] == "rows")
                assert rows["head"]["n"] == 1
            assert web_client.session.live.tab_count == 20
            assert [name for name in web_client.session.live.topics if name == topic] == [topic]

    asyncio.run(watched())


def test_a_server_that_ends_closes_its_tabs_at_once(no_home: Path) -> None:
    async def closed(client: ServedInThread, is_open: threading.Event) -> Any:
        async with tab(client) as page:
            await page.socket.send_json({"watch": ["runs"]})
            await page.kind("error")
            is_open.set()
            while (await page.socket.receive(PATIENCE_S)).type is aiohttp.WSMsgType.TEXT:
                pass
            return page.socket.close_code

    codes: list[Any] = []
    is_open = threading.Event()
    with served_in_thread() as served:
        thread = threading.Thread(target=lambda: codes.append(asyncio.run(closed(served, is_open))))
        thread.start()
        assert is_open.wait(PATIENCE_S)
    thread.join(PATIENCE_S)
    assert codes == [aiohttp.WSCloseCode.GOING_AWAY]
