"""Twenty tabs on one run of 20,000 steps as it happens: all of them get all of it, to its end."""

from __future__ import annotations

import asyncio
import json
import os
import struct
import subprocess
import sys
from array import array
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from dev_processes import client_of
from dev_server import DevServer
from served_pages import Client

pytestmark = pytest.mark.long("runs 20,000 steps")

TABS, STEPS = 20, 20_000
PATIENCE_S = 120.0
RUN = "watched-by-many"
PROGRAM = f"""
import os, time
from rayexec import job, op

@op
def gate():
    while not os.path.exists("open"):
        time.sleep(0.01)
    return 1

@op
def work(number):
    return number

@job
def many():
    number = gate()
    for _ in range({STEPS - 1}):
        work(number)

many.execute({{"execution": {{"config": {{"in_process": {{}}}}}}}}, run_id="{RUN}")
"""


class Tab:
    """A tab that keeps the steps of all rows, in their order."""

    def __init__(self, socket: Any) -> None:
        self.socket = socket
        self.steps = array("i")
        self.last: dict[str, Any] = {}

    async def watch(self) -> None:
        """Watch the run, and wait until it is seen to run."""
        topic = f"run/{RUN}"
        await self.socket.send_json({"watch": ["runs", topic], "have": {topic: 0}})
        while True:
            message = await self.socket.receive(PATIENCE_S)
            if message.type is aiohttp.WSMsgType.BINARY:
                self._take(message.data)
            elif (heard := message.json())["kind"] == "run":
                assert heard["data"]["status"] == "STARTED"
                return

    async def to_the_end(self) -> None:
        """Take rows until the last one of a run that is over."""
        while not self.last.get("is_over"):
            message = await self.socket.receive(PATIENCE_S)
            if message.type is aiohttp.WSMsgType.BINARY:
                self._take(message.data)
            else:
                assert message.type is aiohttp.WSMsgType.TEXT, message

    def _take(self, data: bytes) -> None:
        (length,) = struct.unpack_from("<I", data)
        self.last = json.loads(data[4 : 4 + length])
        count = self.last["n"]
        assert self.last["from"] == len(self.steps)  # No row twice, and none left out.
        at = 4 + length + 8 * count + (4 * count + 7) // 8 * 8
        self.steps.frombytes(data[at : at + 4 * count])


def memory_of(server: DevServer) -> float:
    """Return MB of the process of a server that no other process shares."""
    text = Path(f"/proc/{server.process.pid}/smaps_rollup").read_text()
    [line] = [line for line in text.splitlines() if line.startswith("Private_Dirty:")]
    return int(line.split()[1]) / 1000


def is_there(client: Client) -> bool:
    return client.request("GET", f"api/runs/{RUN}").status == 200


async def watched(client: Client, server: DevServer, gate: Path) -> list[Tab]:
    """Watch the run by all tabs until it is over."""
    headers = {"Authorization": f"Bearer {client.token}"}
    idle = memory_of(server)
    async with aiohttp.ClientSession(headers=headers) as session:
        tabs = [
            Tab(await session.ws_connect(f"{client.url}api/live", max_msg_size=0))
            for _ in range(TABS)
        ]
        await tabs[0].watch()
        one = memory_of(server)
        await asyncio.gather(*(tab.watch() for tab in tabs[1:]))
        many = memory_of(server)
        gate.touch()
        await asyncio.gather(*(tab.to_the_end() for tab in tabs))
        over = memory_of(server)
        for tab in tabs:
            await tab.socket.close()
    print(
        f"server: {idle:.1f} MB idle, +{one - idle:.1f} MB with one tab, "
        f"+{(many - one) / (TABS - 1):.2f} MB for each other one, +{over - idle:.1f} MB in all "
        f"with {TABS} tabs at the end of {STEPS:,} steps"
    )
    return tabs


def test_all_tabs_get_all_rows_to_the_end(
    tmp_path: Path, dev_server: Callable[..., DevServer]
) -> None:
    server = dev_server()
    client = client_of(server)
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        cwd=tmp_path,
        env={**os.environ, "RAYEXEC_HOME": str(server.home)},
        stderr=subprocess.DEVNULL,
    ) as run:
        try:
            while not is_there(client):
                assert run.poll() is None
            tabs = asyncio.run(watched(client, server, tmp_path / "open"))
            assert run.wait(PATIENCE_S) == 0
        finally:
            run.kill()
    for tab in tabs:
        assert tab.last["is_over"]
        assert len(tab.steps) == STEPS
        assert tab.steps == tabs[0].steps
    assert sorted(tabs[0].steps) == list(range(STEPS))
