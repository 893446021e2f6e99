"""The place of a run in its preview, which is the place where its launch starts it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path

import pytest
import ray
from served_pages import ServedInThread, served_in_thread

from rayexec.launch.job_file import JobSource
from rayexec.web.session import DoorOptions

TIMEOUT_S = 60.0
JOBS = """
from rayexec import job, op

@op
def where():
    import ray
    return ray.get_runtime_context().gcs_address

@job
def on_ray():
    where()

@job(config={"execution": {"config": {"in_process": {}}}})
def here():
    where()
"""
COMING = "the Ray of this server, which starts with it or with the launch"
IN_PROCESS = "execution: {config: {in_process: {}}}\n"
NAMED = "execution: {config: {ray: {address: '10.9.8.7:6379'}}}\n"


def until_ready(server: ServedInThread) -> None:
    """Wait for the jobs of the file."""
    deadline = time.monotonic() + TIMEOUT_S
    while server.get("api/jobs")["state"] != "ready":
        assert time.monotonic() < deadline
        time.sleep(0.05)


def plan_of(server: ServedInThread, body: Mapping[str, str], job: str = "on_ray") -> str:
    """Return where a run is, by its preview."""
    deadline = time.monotonic() + TIMEOUT_S
    while True:
        plan = server.post(f"api/jobs/{job}/plan", body)
        # A cluster that has not answered so soon is said to be so.
        if not any("not answered" in str(note) for note in plan["notes"]):
            place: str = plan["execution"]["where"]
            return place
        assert time.monotonic() < deadline


@pytest.mark.long("asks Ray from a process of its own, and starts a run")
def test_the_preview_of_a_run_is_on_the_ray_of_its_launch(
    ray_session: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAYEXEC_HOME", str(tmp_path / "home"))
    (tmp_path / "jobs.py").write_text(JOBS)
    address = ray.get_runtime_context().gcs_address
    options = DoorOptions(source=JobSource(tmp_path / "jobs.py"), address=address)
    with served_in_thread(options) as server:
        until_ready(server)
        for body in ({"yaml": ""}, {"yaml": "", "where": "ray"}, {"yaml": "", "where": address}):
            assert plan_of(server, body).startswith(f"the Ray cluster at {address}"), body
        capacity = server.post("api/jobs/on_ray/plan", {"yaml": ""})["execution"]["capacity"]
        assert capacity == {"nodes": 1, "cpus": ray.cluster_resources()["CPU"]}
        # What the config says of another place holds.
        assert "in this process" in plan_of(server, {"yaml": IN_PROCESS})
        assert "in this process" in plan_of(server, {"yaml": ""}, "here")
        assert plan_of(server, {"yaml": NAMED}) == "the Ray cluster at 10.9.8.7:6379"
        assert address in plan_of(server, {"yaml": "", "where": "ray"}, "here")
        run_id = server.post("api/jobs/on_ray/launch", {"yaml": ""})["run_id"]
        deadline = time.monotonic() + 2 * TIMEOUT_S
        while True:
            answer = server.request("GET", f"api/runs/{run_id}")
            if answer.status == 200 and answer.json["is_over"]:
                break
            assert time.monotonic() < deadline, answer.text
            time.sleep(0.1)
        assert answer.json["report"]["status"] == "SUCCESS"
        assert answer.json["report"]["origin"]["address"] == address


def test_the_preview_says_that_the_ray_of_the_server_is_to_come(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAYEXEC_HOME", str(tmp_path / "home"))
    (tmp_path / "jobs.py").write_text(JOBS)
    with served_in_thread(DoorOptions(source=JobSource(tmp_path / "jobs.py"))) as server:
        until_ready(server)
        assert plan_of(server, {"yaml": ""}) == COMING
        assert plan_of(server, {"yaml": "", "where": "ray"}) == COMING
        assert "in this process" in plan_of(server, {"yaml": ""}, "here")
        assert plan_of(server, {"yaml": NAMED}) == "the Ray cluster at 10.9.8.7:6379"
