"""README and reference: the code runs, the config fits, named files and commands exist."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import typer
import yaml
from doc_pages import FILE, README, REFERENCE, ROOT, blocks, run_block

from rayexec import validate_run_config
from rayexec.cli.main import COMMANDS

TEXT = README.read_text(encoding="utf-8")
(FIRST,) = blocks(README, "python")
# A block that belongs into a file is for the commands of its page.
PYTHON = {
    page.stem: [block for block in blocks(page, "python") if not FILE.match(block)]
    for page in (README, *REFERENCE)
}
YAML = {page.stem: blocks(page, "yaml") for page in REFERENCE}


def each_of(pages: dict[str, list[str]]) -> list[object]:
    """Return the blocks of pages as test parameters named by page and index."""
    return [
        pytest.param(block, id=f"{page}-{index}")
        for page, of_page in pages.items()
        for index, block in enumerate(of_page)
    ]


def test_there_are_blocks_of_each_kind() -> None:
    assert len(each_of(PYTHON)) >= 14
    assert len(each_of(YAML)) >= 4
    assert len(blocks(README, "sh")) >= 2


@pytest.mark.parametrize("block", each_of(PYTHON))
def test_python_blocks_run(
    block: str, tmp_path: Path, ray_session: None, capfd: pytest.CaptureFixture[str]
) -> None:
    result = run_block(block, tmp_path)["result"]
    assert result.success  # type: ignore[attr-defined]  # each block ends with a result
    assert capfd.readouterr().err == ""


def test_the_first_block_prints_its_answer(
    tmp_path: Path, ray_session: None, capfd: pytest.CaptureFixture[str]
) -> None:
    run_block(FIRST, tmp_path)
    assert float(capfd.readouterr().out) == 999 / sum(range(1_000))


@pytest.mark.parametrize("block", each_of(YAML))
def test_yaml_blocks_fit_the_first_job(block: str, tmp_path: Path, ray_session: None) -> None:
    job = run_block(FIRST, tmp_path)["summary"]
    validate_run_config(job, yaml.safe_load(block))  # type: ignore[arg-type]  # a job


def test_ci_runs_the_test_command() -> None:
    (command,) = [block.strip() for block in blocks(README, "sh") if "pytest" in block]
    set_up, install, test = command.split(" && ")
    assert set_up == "python3 -m venv .venv"
    assert install == ".venv/bin/pip install -e '.[test]'"
    assert f"tests {test}" in (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()


def test_the_readme_is_one_page() -> None:
    assert len(TEXT.split()) <= 1_250


def test_named_files_exist() -> None:
    named = re.findall(r"\]\(([^)#]+)", TEXT) + re.findall(r"-f (docs/\S+)", TEXT)
    assert named
    assert [file for file in named if not (ROOT / file).exists()] == []


@pytest.mark.parametrize(
    "group", [command.name for command in COMMANDS if isinstance(command.surface, typer.Typer)]
)
def test_the_page_of_the_command_line_has_every_command(group: str) -> None:
    page = (ROOT / "docs" / "reference" / "command-line.md").read_text(encoding="utf-8")
    cells = re.findall(rf"^\| (`rayexec {group} [^|]*)\|", page, re.MULTILINE)
    named = {name for cell in cells for name in re.findall(r"([a-z-]+)`", cell)}
    done = subprocess.run(
        [Path(sys.executable).with_name("rayexec"), group, "--help"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert named == set(re.findall(r"^│ ([a-z-]+) ", done.stdout, re.MULTILINE)) - {"--help"}
