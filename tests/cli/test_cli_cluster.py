"""A lasting cluster that runs: its status, its jobs, and the doctor, with real processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ports import free_port
from strangers import as_stranger
from user_machine import MY_JOB, TIMEOUT_S, Machine, await_until, machine_at, pids_named

from rayexec.cli.commands.cluster_local import _status_lines
from rayexec.cluster.status import ClusterStatus, LimitHolder, LimitStatus, NodeStatus

pytestmark = [
    pytest.mark.long("starts and stops clusters of several nodes"),
    pytest.mark.skipif(
        not Path("/proc/self/stat").exists(), reason="reads the process table from /proc"
    ),
]

FORKING = Path(__file__).parents[1] / "cluster" / "own_ray_facts.py"

# Says which of its resources the cluster has, where a step that takes one of them runs.
LIMITED = """
import ray
from rayexec import job, op

@op(ray_options={"resources": {"limit:database=redshift": 1}})
def load():
    print("limits", sorted(name for name in ray.cluster_resources() if name.startswith("limit:")))

@job
def limited():
    load()
"""


# Holds a limit until it is told to go.
HOLDING = """
import time
from pathlib import Path
from rayexec import job, op

@op(tags={"database": "redshift"})
def hold():
    ends = time.monotonic() + 240
    while not Path("go").exists() and time.monotonic() < ends:
        time.sleep(0.05)

@job
def holding():
    hold()
