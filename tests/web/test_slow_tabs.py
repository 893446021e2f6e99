"""Tabs that read nothing: no queue grows for them, and they are dropped; other tabs go on."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from dev_processes import until
from served_pages import ServedInThread, served_in_thread

from rayexec.web import live as live_module
from rayexec.web.live import Tab

pytestmark = pytest.mark.long("waits for pings that nobody answers")

PATIENCE_S = 60.0
MESSAGES, BYTES = 400, 250_000
#: Of a hundred megabytes that the tab does not read; the kernel takes some of them.
MOST_GROWTH = 30_000_000


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ServedInThread]:
    monkeypatch.setenv("RAYEXEC_HOME", str(tmp_path / "home"))
    with served_in_thread() as served:
        yield served


@contextlib.asynccontextmanager
async def connected(served: ServedInThread) -> Any:
    headers = {"Authorization": f"Bearer {served.token}"}
    async with (
        aiohttp.ClientSession(headers=headers) as client,
        client.ws_connect(f"{served.url}api/live", max_msg_size=0) as socket,
    ):
        yield socket


async def silent(served: ServedInThread) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Be a tab that reads nothing from its connection, from the first message on."""
    host, port = served.url.removeprefix("http://").strip("/").split(":")
    reader, writer = await asyncio.open_connection(host, int(port), limit=1024)
    writer.write(
        f"GET /api/live HTTP/1.1\r\nHost: {host}:{port}\r\nUpgrade: websocket\r\n"
        f"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: "
        f"AAAAAAAAAAAAAAAAAAAAAA==\r\nAuthorization: Bearer {served.token}\r\n\r\n".encode()
    )
    assert b"101" in await reader.readline()
    said = b'{"watch":["runs"]}'
    # Masked with zeros, as a client's frames must be.
    writer.write(bytes([0x81, 0x80 | len(said)]) + bytes(4) + said)
    await writer.drain()
    writer.transport.pause_reading()  # type: ignore[attr-defined]
    return reader, writer


def memory() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def waiting_in(tab: Tab) -> int:
    """Return the bytes that wait in the connection of a tab."""
    assert isinstance(tab.transport, asyncio.Transport)
    return tab.transport.get_write_buffer_size()


async def publish(served: ServedInThread, numbers: range) -> None:
    """Publish large messages of one kind, each once the one before may have been sent."""

    async def one(number: int) -> None:
        served.session.live.publish("runs", "test", {"number": number, "text": "x" * BYTES})

    for number in numbers:
        await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(one(number), served.loop))


async def listen(socket: aiohttp.ClientWebSocketResponse, numbers: list[int]) -> None:
    """Be a tab that reads, and so answers the pings of the server."""
    async for message in socket:
        document = message.json()
        if document["kind"] == "test":
            numbers.append(document["data"]["number"])


async def true(ask: Callable[[], Any]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not ask():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)


def test_a_tab_that_reads_nothing_is_dropped_and_holds_nothing(
    served: ServedInThread, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_module, "_HEARTBEAT_S", 1.0)
    live = served.session.live

    async def watched() -> None:
        async with connected(served) as other:
            numbers: list[int] = []
            listener = asyncio.create_task(listen(other, numbers))
            await other.send_json({"watch": ["runs"]})
            await true(lambda: "runs" in live.topics)
            quick = set(live._tabs)
            _, writer = await silent(served)
            await true(lambda: len(live.topics["runs"].tabs) == 2)
            [slow] = live._tabs - quick
            before = memory()
            await publish(served, range(MESSAGES))
            grown = memory() - before
            print(f"{MESSAGES * BYTES / 1e6:.0f} MB published, {grown / 1e6:.1f} MB grown")
            assert grown < MOST_GROWTH
            assert len(slow._messages) < 10
            assert waiting_in(slow) < 4 * BYTES
            await true(lambda: numbers and numbers[-1] == MESSAGES - 1)
            await true(lambda: live.tab_count == 1)
            # Its connection is gone too, with all that waited in it.
            await true(lambda: waiting_in(slow) == 0)
            await publish(served, range(MESSAGES, MESSAGES + 1))
            await true(lambda: numbers[-1] == MESSAGES)
            writer.transport.abort()
            listener.cancel()

    asyncio.run(watched())


def test_a_tab_that_reads_nothing_holds_no_server_back_from_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAYEXEC_HOME", str(tmp_path / "home"))

    async def open_and_stay(served: ServedInThread) -> asyncio.StreamWriter:
        _, writer = await silent(served)
        live = served.session.live
        await true(lambda: "runs" in live.topics)
        await publish(served, range(50))
        return writer

    loop = asyncio.new_event_loop()
    with contextlib.closing(loop):
        with served_in_thread() as served:
            writer = loop.run_until_complete(open_and_stay(served))
            [tab] = served.session.live._tabs
            until(lambda: waiting_in(tab))
        # served_in_thread raises where the server has not ended in time.
        writer.transport.abort()
        loop.run_until_complete(asyncio.sleep(0))
