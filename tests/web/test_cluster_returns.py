"""The cluster of ``rayexec dev --address`` goes away and another one comes in its place."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from dev_processes import SHORT_JOBS, client_of, is_ready, is_up, processes_of, until
from dev_server import DevServer
from served_pages import Client

from rayexec.cluster import local_cluster
from rayexec.cluster.cluster_spec import ClusterSpec

pytestmark = pytest.mark.long("starts a cluster twice")


@pytest.fixture
def address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("RAYEXEC_HOME", str(tmp_path / "home"))
    (tmp_path / "jobs.py").write_text(SHORT_JOBS)
    yield local_cluster.start(ClusterSpec(num_cpus=2), lambda _: None)[0].address
    local_cluster.stop(lambda _: None)


def status_of_a_launched_run(client: Client) -> str:
    run_id = client.post("api/jobs/short/launch", {"yaml": ""})["run_id"]

    def status() -> str:
        rows = {row["run_id"]: row["status"] for row in client.get("api/runs")["runs"]}
        return str(rows.get(run_id, "STARTED"))

    return str(until(status, lambda one: one != "STARTED"))


def test_launches_are_refused_meanwhile_and_succeed_afterwards(
    address: str, dev_server: Callable[..., DevServer]
) -> None:
    server = dev_server("-f", "jobs.py", "--address", address)
    client = client_of(server)
    until(lambda: is_ready(client))
    until(lambda: is_up(client))
    assert status_of_a_launched_run(client) == "SUCCESS"
    former = until(lambda: client.get("api/cluster")["nodes"])
    until(lambda: processes_of(server.home, "spare_driver_process"))
    local_cluster.stop(lambda _: None)
    until(lambda: client.get("api/cluster")["state"], lambda state: state == "away")
    # One that belongs to the former cluster would fail each run on the next one.
    until(lambda: not processes_of(server.home, "spare_driver_process"))
    refused = client.request("POST", "api/jobs/short/launch", {"yaml": ""})
    assert (refused.status, refused.json["error"]) == (503, f"no Ray answers at {address}.")
    port = int(address.rpartition(":")[2])
    local_cluster.start(ClusterSpec(num_cpus=2, port=port), lambda _: None)
    back = until(
        lambda: client.get("api/cluster"),
        lambda answer: bool(answer["state"] == "up" and answer["nodes"] != former),
    )
    assert back["error"] is None
    assert client.get("api/session")["cluster"]["error"] is None
    for _ in range(2):
        assert status_of_a_launched_run(client) == "SUCCESS"
