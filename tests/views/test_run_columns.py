"""Columns of a run against its log read record by record."""

from __future__ import annotations

import json
import struct
from array import array
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_logs import BEGAN, KEYS, GrowingReader, bytes_of_log, records, waits

from rayexec.errors import StoreError
from rayexec.events import FAILURE, SUCCESS, Attempt, BatchFacts, StepBlockedData, Successes
from rayexec.store.columns import Rows
from rayexec.store.reading import StoredLog
from rayexec.views.critical_path import critical_path
from rayexec.views.run_columns import RunColumns
from rayexec.views.run_report import RunReport
from rayexec.views.run_summary import summarise


class Tab:
    """A browser's copy of a run, from the messages that it got."""

    def __init__(self) -> None:
        self.start, self.length, self.step = array("d"), array("f"), array("i")
        self.lane, self.attempt_number, self.outcome = array("i"), array("h"), array("b")
        self.waits: dict[int, tuple[float, str]] = {}
        self.ops: list[str] = []
        self.ends: dict[int, str] = {}
        self.head: dict[str, Any] = {}

    def take_in(self, message: bytes) -> None:
        [size] = struct.unpack_from("<I", message)
        head = self.head = json.loads(message[4 : 4 + size])
        position = 4 + size
        assert position % 8 == 0
        assert head["from"] == len(self.step)

        def column(code: str, count: int) -> Any:
            nonlocal position
            values: array[Any] = array(code)
            end = position + values.itemsize * count
            values.frombytes(message[position:end])
            position = end + -end % 8
            return values

        n = head["n"]
        self.start += column("d", n)
        self.length += column("f", n)
        self.step += column("i", n)
        self.lane += column("i", n)
        self.attempt_number += column("h", n)
        self.outcome += column("b", n)
        rows, seconds, limits = (column(code, head["w"]) for code in "ifh")
        for row, took, limit in zip(rows, seconds, limits, strict=True):
            self.waits[row] = (took, head["limits"][limit])
        facts = [head["ops"][op] for op in column("i", head["m"])]
        assert head["steps_from"] <= len(self.ops)
        self.ops[head["steps_from"] :] = facts
        assert len(self.ops) == head["steps"]
        steps, ends = column("i", head["e"]), column("b", head["e"])
        for step, end in zip(steps, ends, strict=True):
            self.ends[step] = head["ends"][end]
        for row, lane in head["rehomed"]:
            self.lane[row] = lane
        assert position == len(message)
        assert head["to"] == len(self.step)


def workers_of(log: StoredLog) -> list[tuple[str, int]]:
    facts = log.batches
    none = BatchFacts(-1)
    return [
        (facts.get(each.batch, none).node, each.pid or facts.get(each.batch, none).pid)
        for each in log.attempts()
    ]


def check(columns: RunColumns, log: StoredLog, tab: Tab) -> None:
    """Compare columns, and a tab that has all of them, with the log read on its own."""
    attempts = list(log.attempts())
    assert [columns.attempt(row) for row in range(len(attempts))] == attempts
    assert list(tab.step) == [each.step for each in attempts]
    assert list(tab.outcome) == [each.outcome for each in attempts]
    assert list(tab.attempt_number) == [each.attempt_number for each in attempts]
    assert list(tab.start) == [each.started - BEGAN for each in attempts]
    assert list(tab.length) == pytest.approx([each.ended - each.started for each in attempts])
    lanes = {lane["id"]: lane for lane in tab.head["lanes"]}
    assert [(lanes[id_]["node"], lanes[id_]["pid"]) for id_ in tab.lane] == workers_of(log)
    waits_by_row: dict[int, Any] = {
        row: (pytest.approx(blocked.seconds), blocked.limit)
        for row, each in enumerate(attempts)
        if (blocked := log.blocked.get((each.step, each.attempt_number))) is not None
    }
    assert tab.waits == waits_by_row
    expected = summarise(log)
    made = columns.summary()
    assert (
        RunReport(columns.record, made).to_dict() == RunReport(columns.record, expected).to_dict()
    )
    assert list(made.steps) == list(expected.steps)
    assert (made.workers, made.latest, made.error) == (
        expected.workers,
        expected.latest,
        expected.error,
    )
    assert columns.counts == expected.counts
    assert columns.ended_steps() == log.ended_steps()
    assert tab.ops == [log.op_of(step) for step in range(len(log.keys))]
    ends = [tab.ends.get(step, "not run") for step in range(len(log.keys))]
    assert ends == [step.end.value for step in expected.steps]
    assert columns.critical_path() == critical_path(log, attempts, BEGAN)
    for step in {each.step for each in attempts}:
        assert columns.attempts_of(step) == [each for each in attempts if each.step == step]


