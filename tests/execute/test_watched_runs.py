"""State of a run for those who watch it: written by its driver, only then, and at no risk."""

from __future__ import annotations

import contextlib
import json
import os
import stat
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pyarrow import fs

from rayexec import (
    DynamicOut,
    DynamicOutput,
    JobDefinition,
    RetryPolicy,
    RunResult,
    cancel_run,
    job,
    op,
)
from rayexec.errors import RunNotFoundError, StoreError
from rayexec.store import DirectoryRunStore, MemoryRunStore, RunRecord, RunStore
from rayexec.store.base import now, watch
from rayexec.store.watching import Recency
from rayexec.views.now import now_of, read_now

IN_PROCESS: dict[str, Any] = {"execution": {"config": {"in_process": {}}}}
LIMITED: dict[str, Any] = {
    "execution": {"config": {"ray": {"tag_concurrency_limits": [{"key": "kind", "limit": 1}]}}}
}
_PATIENCE_S = 60.0


def held(place: Path) -> JobDefinition:
    """Return a job whose mapped steps wait until ``place`` has a file ``go``."""

    @op(out=DynamicOut())
    def split() -> Iterator[DynamicOutput[int]]:
        for index in range(3):
            yield DynamicOutput(index, str(index))

    @op(retry_policy=RetryPolicy(max_retries=1, delay=300))
    def flaky() -> None:
        raise ValueError("once")

    @op(tags={"kind": "x"})
    def load(value: int) -> int:
        while not (place / "go").exists():
            time.sleep(0.02)
        return value

    @job(tags={"rayexec/x": "y"})
    def holds() -> None:
        split().map(load)
        flaky()

    return holds


@op
def nap() -> None:
    time.sleep(0.7)


@job
def naps() -> None:
    nap()


def until(look: Callable[[], Any]) -> Any:
    """Return the first true result of ``look``."""
    ends_at = time.monotonic() + _PATIENCE_S
    while time.monotonic() < ends_at:
        with contextlib.suppress(StoreError, RunNotFoundError):
            if result := look():
                return result
        time.sleep(0.02)
    raise AssertionError("nothing came")


class Running:
    """A run in a thread of its own."""

    def __init__(self, work: Callable[[], RunResult]) -> None:
        self.result: RunResult | None = None

        def run() -> None:
            self.result = work()

        self._thread = threading.Thread(target=run)
        self._thread.start()

    def end(self) -> RunResult:
        self._thread.join(_PATIENCE_S)
        assert self.result is not None
        return self.result


def watched_state(store: RunStore, run_id: str) -> dict[str, Any] | None:
    watch(store, run_id)
    return now_of(store, store.open(run_id))


@pytest.mark.long("waits for other threads")
@pytest.mark.parametrize("kind", ["memory", "path"])
def test_a_watched_run_tells_its_state(kind: str, tmp_path: Path) -> None:
    store: RunStore = MemoryRunStore() if kind == "memory" else DirectoryRunStore(tmp_path / "s")
    made = held(tmp_path)
    running = Running(lambda: made.execute(IN_PROCESS, store=store, run_id="r"))

    def held_up() -> dict[str, Any] | None:
        state = watched_state(store, "r")
        return state if state is not None and state["running"] else None

    state = until(held_up)
    (tmp_path / "go").touch()
    retries = until(lambda: (watched_state(store, "r") or {"retries": []})["retries"])
    assert retries[0]["key"] == "flaky"
    assert 200 < retries[0]["in_s"] <= 300
    [queue] = [each for each in state["queues"] if each["reason"] == "max_concurrent"]
    assert queue["limit"] == "max_concurrent"
    assert queue["size"] in (2, 3)
    assert queue["holders"][0]["key"] == state["running"][0]["key"]
    assert (queue["used"], queue["most"], queue["others"]) == (1, 1, False)
    assert state["slots"] == {"most": 1, "busy": 1, "idle": 0, "why": None}
    assert state["mapped"] == [{"node": "load", "done": 0, "total": 3, "failed": 0, "running": 1}]
    assert state["steps"] == 5
    assert state["over"] >= 1
    assert state["as_of"] == pytest.approx(time.time(), abs=_PATIENCE_S)
    cancel_run("r", store=store)
    running.end()
    assert now(store, "r") is None


