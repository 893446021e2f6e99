"""Facts about workers and batches in a stored run."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from array import array
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from rayexec import DynamicOut, DynamicOutput, OpExecutionContext, RetryPolicy, job, op
from rayexec.events import DRIVER_BATCH, UNKNOWN_BYTES, Attempt, BatchFacts, Successes
from rayexec.execute import Observer, Record
from rayexec.plan import compile_job
from rayexec.store import MemoryRunStore, RunRecord
from rayexec.store.frames import frame, whole_frames
from rayexec.store.reading import StoredLog
from rayexec.store.writing import LogWriter

NODES = Path(__file__).with_name("two_nodes.py")


@op
def one() -> int:
    return 1


@op
def large(value: int) -> Any:
    return np.zeros(100_000) + value


@op
def talks(context: OpExecutionContext, value: Any) -> float:
    context.log.info("a line")
    return float(value.sum())


@op
def grown() -> int:
    """Take memory that the process did not have before."""
    return len(bytearray(300_000_000))


def log_of(job: Any, **options: Any) -> StoredLog:
    store = MemoryRunStore()
    result = job.execute(store=store, raise_on_error=False, **options)
    return StoredLog(store.open(result.run_id))


def by_key(log: StoredLog) -> dict[tuple[str, int], Attempt]:
    return {(log.keys[each.step], each.attempt_number): each for each in log.attempts()}


def test_single_steps_tell_their_worker_its_times_and_its_bytes(ray_session: None) -> None:
    @job
    def singles() -> None:
        talks(large(one()))
        grown()

    before = time.time()
    log = log_of(singles)
    found = by_key(log)
    for attempt in found.values():
        facts = log.batches[attempt.batch]
        assert (facts.host, facts.pid) == (socket.gethostname(), attempt.pid)
        assert len(facts.node_id) == 56
        assert (
            before
            < facts.submitted
            < facts.began
            <= attempt.started
            <= attempt.ended
            <= facts.ended
            < time.time()
        )
        assert facts.queued == facts.began - facts.submitted
        assert facts.peak_rss > 30_000_000
    assert 800_000 < found["large", 0].output_bytes < 801_000
    assert 0 < found["talks", 0].output_bytes < 30
    assert found["one", 0].output_bytes == 5
    taken = log.batches[found["talks", 0].batch]
    assert 800_000 < taken.input_bytes < 802_000
    assert taken.output_bytes == found["talks", 0].output_bytes
    assert log.batches[found["grown", 0].batch].peak_rss > 300_000_000


def test_steps_of_a_batch_share_one_record(ray_session: None) -> None:
    @job
    def many() -> None:
        for _ in range(500):
            one()

    many.execute(store=False)
    log = log_of(many)
    attempts = list(log.attempts())
    assert len(attempts) == 500
    assert 0 < len(log.batches) < 50
    for number, facts in log.batches.items():
        own = [each for each in attempts if each.batch == number]
        assert len(own) <= facts.calls
        assert facts.output_bytes == sum(each.output_bytes for each in own) == 5 * len(own)
        assert {each.pid for each in own} <= {facts.pid}


def test_a_step_that_is_tried_again_has_a_batch_for_each_attempt(ray_session: None) -> None:
    @op(retry_policy=RetryPolicy(max_retries=1))
    def flaky(context: OpExecutionContext) -> int:
        if not context.retry_number:
            raise ValueError("not yet")
        return 1

    @job
    def again() -> None:
        flaky()

    log = log_of(again)
    first, second = (log.batches[each.batch] for each in log.attempts())
    assert first.batch_id != second.batch_id
    assert first.ended <= second.submitted
    assert (first.output_bytes, second.output_bytes) == (0, 5)


def test_values_of_dynamic_outputs_count_large_and_small(ray_session: None) -> None:
    @op(out=DynamicOut())
    def fan() -> Any:
        yield DynamicOutput(np.zeros(50_000), "large")
        yield DynamicOutput(1, "small")

    @op
    def kind(value: Any) -> str:
        return type(value).__name__

    @job
    def fans() -> None:
        fan().map(kind)

    log = log_of(fans)
    found = by_key(log)
    assert 400_000 < found["fan", 0].output_bytes < 401_000
    assert log.batches[found["fan", 0].batch].output_bytes == found["fan", 0].output_bytes
    assert found["kind[large]", 0].batch in log.batches


def test_a_worker_that_died_still_is_known(ray_session: None) -> None:
    @op
    def dies(context: OpExecutionContext, value: int) -> int:
        os._exit(3)

    @job
    def deadly() -> None:
        dies(one())

    log = log_of(deadly)
    found = by_key(log)
    facts = log.batches[found["dies", 0].batch]
    assert facts.host == socket.gethostname()
    assert len(facts.node_id) == 56
    assert facts.pid == found["dies", 0].pid != 0
    assert facts.queued is not None
    assert facts.peak_rss == UNKNOWN_BYTES
    assert log.batches[found["one", 0].batch].host == facts.host


def test_a_run_in_this_process_is_one_batch_of_this_host() -> None:
    @job(config={"execution": {"config": {"in_process": {}}}})
    def here() -> None:
        for _ in range(20):
            talks(large(one()))

    log = log_of(here)
    assert {each.batch for each in log.attempts()} == {DRIVER_BATCH}
    assert {each.output_bytes for each in log.attempts()} == {UNKNOWN_BYTES}
    [facts] = log.batches.values()
    assert (facts.batch_id, facts.host, facts.pid) == (
        DRIVER_BATCH,
        socket.gethostname(),
        os.getpid(),
    )
    assert facts.queued is None
    assert facts.peak_rss > 30_000_000
    assert facts.began <= min(each.started for each in log.attempts())
    assert facts.ended >= max(each.ended for each in log.attempts())


def test_a_run_in_this_process_is_told_when_it_begins_and_at_its_end() -> None:
    told: list[str] = []

    class Told(Observer):
        def batch_ended(self, facts: BatchFacts) -> None:
            told.append("facts")

        def recorded(self, record: Record) -> None:
            if isinstance(record, Attempt):
                told.append("attempt")

    diamond.execute({"execution": {"config": {"in_process": {}}}}, store=False, observer=Told())
    assert told == ["facts", *["attempt"] * 4, "facts"]


@pytest.mark.long("starts a cluster of two nodes")
def test_nodes_are_told_apart(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(NODES), str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    told = json.loads((tmp_path / "told.json").read_text())
    assert told["head"]["node_id"] == told["nodes"]["head"]
    assert told["other"]["node_id"] == told["nodes"]["other"]
    assert told["head"]["node_id"] != told["other"]["node_id"]
    # What was said by the op itself.
    assert told["said"] == {"head": told["head"]["node_id"], "other": told["other"]["node_id"]}


@op
def both(left: Any, right: Any) -> None:
    pass


@job
def diamond() -> None:
    start = one()
    both(large(start), large.alias("other")(start))


def test_steps_know_what_they_take_from() -> None:
    @op(out=DynamicOut())
    def fan() -> Any:
        yield DynamicOutput(1, "a")
        yield DynamicOutput(2, "b")

    @op
    def each(value: int) -> int:
        return value

    @op
    def listed(values: Sequence[int]) -> int:
        return len(values)

    @job
    def fans() -> None:
        listed(fan().map(each).collect())

    expected: list[tuple[Any, dict[str, set[str]]]] = [
        (diamond, {"one": set(), "large": {"one"}, "other": {"one"}, "both": {"large", "other"}}),
        (
            fans,
            {
                "fan": set(),
                "each[a]": {"fan"},
                "each[b]": {"fan"},
                "listed": {"fan", "each[a]", "each[b]"},
            },
        ),
    ]
    for made, wanted in expected:
        log = log_of(made, run_config={"execution": {"config": {"in_process": {}}}})
        assert log.predecessors is not None
        found = {
            key: {log.keys[other] for other in before}
            for key, before in zip(log.keys, log.predecessors, strict=True)
        }
        assert found == wanted


def test_the_later_record_of_a_batch_counts() -> None:
    store = MemoryRunStore()
    log = LogWriter(compile_job(diamond), store.create(RunRecord("r", "j")))
    log.add(BatchFacts(3, "a", began=1.0))
    log.add(Successes([0], [0], array("d", [1.0]), array("d", [2.0]), 7, 3, array("q", [11])))
    log.write()
    log.add(BatchFacts(3, "a", "id", 7, 0.5, 1.0, 2.0, 0.25, 10, 20, 30, 1))
    log.write()
    stored = StoredLog(store.open("r"))
    assert stored.batches == {3: BatchFacts(3, "a", "id", 7, 0.5, 1.0, 2.0, 0.25, 10, 20, 30, 1)}
    [attempt] = stored.attempts()
    assert (attempt.batch, attempt.output_bytes, attempt.pid) == (3, 11, 7)
    assert len(list(stored.events())) > 0


@pytest.mark.parametrize(("count", "seconds"), [(1, 0.1), (500, 0.1), (501, 0.3)])
def test_a_frame_of_many_rows_puts_the_next_one_off(count: int, seconds: float) -> None:
    moments = [10.0]
    writer = MemoryRunStore().create(RunRecord("r", "j"))
    writer.interval = 0.1  # as while somebody watches
    log = LogWriter(compile_job(diamond), writer, clock=lambda: moments[0])
    ended = Successes([0], [0], array("d", [1.0]), array("d", [2.0]), 7, 3)
    for _ in range(count):
        log.add(ended)
    log.write()
    log.add(ended)
    assert log.write_if_due() == pytest.approx(seconds)
    moments[0] += seconds
    assert log.write_if_due() is None
    assert log.write_if_due() is None  # Nothing waits.


LATER = ("slice", "output_bytes", "after")


def as_version_1(data: Iterable[bytes]) -> bytes:
    """Return a log as the first schema version had it."""
    frames = []
    for body in whole_frames(data):
        table = pa.ipc.open_stream(pa.py_buffer(body)).read_all()
        if "kind" in table.column_names:
            table = table.filter(pa.compute.field("kind") <= 4)
        table = table.drop_columns([name for name in LATER if name in table.column_names])
        table = table.replace_schema_metadata({**table.schema.metadata, b"schema_version": b"1"})
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table)
        frames.append(frame(sink.getvalue()))
    return b"".join(frames)


def test_a_log_of_the_first_schema_version_is_read(ray_session: None) -> None:
    store = MemoryRunStore()
    result = diamond.execute(store=store)
    stored = store.open(result.run_id)
    old = store.create(RunRecord("old", "diamond", schema_version=1))
    old.append(as_version_1(stored.log()))
    log = StoredLog(store.open("old"))
    assert list(log.events()) == list(StoredLog(stored).events()) == result.all_events
    assert {(each.batch, each.output_bytes) for each in log.attempts()} == {
        (DRIVER_BATCH, UNKNOWN_BYTES)
    }
    assert log.batches == {}
    assert log.predecessors is None


def test_what_a_newer_rayexec_adds_to_the_facts_of_a_batch_is_left_out() -> None:
    from rayexec.store.encoding import read_batch

    assert read_batch('{"host": "a", "temperature": 30}', 1, 2.0, 3.0, 4) == BatchFacts(
        1, "a", "", 4, 0.0, 2.0, 3.0
    )


@pytest.mark.parametrize("began", [0.0, 5.0])
def test_queue_time_is_never_negative_and_unknown_where_nothing_began(began: float) -> None:
    assert BatchFacts(1, submitted=7.0, began=began).queued == (0.0 if began else None)
