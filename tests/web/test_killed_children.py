"""Children of ``rayexec dev`` are killed: it says so, and starts others; nothing piles up."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from dev_processes import SHORT_JOBS, client_of, is_ready, is_up, processes_of, until
from dev_server import DevServer
from served_pages import Client

pytestmark = pytest.mark.long("starts the command, and a Ray")

ROUNDS = 3
#: The code host, the Ray, the probe, and the spare driver.
CHILDREN = 4
#: The server opens some descriptors for the questions of this test, and for a child that it starts.
SPARE_DESCRIPTORS = 6


@pytest.fixture
def server(tmp_path: Path, dev_server: Callable[..., DevServer]) -> DevServer:
    (tmp_path / "jobs.py").write_text(SHORT_JOBS)
    server = dev_server("-f", "jobs.py")
    client = client_of(server)
    until(lambda: is_ready(client))
    until(lambda: is_up(client))
    return server


def killed(server: DevServer, words: str) -> set[int]:
    """Kill the processes of the server with these words in their command lines."""
    pids = until(lambda: set(processes_of(server.home, words)))
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):  # it ended with the one before
            os.kill(pid, signal.SIGKILL)
    return set(pids)


def children_of(server: DevServer) -> dict[int, str]:
    """Return the states of the processes that the server has started, zombies too."""
    children = {}
    for entry in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            stat = Path("/proc", entry, "stat").read_text().rpartition(")")[2].split()
            if int(stat[1]) == server.process.pid:
                children[int(entry)] = stat[0]
    return children


def descriptors_of(server: DevServer) -> int:
    return len(os.listdir(f"/proc/{server.process.pid}/fd"))


def launched(client: Client) -> None:
    """Launch a run, and wait for its success."""
    run_id = client.post("api/jobs/short/launch", {"yaml": ""})["run_id"]

    def ended() -> bool:
        answer = client.request("GET", f"api/runs/{run_id}")
        return bool(answer.status == 200 and answer.json["is_over"])

    until(ended)
    statuses = {row["run_id"]: row["status"] for row in client.get("api/runs")["runs"]}
    assert statuses[run_id] == "SUCCESS"


@pytest.mark.parametrize("words", ["code_host", "cluster_probe", "spare_driver_process"])
def test_a_killed_child_has_a_successor(server: DevServer, words: str) -> None:
    client = client_of(server)
    until(lambda: processes_of(server.home, "spare_driver_process"))
    # A client has to ask for them.
    until(lambda: client.get("api/cluster")["nodes"])
    descriptors = descriptors_of(server)
    for _ in range(ROUNDS):
        gone = killed(server, words)

        def is_replaced(gone: set[int] = gone) -> bool:
            client.get("api/cluster")
            client.get("api/jobs")
            return bool(set(processes_of(server.home, words)) - gone)

        until(is_replaced)

        def is_reaped(gone: set[int] = gone) -> bool:
            return not gone & children_of(server).keys()

        until(is_reaped)
    until(lambda: is_ready(client))
    until(lambda: client.get("api/cluster")["error"] is None)
    launched(client)
    # The driver of the run may last a moment longer, and its successor is on its way.
    until(lambda: client.get("api/cluster")["nodes"] and len(children_of(server)) <= CHILDREN)
    assert "Z" not in children_of(server).values()
    assert descriptors_of(server) <= descriptors + SPARE_DESCRIPTORS


@pytest.mark.parametrize("words", ["raylet/raylet", "gcs/gcs_server", "warm_ray_process"])
def test_a_killed_ray_is_said_and_started_by_the_next_launch(server: DevServer, words: str) -> None:
    client = client_of(server)
    former = client.get("api/session")["cluster"]["address"]
    killed(server, words)
    lost = until(
        lambda: client.get("api/cluster"), lambda answer: "has died" in (answer["error"] or "")
    )
    assert lost["state"] == "away"
    assert "has died" in client.get("api/session")["cluster"]["error"]
    launched(client)
    facts = client.get("api/session")["cluster"]
    assert (facts["state"], facts["error"]) == ("up", None)
    assert facts["address"] != former
    [_] = processes_of(server.home, "warm_ray_process")
    until(lambda: len(processes_of(server.home, "raylet/raylet")), lambda count: count == 1)
    until(lambda: "Z" not in children_of(server).values())