@pytest.mark.long("runs on Ray")
def test_a_limit_on_ray_has_its_holder_and_its_queue(ray_session: object, tmp_path: Path) -> None:
    store = DirectoryRunStore(tmp_path / "s")

    @op(tags={"kind": "x"})
    def hold() -> None:
        while not (tmp_path / "go").exists():
            time.sleep(0.02)

    @job
    def holds() -> None:
        for _ in range(3):
            hold()

    running = Running(lambda: holds.execute(LIMITED, store=store, run_id="r"))
    try:

        def queue() -> dict[str, Any] | None:
            state = watched_state(store, "r")
            queues = state["queues"] if state is not None else []
            return next((each for each in queues if each["holders"]), None)

        until(lambda: store.open("r"))
        first = until(queue)
        assert first["reason"].startswith("kind")
        assert (first["size"], first["used"], first["most"]) == (2, 1, 1)
        later = until(lambda: (found := queue()) and found["holders"][0]["seconds"] > 0.5 and found)
        assert later["holders"][0]["key"] == first["holders"][0]["key"]
    finally:
        (tmp_path / "go").touch()
    assert running.end().success
    assert not (tmp_path / "s/runs/r/now.json").exists()


def test_the_file_is_for_its_user_alone_and_replaced_at_once(tmp_path: Path) -> None:
    store = DirectoryRunStore(tmp_path)
    writer: Any = store.create(RunRecord("r", "j"))
    assert writer.is_watched() is False
    store.watch("r")
    assert writer.is_watched() is True
    for content in (b"1", b"22"):
        writer.write_now(content)
        assert store.now("r") == content
    for name in ("watched", "now.json"):
        status = os.stat(tmp_path / "runs/r" / name)
        assert stat.S_IMODE(status.st_mode) == 0o600
    assert sorted(os.listdir(tmp_path / "runs/r")) == [
        ".room",
        "events",
        "now.json",
        "run.json",
        "watched",
    ]
    writer.remove_now()
    assert store.now("r") is None
    writer.close()


def test_nobody_watches_and_nothing_is_written(tmp_path: Path) -> None:
    store = DirectoryRunStore(tmp_path)
    seen: list[list[str]] = []

    @op
    def look() -> None:
        time.sleep(0.5)  # two looks of the watching thread
        seen.append(os.listdir(tmp_path / "runs/r"))

    @job
    def looks() -> None:
        look()

    assert looks.execute(IN_PROCESS, store=store, run_id="r").success
    assert "now.json" not in seen[0]
    assert "watched" not in seen[0]


def test_a_look_counts_for_ten_seconds() -> None:
    recency = Recency()
    assert not recency.is_recent(None, 1_000.0, 50.0)
    assert recency.is_recent(995.0, 1_000.0, 50.0)
    assert recency.is_recent(995.0, 1_009.0, 59.0)
    assert not recency.is_recent(995.0, 1_010.0, 60.0)
    assert recency.is_recent(996.0, 1_010.0, 60.0)  # the other host's clock is behind
    assert not recency.is_recent(None, 1_011.0, 61.0)
    old = Recency()
    assert not old.is_recent(900.0, 1_000.0, 50.0)
    assert old.is_recent(901.0, 1_000.5, 50.5)


class _Broken(DirectoryRunStore):
    """Store that cannot write states."""

    def create(self, record: RunRecord) -> Any:
        writer: Any = super().create(record)
        self.tries = 0

        def fail(*_: object) -> bool:
            self.tries += 1
            raise RuntimeError("no")

        if self.broken == "watched":
            writer.is_watched = fail
        else:
            writer.is_watched, writer.write_now = (lambda: True), fail
        return writer

    broken = "watched"


