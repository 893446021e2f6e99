"""Wheel of the rayexec that runs here: for pip like any other, and always the same."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

import rayexec
from rayexec import __version__
from rayexec.errors import LoadError
from rayexec.launch import launch_job, own_wheel
from rayexec.launch.environment import ClusterTarget, runtime_env

PACKAGE = Path(rayexec.__file__).parent


@pytest.mark.long("makes an environment, and has pip install there")
def test_pip_installs_it_without_an_index(tmp_path: Path) -> None:
    wheel = own_wheel.own_wheel()
    assert wheel == own_wheel.own_wheel()
    (tmp_path / wheel.name).write_bytes(wheel.content)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "env"], check=True)
    python = tmp_path / "env/bin/python"
    subprocess.run(
        [
            *(sys.executable, "-m", "pip", "--python", python, "install", "-q", "--no-index"),
            *("--no-deps", tmp_path / wheel.name),
        ],
        check=True,
    )
    said = subprocess.run(
        [python, "-c", "import rayexec; print(rayexec.__version__, rayexec.__file__)"],
        env={"PATH": os.environ["PATH"]},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert said.startswith(f"{__version__} {tmp_path}")
    assert "rayexec.cli.main" in (tmp_path / "env/bin/rayexec").read_text()
    shown = subprocess.run(
        [sys.executable, "-m", "pip", "--python", python, "show", "-f", "rayexec-jobs"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert f"Version: {__version__}+sent." in shown
    assert "rayexec/cli/render/page_parts/page.css" in shown
    assert "rayexec/py.typed" in shown


def test_it_has_all_files_of_the_package_and_its_dependencies() -> None:
    with zipfile.ZipFile(io.BytesIO(own_wheel.own_wheel().content)) as archive:
        names = set(archive.namelist())
        (metadata,) = (archive.read(name) for name in names if name.endswith("/METADATA"))
    sources = {f"rayexec/{path.relative_to(PACKAGE).as_posix()}" for path in PACKAGE.rglob("*.py")}
    assert sources <= names
    assert not any("__pycache__" in name for name in names)
    assert b"\nRequires-Dist: ray[default]" in metadata


def test_another_content_has_another_version(monkeypatch: pytest.MonkeyPatch) -> None:
    # Else pip would leave an equal version on the node as it is.
    name = own_wheel.own_wheel().name
    monkeypatch.setattr(own_wheel, "_files", lambda *_: ["__init__.py"])
    assert own_wheel.own_wheel().name != name


def test_without_an_installation_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own_wheel, "DISTRIBUTION", "rayexec-not-installed")
    with pytest.raises(LoadError, match="rayexec-not-installed is not installed here"):
        own_wheel.own_wheel()


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, {"pip": ["a", "w"]}),
        ({"pip": ["b"]}, {"pip": ["b", "a", "w"]}),
        ({"pip": {"packages": ["b"], "pip_check": True}}, {"pip": {"packages": ["b", "a", "w"]}}),
        ({"uv": ["b"]}, {"uv": ["b", "a", "w"]}),
    ],
)
def test_packages_are_added_to_those_of_the_environment(
    given: Mapping[str, Any], expected: Mapping[str, Any]
) -> None:
    target = ClusterTarget("http://h:8265", pip=("a",), runtime_env=given)
    environment = runtime_env(target, None, None, packages=["w"])
    for key, packages in expected.items():
        got = environment[key]
        assert got == {**got, **packages} if isinstance(packages, dict) else got == packages


@pytest.mark.parametrize("given", [{"pip": "file.txt"}, {"conda": "name"}])
def test_an_environment_of_another_kind_is_refused(given: Mapping[str, Any]) -> None:
    target = ClusterTarget("http://h:8265", runtime_env=given, send_rayexec=True)
    with pytest.raises(LoadError, match=r"--send-rayexec c.*: give one of them"):
        runtime_env(target, None, None, packages=["w"])


def test_a_run_on_this_machine_needs_no_wheel() -> None:
    with pytest.raises(LoadError, match="--send-rayexec needs --address"):
        launch_job("job.py", send_rayexec=True)
