"""Packages of job files that are links: unpacked elsewhere, they have all neighbours."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from rayexec.cluster.packing import pack, survey
from rayexec.launch.linked_file import linked_file

JOB = """
import helper
import beside
from rayexec import job, op

@op
def reads():
    import late
    print(helper.WORD, beside.WORD, late.WORD)

@job
def linked():
    reads()
"""
FILES = {
    "there/job.py": JOB,
    "there/helper.py": "WORD = 'target'\n",
    "there/late.py": "WORD = 'late'\n",
    "here/helper.py": "WORD = 'link'\n",
    "here/beside.py": "WORD = 'beside'\n",
    "here/config.yaml": "execution: {config: {in_process: }}\n",
}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Return a project with a link to a job; its target is in another directory."""
    project = tmp_path / "project"
    for path, text in FILES.items():
        (project / path).parent.mkdir(parents=True, exist_ok=True)
        (project / path).write_text(text)
    (project / "here/a link.py").symlink_to("../there/job.py")
    return project


@pytest.mark.parametrize("root", [".", "here"], ids=["both sent", "the link's directory sent"])
def test_the_package_of_a_link_runs_elsewhere_as_it_does_here(project: Path, root: str) -> None:
    directory = project / root
    file = (project / "here/a link.py").relative_to(directory).as_posix()
    said: list[str] = []
    link = linked_file(directory, file, said.append)
    assert link is not None
    archive = project.parent / "package.zip"
    pack(survey(directory), archive, limit=1 << 20, added=link.added)
    package = project.parent / "package"
    with zipfile.ZipFile(archive) as packed:
        packed.extractall(package)
    config = next(package.rglob("config.yaml"))
    program = f"exec {sys.executable} -m rayexec job execute -f '{file}' -c '{config}'"
    for _ in range(2):  # two runs with the same package share its directory
        ended = subprocess.run(
            ["sh", "-c", link.command + program],
            cwd=package,
            capture_output=True,
            text=True,
            check=False,
        )
        assert (ended.returncode, ended.stdout) == (0, "target beside late\n"), ended.stderr
    assert (package / file).is_symlink()
    assert said == []


def test_a_file_with_all_neighbours_beside_it_needs_nothing(project: Path) -> None:
    (project / "there/link.py").symlink_to("job.py")
    assert linked_file(project / "there", "job.py", print) is None
    assert linked_file(project / "there", "link.py", print) is None


def test_a_home_directory_does_not_travel_with_a_link(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(project / "there"))
    said: list[str] = []
    assert linked_file(project / "here", "a link.py", said.append) is None
    assert "your home directory" in said[0]