"""


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    with machine_at(tmp_path) as machine:
        yield machine


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """Two nodes with limits and a pool, one of them from a file; the tests leave it as it is."""
    with machine_at(tmp_path_factory.mktemp("shared")) as machine:
        file = machine.home / "cluster.yaml"
        file.write_text(
            "nodes: 3\nnum_cpus: 1\nlimits: {'database=redshift': 5, 'k:ey=a=b': 1}\npools: "
            "{ware-house: 3}\n"
        )
        (machine.home / "limited.py").write_text(LIMITED)
        code, stdout, stderr = machine.run(
            "cluster",
            "up",
            str(file),
            "--nodes",
            "2",
            "--limit",
            "database=redshift:2",
            "--port",
            str(free_port()),
        )
        assert code == 0, stderr
        assert "2 nodes, 2 CPUs, 1 on each" in stdout
        assert "rayexec job execute -f my_job.py --address auto" in stdout
        yield machine


def test_options_win_over_the_file_and_each_limit_is_on_the_head_alone(shared: Machine) -> None:
    status = shared.ok("cluster", "status")
    assert {
        each["resource"]: (each["total"], each["used"], each["nodes"]) for each in status["limits"]
    } == {
        "limit:database=redshift": (2, 0, 1),
        "limit:k:ey=a=b": (1, 0, 1),
        "pool:ware-house": (3, 0, 1),
    }
    head, other = status["nodes"]
    assert head["is_head"]
    assert "limit:database=redshift" in head["resources"]
    assert not any(name.startswith(("limit:", "pool:")) for name in other["resources"])
    assert head["resources"]["CPU"] == other["resources"]["CPU"] == other["free"]["CPU"] == 1
    assert status["holders_unknown"] is None


def test_status_in_words(shared: Machine) -> None:
    code, stdout, _ = shared.run("cluster", "status")
    assert code == 0
    assert "database=redshift  0 of 2 used" in stdout
    assert "Warning" not in stdout


def test_who_holds_a_limit_is_told_without_a_dashboard(shared: Machine) -> None:
    (shared.home / "holding.py").write_text(HOLDING)
    limits: dict[str, Any] = {}

    def is_held() -> bool:
        answer = shared.ok("cluster", "status")["limits"]
        limits.update({each["resource"]: each for each in answer})
        return bool(limits["limit:database=redshift"]["holders"])

    process = shared.begin("job", "execute", "-f", "holding.py", "--address", "auto")
    try:
        await_until(is_held)
    finally:
        (shared.home / "go").touch()
        _, stderr = process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == 0, stderr
    (holder,) = limits["limit:database=redshift"]["holders"]
    assert (holder["kind"], holder["amount"]) == ("task", 1)
    assert holder["pid"]
    assert holder["node_id"]
    assert limits["pool:ware-house"]["holders"] == []
    await_until(lambda: not is_held())


def test_the_doctor_finds_no_problem_and_leaves_nothing(shared: Machine) -> None:
    answer = shared.ok("cluster", "doctor")
    levels = {each["check"]: (each["level"], each["text"]) for each in answer["findings"]}
    assert answer["problems"] == 0
    for check in (
        "reach",
        "token",
        "python",
        "ray",
        "rayexec",
        "packages",
        "store",
        "clocks",
        "cpus",
        "limits",
    ):
        assert levels[check][0] == "ok", levels[check]
    assert "2 nodes" in levels["rayexec"][1]
    assert "2 nodes, the same place" in levels["store"][1]
    assert levels["limits"][1].startswith("3 limits")
    assert not list(shared.state.parent.glob("doctor-*"))


def test_the_doctor_sees_that_nodes_keep_values_elsewhere(shared: Machine, tmp_path: Path) -> None:
    address = json.loads(shared.state.read_text())["address"]
    token = {"RAY_AUTH_TOKEN_PATH": str(shared.home / ".ray/auth_token")}
    changed = {"HOME": str(tmp_path), "RAYEXEC_HOME": "", **token}
    code, stdout, _ = shared.run("cluster", "doctor", "--address", address, **changed)
    assert code == 0
    (store,) = [line for line in stdout.splitlines() if " store " in line]
    assert store.startswith("warning")
    assert "~/.rayexec of this machine is another place on" in store


def test_the_doctor_of_a_machine_alone_and_of_a_dead_address(machine: Machine) -> None:
    code, stdout, _ = machine.run("cluster", "doctor")
    assert (code, "this machine alone" in stdout) == (0, True)
    code, stdout, _ = machine.run("cluster", "doctor", "--address", "127.0.0.1:1")
    assert code == 1
    assert stdout.startswith("problem  reach          no Ray answers at 127.0.0.1:1")


def test_nothing_listens_beyond_this_machine(shared: Machine) -> None:
    inodes = {
        os.readlink(link)
        for pid in shared.processes()
        for link in Path(f"/proc/{pid}/fd").iterdir()
        if link.is_symlink()
    }
    outward = []
    for protocol in ("tcp", "tcp6"):
        for line in Path("/proc/net", protocol).read_text().splitlines()[1:]:
            fields = line.split()
            is_local = fields[1].partition(":")[0].endswith("0100007F")
            if fields[3] == "0A" and f"socket:[{fields[9]}]" in inodes and not is_local:
                outward.append(fields[1])
    assert not outward


def test_no_node_unpacks_what_jobs_send_where_another_does(shared: Machine) -> None:
    directories = set()
    for pid in pids_named(shared, "raylet"):
        arguments = Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")
        directories |= {
            Path(each.partition("=")[2]).resolve()
            for each in arguments
            if each.startswith("--session_dir=")
        }
    assert len(directories) == 2


# Tries to see, and to replace, what Ray has below the directory of a cluster.
PRYING = """
import os, sys
for path in sys.argv[1:]:
    for pry in (os.listdir, lambda path: os.rename(path, path + "-old")):
        try:
            pry(path)
            print("done", path)
        except PermissionError:
            print("denied")
