"""Prints of a running step: bounded on disk while it prints, and counted."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from strangers import in_namespaces

from rayexec.engine.ray.protocol import batch_files
from rayexec.engine.ray.protocol.batch_files import CAPTURE_LIMIT_BYTES, captured_files
from rayexec.engine.ray.protocol.remains import collect_prints, kill_holders
from rayexec.engine.ray.worker.capture import Capture

MIB = 1024 * 1024


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The path of a batch's captured files."""
    monkeypatch.setattr(batch_files, "_MEMORY", str(tmp_path))
    monkeypatch.setattr(batch_files, "_DISK", str(tmp_path))
    return batch_files.capture_path("batch")


def stored(path: str) -> int:
    """Return the bytes that the captured files take up."""
    return sum(512 * os.stat(file).st_blocks for file in captured_files(path))


@contextlib.contextmanager
def freed_meanwhile(capture: Capture) -> Iterator[None]:
    """Look after the files as the live watch does."""
    over = threading.Event()

    def frees() -> None:
        while not over.wait(0.01):
            capture.free()

    thread = threading.Thread(target=frees)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def test_what_python_prints_takes_two_mebibytes_at_most_at_any_time(path: str) -> None:
    line, most = "x" * 1023 + "\n", 0
    with Capture(path) as capture:
        for index in range(40 * 1024):
            print(line, end="")
            if index % 64 == 0:
                most = max(most, stored(path))
        sys.stdout.write("y" * 20 * MIB)  # and at once
        most = max(most, stored(path))
        stdout, stderr = capture.drain()
    assert most <= 2 * MIB
    assert stdout == line * 1024
    assert (
        stderr == f"\nrayexec: {59 * MIB:,} bytes that the step printed on stdout were left out\n"
    )


def test_what_c_code_and_child_processes_print_is_freed_and_counted(path: str) -> None:
    with Capture(path) as capture, freed_meanwhile(capture):
        for _ in range(64):
            os.write(1, b"x" * MIB)
        subprocess.run(["head", "-c", str(64 * MIB), "/dev/zero"], check=True)
        capture.free()
        most = stored(path)
        stdout, stderr = capture.drain()
    assert most <= 2 * MIB
    assert stdout == "x" * CAPTURE_LIMIT_BYTES
    assert f"{127 * MIB:,} bytes" in stderr


def test_each_step_gets_its_own_prints(path: str) -> None:
    noted: list[tuple[int, int]] = []
    with Capture(path) as capture:
        capture.note_starts = lambda out, err: noted.append((out, err))
        for index in range(20):
            print(f"step {index}")
            if index == 7:
                print("z" * 3 * MIB)
            if index == 9:
                print("problem", file=sys.stderr)
            stdout, stderr = capture.drain()
            assert stdout.startswith(f"step {index}\n")
            assert len(stdout) < 10 or index == 7
            assert stderr.startswith({7: "\nrayexec: ", 9: "problem\n"}.get(index, ""))
        assert capture.drain() == ("", "")
    assert (0, 0) in noted[1:], "a long file is emptied"
    assert noted[0] == (len("step 0\n"), 0)


def test_of_a_dead_worker_s_step_the_first_mebibyte_and_the_end_remain(path: str) -> None:
    with Capture(path) as capture:
        print("of the step before")
        capture.drain()
        print("a" * MIB, end="")
        for _ in range(20):
            print("b" * MIB, end="")
        print("the reason")
        stdout, stderr = collect_prints("batch", capture.starts)
    assert stdout is not None
    assert stdout.startswith("a" * MIB + "\nrayexec: ")
    assert stdout.endswith("b" * 100 + "the reason\n")
    assert "\0" not in stdout
    assert stderr == ""


def test_a_closed_capture_frees_nothing_of_a_later_file(path: str, tmp_path: Path) -> None:
    with Capture(path) as capture:
        print("x")
    with open(tmp_path / "data", "wb") as file:
        file.write(b"d" * 8 * MIB)
        file.flush()
        assert not capture.free()
    assert (tmp_path / "data").read_bytes() == b"d" * 8 * MIB


FULL = """
import os, sys
from rayexec.engine.ray.protocol import batch_files
batch_files._MEMORY = batch_files._DISK = sys.argv[1]
from rayexec.engine.ray.worker.capture import Capture
with Capture(batch_files.capture_path("batch")) as capture:
    with open(sys.argv[1] + "/filler", "wb", buffering=0) as file:
        try:
            while True:
                file.write(b"x" * 4096)
        except OSError:
            pass
    print("y" * 100_000)
    sys.stderr.write("z" * 100_000)
    stdout, stderr = capture.drain()
    os.unlink(sys.argv[1] + "/filler")
    print("room again")
    again = capture.drain()
print(len(stdout) < 100_001, "were left out" in stderr, again)
"""


def test_a_full_disk_fails_no_step_that_prints(tmp_path: Path) -> None:
    before = in_namespaces("--mount", setup=f"mount -t tmpfs -o size=2m tmpfs '{tmp_path}'")
    ended = subprocess.run(
        [*before, sys.executable, "-c", FULL, str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.stderr == ""
    assert ended.stdout == "True True ('room again\\n', '')\n"


def test_the_capture_is_of_its_writers(path: str) -> None:
    with Capture(path):
        left = subprocess.Popen(["sleep", "60"])  # prints to the captured files, if it prints
        with left:
            kill_holders(["batch"])
            assert left.wait(10) == -9
