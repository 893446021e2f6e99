"""Code on hosts without a common file system: local modules, versions and edits."""

from __future__ import annotations

import _json
import json
import os
import random
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from far_scripts import BESIDE, EDITING, FANCY, FULL, JOB, PARTED, SCRIPT
from hosts import ROOT, Hosts, hosts

import rayexec

pytestmark = pytest.mark.long("starts hosts of their own, each with a Ray")

_SOON = 10.0  # seconds until a mistake must be told


@dataclass(frozen=True)
class Far:
    """The far host's own contents of directories, and the cluster that it is in."""

    cluster: Hosts
    project: Path
    here: Path
    rayexec: Path

    def execute(
        self, file: str, name: str, **changed: str
    ) -> tuple[dict[str, Any], list[Any], str]:
        """Run a job by the command line; return its outcome, what its ops printed as JSON, and all
        else.
        """
        command = [
            "-m",
            "rayexec",
            "job",
            "execute",
            "-f",
            file,
            "-j",
            name,
            "--address",
            self.cluster.address,
        ]
        code, stdout, stderr = self.cluster.run(*command, "--json", cwd=self.here, **changed)
        assert stdout.startswith("{"), stderr
        outcome = json.loads(stdout)
        assert code == (outcome["status"] != "SUCCESS")
        return (
            outcome,
            [json.loads(line) for line in stderr.splitlines() if line.startswith("{")],
            stderr,
        )

    def have(self, *files: str) -> None:
        """Let the far host have these files of the project, and no others."""
        for entry in self.project.iterdir():
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
        for path in files:
            (self.project / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(self.here / path, self.project / path)

    def all_files(self) -> list[str]:
        return [str(each.relative_to(self.here)) for each in self.here.rglob("*") if each.is_file()]


@pytest.fixture(scope="module")
def far(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Far]:
    home = tmp_path_factory.mktemp("far")
    own, site, lib = home / "project", home / "site-packages", home / "lib"
    seen = Far(Hosts(home, home), home / "there", own, home / "copy/rayexec")
    for directory in (own, site, lib, seen.project):
        directory.mkdir()
    for path, text in {
        "job.py": JOB,
        "script.py": SCRIPT,
        "needing.py": FANCY,
        "editing/script.py": EDITING,
        "editing/beside.py": "N = 0",
        "beside.py": BESIDE,
        "late.py": "NAME = 'late'\n",
        "own/__init__.py": "",
        "own/deep/__init__.py": "",
        "own/deep/query.py": (
            "from importlib.resources import files\nfrom .. import base\n\ndef text():\n"
            "    return base.NAME + (files('own') / 'sql/all.sql').read_text()\n"
        ),
        "own/base.py": "NAME = 'base:'\n",
        "own/sql/all.sql": "select 1",
        "spaced/part.py": "NAME = 'part'\n",
        "data/rows.csv": "1,2\n",
        "../lib/shared.py": "NAME = 'shared'\n",
        "../lib/other.py": "",
        "../site-packages/fancy.py": "",
    }.items():
        (own / path).parent.mkdir(parents=True, exist_ok=True)
        (own / path).write_text(text)
    package = Path(rayexec.__file__).parent
    shutil.copytree(package, seen.rayexec, ignore=shutil.ignore_patterns("__pycache__"))
    with hosts(home) as cluster:
        cluster.variables["PYTHONPATH"] = f"{ROOT}:{lib}:{site}"
        cluster.start_head(near=1)
        cluster.start_host(
            "127.0.0.2", {own: seen.project, site: None, lib: None, package: seen.rayexec}, far=1
        )
        yield Far(cluster, seen.project, own, seen.rayexec)


VALUES = [5, "base:select 1", "part", "shared", "late"]


def test_local_modules_reach_a_host_that_has_none(far: Far) -> None:
    far.have()
    outcome, printed, stderr = far.execute("job.py", "failing")
    assert [each["step_key"] for each in outcome["failed_steps"]] == ["fails"], stderr
    assert f'File "{far.here / "beside.py"}", line 5, in fail' in stderr
    values = {each["node"]: each["values"] for each in printed}
    assert values == {"near": VALUES, "far": VALUES}
    files = {each["node"]: Path(each["place"]) for each in printed}
    assert files["near"] == far.here / "late.py"
    assert files["far"].is_relative_to(far.cluster.temp)
    names = {each.name for each in far.cluster.temp.glob("session_2*/rayexec-code-*/**/*.*")}
    assert "shared.py" in names
    assert names.isdisjoint({"other.py", "rows.csv", "fancy.py", "__main__.py"})


@pytest.mark.parametrize("program", [["script.py"], ["-c", SCRIPT]], ids=["script", "prompt"])
def test_what_a_script_defines_itself_finds_its_neighbours(far: Far, program: list[str]) -> None:
    far.have()
    code, stdout, stderr = far.cluster.run(*program, far.cluster.address, cwd=far.here)
    assert code == 0, stderr
    assert stdout.startswith("5 late /"), stderr


def test_what_was_edited_between_runs_of_a_process_is_not_run_as_it_was(far: Far) -> None:
    far.have()
    code, stdout, stderr = far.cluster.run(
        "script.py", far.cluster.address, cwd=far.here / "editing"
    )
    assert code == 0, stderr
    *values, last = stdout.splitlines()
    pid = values[0].split()[0]
    assert values == [f"{pid} 1 1", f"{pid} 20 20", f"{pid} 300 300", f"{pid} 300 4000"]
    assert "'edited'" in last


def test_an_old_copy_on_a_host_is_not_used(far: Far) -> None:
    noise = random.Random(1).randbytes(100_000).hex()
    (far.here / "large.py").write_text(
        f"NOISE = '{noise}'\n"
    )  # so it does not travel with the function itself
    far.have(*far.all_files())
    (far.project / "beside.py").write_text(BESIDE.replace("5", "4"))
    _, printed, stderr = far.execute("job.py", "both")
    assert [each["values"] for each in printed] == [VALUES, VALUES], stderr


@pytest.mark.skipif(
    not hasattr(_json, "__file__"), reason="this Python has no compiled module in a file of its own"
)
def test_what_does_not_travel_is_found_where_a_host_has_it(far: Far) -> None:
    (far.here / "parted").mkdir()
    for name, text in {"__init__": "N = 1\n", "made": "N = 2\n", "gone": ""}.items():
        (far.here / f"parted/{name}.py").write_text(text)
    (far.here / "parted/.gitignore").write_text("made.py\n")
    (far.here / "parted/large.bin").write_text("x" * 300_000)
    shutil.copy(_json.__file__, far.here / "parted")
    (far.here / "parts.py").write_text(PARTED)
    far.have(*far.all_files())
    (far.here / "parted/__init__.py").write_text("N = 30\n")
    (far.here / "parted/gone.py").unlink()
    code, stdout, stderr = far.cluster.run("parts.py", far.cluster.address, cwd=far.here)
    assert code == 0, stderr
    values, message = stdout.splitlines()
    assert values == "['parted._json', 300000, 2, '1,2\\n', 30]"
    assert "'parted.gone'" in message


def test_files_that_are_the_same_on_a_host_are_used_as_they_are(far: Far) -> None:
    far.have(*far.all_files())
    _, printed, stderr = far.execute("job.py", "both")
    assert [each["place"] for each in printed] == [str(far.here / "late.py")] * 2, stderr
    assert [each["values"] for each in printed] == [VALUES, VALUES]


def test_a_package_that_a_host_lacks_is_told_at_once(far: Far) -> None:
    far.have()
    outcome, _, stderr = far.execute("needing.py", "needing")
    (failed,) = outcome["failed_steps"]
    assert failed["message"].startswith("No module named 'fancy' on node ")
    for part in (
        "(127.0.0.2)",
        "pip install fancy",
        "runtime_env: {pip: [fancy]}",
        "job launch --pip fancy",
    ):
        assert part in failed["message"]
    assert f'File "{far.here / "needing.py"}", line 2' in stderr
    assert outcome["duration"] < _SOON


def test_a_step_on_a_host_whose_disk_is_full_is_lost_and_tried_again(far: Far) -> None:
    noise = random.Random(2).randbytes(100_000).hex()
    (far.here / "filling").mkdir()
    (far.here / "filling/noise.py").write_text(f"NOISE = '{noise}'\n")
    (far.here / "filling/filling.py").write_text(FULL)
    (session,) = [each for each in far.cluster.temp.glob("session_2*") if not each.is_symlink()]
    code = session / f"rayexec-code-{os.getuid()}"
    code.mkdir(mode=0o700, exist_ok=True)
    far.cluster.start_host("127.0.0.3", {far.here: None, code: 65536}, full=1)
    outcome, _, stderr = far.execute("filling/filling.py", "filling")
    (failed,) = outcome["failed_steps"]
    assert "the job's code cannot be unpacked on node" in failed["message"]
    assert "No space left on device" in failed["message"]
    assert "runs again, at no cost to its retries (1 of 1 times)" in stderr
    assert outcome["ops"]["full"]["attempts"] == 2


@pytest.mark.parametrize("version", ["0.0.9", None, "foreign"])
def test_a_host_with_another_rayexec_or_none_is_told(far: Far, version: str | None) -> None:
    version_file = far.rayexec / "_version.py"
    before, aside = version_file.read_text(), far.rayexec.with_name("aside")
    here = f'__version__ = "{rayexec.__version__}"'
    assert here in before
    try:
        if version == "foreign":
            aside.mkdir()
            for entry in list(far.rayexec.iterdir()):
                entry.rename(aside / entry.name)
            (far.rayexec / "__init__.py").write_text("from .rayexec import *\n")
            (far.rayexec / "rayexec.abi3.so").write_bytes(b"\x7fELF")
        elif version is not None:
            version_file.write_text(before.replace(here, f'__version__ = "{version}"'))
            (far.rayexec / "engine/ray/worker/entry.py").rename(far.rayexec / "engine/batches.py")
        else:
            aside.mkdir()
            for entry in far.rayexec.iterdir():
                entry.rename(aside / entry.name)
        outcome, _, stderr = far.execute("job.py", "both")
    finally:
        for name in ("__init__.py", "rayexec.abi3.so") if version == "foreign" else ():
            (far.rayexec / name).unlink()
        if version == "0.0.9":
            version_file.write_text(before)
            (far.rayexec / "engine/batches.py").rename(far.rayexec / "engine/ray/worker/entry.py")
        else:
            for entry in aside.iterdir():
                entry.rename(far.rayexec / entry.name)
            aside.rmdir()
    message = outcome["error"]["message"]
    assert outcome["error"]["error"] == "EngineError"
    assert "(127.0.0.2)" in message
    assert f"pip install rayexec-jobs=={rayexec.__version__}" in message
    if version == "foreign":
        assert "has a package of another project under the name rayexec (" in message
        assert "pip uninstall rayexec" in message
    elif version is not None:
        assert f"has rayexec 0.0.9, and this process has rayexec {rayexec.__version__}" in message
    else:
        assert message.startswith("rayexec is not installed on node ")
    assert "Traceback" not in stderr
    assert outcome["duration"] < _SOON


def test_a_cluster_of_another_python_or_ray_is_told(tmp_path: Path) -> None:
    (tmp_path / "job.py").write_text(
        "from rayexec import job, op\n@op\ndef one(): ...\n@job\ndef alone(): one()\n"
    )
    with hosts(tmp_path) as cluster:
        cluster.start_head(
            before="import ray._private.utils as u; u.compute_version_info = lambda: ('2.1.0', "
            "'3.9.2')"
        )
        code, _, stderr = cluster.run(
            "-m", "rayexec", "job", "execute", "-f", "job.py", "--address", cluster.address
        )
    assert code == 1
    assert "but Python 3.9.2 and Ray 2.1.0 run the cluster" in stderr
    assert f"at {cluster.address}" in stderr
    assert "Traceback" not in stderr