@settings(max_examples=20)
@given(records, waits)
def test_columns_have_what_the_log_has(groups: Any, blocked: Any) -> None:
    reader = GrowingReader(bytes_of_log(groups, blocked))
    columns, tab = RunColumns(reader), Tab()
    tab.take_in(columns.rows())
    check(columns, StoredLog(reader), tab)


@settings(max_examples=20)
@given(records, waits, st.data())
def test_a_log_that_grows_is_read_on(groups: Any, blocked: Any, data: st.DataObject) -> None:
    reader = GrowingReader(bytes_of_log(groups, blocked))
    whole = len(reader.content)
    cuts = data.draw(st.lists(st.integers(0, whole), max_size=5).map(sorted))
    reader.size = 0
    columns, tab = RunColumns(reader), Tab()
    for reader.size in [*cuts, whole]:
        had = columns.read_bytes
        has_news = columns.read_on()
        assert has_news == (columns.read_bytes > had)
        most = data.draw(st.integers(1, 20))
        while True:  # in messages of a few rows, and one more without any
            before = len(tab.step)
            tab.take_in(columns.rows(before, most))
            if len(tab.step) == before:
                break
        if has_news:
            check(columns, StoredLog(reader), tab)


@given(records, st.data())
def test_a_damaged_log_has_what_came_before(groups: Any, data: st.DataObject) -> None:
    content = bytearray(bytes_of_log(groups, {}))
    content[data.draw(st.integers(0, len(content) - 1))] ^= 0xFF
    reader = GrowingReader(bytes(content))
    columns, log = RunColumns(reader), StoredLog(reader)
    assert columns.unread_bytes == log.unread_bytes > 0
    assert columns.is_damaged == log.is_damaged
    attempts = list(log.attempts())
    assert [columns.attempt(row) for row in range(len(attempts))] == attempts


def reader_of(*groups: list[object]) -> GrowingReader:
    return GrowingReader(bytes_of_log(groups, {}))


def success(step: int, batch: int, pid: int = 7) -> Attempt:
    return Attempt(step, 0, SUCCESS, BEGAN + step, BEGAN + step + 1, pid=pid, batch=batch)


def test_attempts_move_to_their_worker_once_its_facts_come() -> None:
    facts = BatchFacts(3, "host", "n" * 32, 7, began=BEGAN)
    reader = reader_of([success(0, 3)], [success(1, 3)], [facts], [success(2, 3)])
    whole, tab, columns = reader.size, Tab(), None
    frames: list[int] = []
    for reader.size in range(whole + 1):
        columns = columns or RunColumns(reader)
        if columns.read_on():
            tab.take_in(columns.rows(len(tab.step)))
            frames.append(len(tab.step))
            if frames[-1] == 2 and tab.head["rehomed"]:
                assert tab.head["rehomed"] == [[0, tab.lane[0]], [1, tab.lane[0]]]
    assert frames[-1] == 3
    assert len(set(tab.lane)) == 1
    [lane] = [each for each in tab.head["lanes"] if each["id"] == tab.lane[0]]
    assert lane["label"] == f"host ({'n' * 8}), pid 7"


def test_attempts_beside_the_facts_of_their_batch_are_on_their_workers_lane() -> None:
    facts = BatchFacts(3, "host", "n" * 32, 7, began=BEGAN)
    reader = reader_of([success(0, 3)], [success(1, 3), facts])
    whole = reader.size
    reader.size = len(bytes_of_log([[success(0, 3)]], {}))
    columns = RunColumns(reader)
    assert len(columns.lanes.lane_of_row) == 1
    reader.size = whole
    columns.read_on()
    lanes = {columns.lanes.lanes[lane].host for lane in columns.lanes.lane_of_row}
    assert (len(columns.lanes.lane_of_row), lanes) == (2, {"host"})


def test_rows_of_steps_that_the_log_does_not_list_are_left_out() -> None:
    rows = Rows()
    for step in (-1, 0, 10**6):
        rows.add(0, BEGAN, BEGAN + 1, step=step, pid=7)
    columns = RunColumns(GrowingReader(bytes_of_log([], {}) + rows.frame()))
    assert list(columns.attempts.step) == [0]
    assert columns.attempt(0).pid == 7


