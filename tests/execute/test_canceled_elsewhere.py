"""Runs that another thread cancels by their store: of every kind, in-process and on Ray, in any
thread.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pyarrow import fs

from rayexec import (
    JobDefinition,
    RetryPolicy,
    RunCanceledError,
    RunResult,
    cancel_run,
    execute_job,
    job,
    op,
)
from rayexec.store import DirectoryRunStore, MemoryRunStore, RunStore
from rayexec.store.reading import StoredLog

IN_PROCESS: dict[str, Any] = {"execution": {"config": {"in_process": {}}}}
_PATIENCE = 60.0

STORES: dict[str, Callable[[Path], RunStore]] = {
    "memory": lambda _: MemoryRunStore(),
    "path": DirectoryRunStore,
    "no_appends": lambda _: DirectoryRunStore("bucket", fs._MockFileSystem()),
}


def napping(place: Path) -> JobDefinition:
    @op
    def first() -> int:
        return 5

    @op
    def nap(given: int) -> None:
        (place / "asleep").touch()
        try:
            time.sleep(600)
        finally:
            (place / "closed").touch()

    @job
    def naps() -> None:
        nap(first())

    return naps


def canceled(
    what: JobDefinition,
    config: Any,
    place: Path,
    store: RunStore,
    until: str | None = None,
    **options: Any,
) -> RunResult:
    """Run a job, and cancel it once its step runs, or once an event of the kind ``until`` has been
    written.
    """

    def is_due() -> bool:
        if until is None or not (place / "asleep").exists():
            return (place / "asleep").exists()
        return any(event.event_type_value == until for event in StoredLog(store.open("r")).events())

    def act() -> None:
        end = time.monotonic() + _PATIENCE
        while not is_due() and time.monotonic() < end:
            time.sleep(0.02)
        asked.append(cancel_run("r", store=store))

    asked: list[str] = []
    thread = threading.Thread(target=act)
    thread.start()
    try:
        return execute_job(what, config, run_id="r", store=store, **options)
    finally:
        thread.join()
        assert asked == ["STARTED"]


@pytest.mark.parametrize("kind", STORES)
def test_by_a_store_of_every_kind(kind: str, tmp_path: Path) -> None:
    store = STORES[kind](tmp_path / "store")
    before = signal.getsignal(signal.SIGURG)
    began = time.monotonic()
    result = canceled(napping(tmp_path), IN_PROCESS, tmp_path, store)
    assert time.monotonic() - began < _PATIENCE  # and its step would take 600 s
    assert (result.status, result.output_for_node("first")) == ("CANCELED", 5)
    assert (tmp_path / "closed").exists()
    assert store.open("r").record().status == "CANCELED"
    assert signal.getsignal(signal.SIGURG) is before
    assert cancel_run("r", store=store) == "CANCELED"


def test_raise_on_error_raises_that_it_was_canceled(tmp_path: Path) -> None:
    with pytest.raises(
        RunCanceledError, match=r"canceled by .+@.+ \(pid \d+\), with rayexec\.cancel_run"
    ):
        canceled(napping(tmp_path), IN_PROCESS, tmp_path, MemoryRunStore(), raise_on_error=True)


@pytest.mark.parametrize("in_main_thread", [True, False])
def test_a_run_that_waits_for_a_retry_ends_at_once(
    in_main_thread: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # No wait of the loop may end by itself.
    monkeypatch.setattr("rayexec.execute.loop._SILENCE_S", 600.0)

    @op(retry_policy=RetryPolicy(max_retries=1, delay=600))
    def fails() -> None:
        (tmp_path / "asleep").touch()
        raise ValueError("no")

    @job
    def failing() -> None:
        fails()

    results: list[RunResult] = []

    def run() -> None:
        results.append(
            canceled(failing, IN_PROCESS, tmp_path, MemoryRunStore(), until="STEP_UP_FOR_RETRY")
        )

    began = time.monotonic()
    if in_main_thread:
        run()
    else:
        thread = threading.Thread(target=run)
        thread.start()
        thread.join()
    assert time.monotonic() - began < _PATIENCE
    assert [each.status for each in results] == ["CANCELED"]


def test_on_ray_in_another_thread(ray_session: None, tmp_path: Path) -> None:
    results: list[RunResult] = []
    store = MemoryRunStore()
    thread = threading.Thread(
        target=lambda: results.append(canceled(napping(tmp_path), None, tmp_path, store))
    )
    thread.start()
    thread.join()
    [result] = results
    assert (result.status, result.output_for_node("first")) == ("CANCELED", 5)
    assert (tmp_path / "closed").exists()
