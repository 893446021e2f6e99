"""Package of a directory: git's own answers for ignore files, sizes, and the limit."""

from __future__ import annotations

import os
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rayexec.cluster import packing
from rayexec.cluster.packing import PackingLimit, pack, survey
from rayexec.errors import LoadError


def write(root: Path, *paths: str, size: int = 1) -> None:
    for path in paths:
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(os.urandom(size))


def test_neighbours_are_packed_and_what_no_run_needs_is_not(tmp_path: Path) -> None:
    write(
        tmp_path,
        "job.py",
        "beside.py",
        "package/inner.py",
        ".env",
        ".git/config",
        "__pycache__/job.pyc",
    )
    write(
        tmp_path,
        "package/__pycache__/inner.pyc",
        "my-venv/pyvenv.cfg",
        "my-venv/lib/x.py",
        ".venv/lib/y.py",
    )
    assert sorted(survey(tmp_path).sizes) == ["beside.py", "job.py", "package/inner.py"]


def test_what_is_hidden_is_packed_only_where_our_ignore_file_names_it(tmp_path: Path) -> None:
    write(
        tmp_path,
        "job.py",
        ".env",
        ".ssh/id_rsa",
        ".aws/credentials",
        ".ray/auth_token",
        "package/.secret",
        "a/x.py",
    )
    write(tmp_path, ".streamlit/config.toml", ".streamlit/.token", "package/.keep", "a/.env")
    # As in repositories that name what they keep, which is not said of a cluster.
    (tmp_path / ".gitignore").write_text("*\n!*/\n!*.py\n!.ssh/\n!.ssh/*\n!.env\n")
    (tmp_path / ".rayignore").write_text("!.ray\n")
    assert sorted(survey(tmp_path).sizes) == ["a/x.py", "job.py"]
    (tmp_path / ".gitignore").unlink()
    (tmp_path / ".rayexecignore").write_text("!*\n!*/\n!.aws/credentials\n!/.env\n!.streamlit/\n")
    (tmp_path / "package/.rayexecignore").write_text("!.keep\n")
    assert sorted(survey(tmp_path).sizes) == [
        ".env",
        ".streamlit/config.toml",
        "a/x.py",
        "job.py",
        "package/.keep",
    ]
    (tmp_path / ".rayexecignore").write_text("!.env\n.env\n")
    assert sorted(survey(tmp_path).sizes) == ["a/x.py", "job.py", "package/.keep"]


def test_too_much_to_look_through_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packing, "_MOST_ENTRIES", 20)
    write(tmp_path, "job.py", *(f"data/deep/part-{index}" for index in range(18)))
    with pytest.raises(
        LoadError,
        match=r"more than 20 files and directories.* 19 are below data/.*--working-dir DIR",
    ):
        survey(tmp_path)
    (tmp_path / ".rayexecignore").write_text("data/\n")
    assert sorted(survey(tmp_path).sizes) == ["job.py"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads all")
def test_a_directory_that_cannot_be_read_may_be_left_out(tmp_path: Path) -> None:
    write(tmp_path, "job.py", "data/closed/x")
    (tmp_path / "data/closed").chmod(0)
    try:
        with pytest.raises(
            LoadError,
            match=r"closed: Permission denied.*write /data/closed/ into .*/\.rayexecignore",
        ):
            survey(tmp_path)
        (tmp_path / ".rayexecignore").write_text("/data/closed/\n")
        assert sorted(survey(tmp_path).sizes) == ["job.py"]
    finally:
        (tmp_path / "data/closed").chmod(0o700)


@pytest.mark.parametrize("name", [".gitignore", ".rayignore", ".rayexecignore"])
def test_an_ignore_file_holds_for_its_directory_and_below(tmp_path: Path, name: str) -> None:
    write(tmp_path, "data/a.csv", "data/keep.csv", "deep/data/b.csv", "deep/c.csv", "c.csv")
    (tmp_path / name).write_text("/data/*\n!keep.csv\n")
    (tmp_path / "deep" / name).write_text("c.csv\n")
    assert sorted(set(survey(tmp_path).sizes) - {name, f"deep/{name}"}) == [
        "c.csv",
        "data/keep.csv",
        "deep/data/b.csv",
    ]


def test_links_are_followed_and_a_circle_ends(tmp_path: Path) -> None:
    write(tmp_path, "elsewhere/model.bin", "job/job.py", size=3)
    (tmp_path / "job/model").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "job/self").symlink_to(tmp_path / "job")
    (tmp_path / "job/nowhere").symlink_to(tmp_path / "gone")
    assert survey(tmp_path / "job").sizes == {"job.py": 3, "model/model.bin": 3}