@pytest.mark.parametrize("detail", ["", "[]", "{", "{},{}", "nul"])
@pytest.mark.parametrize("kind", [2, 4, 5])
def test_a_record_that_is_no_json_is_refused(kind: int, detail: str) -> None:
    rows = Rows()
    rows.add(kind, BEGAN, BEGAN, detail, step=0)
    reader = GrowingReader(bytes_of_log([], {}) + rows.frame())
    with pytest.raises(StoreError, match="cannot be read"):
        RunColumns(reader)


def page(columns: RunColumns, **given_: Any) -> list[str]:
    return [row["key"] for row in columns.steps_page(**given_)["rows"]]


def test_pages_of_steps() -> None:
    seconds = {2: 5.0, 4: 9.0, 6: 1.0}
    attempts = [
        success(step, 1)._replace(ended=BEGAN + step + took) for step, took in seconds.items()
    ]
    failed = Attempt(1, 0, FAILURE, BEGAN, BEGAN + 1, batch=1)
    facts = BatchFacts(1, "host", "", 7, submitted=BEGAN, began=BEGAN + 2, peak_rss=5)
    blocked = {(4, 0): StepBlockedData("db", 2.5, ("load",))}
    content = bytes_of_log([[*attempts, failed, facts]], blocked)
    columns = RunColumns(GrowingReader(content))
    assert page(columns) == KEYS
    assert page(columns, desc=True) == KEYS[::-1]
    assert page(columns, first=3, count=2) == KEYS[3:5]
    assert page(columns, sort="seconds", desc=True)[:3] == [KEYS[4], KEYS[2], KEYS[1]]
    assert page(columns, sort="key") == sorted(KEYS)
    assert page(columns, state="failed") == [KEYS[1]]
    assert page(columns, waited_for="db") == [KEYS[4]]
    assert page(columns, waited_for="gpu") == []
    assert page(columns, text="LOAD_2") == ["load_2"]
    assert page(columns, op="store") == page(columns, text="store")
    assert page(columns, op="load_3") == ["load_3"]
    assert page(columns, state="running", running=[0, 1]) == [KEYS[0]]
    result = columns.steps_page(text="load")
    assert result["by_state"] == {"succeeded": 3, "not run": 3}
    assert result["total"] == 6
    row = columns.steps_page(first=4, count=1)["rows"][0]
    assert row == {
        "step": 4,
        "key": KEYS[4],
        "op": "load",
        "state": "succeeded",
        "attempts": 1,
        "seconds": 9.0,
        "queue_s": 2.0,
        "waited_s": 2.5,
        "waited_for": "db",
        "started": BEGAN + 4,
        "memory": 5,
        "bytes": None,
    }
    with pytest.raises(ValueError, match="sorted"):
        columns.steps_page(sort="pid")
    with pytest.raises(ValueError, match="state"):
        columns.steps_page(state="gone")


def test_failures_are_grouped_by_their_message() -> None:
    def failed(step: int, message: str) -> Attempt:
        from made_logs import _failure

        return success(step, 1)._replace(outcome=FAILURE, failure=_failure(message))

    reader = reader_of([failed(0, "a"), failed(1, "b")], [failed(2, "b")])
    columns = RunColumns(reader)
    groups = columns.failure_groups()
    assert [(each.message, each.count) for each in groups] == [("b", 2), ("a", 1)]
    assert groups[0].steps == [KEYS[1], KEYS[2]]
    assert columns.failed_rows() == [0, 1, 2]
    assert columns.failure_groups() == groups


def test_steps_are_found_by_key_and_index() -> None:
    columns = RunColumns(reader_of([Successes([0], [0], array("d", [1]), array("d", [2]))]))
    assert [columns.step_of(key) for key in KEYS] == list(range(len(KEYS)))
    assert columns.step_of("nothing") is None
    assert columns.keys([3, 99, -1]) == {3: KEYS[3]}
    assert columns.steps.steps_of([*KEYS, "nothing"]) == [*range(len(KEYS)), None]


LOOKS: list[Callable[[RunColumns], object]] = [
    lambda columns: columns.steps_page(sort="key"),
    lambda columns: columns.ops(),
    lambda columns: columns.summary().nodes,
    lambda columns: columns.critical_path(),
    lambda columns: columns.failure_groups(),
    lambda columns: columns.rows(),
]


@pytest.mark.parametrize("look", LOOKS)
def test_a_run_without_records_can_be_looked_at(look: Callable[[RunColumns], object]) -> None:
    look(RunColumns(GrowingReader(b"")))
    look(RunColumns(reader_of()))
