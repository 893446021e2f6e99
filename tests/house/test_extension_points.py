"""Extensions from outside the package, by the code of docs/contributing.md alone."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "contributing.md").read_text(encoding="utf-8")
CHANGES = PAGE.partition("\n## Where to change what\n")[2]
SECTIONS = {
    title: text for title, _, text in (part.partition("\n") for part in CHANGES.split("\n### ")[1:])
}
# The most files that a newcomer's change may touch.
MOST_FILES = {
    "An event from a worker": 4,
    "How a limit is held": 5,
    "A command": 2,
    "A page of the browser": 4,
    "An endpoint of the API": 4,
    "A topic of the live channel": 4,
    "A name of Dagster": 5,
    "An engine": 2,
    "A store": 3,
    "An executor key": 2,
}
FROM_OUTSIDE = ("A command", "An engine", "A store", "An executor key")


def test_the_page_has_the_changes_of_newcomers() -> None:
    assert list(SECTIONS) == list(MOST_FILES)


@pytest.mark.parametrize("title", MOST_FILES)
def test_a_change_touches_few_files(title: str) -> None:
    """Each numbered step of a section is about one file."""
    steps = re.findall(r"^\d+\. ", SECTIONS[title], re.MULTILINE)
    assert 2 <= len(steps) <= MOST_FILES[title]


@pytest.mark.parametrize("title", FROM_OUTSIDE)
def test_the_code_of_the_page_adds_it_from_outside(title: str, tmp_path: Path) -> None:
    """Run the section's block as a script; its assertions show the effect."""
    (block,) = re.findall(r"^```python\n(.*?)^```$", SECTIONS[title], re.MULTILINE | re.DOTALL)
    assert "assert " in block
    assert not re.search(r"\._[a-z]", block)  # by public names alone
    script = tmp_path / "extension.py"
    script.write_text(block, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, script], capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("flag", ["--region", "--help"])
def test_an_added_key_is_an_option_of_the_command_line(flag: str, tmp_path: Path) -> None:
    (block,) = re.findall(
        r"^```python\n(.*?)^```$", SECTIONS["An executor key"], re.MULTILINE | re.DOTALL
    )
    declarations, _, jobs = block.partition("\n\n\n@op")
    (tmp_path / "extension.py").write_text(
        f"{declarations}\nfrom rayexec.cli.main import main\nmain()\n", encoding="utf-8"
    )
    body = jobs.partition("\n\n\nexecute_job")[0]
    here = '@job(config={"execution": {"config": {"in_process": {"engine": "regional"}}}})'
    (tmp_path / "jobs.py").write_text(
        f"from rayexec import job, op\n\n@op{body.replace('@job', here)}\n", encoding="utf-8"
    )
    arguments = ["us", "-f", "jobs.py"] if flag == "--region" else []
    done = subprocess.run(
        [sys.executable, "extension.py", "job", "execute", flag, *arguments],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "--region" in done.stdout or flag == "--region"