def test_the_archive_holds_the_files_and_what_is_added(tmp_path: Path) -> None:
    root = tmp_path / "root"
    write(root, "job.py", "tools/run.sh")
    (root / "tools/run.sh").chmod(0o755)
    size = pack(
        survey(root), tmp_path / "one.zip", limit=10_000, added={".rayexec/run.yaml": b"ops: {}"}
    )
    assert size == (tmp_path / "one.zip").stat().st_size
    with zipfile.ZipFile(tmp_path / "one.zip") as archive:
        assert archive.read("job.py") == (root / "job.py").read_bytes()
        assert archive.read(".rayexec/run.yaml") == b"ops: {}"
        assert archive.getinfo("tools/run.sh").external_attr >> 16 & 0o777 == 0o755


def test_the_same_files_make_the_same_archive(tmp_path: Path) -> None:
    root = tmp_path / "root"
    write(root, "job.py", "b.py")
    pack(survey(root), tmp_path / "one.zip", limit=10_000)
    os.utime(root / "job.py", (0, 2_000_000_000))
    pack(survey(root), tmp_path / "two.zip", limit=10_000)
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()


def test_above_the_limit_the_largest_files_are_named(tmp_path: Path) -> None:
    root = tmp_path / "root"
    write(root, "job.py")
    write(root, "data/large.bin", size=3 << 20)
    for index in range(20):
        write(root, f"data/part-{index:02}.bin", size=1000 + index)
    with pytest.raises(PackingLimit) as raised:
        pack(survey(root), tmp_path / "archive.zip", limit=2 << 20)
    message = str(raised.value)
    assert "more than 2.0 MiB" in message
    assert "22 files of 3.0 MiB" in message
    assert "3.0 MiB  data/large.bin" in message
    assert "data/part-19.bin" in message
    assert "data/part-10.bin" not in message  # the eleventh largest
    assert str(root / ".rayexecignore") in message


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    write(tmp_path, "job.py", "gone.py")
    packing_of_root = survey(tmp_path)
    (tmp_path / "gone.py").unlink()
    with pytest.raises(LoadError, match=r"cannot pack .*gone\.py: No such file"):
        pack(packing_of_root, tmp_path / "archive.zip", limit=10_000)


PATHS = ("a", "b.py", "ab", "a.d/a", "a.d/b.py", "a.d/c/a", "a.d/c/ab", "x y/a", "d[1]/b", "b/b.py")
LINES = st.text(alphabet="ab.dc/*?[]!1\\ #x-^p", min_size=1, max_size=7)


@pytest.mark.skipif(shutil.which("git") is None, reason="asks git")
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    lines=st.lists(
        LINES | st.sampled_from(("a/**", "**/a", "a.d/**/a", "!a", "*.py", "a.d/")), max_size=4
    )
)
def test_patterns_mean_what_they_mean_to_git(
    tmp_path_factory: pytest.TempPathFactory, lines: list[str]
) -> None:
    root = tmp_path_factory.mktemp("tree")
    write(root, *PATHS)
    (root / ".gitignore").write_text("\n".join(lines))
    isolated = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    subprocess.run(["git", "init", "-q", root], check=True, env=isolated)
    listed = subprocess.run(
        ["git", "-C", root, "ls-files", "-z", "--others", "--exclude-standard"],
        check=True,
        env=isolated,
        capture_output=True,
        text=True,
    ).stdout
    assert set(survey(root).sizes) - {".gitignore"} == {
        path for path in listed.split("\0") if path
    } - {".gitignore"}
