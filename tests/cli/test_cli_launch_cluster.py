"""``job launch`` on a cluster, by Ray's Jobs API: what is sent, shown, and reached afterwards by the run's id."""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from test_cli_cluster import Machine, _free_port, _machine

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads the process table from /proc"),
]
_PATIENCE = 80.0

JOBS = """
import pathlib, time
import beside
from package.inner import WORD
from rayexec import job, op

@op(config_schema={"place": str})
def first(context):
    context.log.info(f"in {context.op_config['place']}")
    print(beside.WORD, WORD)

@op
def breaks():
    raise ValueError("broken")

@op(config_schema={"place": str})
def sleeps(context):
    place = pathlib.Path(context.op_config["place"])
    (place / "asleep").touch()
    try:
        time.sleep(600)
    finally:
        time.sleep(4)  # longer than Ray gives a job that does not say otherwise, less than the run's own grace
        (place / "closed").touch()

@job
def greets():
    first()

@job
def broken():
    breaks()

@job
def long():
    sleeps()
"""


@dataclass(frozen=True)
class Laptop:
    """Another machine with a store of its own, from which runs are launched; only the network is the same."""

    cluster: Machine
    home: Path
    directory: Path
    address: str

    def run(self, *arguments: str, **changed: str) -> tuple[int, str, str]:
        return self.cluster.run(*arguments, **{"RAYEXEC_HOME": str(self.home), **changed})

    def ok(self, *arguments: str, **changed: str) -> Any:
        code, stdout, stderr = self.run(*arguments, "--json", **changed)
        assert code == 0, stderr
        return json.loads(stdout)

    def launch(self, *arguments: str) -> Any:
        return self.ok("job", "launch", "-f", str(self.directory / "jobs.py"), "--address", self.address, *arguments)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Machine, str]]:
    with _machine(tmp_path_factory.mktemp("cluster")) as machine:
        up = machine.ok("cluster", "up", "--dashboard", "--num-cpus", "2", "--port", str(_free_port()))
        yield machine, up["dashboard"]


@pytest.fixture
def laptop(cluster: tuple[Machine, str], tmp_path: Path) -> Laptop:
    machine, address = cluster
    directory = tmp_path / "project"
    (directory / "package").mkdir(parents=True)
    (directory / "jobs.py").write_text(JOBS)
    (directory / "beside.py").write_text("WORD = 'beside'\n")
    (directory / "package/inner.py").write_text("WORD = 'inner'\n")
    (directory / "ignored.bin").write_bytes(os.urandom(1 << 20))
    (directory / ".rayexecignore").write_text("*.bin\n")
    for op in ("first", "sleeps"):
        (tmp_path / f"{op}.yaml").write_text(f"ops: {{{op}: {{config: {{place: {tmp_path}}}}}}}\n")
    return Laptop(machine, tmp_path / "laptop", directory, address)


def test_wait_shows_the_run_and_ends_as_it_does(laptop: Laptop, tmp_path: Path) -> None:
    options = ("job", "launch", "-f", str(laptop.directory / "jobs.py"), "--address", laptop.address, "--wait")
    code, stdout, stderr = laptop.run(*options, "-j", "greets", "-c", str(tmp_path / "first.yaml"))
    assert code == 0, stderr
    assert "beside inner" in stdout  # neighbours, in a worker
    assert f"in {tmp_path}" in stdout  # the config file, which was not in the directory
    assert "RUN_SUCCESS" in stdout
    assert "4 files" in stderr
    assert stdout.splitlines()[0] in laptop.run("run", "list")[1]
    code, stdout, _ = laptop.run(*options, "-j", "broken")
    assert code == 1
    assert "ValueError: broken" in stdout
    code, stdout, stderr = laptop.run(*options, "-j", "nothing", "--json")
    assert code == json.loads(stdout)["exit_code"] == 2
    assert "has no job 'nothing'" in stderr


