"""Launched runs on a cluster whose Python lacks rayexec, or has another project of that name."""

from __future__ import annotations

import secrets
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from ports import free_port
from user_machine import Machine, await_until, machine_at

import rayexec

pytestmark = pytest.mark.long("starts a Ray with a Python of its own, and has pip install there")

JOB = """
import pathlib
import time
import rayexec
from rayexec import Config, job, op

class Hanging(Config):
    directory: str

@op
def reports():
    print("rayexec", rayexec.__version__, "of", rayexec.__file__)

@op
def hangs(config: Hanging):
    pathlib.Path(config.directory, "asleep").touch()
    while True:
        try:
            time.sleep(600)
        except BaseException:
            pass

@job
def report():
    reports()

@job
def hang():
    hangs()
"""


@dataclass(frozen=True)
class Bare:
    """A cluster of ``machine`` with the Python in ``environment``, which has all but rayexec."""

    machine: Machine
    environment: Path
    address: str

    def launch(self, *arguments: str) -> subprocess.Popen[str]:
        """Begin to launch a job; the driver's ``python`` is that of the cluster."""
        file = str(self.machine.home / "project/jobs.py")
        path = f'{{"env_vars": {{"PATH": "{self.environment}/bin:/usr/bin:/bin"}}}}'
        options = ("-f", file, "--address", self.address, "--runtime-env", path)
        return self.machine.begin("job", "launch", *options, *arguments)

    @property
    def packages(self) -> Path:
        (packages,) = self.environment.glob("lib/python*/site-packages")
        return packages


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bare]:
    home = tmp_path_factory.mktemp("bare")
    (home / "project").mkdir()
    (home / "project/jobs.py").write_text(JOB)
    environment, packages = home / "python", home / "packages"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment], check=True)
    packages.mkdir()
    for site in (Path(path) for path in sys.path if Path(path).name == "site-packages"):
        for entry in site.iterdir():
            if "rayexec" not in entry.name and not (packages / entry.name).exists():
                (packages / entry.name).symlink_to(entry)
    with machine_at(home) as machine:
        bare = Bare(machine, environment, f"http://127.0.0.1:{free_port()}")
        (bare.packages / "others.pth").write_text(f"{packages}\n")
        options = {
            "port": free_port(),
            "dashboard-port": bare.address.rpartition(":")[2],
            "dashboard-agent-listen-port": free_port(),
            "ray-client-server-port": free_port(),
            "temp-dir": machine.temp,
        }
        (home / ".ray").mkdir(mode=0o700)
        token = home / ".ray/auth_token"
        token.touch(mode=0o600)
        token.write_text(secrets.token_hex(32))
        command = [str(environment / "bin/python"), "-m", "ray.scripts.scripts", "start", "--head"]
        command += [f"--{name}={value}" for name, value in options.items()]
        command += ["--include-dashboard=true", "--num-cpus=2", "--disable-usage-stats"]
        variables = machine.environment(RAY_AUTH_MODE="token")
        del variables["PYTHONPATH"]
        started = subprocess.run(
            command, env=variables, cwd=home, check=False, capture_output=True, text=True
        )
        assert started.returncode == 0, started.stdout + started.stderr
        yield bare


def test_a_cluster_without_rayexec_gets_it_with_the_run(bare: Bare, tmp_path: Path) -> None:
    config = tmp_path / "hang.yaml"
    config.write_text(f"ops: {{hangs: {{config: {{directory: {tmp_path}}}}}}}\n")
    lacking = bare.launch("-j", "report", "--wait")
    sent = bare.launch("-j", "report", "--wait", "--send-rayexec")
    hanging = bare.launch("-j", "hang", "-c", str(config), "--send-rayexec", "--run-id", "hanging")
    _, stderr = lacking.communicate()
    assert lacking.returncode == 1
    assert "rayexec is not installed on the cluster: send it with --send-rayexec" in stderr
    stdout, stderr = sent.communicate()
    assert sent.returncode == 0, stdout + stderr
    assert f"rayexec {rayexec.__version__} of {bare.machine.temp}" in stdout
    _, stderr = hanging.communicate()
    assert hanging.returncode == 0, stderr
    await_until((tmp_path / "asleep").exists)
    code, _, stderr = bare.machine.run("run", "cancel", "--force", "hanging")  # needs rayexec too
    assert code == 0, stderr
    code, stdout, _ = bare.machine.run("run", "show", "hanging")
    assert "CANCELED" in stdout


def test_another_project_of_that_name_on_the_cluster_is_told(bare: Bare) -> None:
    other = bare.packages / "rayexec"
    other.mkdir()
    try:
        (other / "__init__.py").write_text("from .rayexec import *\n")
        (other / "rayexec.py").write_text("")
        in_place = bare.launch("-j", "report", "--wait")
        sent = bare.launch("-j", "report", "--wait", "--send-rayexec")
        _, stderr = in_place.communicate()
        assert in_place.returncode == 1
        assert "what the cluster has under the name rayexec is not this package" in stderr
        assert "--send-rayexec" in stderr
        stdout, stderr = sent.communicate()
        assert sent.returncode == 0, stdout + stderr
    finally:
        for file in other.glob("*.py"):
            file.unlink()
