"""The README does what it says: its code runs, its config fits, its commands exist."""

from __future__ import annotations

import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from rayexec import validate_run_config

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def run_block(block: str, directory: Path) -> dict[str, object]:
    """Run a block as a script and return its names."""
    script = directory / "block.py"
    script.write_text(block, encoding="utf-8")
    return runpy.run_path(str(script), run_name="__main__")


PYTHON = blocks("python")


def test_there_are_blocks_of_each_kind() -> None:
    assert len(PYTHON) >= 4
    assert len(blocks("yaml")) >= 2
    assert len(blocks("sh")) >= 3


@pytest.mark.parametrize(
    "block", PYTHON, ids=lambda block: re.findall(r"^def (\w+)", block, re.MULTILINE)[-1]
)
def test_python_blocks_run(
    block: str, tmp_path: Path, ray_session: None, capfd: pytest.CaptureFixture[str]
) -> None:
    result = run_block(block, tmp_path)["result"]
    assert result.success  # type: ignore[attr-defined]  # each block ends with a result
    assert capfd.readouterr().err == ""


def test_the_first_block_prints_its_answer(
    tmp_path: Path, ray_session: None, capfd: pytest.CaptureFixture[str]
) -> None:
    run_block(PYTHON[0], tmp_path)
    assert float(capfd.readouterr().out) == 999 / sum(range(1_000))


@pytest.mark.parametrize("block", blocks("yaml"), ids=lambda block: block.split(":")[0])
def test_yaml_blocks_fit_the_first_job(block: str, tmp_path: Path, ray_session: None) -> None:
    job = run_block(PYTHON[0], tmp_path)["summary"]
    validate_run_config(job, yaml.safe_load(block))  # type: ignore[arg-type]  # a job


def test_ci_runs_the_test_command() -> None:
    (command,) = [block.strip() for block in blocks("sh") if "pytest" in block]
    set_up, install, test = command.split(" && ")
    assert set_up == "python3 -m venv .venv"
    assert install == ".venv/bin/pip install -e '.[test]'"
    assert test in (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()


def test_named_files_exist() -> None:
    named = re.findall(r"\]\(([^)]+)\)", README) + re.findall(r"-f (docs/\S+)", README)
    assert named
    assert [file for file in named if not (ROOT / file).exists()] == []


def test_named_commands_exist() -> None:
    named = set(re.findall(r"rayexec job ([a-z-]+)", README))
    done = subprocess.run(
        [Path(sys.executable).with_name("rayexec"), "job", "--help"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert named == set(re.findall(r"^│ ([a-z-]+) ", done.stdout, re.MULTILINE)) - {"--help"}