def test_a_run_is_reached_by_its_id_through_the_jobs_api(laptop: Laptop, tmp_path: Path) -> None:
    launched = laptop.launch("-j", "greets", "-c", str(tmp_path / "first.yaml"))
    run_id = launched["run_id"]
    assert launched["submission_id"] == run_id
    assert launched["package"]["files"] == 4
    assert launched["store"] is None
    code, stdout, _ = laptop.run("run", "wait", run_id[:8])
    assert (code, stdout.startswith(f"Run {run_id} succeeded")) == (0, True)
    shown = laptop.ok("run", "show", run_id)
    assert (shown["status"], shown["address"]) == ("SUCCESS", laptop.address)
    assert "beside inner" in laptop.run("run", "logs", run_id)[1]
    assert "beside inner" in laptop.run("run", "logs", run_id, "--follow")[1]
    assert [(each["run_id"], each["status"]) for each in laptop.ok("run", "list")] == [(run_id, "SUCCESS")]
    for command in (("events",), ("logs", "--step", "first"), ("export", "--html", "x.html")):
        code, _, stderr = laptop.run("run", command[0], run_id, *command[1:])
        assert code == 2
        assert "set RAYEXEC_HOME to a URI" in stderr
    # On the cluster's machine it is a run like any other, under the same id.
    assert laptop.cluster.ok("run", "show", run_id)["status"] == "SUCCESS"


def test_a_run_is_canceled_through_the_jobs_api_and_ends_in_order(laptop: Laptop, tmp_path: Path) -> None:
    run_id = laptop.launch("-j", "long", "-c", str(tmp_path / "sleeps.yaml"))["run_id"]
    deadline = time.monotonic() + _PATIENCE
    while not (tmp_path / "asleep").exists():
        assert time.monotonic() < deadline, laptop.run("run", "logs", run_id)[1]
        time.sleep(0.1)
    assert laptop.ok("run", "show", run_id)["status"] == "STARTED"
    code, _, stderr = laptop.run("run", "wait", run_id, "--timeout", "0")
    assert code == 1
    assert "goes on after 0 s" in stderr
    code, stdout, stderr = laptop.run("run", "cancel", run_id)
    assert code == 0, stderr
    assert "canceled" in stdout
    assert (tmp_path / "closed").exists()
    assert laptop.cluster.ok("run", "show", run_id)["status"] == "CANCELED"


def test_a_run_is_resumed_on_its_cluster_with_the_job_as_it_is_now(laptop: Laptop) -> None:
    run_id = laptop.launch("-j", "broken")["run_id"]
    assert laptop.run("run", "wait", run_id)[0] == 1
    (laptop.directory / "jobs.py").write_text(JOBS.replace('raise ValueError("broken")', "return 1"))
    code, stdout, stderr = laptop.run("run", "resume", run_id[:8], "--run-id", f"{run_id}-again")
    assert code == 0, stderr
    assert "RUN_SUCCESS" in stdout
    assert laptop.cluster.ok("run", "show", f"{run_id}-again")["parent_run_id"] == run_id
    assert [each["status"] for each in laptop.ok("run", "list")] == ["SUCCESS", "FAILURE"]


