"""Files of batches belong to the driver that holds a lock, whoever looks from wherever."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from strangers import in_namespaces

from rayexec.engine.ray.protocol import batch_files, driver_lock
from rayexec.engine.ray.protocol.batch_files import JOURNAL_PREFIX, memory_directory, new_file
from rayexec.engine.ray.protocol.driver_lock import driver_name, journal_name, sweep_journals
from rayexec.private_directory import open_private

OTHER_PIDS = ("--pid", "--fork", "--mount-proc", "--kill-child")
DRIVER = """
import sys, time
from rayexec.engine.ray.protocol import batch_files
batch_files._MEMORY = batch_files._DISK = sys.argv[1]
from rayexec.engine.ray.protocol import driver_lock
from rayexec.engine.ray.protocol.batch_files import journal_path
print(journal_path(driver_lock.journal_name("run", 1)), flush=True)
time.sleep(600)
"""
SWEEP = """
import sys
from rayexec.engine.ray.protocol import batch_files
batch_files._MEMORY = batch_files._DISK = sys.argv[1]
from rayexec.engine.ray.protocol.driver_lock import sweep_journals
sweep_journals()
"""


@pytest.fixture(autouse=True)
def base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory in the place of /dev/shm and /tmp."""
    monkeypatch.setattr(batch_files, "_MEMORY", str(tmp_path))
    monkeypatch.setattr(batch_files, "_DISK", str(tmp_path))
    monkeypatch.setattr(driver_lock, "_own", None)
    return tmp_path


@contextlib.contextmanager
def driver_with_journal(base: Path, before: Sequence[str] = ()) -> Iterator[tuple[Path, int]]:
    """Give the journal of another process that is a driver, and that process's pid."""
    process = subprocess.Popen(
        [*before, sys.executable, "-c", DRIVER, str(base)],
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout is not None
        journal = Path(process.stdout.readline().strip())
        journal.touch(0o600)  # of a worker on another machine that shares the file system
        try:
            yield journal, process.pid
        finally:
            process.kill()


def test_files_of_a_living_driver_stay_and_those_of_a_killed_one_go_at_once(base: Path) -> None:
    with driver_with_journal(base) as (journal, pid):
        beside = journal.with_name(f"{journal.name}.stdout")
        beside.touch()
        sweep_journals()
        assert journal.exists()
        os.kill(pid, signal.SIGKILL)
    sweep_journals()
    assert not journal.exists()
    assert not beside.exists()
    assert list(journal.parent.iterdir()) == [], "its lock stays for ever"


def test_a_driver_that_ends_takes_its_lock_away(base: Path) -> None:
    code = DRIVER.replace("time.sleep(600)", "")
    subprocess.run([sys.executable, "-c", code, str(base)], check=True, stdout=subprocess.DEVNULL)
    assert list(Path(memory_directory()).iterdir()) == []


def test_files_of_a_driver_in_another_pid_namespace_stay(base: Path) -> None:
    with driver_with_journal(base, in_namespaces(*OTHER_PIDS)) as (journal, _):
        assert int(journal.name.removeprefix(JOURNAL_PREFIX).partition(".")[0]) < 100
        sweep_journals()
        assert journal.exists()
    end = time.monotonic() + 10
    while journal.exists():  # the kernel ends the namespace's processes in its own time
        assert time.monotonic() < end
        sweep_journals()


def test_a_sweep_in_another_pid_namespace_leaves_the_files_of_this_driver(base: Path) -> None:
    journal = Path(memory_directory()) / journal_name("run", 1)
    journal.touch()
    there = in_namespaces(*OTHER_PIDS)
    subprocess.run([*there, sys.executable, "-c", SWEEP, str(base)], check=True)
    assert journal.exists()


def test_files_of_a_driver_elsewhere_stay_while_a_worker_holds_them_and_for_long_after(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = Path(memory_directory()) / f"{JOURNAL_PREFIX}7.elsewhere-run-1"
    file = new_file(str(path), os.O_RDWR)
    monkeypatch.setattr(driver_lock, "ORPHANED_S", 0.0)
    for _ in range(3):
        sweep_journals()
        assert path.exists(), "its worker lives"
    os.close(file)
    monkeypatch.setattr(driver_lock, "ORPHANED_S", 600.0)
    for _ in range(3):
        sweep_journals()
        assert path.exists(), "its driver may ask for it still"
    monkeypatch.setattr(driver_lock, "ORPHANED_S", 0.0)
    end = time.monotonic() + 10
    while path.exists():
        assert time.monotonic() < end
        sweep_journals()


def test_a_file_counts_as_orphaned_from_the_sweep_on_that_found_it_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = Path(memory_directory()) / f"{JOURNAL_PREFIX}7.elsewhere-run-1"
    os.close(new_file(str(path), os.O_RDWR))
    os.utime(path, (0, 0))  # a step that ran for long
    monkeypatch.setattr(driver_lock, "ORPHANED_S", -1.0)
    sweep_journals()
    assert path.exists()
    sweep_journals()
    assert not path.exists()


def test_runs_in_quick_succession_share_a_sweep(monkeypatch: pytest.MonkeyPatch) -> None:
    sweeps: list[float] = []
    monkeypatch.setattr(driver_lock, "sweep_journals", lambda: sweeps.append(1.0))
    monkeypatch.setattr(driver_lock, "_swept", driver_lock._NEVER)
    monkeypatch.setattr(driver_lock, "SWEEP_INTERVAL_S", 3600.0)
    for _ in range(3):
        driver_lock.sweep_journals_for_run()
    assert len(sweeps) == 1
    monkeypatch.setattr(driver_lock, "SWEEP_INTERVAL_S", 0.0)
    driver_lock.sweep_journals_for_run()
    assert len(sweeps) == 2


def test_a_forked_child_is_another_driver() -> None:
    name = driver_name()
    assert driver_name() == name
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.write(write, driver_name().encode())
        os._exit(0)
    os.waitpid(pid, 0)
    other = os.read(read, 100).decode()
    os.close(read)
    os.close(write)
    assert other.startswith(f"{pid}.")
    assert other != name


def test_without_a_place_for_a_lock_a_driver_has_a_name_all_the_same(
    base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_room(*_: object) -> None:
        raise OSError("no room")

    monkeypatch.setattr(driver_lock, "memory_directory", no_room)
    assert driver_name().startswith(f"{os.getpid()}.")


def test_a_sweep_outruns_no_driver_that_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    """A sweep may find a new lock before its driver has it, and remove it."""
    hold: Callable[[str], bool] = driver_lock._hold
    names: list[str] = []

    def swept_before(path: str) -> bool:
        names.append(path)
        if len(names) == 1:

            def then_swept(opened: str, flags: int) -> int:
                file = open_private(opened, flags)
                monkeypatch.setattr(f"{driver_lock.__name__}.open_private", open_private)
                sweep_journals()
                return file

            monkeypatch.setattr(f"{driver_lock.__name__}.open_private", then_swept)
        return hold(path)

    monkeypatch.setattr(driver_lock, "_hold", swept_before)
    name = driver_name()
    assert len(names) == 2
    assert Path(names[1]).name.endswith(name)
    assert Path(names[1]).exists()
    sweep_journals()
    assert Path(names[1]).exists()
