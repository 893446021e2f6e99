"""``job launch`` on two nodes, by Ray's Jobs API: packages, output, and later commands.

A launch takes ten seconds of little work. So nearly all begin together, and tests look at them one
after another.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pyarrow.parquet as pq
import pytest
from cli_process import Ended, run_on_terminal
from laptop import JOBS, PATIENCE, Laptop, make_project, until
from launched_at_once import EXAMPLES, HELD, begin_all
from ports import free_port
from user_machine import Machine, machine_at

pytestmark = [
    pytest.mark.long("launches fifteen runs at once on a cluster of two nodes"),
    pytest.mark.skipif(
        not Path("/proc/self/stat").exists(), reason="reads the process table from /proc"
    ),
]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Machine, str]]:
    with machine_at(tmp_path_factory.mktemp("cluster")) as machine:
        ports = ("--port", str(free_port()))
        up = machine.ok("cluster", "up", "--dashboard", "--nodes", "2", "--num-cpus", "4", *ports)
        yield machine, up["dashboard"]


@pytest.fixture(scope="module")
def laptop(
    cluster: tuple[Machine, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Laptop]:
    machine, address = cluster
    base = tmp_path_factory.mktemp("laptop")
    make_project(base / "project")
    shutil.copytree(
        EXAMPLES, base / "project/examples", ignore=shutil.ignore_patterns("__pycache__")
    )
    (base / "project/examples/held.py").write_text(HELD)
    (base / "first.yaml").write_text(f"ops: {{first: {{config: {{place: {base}}}}}}}\n")
    laptop = Laptop(machine, base / "home", base / "project", address)
    begin_all(laptop, base)
    yield laptop
    for process in laptop.begun.values():
        process.kill()
        process.communicate()


# Addresses and packages, refused before anything is sent.


def test_addresses_that_do_not_serve(laptop: Laptop) -> None:
    gcs = laptop.cluster.ok("cluster", "status")["address"]
    nothing = f"http://127.0.0.1:{free_port()}"
    wrong = {"RAY_AUTH_TOKEN": "0" * 64}
    other = laptop.elsewhere("refused")
    for address, changed, code, said in (
        ("ray://head:10001", {}, 2, "http://head:8265"),
        ("head:6379", {}, 2, "http://head:8265"),
        ("http://:1", {}, 2, "http://HOST:8265"),
        (nothing, {}, 1, "no Ray answers"),
        (f"http://{gcs}", {}, 1, "does not speak HTTP"),
        (laptop.address, wrong, 1, "refuses the token"),
        (
            laptop.address,
            {"RAY_AUTH_TOKEN_PATH": "/none"},
            1,
            "asks for a token, and there is none here",
        ),
    ):
        file = str(laptop.directory / "jobs.py")
        began = time.monotonic()
        ended = other.run("job", "launch", "-f", file, "--address", address, **changed)
        assert time.monotonic() - began < PATIENCE
        assert (ended[0], ended[1]) == (code, ""), ended[2]
        assert said in ended[2]
    assert not (other.home / "launched").exists()


def test_a_package_above_rays_limit_is_refused(laptop: Laptop, tmp_path: Path) -> None:
    make_project(tmp_path / "project")
    with (tmp_path / "project/large.dat").open("wb") as file:
        for _ in range(101):
            file.write(os.urandom(1 << 20))
    options = ("--address", laptop.address, "--working-dir", str(tmp_path / "project"))
    code, stdout, stderr = laptop.run(
        "job", "launch", "-f", str(tmp_path / "project/jobs.py"), *options
    )
    assert (code, stdout) == (2, "")
    assert "The largest file is large.dat, 101.0 MiB" in stderr.splitlines()[0]
    assert "more than 100.0 MiB" in stderr
    assert "101.0 MiB  large.dat" in stderr
    assert "ignored.bin" not in stderr


def test_another_ray_on_the_cluster_is_told(laptop: Laptop) -> None:
    class Dashboard(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(
                json.dumps({"version": "4", "ray_version": "2.9.0", "ray_commit": "x"}).encode()
            )

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Dashboard) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}"
        options = ("-j", "broken", "--address", address)
        code, _, stderr = laptop.run(
            "job", "launch", "-f", str(laptop.directory / "jobs.py"), *options
        )
        server.shutdown()
    assert code == 1
    assert f"the cluster at {address} has Ray 2.9.0, this machine " in stderr


# Runs that end by themselves.


def test_wait_shows_the_run_and_ends_as_it_does(laptop: Laptop) -> None:
    code, stdout, stderr = laptop.ended("greeted")
    assert code == 0, stderr
    assert "beside inner" in stdout  # neighbours, in a worker
    assert f"in {laptop.home.parent}" in stdout  # the config file, which was not in the directory
    assert "RUN_SUCCESS" in stdout
    assert "files, " in stderr
    assert " compressed." in stderr
    assert "Warning" not in stdout + stderr
    assert stdout.splitlines()[0] == "greeted"
    code, stdout, _ = laptop.ended("broken")
    assert code == 1
    assert "ValueError: broken" in stdout
    code, stdout, stderr = laptop.ended("nothing")
    assert code == json.loads(stdout)["exit_code"] == 2
    assert json.loads(stdout)["submission_id"] == "nothing"
    assert json.loads(stdout)["store"] is None
    assert "has no job 'nothing'" in stderr


def test_what_the_cluster_lacks_is_told(laptop: Laptop) -> None:
    code, _, stderr = laptop.ended("lacking")
    assert code == 2
    assert "the cluster has no module 'there_is_no_such_thing'" in stderr
    assert "--pip" in stderr
    assert (
        "module there_is_no_such_thing is not installed there"
        in laptop.ok("run", "show", "lacking")["note"]
    )
    code, _, stderr = laptop.ended("bare")
    assert code == 1
    assert "rayexec is not installed on the cluster" in stderr
    assert "rayexec is not installed there" in laptop.ok("run", "show", "bare")["note"]


def test_packages_are_installed_for_the_run(laptop: Laptop) -> None:
    code, stdout, stderr = laptop.ended("needy")
    assert code == 0, stdout + stderr
    assert "from tiny" in stdout
    code, _, stderr = laptop.ended("no-wheel")
    assert code == 1
    assert "./not-there" in stderr.partition("Error: ")[2]


def test_a_run_is_reached_by_its_id_through_the_jobs_api(laptop: Laptop) -> None:
    laptop.ended("greeted")
    code, stdout, _ = laptop.run("run", "wait", "greet")
    assert (code, stdout.startswith("Run greeted succeeded")) == (0, True)
    shown = laptop.ok("run", "show", "greeted")
    assert (shown["status"], shown["address"]) == ("SUCCESS", laptop.address)
    assert "beside inner" in laptop.run("run", "logs", "greeted")[1]
    assert "beside inner" in laptop.run("run", "logs", "greeted", "--follow")[1]
    for command in (("events",), ("logs", "--step", "first"), ("export", "--html", "x.html")):
        code, _, stderr = laptop.run("run", command[0], "greeted", *command[1:])
        assert code == 2
        assert "set RAYEXEC_HOME to a URI" in stderr
    # On the cluster's machine it is a run like any other, under the same id.
    assert laptop.cluster.ok("run", "show", "greeted")["status"] == "SUCCESS"


def test_what_the_cluster_refuses_is_told_in_its_words(laptop: Laptop) -> None:
    laptop.ended("broken")
    options = laptop.options("broken", "-j", "broken")
    code, _, stderr = laptop.run(*options)
    assert code == 2
    assert "give another --run-id" in stderr
    other = laptop.elsewhere("again")
    code, _, stderr = other.run(*options)
    assert code == 1
    assert "Job with submission_id broken already exists" in stderr
    assert not (other.home / "launched/broken.json").exists()
    for given, said in (
        ("{", "not JSON"),
        ('{"working_dir": "."}', "--working-dir"),
        ("none.yaml", "none.yaml"),
    ):
        code, _, stderr = laptop.run(*laptop.options("x", "--runtime-env", given))
        assert (code, said in stderr) == (2, True), stderr


# Runs that somebody ends, or leaves.


def test_the_flights_are_canceled_and_resumed_on_two_nodes(laptop: Laptop, tmp_path: Path) -> None:
    for run_id in ("flights", "canceled", "forced", "killed", "killed-shared", "left", "shut"):
        laptop.until(
            run_id, "asleep"
        )  # seven runs, where a node has room for four: so both nodes run some
    waiting = laptop.cluster.begin(
        "run", "wait", "flights", "--json", RAYEXEC_HOME=str(laptop.home)
    )
    code, stdout, stderr = laptop.run("run", "cancel", "flights")
    assert (code, "canceled" in stdout) == (0, True), stderr
    stdout, _ = waiting.communicate(timeout=PATIENCE)
    assert (waiting.returncode, json.loads(stdout)["status"]) == (1, "CANCELED")
    assert laptop.cluster.ok("run", "show", "flights")["status"] == "CANCELED"

    (laptop.run_directory("flights") / "go").touch()
    code, stdout, stderr = laptop.run("run", "resume", "flights", "--run-id", "flights-again")
    assert code == 0, stdout + stderr
    started = laptop.cluster.run("run", "events", "flights-again", "--type", "STEP_START")[1]
    assert [line.split(" - ")[3] for line in started.splitlines()] == ["hold", "print_worst"]

    config = tmp_path / "here.yaml"
    config.write_text(
        f"execution: {{config: {{in_process: {{}}}}}}\nops: "
        f"{{write_report: {{config: {{directory: {tmp_path}}}}}}}\n"
    )
    code, printed, _ = laptop.run(
        "job", "execute", "-f", str(EXAMPLES / "flights.py"), "-c", str(config)
    )
    assert code == 0
    assert [line for line in printed.splitlines() if line not in stdout.splitlines()] == []
    for name in ("origins", "routes"):
        report = laptop.home.with_name("report") / f"{name}.parquet"
        assert pq.read_table(report).equals(pq.read_table(tmp_path / f"{name}.parquet"))


def test_a_run_is_canceled_through_the_jobs_api_and_ends_in_order(laptop: Laptop) -> None:
    laptop.until("canceled", "asleep")
    assert laptop.ok("run", "show", "canceled")["status"] == "STARTED"
    code, _, stderr = laptop.run("run", "wait", "canceled", "--timeout", "0")
    assert code == 1
    assert "is not over after 0 s" in stderr
    code, stdout, stderr = laptop.run("run", "cancel", "canceled")
    assert code == 0, stderr
    assert "canceled" in stdout
    assert (
        laptop.run_directory("canceled") / "closed"
    ).exists()  # later than Ray would wait that is not told otherwise
    assert laptop.cluster.ok("run", "show", "canceled")["status"] == "CANCELED"


def test_a_run_is_canceled_by_force(laptop: Laptop) -> None:
    laptop.until("forced", "asleep")
    code, _, stderr = laptop.run("run", "cancel", "forced", "--force")
    assert code == 0, stderr
    assert (
        laptop.run_directory("forced") / "closing"
    ).exists()  # it was asked first, and would have taken ten minutes
    assert not (laptop.run_directory("forced") / "closed").exists()
    assert laptop.cluster.ok("run", "show", "forced")["status"] == "CANCELED"


def test_an_interrupt_asks_what_to_do(laptop: Laptop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(laptop.cluster.home))
    monkeypatch.setenv("RAYEXEC_HOME", str(laptop.home))

    def ended(run_id: str, keys: bytes) -> Ended:
        options = laptop.options(run_id, "-j", "long", "-c", laptop.config(run_id), "--wait")
        return run_on_terminal(*options, cwd=laptop.directory, until="asleep now", keys=keys)

    with ThreadPoolExecutor() as pool:
        detached, canceled = pool.map(ended, ("detached", "by-key"), (b"\x03d\n", b"\x03c\n"))
    assert "[d]etach" in detached.stdout
    assert (detached.code, "rayexec run cancel detached" in detached.stdout) == (130, True), (
        detached.stdout
    )
    assert (canceled.code, "RUN_CANCELED" in canceled.stdout) == (1, True), canceled.stdout
    assert laptop.ok("run", "show", "detached")["status"] == "STARTED"
    assert laptop.ok("run", "show", "by-key")["status"] == "CANCELED"


def test_a_run_survives_the_machine_that_launched_it(laptop: Laptop) -> None:
    laptop.until("left", "asleep")
    laptop.begun["left"].send_signal(signal.SIGKILL)
    assert laptop.ended("left")[0] == -signal.SIGKILL
    (laptop.run_directory("left") / "go").touch()
    assert laptop.run("run", "wait", "left")[0] == 0
    assert (laptop.run_directory("left") / "closed").exists()


def test_a_driver_that_is_killed_is_noticed(laptop: Laptop) -> None:
    shared = laptop.home.with_name("shared")
    for run_id in ("killed", "killed-shared"):
        laptop.until(run_id, "asleep")
    pid, record = laptop.driver("killed-shared", shared)
    following = laptop.cluster.begin(
        "run", "logs", "killed", "--follow", RAYEXEC_HOME=str(laptop.home)
    )
    for driver_pid in (pid, laptop.driver("killed")[0]):
        os.kill(driver_pid, signal.SIGKILL)
    assert "job execute" in following.communicate(timeout=PATIENCE)[0]
    until(lambda: bool(laptop.ok("run", "show", "killed")["status"] == "FAILURE"))
    assert "driver died of SIGKILL" in laptop.ok("run", "show", "killed")["note"]
    # As seen from a machine where nobody can look for the process.
    left = json.loads(record.read_text())
    left["driver"]["host"] = "elsewhere"
    record.write_text(json.dumps(left))
    assert left["status"] == "STARTED"
    code, stdout, _ = laptop.run("run", "wait", "killed-shared")
    assert (code, "driver died" in stdout) == (1, True)
    shown = laptop.ok("run", "show", "killed-shared")
    assert (shown["status"], shown["note"]) == ("FAILURE", "driver died")
    listed = {each["run_id"]: each["status"] for each in laptop.ok("run", "list")}
    assert (listed["killed"], listed["killed-shared"]) == ("FAILURE", "FAILURE")
    for command in ("logs", "events"):
        assert laptop.run("run", command, "killed-shared", "--follow")[0] == 0
    code, stdout, _ = laptop.run("run", "cancel", "killed-shared")
    assert (code, "driver died" in stdout) == (1, True)


def test_a_failed_run_is_resumed_with_the_job_as_it_is_now(laptop: Laptop) -> None:
    laptop.ended("broken")
    (laptop.directory / "jobs.py").write_text(
        JOBS.replace('raise ValueError("broken")', "return 1")
    )
    code, stdout, stderr = laptop.run("run", "resume", "broken", "--run-id", "mended")
    assert code == 0, stderr
    assert "RUN_SUCCESS" in stdout
    assert laptop.cluster.ok("run", "show", "mended")["parent_run_id"] == "broken"


# The end of the cluster; what comes below cannot use it any more.


def test_the_end_of_the_cluster_ends_its_drivers_and_is_told(laptop: Laptop) -> None:
    laptop.until("shut", "asleep")
    laptop.ended("shut")
    machine, shared = laptop.cluster, laptop.home.with_name("shared")
    pid, record = laptop.driver("shut", shared)
    assert pid in machine.processes()
    laptop.ok("run", "show", "greeted")
    machine.ok("cluster", "down")
    assert machine.processes() == {}
    assert list(machine.temp.iterdir()) == []
    assert laptop.ok("run", "show", "shut")["status"] in ("FAILURE", "CANCELED")
    assert laptop.ok("run", "show", "greeted")["status"] == "SUCCESS"  # as it was told before
    note = laptop.home / "launched/broken.json"
    note.write_text(json.dumps(json.loads(note.read_text()) | {"ended": None}))
    for command, *options in (("show",), ("wait", "--timeout", "0"), ("cancel",)):
        code, _, stderr = laptop.run("run", command, "broken", *options)
        # The last where another cluster on this machine has taken the port since.
        assert (code, "no Ray answers" in stderr or "refuses the token" in stderr) == (1, True), (
            stderr
        )
    left = json.loads(record.read_text())
    left["driver"]["host"] = "elsewhere"
    record.write_text(json.dumps(left | {"status": "STARTED", "end_time": None}))
    shown = laptop.ok("run", "show", "shut")
    assert (shown["status"], shown["note"]) == ("STARTED", f"{laptop.address} does not answer")
    code, _, stderr = laptop.run("run", "wait", "shut", "--timeout", "0")
    assert code == 1
    assert "Nobody knows whether run shut is over: " in stderr
    listed = {each["run_id"]: each["status"] for each in laptop.ok("run", "list")}
    assert (listed["shut"], listed["broken"], listed["greeted"]) == (
        "STARTED",
        "UNREADABLE",
        "SUCCESS",
    )