"""


def test_nobody_else_comes_near_the_files_of_ray(shared: Machine) -> None:
    logs = Path(json.loads(shared.state.read_text())["directory"])
    assert logs.stat().st_mode & 0o777 == 0o700
    sessions = [path for path in logs.glob("node-*/session_*") if not path.is_symlink()]
    assert len(sessions) == 2
    shared.temp.chmod(0o755)  # as /tmp: all may come as far as here
    assert "done" not in as_stranger(PRYING, logs, *sessions, *logs.glob("node-*"))
    assert os.getuid() != 0 or as_stranger("print('hello')") == "hello\n"


def test_a_fork_of_an_attached_process_is_refused(shared: Machine) -> None:
    address = json.loads(shared.state.read_text())["address"]
    ended = subprocess.run(
        [sys.executable, "-W", "ignore", str(FORKING), address],
        env=shared.environment(),
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    facts = dict(json.loads(line) for line in ended.stdout.splitlines())
    assert facts["fork"][0].startswith("EngineError: this process (")
    assert facts["fork"][1] == facts["fork exits"][1] == 7
    assert facts["fork in process"] == ["SUCCESS", 7]
    assert "was held by Ray" in facts["fork reads"][0]
    assert facts["pool"].startswith("EngineError: this process (")
    assert facts["after forks"] == ["SUCCESS", "bytes"]


@pytest.mark.alone
def test_a_job_runs_by_auto_and_by_the_address(shared: Machine) -> None:
    address = json.loads(shared.state.read_text())["address"]
    began = time.monotonic()
    code, _, stderr = shared.run(
        "job", "execute", "-f", str(MY_JOB), "--address", "auto", "--max-concurrent", "2"
    )
    assert (code, "RUN_SUCCESS" in stderr) == (0, True), stderr
    assert time.monotonic() - began < 8  # 1.3 s where nothing else runs
    code, stdout, stderr = shared.run(
        "job", "execute", "-f", "limited.py", "--address", address, "--max-concurrent", "2"
    )
    assert code == 0, stderr
    assert "['limit:database=redshift', 'limit:k:ey=a=b']" in stdout


def test_up_again_is_harmless_and_other_limits_are_refused(shared: Machine) -> None:
    before = pids_named(shared, "raylet")
    for asked in (
        [],
        ["--nodes", "2"],
        ["--limit", "database=redshift:2", "--limit", "k:ey=a=b:1"],
    ):
        assert shared.ok("cluster", "up", *asked)["started"] is False
    code, _, stderr = shared.run("cluster", "up", "--limit", "database=redshift:7")
    assert code == 1
    assert "database=redshift:7" in stderr
    assert "rayexec cluster down" in stderr
    assert pids_named(shared, "raylet") == before


@pytest.mark.alone
@pytest.mark.parametrize("what", ["another token", "no token", "mode off"])
def test_who_may_not_in_is_told_so_quickly(shared: Machine, tmp_path: Path, what: str) -> None:
    token = tmp_path / "token"
    changed = {"RAY_AUTH_TOKEN_PATH": str(token)}
    if what == "another token":
        token.write_text("0" * 64)
    elif what == "mode off":
        changed = {"RAY_AUTH_MODE": "disabled"}
    began = time.monotonic()
    code, _, stderr = shared.run(
        "job", "execute", "-f", str(MY_JOB), "--address", "auto", **changed
    )
    assert code == 1
    expected = {
        "another token": "refuses the token",
        "no token": "there is none here",
        "mode off": "unset it",
    }
    assert expected[what] in stderr
    assert time.monotonic() - began < 10


@pytest.mark.alone
def test_a_dead_address_is_told_quickly(machine: Machine) -> None:
    began = time.monotonic()
    for command in (["cluster", "status"], ["job", "execute", "-f", str(MY_JOB)]):
        code, _, stderr = machine.run(*command, "--address", "127.0.0.1:1")
        assert code == 1
        assert "no Ray answers at 127.0.0.1:1" in stderr
    assert time.monotonic() - began < 10


def test_a_stale_ray_address_is_named(shared: Machine) -> None:
    code, _, stderr = shared.run(
        "job", "execute", "-f", str(MY_JOB), "--address", "auto", RAY_ADDRESS="127.0.0.1:1"
    )
    assert code == 1
    assert "no Ray answers at 127.0.0.1:1" in stderr
    assert "what RAY_ADDRESS says" in stderr


def test_a_limit_that_several_nodes_declare_is_warned_of() -> None:
    nodes = tuple(
        NodeStatus(f"{host}00000000", host, host == "a", {"limit:x": 2.0}, {}) for host in "ab"
    )
    holder = LimitHolder("load", "task", 1.0, "b00000000", 42, "01")
    limits = (
        LimitStatus("limit:x", 4.0, 1.0, 2, (holder,)),
        LimitStatus("pool:p", 1.0, 0.0, 1, ()),
    )
    lines = "\n".join(_status_lines(ClusterStatus("h:1", nodes, limits, None)))
    assert "x  1 of 4 used" in lines
    assert lines.count("Warning") == 1
    assert "2 nodes declare it" in lines
    assert "held by task load, pid 42 on node b0000000, job 01" in lines
