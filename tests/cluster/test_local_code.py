"""Local code for other nodes: packed files, left-out ones, and limits."""

from __future__ import annotations

import importlib
import subprocess
import sys
import time
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from rayexec.cluster.local_code import gather_sources
from rayexec.definitions.sources import Sources


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A directory on Python's path with the module ``gathered_job``, imported."""
    before = set(sys.modules)
    monkeypatch.syspath_prepend(str(tmp_path))
    write(tmp_path, "gathered_job.py")
    importlib.import_module("gathered_job")
    yield tmp_path
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(tmp_path)):
            del sys.modules[name]


def write(root: Path, *paths: str, text: str = "") -> None:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)


def gathered(root: Path) -> tuple[Sources, set[str], list[str]]:
    sources, notes = gather_sources(["gathered_job"], ["node"])
    assert sources is not None
    files = {path for each in sources.roots if each.path == str(root) for path in each.files}
    return sources, files, notes


def test_python_files_travel_and_what_packages_hold_beside_them(project: Path) -> None:
    write(
        project,
        "late.py",
        "lib/deep.py",
        "own/__init__.py",
        "own/sql/all.sql",
        "data/rows.csv",
        "README.md",
    )
    write(project, "own/fast.so")
    write(project, "own/large.bin", text="x" * 300_000)
    write(
        project,
        ".hidden/a.py",
        ".venv/b.py",
        "other_venv/pyvenv.cfg",
        "other_venv/c.py",
        "__pycache__/d.py",
    )
    write(project, "ignored.py", "own/ignored/e.py")
    write(project, ".rayexecignore", text="ignored*\n")
    (project / "loop").symlink_to(project)
    sources, files, notes = gathered(project)
    assert files == {
        "gathered_job.py",
        "late.py",
        "lib/deep.py",
        "own/__init__.py",
        "own/sql/all.sql",
    }
    (root,) = [each for each in sources.roots if each.path == str(project)]
    assert root.left == ("ignored.py", "own/fast.so", "own/ignored", "own/large.bin")
    assert notes == []
    assert sources.near == {"node"}

    assert not any("site-packages" in each.path for each in sources.roots)
    assert len(zlib.decompress(sources.contents)) == sum(
        file.size for _, _, file in sources.files()
    )


def test_what_is_imported_travels_even_where_it_is_ignored(project: Path) -> None:
    write(project, "made.py", "ignored.py")
    write(project, ".gitignore", text="made.py\nignored.py\n")
    importlib.import_module("made")
    assert gathered(project)[1] == {"gathered_job.py", "made.py"}


def test_a_change_is_seen_and_no_change_reads_nothing(project: Path) -> None:
    first = gathered(project)[0]
    assert gathered(project)[0].contents is first.contents
    write(project, "gathered_job.py", text="X = 1\n")
    assert gathered(project)[0].digest != first.digest


def test_other_local_places_send_what_was_imported(
    project: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    lib = tmp_path_factory.mktemp("lib")
    write(
        lib,
        "used/__init__.py",
        "used/more.py",
        "unused.py",
        "compiled/__init__.py",
        "compiled/part.so",
    )
    monkeypatch.syspath_prepend(str(lib))
    try:
        for name in ("used", "compiled"):
            importlib.import_module(name)
        sources = gathered(project)[0]
    finally:
        for name in ("used", "compiled"):
            del sys.modules[name]
    (root,) = [each for each in sources.roots if each.path == str(lib)]
    assert (root.is_whole, set(root.files)) == (False, {"used/__init__.py", "used/more.py"})


def test_a_directory_that_is_too_large_is_told_quickly(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(project, "big.py", text="#" * (17 << 20))
    _, files, notes = gathered(project)
    assert files == {"gathered_job.py"}
    assert "big.py (17.0 MiB)" in notes[0]
    assert ".rayexecignore" in notes[0]
    assert len(notes) == 1
    (project / "big.py").unlink()
    many = project / "many"
    many.mkdir()
    for index in range(20_001):
        (many / str(index)).touch()
    began = time.process_time()
    _, files, notes = gathered(project)
    assert time.process_time() - began < 2
    assert files == {"gathered_job.py"}
    assert "more than 20,000 files" in notes[0]


def test_of_a_package_that_is_too_large_what_is_imported_is_sent(
    project: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    lib = tmp_path_factory.mktemp("lib")
    for root_path, package in ((project, "gathered_near"), (lib, "gathered_far")):
        write(
            root_path,
            f"{package}/__init__.py",
            f"{package}/deep/__init__.py",
            f"{package}/deep/part.py",
        )
        for index in range(70):
            write(root_path, f"{package}/data/{index}", text="x" * 250_000)
    monkeypatch.syspath_prepend(str(lib))
    for package in ("gathered_near", "gathered_far"):
        importlib.import_module(f"{package}.deep.part")
    sources, files, notes = gathered(project)
    for name in [each for each in sys.modules if each.startswith("gathered_far")]:
        del sys.modules[name]
    parts = {"__init__.py", "deep/__init__.py", "deep/part.py"}
    assert files == {"gathered_job.py", *(f"gathered_near/{each}" for each in parts)}
    (root,) = [each for each in sources.roots if each.path == str(lib)]
    assert (root.is_whole, set(root.files)) == (False, {f"gathered_far/{each}" for each in parts})
    own, other = notes
    for note, what in ((own, f"of {project}, "), (other, f"of package 'gathered_far' of {lib}, ")):
        assert note.startswith(f"{what}only what is imported already is sent")


def test_a_script_that_is_a_link_has_its_neighbours_sent(tmp_path: Path) -> None:
    program = """
import sys
from rayexec.cluster.local_code import gather_sources
sources, _ = gather_sources(["__main__"], [])
print(*[path for root in sources.roots if root.is_whole for path in root.files])
"""
    write(tmp_path, "there/script.py", text=program)
    write(tmp_path, "there/late.py", "here/other.py")
    (tmp_path / "here/link.py").symlink_to(tmp_path / "there/script.py")
    done = subprocess.run(
        [sys.executable, "here/link.py"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.stdout.split() == ["late.py", "script.py"], done.stderr


def test_a_job_file_that_is_a_link_has_its_neighbours_sent(tmp_path: Path) -> None:
    program = """
from rayexec.cluster.local_code import gather_sources
from rayexec.definitions.code import import_file
sources, _ = gather_sources([import_file("here/link.py").__name__], [])
print(*[path for root in sources.roots if root.is_whole for path in root.files])
"""
    write(tmp_path, "there/job.py", "there/late.py", "here/other.py")
    (tmp_path / "here/link.py").symlink_to(tmp_path / "there/job.py")
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert sorted(done.stdout.split()) == ["job.py", "late.py", "link.py", "other.py"], done.stderr