@pytest.mark.parametrize("broken", ["watched", "written"])
def test_an_error_of_the_state_costs_a_run_nothing(broken: str, tmp_path: Path) -> None:
    store = _Broken(tmp_path)
    store.broken = broken
    result = naps.execute(IN_PROCESS, store=store, run_id="r")
    assert result.success
    assert store.tries > 1


def test_a_store_without_states_records_as_before() -> None:
    store = MemoryRunStore()

    class Plain:
        """Writer as an older store of somebody's own has it."""

        interval = poll_interval = 0.1

        def __init__(self, writer: Any) -> None:
            self.append, self.update = writer.append, writer.update
            self.asked, self.close = writer.asked, writer.close

    class Own:
        identity = "own"
        open, list = store.open, store.list
        values, cache, ask = store.values, store.cache, store.ask

        def create(self, record: RunRecord) -> Plain:
            return Plain(store.create(record))

    own: Any = Own()
    assert naps.execute(IN_PROCESS, store=own, run_id="r").success
    assert watch(own, "r") is False
    assert now(own, "r") is None


def test_an_object_store_has_the_files_too() -> None:
    store = DirectoryRunStore("bucket", fs._MockFileSystem())
    writer: Any = store.create(RunRecord("r", "j"))
    assert (writer.poll_interval, writer.watched_interval) == (5.0, 5.0)
    store.watch("r")
    assert now(store, "r") is None
    writer.write_now(b"{}")
    assert now(store, "r") == b"{}"
    writer.remove_now()
    writer.remove_now()
    assert now(store, "r") is None


HOSTILE: dict[str, bytes] = {
    "nothing": b"",
    "no JSON": b"{",
    "deep": b"[" * 100_000,
    "a list": b"[]",
    "another run": b'{"run_id": "other"}',
    "bytes": b"\xff\xfe\x00",
}


@pytest.mark.parametrize("content", HOSTILE.values(), ids=HOSTILE)
def test_odd_content_is_refused(content: bytes) -> None:
    with pytest.raises(StoreError, match="state of run r"):
        read_now(content, "r")


def test_fields_of_other_types_are_left_out() -> None:
    document = {
        "run_id": "r",
        "time": "<b>",
        "steps": float("inf"),
        "over": -1,
        "ends": {"x" * 5_000: True, "succeeded": 2},
        "running": [{"key": "k" * 5_000, "seconds": float("nan"), "evil": 1}, 7, None] * 500,
        "queues": [{"reason": ["x"], "steps": ["a"] * 100, "holders": "abc"}],
        "slots": 5,
        "mapped": {"a": 1},
        "extra": "x",
    }
    state = read_now(json.dumps(document).encode(), "r")
    assert (state["time"], state["steps"], state["over"], state["as_of"]) == (0, 0, 0, 0)
    assert len(state["running"]) == 200
    assert set(state["running"][0]) == {"key", "node", "seconds"}
    assert len(state["running"][0]["key"]) == 1_001
    assert state["running"][0]["seconds"] == 0
    assert state["queues"][0]["steps"] == ["a"] * 8
    assert state["queues"][0]["holders"] == []
    assert state["mapped"] == []
    assert state["slots"] == {"most": 0, "busy": 0, "idle": 0, "why": None}
    assert "extra" not in state
    assert len(json.dumps(state, allow_nan=False)) < 400_000


def test_a_file_that_is_no_regular_one_or_too_large_is_refused(tmp_path: Path) -> None:
    store = DirectoryRunStore(tmp_path)
    writer: Any = store.create(RunRecord("r", "j"))
    path = tmp_path / "runs/r/now.json"
    path.write_bytes(b" " * (2 * 1024 * 1024))
    with pytest.raises(StoreError, match="too large"):
        store.now("r")
    path.unlink()
    path.symlink_to("/etc/passwd")
    with pytest.raises(StoreError):
        store.now("r")
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(StoreError):
        store.now("r")
    watched = tmp_path / "runs/r/watched"
    os.mkfifo(watched)
    assert writer.is_watched() is False
    writer.close()
