"""A run store on a full disk: pages and API answer and say so, and go on with room again."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from dev_processes import is_ready, until
from served_pages import ServedInThread, served_in_thread

from rayexec import job, op
from rayexec.launch.job_file import JobSource
from rayexec.web.session import DoorOptions

pytestmark = pytest.mark.long("waits for a child with the jobs, and for drivers")

IN_PROCESS: dict[str, Any] = {"execution": {"config": {"in_process": {}}}}
JOBS = """
from rayexec import job, op

@op
def first():
    return 1

@job
def short():
    first()
"""
CONFIG = "execution: {config: {in_process: {}}}"


@op
def only(context: Any) -> int:
    context.log.info("a line")
    return 1


@job
def single() -> None:
    only()


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A small disk with the runs; needs the right to mount one."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m,mode=700", "tmpfs", str(disk)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("may mount no disk")
    monkeypatch.setenv("RAYEXEC_HOME", str(disk / "home"))
    yield disk
    subprocess.run(["umount", "--lazy", str(disk)], check=True)


def fill(disk: Path) -> Path:
    """Fill a disk to its last byte; returns the file that does."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file:
        size = 1 << 16
        while size:
            try:
                file.write(bytes(size))
            except OSError:
                size //= 2
    with pytest.raises(OSError, match="No space left"):
        (disk / "more").write_bytes(bytes(1 << 16))
    (disk / "more").unlink()
    return filler


def launch(served: ServedInThread) -> Any:
    return served.request("POST", "api/jobs/short/launch", {"yaml": CONFIG})


async def _first_of(served: ServedInThread, *topics: str) -> dict[str, Any]:
    """Return the first message of each topic about its state."""
    headers = {"Authorization": f"Bearer {served.token}"}
    found: dict[str, Any] = {}
    async with (
        aiohttp.ClientSession(headers=headers) as client,
        client.ws_connect(f"{served.url}api/live") as socket,
    ):
        await socket.send_json({"watch": list(topics)})
        while set(topics) - found.keys():
            message = json.loads((await socket.receive(60)).data)
            if message["kind"] in ("run", "version"):
                found[message["topic"]] = message["data"]
    return found


def test_a_full_disk_is_said_and_outlived(
    disk: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "jobs.py").write_text(JOBS)
    runs = [single.execute(IN_PROCESS).run_id for _ in range(3)]
    with served_in_thread(DoorOptions(source=JobSource(tmp_path / "jobs.py"))) as served:
        until(lambda: is_ready(served))
        filler = fill(disk)
        assert served.get("api/runs")["total"] == 3
        for part in ("", "/rows", "/steps", "/ops", "/graph", "/log", "/download/html"):
            answer = served.request("GET", f"api/runs/{runs[0]}{part}")
            assert answer.status == 200, (part, answer.text)
        for page in ("", "runs", f"runs/{runs[0]}", "cluster", "cache", "jobs/short/launch"):
            assert served.request("GET", page).status == 200, page
        topic = f"run/{runs[1]}"
        found = asyncio.run(_first_of(served, "runs", topic))
        assert found[topic]["is_over"]
        assert served.post("api/jobs/short/check", {"yaml": CONFIG})["is_valid"]
        refused = launch(served)
        assert refused.status == 503, refused.text
        assert "full" in refused.json["error"] or "No space left" in refused.json["error"]
        assert served.get("api/runs")["total"] == 3
        assert not [path for path in disk.rglob("*") if path.suffix == ".yaml"]
        # A run goes away also where nothing can be written.
        assert served.request("DELETE", f"api/runs/{runs[2]}").json == {"deleted": runs[2]}
        filler.unlink()
        run_id = launch(served).json["run_id"]

        def status() -> str | None:
            rows = {row["run_id"]: row["status"] for row in served.get("api/runs")["runs"]}
            assert set(rows) <= {*runs[:2], run_id}
            return rows.get(run_id)

        assert until(status, lambda one: one not in (None, "STARTED")) == "SUCCESS"
    assert "Traceback" not in capfd.readouterr().err
