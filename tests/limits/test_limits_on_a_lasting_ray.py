"""Limits on the one-node Ray of ``cluster up``: two drivers at once, counted inside the ops."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from ports import free_port
from user_machine import Machine, await_until, machine_at

from rayexec.cluster.node_start import FURTHER_NODE, ONE_MACHINE

pytestmark = [
    pytest.mark.long("starts lasting clusters and drivers"),
    pytest.mark.skipif(
        not Path("/proc/self/stat").exists(), reason="reads the process table from /proc"
    ),
]

CROWD = Path(__file__).with_name("crowd.py")
TIMEOUT_S = 240.0
X = {"tags": {"db": "x"}}


@dataclass
class Run:
    """A run of ``crowd.py``, which writes how it went to ``report``."""

    process: subprocess.Popen[str]
    report: Path
    folder: Path

    def outcome(self) -> dict[str, Any]:
        _, errors = self.process.communicate(timeout=TIMEOUT_S)
        assert self.process.returncode == 0, errors
        document: dict[str, Any] = json.loads(self.report.read_text())
        return document

    def present(self) -> list[str]:
        return sorted(path.name for path in self.folder.iterdir())


Start = Callable[..., Run]


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    with machine_at(tmp_path_factory.mktemp("lasting")) as machine:
        code, _, stderr = machine.run(
            "cluster", "up", "--num-cpus", "4", "--limit", "shared:2", "--pool", "licence:3"
        )
        assert code == 0, stderr
        yield machine
        machine.run("cluster", "down")


@pytest.fixture
def start(machine: Machine, tmp_path: Path) -> Iterator[Start]:
    yield from starting(machine, tmp_path)


def starting(machine: Machine, tmp_path: Path) -> Iterator[Start]:
    """Start runs that meet in one folder; what still runs at the end is killed."""
    started: list[Run] = []
    folder = tmp_path / "folder"
    folder.mkdir()

    def start_run(run: str, steps: Sequence[dict[str, Any]], **spec: Any) -> Run:
        text = json.dumps({"run": run, "steps": steps, "address": "auto", **spec})
        process = subprocess.Popen(
            [sys.executable, str(CROWD), str(folder), text],
            cwd=machine.home,
            env=machine.environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(Run(process, folder.with_name(f"{run}.json"), folder))
        return started[-1]

    yield start_run
    for run in started:
        if run.process.poll() is None:
            run.process.kill()
        run.process.communicate()


def peak(*reports: dict[str, Any], of: Sequence[str]) -> int:
    """Return the most names with all parts ``of`` that a step saw at once."""
    return max(
        sum(all(part in name for part in of) for name in names)
        for report in reports
        for step in report["steps"].values()
        for names in step["seen"]
    )


def holders(report: dict[str, Any]) -> dict[str, str]:
    return {limit["limit"]: limit["held_by"] for limit in report["limits"]}


def test_each_of_two_runs_has_limits_of_its_own(start: Start) -> None:
    # Both reach their limits at the same time, which they could not with shares in one resource.
    meets = {"meets": {"a.": 2, "b.": 1}}
    limited = {"tag_concurrency_limits": [{"key": "db", "limit": 2}]}
    a = start("a", [{**X, **meets}] * 6, execution=limited)
    b = start("b", [{**X, **meets}] * 3, execution={**limited, "max_concurrent": 1})
    of_a, of_b = a.outcome(), b.outcome()
    assert (of_a["status"], of_b["status"]) == ("SUCCESS", "SUCCESS")
    assert peak(of_a, of_b, of=["a."]) == 2
    assert peak(of_a, of_b, of=["b."]) == 1
    assert holders(of_a) == {"db": "token"}
    assert holders(of_b) == {"max_concurrent": "token", "db": "token"}


def test_a_share_that_is_no_fraction_in_decimals_is_exact(start: Start) -> None:
    rules = [{"key": "db", "limit": 3}, {"key": "db", "value": "x", "limit": 1}]
    steps = [{**X, "meets": {"a.": 3}}, *[{"tags": {"db": "y"}, "meets": {"a.": 3}}] * 6]
    run = start("a", [*steps, X, X], execution={"tag_concurrency_limits": rules})
    report = run.outcome()
    assert report["status"] == "SUCCESS"
    assert peak(report, of=["a."]) == 3
    assert peak(report, of=["db=x"]) == 1
    assert set(holders(report).values()) == {"token"}


def test_a_limit_and_a_weighted_pool_of_the_cluster_count_all_runs(start: Start) -> None:
    shared, licensed = {"tags": {"shared": "s"}}, {"tags": {"kind": "p"}, "pool": ["licence", 2]}
    steps = [shared, licensed] * 3
    limited = {"max_concurrent": 3}
    first = start("a", steps, execution=limited)
    second = start("b", steps, execution=limited)
    reports = [first.outcome(), second.outcome()]
    assert [report["status"] for report in reports] == ["SUCCESS", "SUCCESS"]
    assert peak(*reports, of=["shared=s"]) <= 2
    assert peak(*reports, of=["kind=p"]) == 1
    assert holders(reports[0]) == {
        "max_concurrent": "token",
        "shared (cluster)": "cluster",
        "pool licence": "cluster",
    }


def test_a_killed_driver_returns_its_shares(machine: Machine, start: Start) -> None:
    limited = {"max_concurrent": 2, "tag_concurrency_limits": [{"key": "db", "limit": 2}]}
    stays = {**X, "pool": ["licence", 1], "until": "never"}
    killed = start("a", [stays] * 4, execution=limited)
    _await_present(killed, 2)
    pids = [json.loads(path.read_text())["pid"] for path in killed.folder.iterdir()]
    killed.process.send_signal(signal.SIGKILL)
    await_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids))
    for path in killed.folder.iterdir():
        path.unlink()
    after = start("b", [{**X, "pool": ["licence", 3], "cpus": 4}, {"meets": {"b.": 2}}, {}])
    assert after.outcome()["status"] == "SUCCESS"
    await_until(lambda: _used(machine) == {"limit shared": 0, "pool licence": 0})


def _await_present(run: Run, count: int) -> None:
    await_until(lambda: len(run.present()) == count)


def _used(machine: Machine) -> dict[str, float]:
    document = machine.ok("cluster", "status")
    return {f"{limit['kind']} {limit['name']}": limit["used"] for limit in document["limits"]}


def test_the_plan_tells_that_ray_holds_the_limits(machine: Machine, tmp_path: Path) -> None:
    config = {"execution": {"config": {"ray": {"max_concurrent": 3}}}}
    (tmp_path / "c.yaml").write_text(json.dumps(config))
    (tmp_path / "one.py").write_text(
        "from rayexec import job, op\n@op\ndef a(): ...\n@job\ndef j(): a()\n"
    )
    plan = machine.ok(
        "job", "plan", "-f", str(tmp_path / "one.py"), "-c", str(tmp_path / "c.yaml"),
        "--address", "auto",
    )  # fmt: skip
    assert plan["execution"]["where"].endswith("of one node, which rayexec started")
    assert [limit["held_by"] for limit in plan["limits"]] == ["token"]
    assert plan["limits"][0]["how"].startswith("held by Ray, exactly: each step takes 0.3333")


def test_a_node_that_joins_multiplies_no_limit(tmp_path: Path) -> None:
    with machine_at(tmp_path) as machine:
        code, _, stderr = machine.run("cluster", "up", "--num-cpus", "3")
        assert code == 0, stderr
        address = json.loads(machine.state.read_text())["address"]
        limited = {"max_concurrent": 2}
        for start in starting(machine, tmp_path):
            held = start(
                "a", [{"until": "joined"}, {"until": "joined"}, *[{"meets": {"a.": 2}}] * 4],
                execution=limited,
            )  # fmt: skip
            _await_present(held, 2)
            node = _join(machine, address)
            held.folder.with_name("joined").touch()
            report = held.outcome()
            assert report["status"] == "SUCCESS"
            assert peak(report, of=["a."]) == 2
            assert len({step["node"] for step in report["steps"].values()}) == 1
            # On two nodes an undeclared resource would count twice: the driver holds the limit.
            after = start("b", [{"meets": {"b.": 2}}] * 4, execution=limited).outcome()
            assert holders(after) == {"max_concurrent": "driver"}
            assert peak(after, of=["b."]) == 2
            node.kill()
            node.wait()
        machine.run("cluster", "down")


def _join(machine: Machine, address: str) -> subprocess.Popen[bytes]:
    """Have a second node join, and return its process once the cluster has it."""
    options = [f"--address={address}", "--num-cpus=3", "--block", "--dashboard-agent-listen-port=0"]
    options += ["--min-worker-port=0", "--max-worker-port=0", f"--temp-dir={machine.temp}/second"]
    process = subprocess.Popen(
        [sys.executable, "-c", FURTHER_NODE, "start", *options],
        env=machine.environment(RAY_AUTH_MODE="token", **{ONE_MACHINE: "0"}),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    await_until(lambda: len(machine.ok("cluster", "status")["nodes"]) == 2)
    return process


def test_the_driver_holds_the_limits_on_a_foreign_ray_of_one_node(tmp_path: Path) -> None:
    with machine_at(tmp_path) as machine:
        port, ray = free_port(), str(Path(sys.executable).with_name("ray"))
        command = ["start", "--head", f"--port={port}", "--num-cpus=3", "--include-dashboard=false"]
        subprocess.run(
            [ray, *command, f"--ray-client-server-port={free_port()}", "--disable-usage-stats"],
            env=machine.environment(),
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=TIMEOUT_S,
        )
        for start in starting(machine, tmp_path):
            run = start(
                "a", [{"meets": {"a.": 2}}] * 4, execution={"max_concurrent": 2},
                address=f"127.0.0.1:{port}",
            )  # fmt: skip
            report = run.outcome()
            assert holders(report) == {"max_concurrent": "driver"}
            assert peak(report, of=["a."]) == 2
