"""A lasting cluster: its start, status, runs and end, with real processes."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from ports import free_port

import rayexec
from rayexec.cli.commands.cluster_local import _status_lines
from rayexec.cluster.status import ClusterStatus, LimitHolder, LimitStatus, NodeStatus

ROOT = Path(rayexec.__file__).parents[1]
MY_JOB = ROOT / "docs/examples/my_job.py"
_TIMEOUT = 90.0

pytestmark = [
    pytest.mark.long("starts and stops clusters of several nodes"),
    pytest.mark.skipif(
        not Path("/proc/self/stat").exists(), reason="reads the process table from /proc"
    ),
]

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
    ends = time.monotonic() + 60
    while not Path("go").exists() and time.monotonic() < ends:
        time.sleep(0.05)

@job
def holding():
    hold()
"""


@dataclass(frozen=True)
class Machine:
    """A user with a home of their own, so that nothing of who runs the tests is touched.

    ``temp`` is where Ray's sockets are, whose paths must be short.
    """

    home: Path
    temp: Path
    mark: str

    @property
    def state(self) -> Path:
        return self.home / "state" / "cluster.json"

    def environment(self, **changed: str) -> dict[str, str]:
        inherited = {
            key: value for key, value in os.environ.items() if not key.startswith(("RAY", "PYTHON"))
        }
        own = {
            "HOME": str(self.home),
            "RAYEXEC_HOME": str(self.state.parent),
            "PYTHONPATH": str(ROOT),
        }
        own["RAY_TMPDIR"] = str(self.temp)
        return {**inherited, **own, "RAYEXEC_TEST": self.mark, "NO_COLOR": "", **changed}

    def begin(self, *arguments: str, **changed: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "rayexec", *arguments],
            cwd=self.home,
            env=self.environment(**changed),
            text=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def run(self, *arguments: str, **changed: str) -> tuple[int, str, str]:
        with self.begin(*arguments, **changed) as process:
            try:
                stdout, stderr = process.communicate(timeout=_TIMEOUT)
            finally:
                process.kill()
        assert "Traceback" not in stderr
        return process.returncode, stdout, stderr

    def ok(self, *arguments: str, **changed: str) -> Any:
        """Run a command that shall succeed, and return the JSON that it prints."""
        code, stdout, stderr = self.run(*arguments, "--json", **changed)
        assert code == 0, stderr
        return json.loads(stdout)

    def processes(self) -> dict[int, tuple[str, str]]:
        """Return what runs here: pid to start time and name, the sessions of marked processes
        included.
        """
        stats = _stats()
        marked = {pid for pid in stats if f"RAYEXEC_TEST={self.mark}".encode() in _environ(pid)}
        sessions = {stats[pid][2] for pid in marked if stats[pid][2] != os.getsid(0)}
        return {
            pid: stat[:2] for pid, stat in stats.items() if pid in marked or stat[2] in sessions
        }

    def clean(self) -> None:
        for pid in self.processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def _environ(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return b""


def _stats() -> dict[int, tuple[str, str, int]]:
    """Return the start time, name and session of each process, by pid."""
    processes = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                front, _, rest = (entry / "stat").read_text(errors="replace").rpartition(")")
                fields = rest.split()
                if fields[0] not in "ZX":
                    processes[int(entry.name)] = fields[19], front.partition("(")[2], int(fields[3])
    return processes


def _still_there(started_before: dict[int, tuple[str, str]]) -> list[str]:
    now = _stats()
    return [
        name
        for pid, (started, name) in started_before.items()
        if pid in now and now[pid][0] == started
    ]


def _named(machine: Machine, name: str) -> list[int]:
    return [pid for pid, (_, each) in machine.processes().items() if each == name]


@contextlib.contextmanager
def _machine(home: Path) -> Iterator[Machine]:
    with tempfile.TemporaryDirectory(prefix="rx-", dir="/tmp", ignore_cleanup_errors=True) as temp:
        machine = Machine(home, Path(temp), uuid.uuid4().hex)
        try:
            yield machine
        finally:
            machine.clean()


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    with _machine(tmp_path) as machine:
        yield machine


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """Two nodes with limits and a pool, one of them from a file; the tests leave it as it is."""
    with _machine(tmp_path_factory.mktemp("shared")) as machine:
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


# A cluster that runs.


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
        _await(is_held)
    finally:
        (shared.home / "go").touch()
        _, stderr = process.communicate(timeout=_TIMEOUT)
    assert process.returncode == 0, stderr
    (holder,) = limits["limit:database=redshift"]["holders"]
    assert (holder["kind"], holder["amount"]) == ("task", 1)
    assert holder["pid"]
    assert holder["node_id"]
    assert limits["pool:ware-house"]["holders"] == []
    _await(lambda: not is_held())


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
    places = set()
    for pid in _named(shared, "raylet"):
        arguments = Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")
        places |= {
            Path(each.partition("=")[2]).resolve()
            for each in arguments
            if each.startswith("--session_dir=")
        }
    assert len(places) == 2


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
    before = _named(shared, "raylet")
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
    assert _named(shared, "raylet") == before


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


# Beginning and end.


def test_two_ups_at_once_start_one_cluster_and_down_ends_all_of_it(machine: Machine) -> None:
    bystander = subprocess.Popen(["sleep", "60"], start_new_session=True)
    try:
        asked = ["cluster", "up", "--port", str(free_port()), "--num-cpus", "1", "--json"]
        both = [machine.begin(*asked), machine.begin(*asked)]
        printed = [json.loads(each.communicate(timeout=_TIMEOUT)[0]) for each in both]
        assert sorted(each["started"] for each in printed) == [False, True]
        assert printed[0]["address"] == printed[1]["address"]
        assert len(_named(machine, "gcs_server")) == 1
        assert (machine.home / ".ray/auth_token").stat().st_mode & 0o777 == 0o600
        started_before = machine.processes()
        assert {"gcs_server", "raylet"} <= {name for _, name in started_before.values()}
        assert Path(printed[0]["logs"]).parent == machine.temp

        stopped = machine.ok("cluster", "down")["stopped"]
        assert stopped["processes"] >= len(started_before)
        assert _still_there(started_before) == []
        assert machine.processes() == {}
        assert list(machine.temp.iterdir()) == []
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()
    code, stdout, _ = machine.run("cluster", "down")
    assert (code, "Nothing to stop" in stdout) == (0, True)
    code, _, stderr = machine.run("cluster", "status")
    assert (code, "no cluster was started here" in stderr) == (1, True)


def _begin_and_await_gcs(machine: Machine, *arguments: str) -> subprocess.Popen[str]:
    process = machine.begin(
        "cluster", "up", "--port", str(free_port()), "--num-cpus", "1", *arguments
    )
    _await(lambda: bool(_named(machine, "gcs_server")) or process.poll() is not None)
    assert process.poll() is None
    return process


def _await(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _TIMEOUT
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize("signal_number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_up_leaves_nothing(machine: Machine, signal_number: signal.Signals) -> None:
    process = _begin_and_await_gcs(machine)
    process.send_signal(signal_number)
    _, stderr = process.communicate(timeout=_TIMEOUT)
    assert process.returncode == 1
    assert stderr == "Error: Interrupted.\n"
    assert machine.processes() == {}
    assert not machine.state.exists()


def test_what_a_killed_up_and_a_dead_node_leave_is_ended(machine: Machine) -> None:
    process = _begin_and_await_gcs(machine)
    process.kill()
    process.communicate()
    (starter,) = json.loads(machine.state.read_text())["sessions"]
    _await(lambda: starter not in _stats())  # it goes on by itself, and leaves a whole cluster
    first = machine.processes()
    assert "raylet" in {name for _, name in first.values()}
    assert machine.run("cluster", "status")[0] == 1

    again = machine.ok("cluster", "up", "--port", str(free_port()), "--num-cpus", "1")
    assert again["started"]
    assert _still_there(first) == []

    started_before = machine.processes()
    os.kill(_named(machine, "raylet")[0], signal.SIGKILL)
    _await(lambda: not _named(machine, "raylet"))
    code, _, stderr = machine.run("cluster", "status")
    assert (code, "lost a part" in stderr) == (1, True)
    machine.ok("cluster", "down")
    assert _still_there(started_before) == []
    assert machine.processes() == {}


def test_a_taken_port_is_told_and_leaves_nothing(machine: Machine) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        code, _, stderr = machine.run("cluster", "up", "--port", str(taken.getsockname()[1]))
    assert (code, "is already used" in stderr) == (1, True)
    assert not machine.state.exists()


def test_ray_that_does_not_start_says_why(machine: Machine) -> None:
    code, _, stderr = machine.run(
        "cluster", "up", "--port", str(free_port()), RAY_START_HOOK="no.such.hook"
    )
    assert code == 1
    assert "Ray did not start" in stderr
    assert "No module named" in stderr
    assert machine.processes() == {}
    assert not machine.state.exists()


# A state file that is not true any more.


@pytest.mark.parametrize("change", ["another boot", "pid used again", "not JSON"])
def test_a_stale_state_confuses_nothing(machine: Machine, change: str) -> None:
    bystander = subprocess.Popen(["sleep", "60"], start_new_session=True)
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        started = _stats()[bystander.pid][0]
        entry = [bystander.pid, started if change == "another boot" else "1", "raylet"]
        state = {
            "mark": "RAYEXEC_CLUSTER=0",
            "boot": "x" if change == "another boot" else boot,
            "address": "127.0.0.1:1",
            "directory": str(machine.home / "rayexec-gone"),
            "spec": {"nodes": 1},
            "sessions": [bystander.pid],
            "core": [entry],
            "others": [],
        }
        machine.state.parent.mkdir()
        machine.state.write_text("{" if change == "not JSON" else json.dumps(state))
        code, _, stderr = machine.run("cluster", "status")
        assert code == 1
        assert ("no cluster was started" if change == "not JSON" else "runs no more") in stderr
        code, stdout, _ = machine.run("cluster", "down")
        assert (code, "Nothing to stop" in stdout) == (0, True)
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


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


# Mistakes.


def test_all_mistakes_are_told_at_once(machine: Machine) -> None:
    file = machine.home / "bad.yaml"
    file.write_text("nodes: 0\nlimit: {}\nlimits: {'a=': 1, b: 0, c: x}\npools: {'a b': 1}\n")
    asked = [
        "--limit",
        "nothing",
        "--limit",
        "=v:1",
        "--limit",
        "k:0",
        "--limit",
        "j:1.5",
        "--pool",
        "p/q:1",
    ]
    asked += ["--nodes", "none", "--num-cpus", "-2", "--port", "70000"]
    code, stdout, stderr = machine.run("cluster", "up", str(file), *asked)
    assert (code, stdout) == (2, "")
    first, *rest = stderr.splitlines()
    assert first == f"Error: {len(rest)} mistakes in what is asked for:"
    beginnings = [
        f"{file}: nodes: ",
        f"{file}: limit: unknown key",
        f"{file}: limits: a=: ",
        f"{file}: limits: b: ",
        f"{file}: limits: c: ",
        f"{file}: pools: a b: ",
        "--limit nothing: the number is missing",
        "--limit =v:1: the tag's key is missing",
        "--limit k:0: N is a whole number of at least 1",
        "--limit j:1.5: ",
        "--pool p/q:1: ",
        "--nodes: ",
        "--num-cpus: ",
        "--port: ",
    ]
    for each in beginnings:
        assert sum(line.startswith(f"  {each}") for line in rest) == 1, each
    assert not machine.state.parent.exists()


@pytest.mark.parametrize(
    ("text", "said"), [(None, "No such file"), ("- 1", "is a mapping"), ("a: [", "line 1")]
)
def test_a_file_that_cannot_be_read_is_told_with_the_rest(
    machine: Machine, text: str | None, said: str
) -> None:
    file = machine.home / "cluster.yaml"
    if text is not None:
        file.write_text(text)
    code, _, stderr = machine.run("cluster", "up", str(file), "--nodes", "x")
    assert code == 2
    assert said in stderr
    assert "--nodes" in stderr
