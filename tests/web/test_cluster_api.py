"""The cluster over HTTP: nodes, limits with holders, start and stop, a cluster that goes away."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from held_limits_job import HOLDS
from served_pages import served_in_thread
from user_machine import process_stats

from rayexec.cluster import local_cluster
from rayexec.cluster.cluster_spec import ClusterSpec
from rayexec.launch import launch_job
from rayexec.web.models.cluster import ClusterAnswer
from rayexec.web.session import DoorOptions

TIMEOUT_S = 120.0
IN_PROCESS: dict[str, Any] = {"execution": {"config": {"in_process": {}}}}


def until(ask: Callable[[], Any], is_right: Callable[[Any], bool]) -> Any:
    deadline = time.monotonic() + TIMEOUT_S
    while not is_right(answer := ask()):
        assert time.monotonic() < deadline, answer
        time.sleep(0.1)
    return answer


def children(name: str = "cluster_probe") -> list[int]:
    """Return the children of this process with ``name`` in their command line."""
    pids = []
    for pid in process_stats():
        try:
            stat = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            if stat[1] == str(os.getpid()) and name in Path(f"/proc/{pid}/cmdline").read_text():
                pids.append(pid)
        except OSError:
            continue
    return pids


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RAYEXEC_HOME", str(tmp_path / "home"))
    return tmp_path


def test_without_a_cluster_there_is_none(home: Path) -> None:
    with served_in_thread(DoorOptions()) as served:
        answer = served.get("api/cluster")
        assert (answer["state"], answer["nodes"], answer["as_of"]) == ("none", [], None)
        assert served.get("api/session")["cluster"]["state"] == "none"
        refused = served.request("POST", "api/cluster/stop", {})
        assert (refused.status, refused.json["error"][:16]) == (409, "No cluster is up")


def test_a_given_cluster_that_is_not_there_is_away(home: Path) -> None:
    with served_in_thread(DoorOptions(address="127.0.0.1:1")) as served:
        answer = served.get("api/cluster")
        assert (answer["state"], answer["is_own"]) == ("away", False)
        assert served.request("POST", "api/cluster/stop", {}).status == 409
        served.request("POST", "api/cluster/start", {})
        until(
            lambda: served.get("api/cluster")["error"],
            lambda error: error == "no Ray answers at 127.0.0.1:1.",
        )


def test_a_read_only_server_neither_starts_nor_stops(home: Path) -> None:
    with served_in_thread(DoorOptions(is_read_only=True)) as served:
        for change in ("start", "stop"):
            assert served.request("POST", f"api/cluster/{change}", {}).status == 403


@pytest.mark.long("starts a Ray")
def test_the_ray_of_the_server_starts_and_stops_over_http(home: Path) -> None:
    before = set(children(""))  # of other tests in this process, such as a Ray of all of them
    with served_in_thread(DoorOptions()) as served:
        assert served.request("POST", "api/cluster/start", {}).json == {"state": "starting"}
        answer = until(lambda: served.get("api/cluster"), lambda one: one["nodes"])
        assert (answer["state"], answer["is_own"], answer["error"]) == ("up", True, None)
        assert answer["nodes"][0]["is_head"]
        assert answer["nodes"][0]["resources"]["CPU"] >= 1
        assert children("warm_ray_process")
        assert served.request("POST", "api/cluster/stop", {}).json == {"state": "none"}
        assert not children("warm_ray_process")
        assert served.get("api/cluster")["state"] == "none"
        served.request("POST", "api/cluster/start", {})
        until(lambda: served.get("api/cluster")["state"], lambda state: state == "up")
    assert set(children("")) <= before


@pytest.fixture
def lasting(home: Path) -> Iterator[str]:
    spec = ClusterSpec(num_cpus=3, limits={"db=x": 1}, pools={"licence": 2})
    cluster, _ = local_cluster.start(spec, lambda _: None)
    yield cluster.address
    local_cluster.stop(lambda _: None)


@pytest.mark.long("starts a Ray")
def test_a_limit_has_its_holders_and_waiters_of_all_runs(home: Path, lasting: str) -> None:
    (home / "nightly.py").write_text(HOLDS)
    with served_in_thread(DoorOptions()) as served:
        runs = [launch_job(home / "nightly.py", attach=lasting) for _ in range(2)]
        ids = {run.run_id for run in runs}
        elsewhere = launch_job(home / "nightly.py", IN_PROCESS)

        def is_held(answer: Any) -> bool:
            return any(limit["holders"] for limit in answer["limits"])

        answer = until(lambda: served.get("api/cluster"), is_held)
        limit, pool = answer["limits"]
        assert (limit["name"], limit["kind"], limit["total"], limit["used"]) == (
            "db=x", "limit", 1, 1,
        )  # fmt: skip
        assert (pool["name"], pool["kind"], pool["total"], pool["used"]) == (
            "licence", "pool", 2, 0,
        )  # fmt: skip
        [holder] = limit["holders"]
        assert holder["run_id"] in ids
        assert process_stats()[holder["pid"]]

        def is_joined(answer: Any) -> bool:
            shown = answer["limits"][0]
            return bool(len(shown["waiters"]) == 2 and shown["holders"][0]["step"])

        answer = until(lambda: served.get("api/cluster"), is_joined)
        shown = answer["limits"][0]
        [holder] = shown["holders"]
        assert holder["step"] in ("load", "load_2")
        assert {each["run_id"] for each in shown["waiters"]} == ids == set(answer["runs"])
        assert answer["other_runs"] == [elsewhere.run_id]
        waiting = {each["run_id"]: each for each in shown["waiters"]}
        assert waiting[holder["run_id"]]["size"] == 1
        [other] = ids - {holder["run_id"]}
        assert (waiting[other]["size"], waiting[other]["job"]) == (2, "nightly")
        assert waiting[other]["steps"] == ["load", "load_2"]
        queues = until(
            lambda: served.get(f"api/runs/{other}/now")["queues"],
            lambda queues: any(queue["other_runs"] for queue in queues),
        )
        assert [queue["other_runs"] for queue in queues if queue["others"]] == [
            [{"run_id": holder["run_id"], "job": "nightly"}]
        ]
        (home / "go").touch()
        for run in (*runs, elsewhere):
            run.wait(TIMEOUT_S)
        until(lambda: served.get("api/cluster")["limits"][0]["used"], lambda used: used == 0)


@pytest.mark.long("starts a Ray")
def test_a_cluster_goes_away_and_comes_back(home: Path) -> None:
    spec = ClusterSpec(num_cpus=1)
    address = local_cluster.start(spec, lambda _: None)[0].address
    try:
        with served_in_thread(DoorOptions(address=address)) as served:
            served.request("POST", "api/cluster/start", {})
            up = until(lambda: served.get("api/cluster"), lambda one: one["state"] == "up")
            nodes = until(lambda: served.get("api/cluster")["nodes"], bool)
            assert up["as_of"] or nodes
            local_cluster.stop(lambda _: None)
            away = until(lambda: served.get("api/cluster"), lambda one: one["state"] == "away")
            assert [node["node_id"] for node in away["nodes"]] == [nodes[0]["node_id"]]
            assert away["as_of"] <= time.time()
            port = int(address.rpartition(":")[2])
            local_cluster.start(ClusterSpec(num_cpus=1, port=port), lambda _: None)
            back = until(
                lambda: served.get("api/cluster"),
                lambda one: (
                    one["state"] == "up"
                    and [node["node_id"] for node in one["nodes"]] != [nodes[0]["node_id"]]
                ),
            )
            assert back["error"] is None
    finally:
        local_cluster.stop(lambda _: None)


@pytest.mark.long("starts a Ray")
def test_a_probe_that_dies_or_hangs_is_replaced(
    home: Path, lasting: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rayexec.web.watched_cluster.SILENCE_S", 4.0)
    monkeypatch.setattr("rayexec.web.watched_cluster.WANTED_S", 3.0)
    with served_in_thread(DoorOptions(address=lasting)) as served:
        for signal_number in (signal.SIGKILL, signal.SIGSTOP):
            before = until(lambda: served.get("api/cluster"), lambda one: one["nodes"])["as_of"]
            [probe] = until(children, bool)
            os.kill(probe, signal_number)

            def is_newer(answer: Any, before: float = before) -> bool:
                return bool(answer["as_of"] > before + 1)

            until(lambda: served.get("api/cluster"), is_newer)
            assert children() != [probe]
        # Nobody asks any more.
        until(children, lambda pids: not pids)


@pytest.mark.long("starts a Ray")
def test_the_cluster_is_published_while_somebody_watches(home: Path, lasting: str) -> None:
    with served_in_thread(DoorOptions(address=lasting)) as served:
        served.request("POST", "api/cluster/start", {})

        async def watch() -> dict[str, Any]:
            headers = {"Authorization": f"Bearer {served.token}"}
            async with aiohttp.ClientSession(headers=headers) as client:
                url = f"{served.url}api/live"
                async with client.ws_connect(url) as socket:
                    await socket.send_json({"watch": ["cluster"]})
                    async for message in socket:
                        document = message.json()
                        if document["kind"] == "cluster" and document["data"]["nodes"]:
                            data: dict[str, Any] = document["data"]
                            return data
            raise AssertionError("the socket was closed")

        data = asyncio.run(asyncio.wait_for(watch(), TIMEOUT_S))
        assert data["state"] == "up"
        assert data["nodes"][0]["resources"]["CPU"] == 3
        ClusterAnswer.model_validate(data)
