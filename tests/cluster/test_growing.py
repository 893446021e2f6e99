"""A cluster without workers that Ray's own autoscaler grows and shrinks, with fake nodes."""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ports import free_port

import rayexec
from rayexec.cluster import processes

ROOT = Path(rayexec.__file__).parents[1]
# The id that Ray's provider of such nodes takes the head to have.
_HEAD = "f" * 51 + "00000"
_PATIENCE = 240.0

pytestmark = [
    pytest.mark.alone,
    pytest.mark.long("waits for autoscalers, which look for work every few seconds only"),
    pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="finds processes in /proc"),
]

JOB = """
import time
from pathlib import Path
from rayexec import RayOptions, job, op

def node():
    import ray
    return ray.get_runtime_context().get_node_id()

@op
def work() -> str:
    # Most stay until another node has a step, which Ray may send there late.
    seen = Path({folder!r})
    (seen / node()).touch()
    ends = time.monotonic() + 15
    while len(list(seen.iterdir())) < 2 and time.monotonic() < ends:
        time.sleep(0.1)
    time.sleep(2)
    print("on", node())
    return node()

@op(ray_options=RayOptions(num_cpus=1, num_gpus=1, label_selector={"kind": "training"}))
def train() -> str:
    print("on", node())
    return node()

@job
def grows():
    for number in range(8):
        work.alias(f"work_{number}")()
    train()
"""


class Growing:
    """A head without CPUs, and an autoscaler that may add three nodes of 2 CPUs and one with a GPU
    and a label.
    """

    def __init__(self, home: Path) -> None:
        self.home = home
        self.port = free_port()
        self.address = f"127.0.0.1:{self.port}"
        self.mark = f"RAYEXEC_TEST={uuid.uuid4().hex}"
        token = home / ".ray" / "auth_token"
        token.parent.mkdir()
        token.write_text(secrets.token_hex(16))
        token.chmod(0o600)
        inherited = {
            key: value for key, value in os.environ.items() if not key.startswith(("RAY", "PYTHON"))
        }
        name, _, value = self.mark.partition("=")
        own = {
            "HOME": str(home),
            "RAYEXEC_HOME": str(home / "runs"),
            "PYTHONPATH": str(ROOT),
            name: value,
        }
        self.environment = {**inherited, **own, "RAY_AUTH_MODE": "token"}

    def start(self, *, second: bool) -> None:
        config = self.home / "autoscaling.json"
        config.write_text(json.dumps(self._config()))
        identity = {
            "RAY_OVERRIDE_NODE_ID_FOR_TESTING": _HEAD,
            "RAY_FAKE_CLUSTER": "1",
            "AUTOSCALER_UPDATE_INTERVAL_S": "1",
        }
        if second:
            named = {"RAY_CLOUD_INSTANCE_ID": _HEAD, "RAY_NODE_TYPE_NAME": "ray.head.default"}
            identity |= {"RAY_enable_autoscaler_v2": "1", **named}
        options = [
            "--head",
            f"--port={self.port}",
            "--node-ip-address=127.0.0.1",
            "--num-cpus=0",
            f"--temp-dir={self.home}",
            "--include-dashboard=false",
            "--disable-usage-stats",
            "--min-worker-port=0",
            "--max-worker-port=0",
            "--dashboard-agent-listen-port=0",
            f"--ray-client-server-port={free_port()}",
            f"--autoscaling-config={config}",
        ]
        subprocess.run(
            [sys.executable, "-m", "ray.scripts.scripts", "start", *options],
            env=self.environment | identity,
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            check=True,
            timeout=_PATIENCE,
        )

    def _config(self) -> dict[str, Any]:
        node: dict[str, Any] = {"node_config": {}, "min_workers": 0}
        types = {
            "ray.head.default": {**node, "resources": {"CPU": 0}, "max_workers": 0},
            "small": {**node, "resources": {"CPU": 2}, "max_workers": 3},
            "training": {
                **node,
                "resources": {"CPU": 1, "GPU": 1},
                "labels": {"kind": "training"},
                "max_workers": 1,
            },
        }
        # By its module, since the wheel lacks the file that Ray reads for the provider's short
        # name.
        provider = {
            "type": "external",
            "module": "ray.autoscaler._private.fake_multi_node.node_provider.FakeMultiNodeProvider",
            "gcs_address": self.address,
            "head_node_id": _HEAD,
            "use_node_id_as_ip": True,
            "launch_multiple": True,
            "disable_node_updaters": True,
            "disable_launch_config_check": True,
            "foreground_node_launch": True,
        }
        empty: dict[str, Any] = {
            f"{each}_commands": [] for each in ("initialization", "setup", "head_setup")
        }
        empty |= {
            f"{each}_commands": []
            for each in ("worker_setup", "head_start_ray", "worker_start_ray")
        }
        empty |= {
            "file_mounts": {},
            "cluster_synced_files": [],
            "file_mounts_sync_continuously": False,
            "docker": {},
        }
        return {
            "cluster_name": "growing",
            "max_workers": 4,
            "idle_timeout_minutes": 0.05,
            "upscaling_speed": 10.0,
            "provider": provider,
            "auth": {"ssh_user": "nobody"},
            "available_node_types": types,
            "head_node_type": "ray.head.default",
            "rsync_exclude": [],
            "rsync_filter": [],
            **empty,
        }

    def run(self, *arguments: str) -> tuple[int, str, str]:
        command = [sys.executable, "-m", "rayexec", *arguments, "--address", self.address]
        done = subprocess.run(
            command,
            cwd=self.home,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_PATIENCE,
            check=False,
        )
        return done.returncode, done.stdout, done.stderr

    def monitored(self) -> str:
        return Path(self.home, "session_latest", "logs", "monitor.log").read_text()

    def clean(self) -> None:
        for pid in processes.marked(self.mark, processes.table()):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


@pytest.fixture(params=["first", "second"])
def growing(request: pytest.FixtureRequest) -> Iterator[Growing]:
    with tempfile.TemporaryDirectory(prefix="rx-", dir="/tmp", ignore_cleanup_errors=True) as home:
        made = Growing(Path(home))
        try:
            made.start(second=request.param == "second")
            Path(home, "seen").mkdir()
            Path(home, "grows.py").write_text(JOB.replace("{folder!r}", repr(f"{home}/seen")))
            yield made
        finally:
            made.clean()


def test_a_cluster_grows_by_what_waits_and_shrinks_when_it_is_done(
    growing: Growing, request: pytest.FixtureRequest
) -> None:
    is_second = request.node.callspec.params["growing"] == "second"
    code, stdout, stderr = growing.run("job", "execute", "-f", "grows.py")
    assert code == 0, stderr
    output = stdout + stderr
    assert (
        "op 'work' waits for the autoscaler: no node has 1 CPU (the largest node has 0)." in output
    )
    assert "op 'train' waits for the autoscaler" in output
    used = {line.split()[-1] for line in output.splitlines() if re.search(r"\bon f{20}", line)}
    assert len(used) >= 3, (
        output
    )  # of three for the eight steps one may come too late; and one with the label
    if not is_second:
        shown = [
            int(each)
            for each in re.findall(r"\{'CPU': 1.0\}: (\d+)\+ pending", growing.monitored())
        ]
        assert max(shown) == 8
    ends = time.monotonic() + _PATIENCE
    while True:
        code, stdout, stderr = growing.run("cluster", "status", "--json")
        assert code == 0, stderr
        if len(json.loads(stdout)["nodes"]) == 1:
            break
        assert time.monotonic() < ends, stdout
        time.sleep(0.5)