def test_a_shared_store_has_all_of_the_run(laptop: Laptop, tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    launched = laptop.launch("-j", "greets", "-c", str(tmp_path / "first.yaml"), "--home", str(shared))
    run_id = launched["run_id"]
    assert launched["store"] == str(shared)
    assert laptop.run("run", "wait", run_id)[0] == 0
    assert laptop.ok("run", "show", run_id)["steps"]
    assert "STEP_SUCCESS" in laptop.run("run", "events", run_id)[1]
    assert [each["status"] for each in laptop.ok("run", "list")] == ["SUCCESS"]
    # As a driver on another machine leaves it that is killed.
    record = shared / "runs" / run_id / "run.json"
    left = json.loads(record.read_text())
    left["driver"]["host"] = "elsewhere"
    record.write_text(json.dumps(left | {"status": "STARTED", "end_time": None}))
    code, stdout, _ = laptop.run("run", "wait", run_id)
    assert code == 1
    assert "driver died" in stdout


def test_a_package_above_rays_limit_is_refused(laptop: Laptop) -> None:
    with (laptop.directory / "large.dat").open("wb") as file:
        for _ in range(101):
            file.write(os.urandom(1 << 20))
    code, stdout, stderr = laptop.run(
        "job", "launch", "-f", str(laptop.directory / "jobs.py"), "--address", laptop.address
    )
    (laptop.directory / "large.dat").unlink()
    assert (code, stdout) == (2, "")
    assert "more than 100.0 MiB" in stderr
    assert "101.0 MiB  large.dat" in stderr
    assert "ignored.bin" not in stderr


def test_addresses_that_do_not_serve(laptop: Laptop, cluster: tuple[Machine, str]) -> None:
    gcs = cluster[0].ok("cluster", "status")["address"]
    nothing = f"http://127.0.0.1:{_free_port()}"
    wrong = {"RAY_AUTH_TOKEN": "0" * 64}
    for address, changed, code, said in (
        ("ray://head:10001", {}, 2, "http://head:8265"),
        ("head:6379", {}, 2, "http://head:8265"),
        ("http://:1", {}, 2, "http://HOST:8265"),
        (nothing, {}, 1, "no Ray answers"),
        (f"http://{gcs}", {}, 1, "does not speak HTTP"),
        (laptop.address, wrong, 1, "refuses the token"),
        (laptop.address, {"RAY_AUTH_TOKEN_PATH": "/none"}, 1, "asks for a token, and there is none here"),
    ):
        file = str(laptop.directory / "jobs.py")
        began = time.monotonic()
        ended = laptop.run("job", "launch", "-f", file, "--address", address, **changed)
        assert time.monotonic() - began < _PATIENCE
        assert (ended[0], ended[1]) == (code, ""), ended[2]
        assert said in ended[2]
    assert not (laptop.home / "launched").exists()


def test_what_the_cluster_refuses_is_told_in_its_words(laptop: Laptop) -> None:
    options = ("job", "launch", "-f", str(laptop.directory / "jobs.py"), "-j", "broken", "--address", laptop.address)
    run_id = laptop.launch("-j", "broken")["run_id"]
    code, _, stderr = laptop.run(*options, "--run-id", run_id)
    assert code == 2
    assert "give another --run-id" in stderr
    (laptop.home / "launched" / f"{run_id}.json").unlink()  # as launched from elsewhere
    code, _, stderr = laptop.run(*options, "--run-id", run_id)
    assert code == 1
    assert f"Job with submission_id {run_id} already exists" in stderr
    assert not (laptop.home / "launched" / f"{run_id}.json").exists()
    code, _, stderr = laptop.run(*options, "--wait", "--pip", "./not-there")
    assert code == 1
    assert "./not-there" in stderr.partition("Error: ")[2]
    for given, said in (("{", "not JSON"), ('{"working_dir": "."}', "--working-dir"), ("none.yaml", "none.yaml")):
        code, _, stderr = laptop.run(*options, "--runtime-env", given)
        assert (code, said in stderr) == (2, True), stderr


def test_a_cluster_without_rayexec_is_told(laptop: Laptop, tmp_path: Path) -> None:
    bare = tmp_path / "bin/python"
    bare.parent.mkdir()
    bare.write_text(f'#!/bin/sh\nexec {sys.executable} -I -S "$@"\n')
    bare.chmod(0o755)
    given = json.dumps({"env_vars": {"PATH": f"{bare.parent}:{os.environ['PATH']}"}})
    file = str(laptop.directory / "jobs.py")
    code, _, stderr = laptop.run(
        "job",
        "launch",
        "-f",
        file,
        "--address",
        laptop.address,
        "--wait",
        "--run-id",
        tmp_path.name,
        "--runtime-env",
        given,
    )
    assert code == 1
    assert "rayexec is not installed on the cluster" in stderr
    assert "rayexec is not installed there" in laptop.ok("run", "show", tmp_path.name)["note"]


def test_a_cluster_that_is_gone_does_not_hide_other_runs(laptop: Laptop) -> None:
    notes = laptop.home / "launched"
    notes.mkdir(parents=True)
    note = {
        "run_id": "lost",
        "time": 1.0,
        "origin": {"file": "x.py"},
        "address": f"http://127.0.0.1:{_free_port()}",
        "driver": None,
    }
    (notes / "lost.json").write_text(json.dumps(note))
    listed = laptop.ok("run", "list")
    assert [(each["run_id"], each["status"]) for each in listed] == [("lost", "UNREADABLE")]
    code, _, stderr = laptop.run("run", "wait", "lost")
    assert code == 1
    assert "no Ray answers" in stderr
    shutil.rmtree(laptop.home)
