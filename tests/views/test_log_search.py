"""Pages of a run's log against its events and lines, read one by one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_logs import BEGAN, KEYS, GrowingReader, bytes_of_log, records, waits

from rayexec.events import (
    FAILURE,
    SUCCESS,
    Attempt,
    Event,
    EventType,
    LiveLines,
    LogLine,
    StepBlockedData,
    StreamPart,
)
from rayexec.store.reading import StoredLog
from rayexec.views.log_lines import KINDS
from rayexec.views.log_search import LineFilter, LogFollower, log_page
from rayexec.views.run_columns import RunColumns

_SAID = ["", "LINE", "é", 'step "load', "finished", "ms.", "a line\n", '"x"', "nothing", "db, held"]


def expected_lines(log: StoredLog) -> list[tuple[str, str | None, str]]:
    """Return kind, step and text of all lines, in the order of ``run events``."""
    lines: list[tuple[str, str | None, str]] = []
    for event in log.events():
        kind = "log" if event.event_type is EventType.LOG_MESSAGE else "event"
        lines.append((kind, event.step_key, event.message))
        if event.event_type is EventType.LOGS_CAPTURED:
            for stream in ("stdout", "stderr"):
                for line in event.event_specific_data[stream].splitlines():
                    lines.append((stream, event.step_key, line))
    return lines


def all_lines(columns: RunColumns, condition: LineFilter, **given_: Any) -> list[dict[str, Any]]:
    lines: list[dict[str, Any]] = []
    start: int | None = None
    while True:
        page = log_page(columns, condition, start=start, **given_)
        lines += page["lines"]
        if page["next"] is None:
            return lines
        start = page["next"]


def shown(line: dict[str, Any]) -> tuple[str, str | None, str]:
    return line["kind"], line["step"], line["text"]


@settings(max_examples=15)
@given(records, waits, st.sampled_from(["", *KINDS]), st.sampled_from(_SAID), st.booleans())
def test_pages_have_the_lines_of_the_log(
    groups: Any, blocked: Any, kind: str, text: str, is_step: bool
) -> None:
    reader = GrowingReader(bytes_of_log(groups, blocked))
    columns, log = RunColumns(reader), StoredLog(reader)
    step = KEYS[0] if is_step else ""
    condition = LineFilter(step=step, kind=kind, text=text)
    expected = [
        line
        for line in expected_lines(log)
        if (not kind or line[0] == kind)
        and (not step or line[1] == step)
        and text.lower() in line[2].lower()
    ]
    for limit in (3, 500):
        lines = all_lines(columns, condition, limit=limit)
        # Lines of attempts that never came back are where they were recorded.
        assert sorted(map(shown, lines), key=repr) == sorted(expected, key=repr)
        numbers = [line["n"] for line in lines]
        assert numbers == sorted(set(numbers))
        assert all_lines(columns, condition, limit=limit, desc=True) == lines[::-1]


def logging_attempt(step: int, *lines: tuple[int, str], outcome: int = SUCCESS) -> Attempt:
    logs = tuple(LogLine(BEGAN, level, text) for level, text in lines)
    return Attempt(step, 0, outcome, BEGAN, BEGAN + 1, logs=logs, pid=7)


def columns_of(*groups: Sequence[object]) -> RunColumns:
    return RunColumns(GrowingReader(bytes_of_log(groups, {})))


def texts(columns: RunColumns, **given_: Any) -> list[str]:
    return [line["text"] for line in all_lines(columns, LineFilter(**given_))]


def test_levels() -> None:
    columns = columns_of(
        [logging_attempt(0, (10, "d"), (20, "i"), (30, "w"), (40, "e"), (123, "x"))],
        [logging_attempt(1, (20, "i"), outcome=FAILURE)],
        [Event(EventType.LOG_MESSAGE, "of the run", BEGAN, None, {"level": 40})],
    )
    assert texts(columns, level="warning", kind="log") == ["w", "e", "x", "of the run"]
    failed = f'Execution of step "{KEYS[1]}" failed: unknown'
    assert texts(columns, level="ERROR") == ["e", "x", failed, "of the run"]
    first = log_page(columns, LineFilter(kind="log"))["lines"][0]
    assert (first["level"], first["event_type"], first["time"]) == ("DEBUG", "LOG_MESSAGE", BEGAN)
    with pytest.raises(ValueError, match="level"):
        LineFilter(level="loud")
    with pytest.raises(ValueError, match="kind"):
        LineFilter(kind="smoke")


def test_the_lines_of_a_node_are_those_of_its_steps() -> None:
    columns = columns_of([logging_attempt(step, (20, KEYS[step])) for step in range(len(KEYS))])
    assert texts(columns, step="load", kind="log") == ["load"]
    assert texts(columns, step="nothing") == []


def test_a_long_line_is_cut_and_tells_how_much_is_left_out() -> None:
    columns = columns_of([logging_attempt(0, (20, "x" * 11_000_000))])
    [line] = log_page(columns, LineFilter(kind="log"))["lines"]
    assert (line["text"], line["left_out"]) == ("x" * 65_536, 10_934_464)


def test_a_page_ends_when_its_time_is_over() -> None:
    columns = columns_of(*([logging_attempt(step, (20, "same"))] for step in range(len(KEYS))))
    condition = LineFilter(kind="log")
    page = log_page(columns, condition, seconds=0)
    assert page["lines"] == []
    assert page["next"] is not None
    whole = [line["text"] for line in all_lines(columns, condition, seconds=1e9)]
    assert whole == ["same"] * len(KEYS)


def test_numbers_stay_when_a_wait_is_recorded_later() -> None:
    attempt = logging_attempt(0, (20, "a"))
    before = RunColumns(GrowingReader(bytes_of_log([[attempt]], {})))
    blocked = {(0, 0): StepBlockedData("db", 1.0, ())}
    after = RunColumns(GrowingReader(bytes_of_log([[attempt]], blocked)))
    first, *others = all_lines(after, LineFilter())
    assert first["event_type"] == "STEP_BLOCKED"
    assert others == all_lines(before, LineFilter())


def test_a_follower_gets_each_line_once() -> None:
    live = LiveLines(0, 0, 7, BEGAN, (LogLine(BEGAN, 20, "first"),), 0, StreamPart("out\n", 0, 4))
    attempt = logging_attempt(0, (20, "first"), (20, "second"))._replace(stdout="out\nmore\n")
    reader = GrowingReader(bytes_of_log([[], [live], [attempt]], {}))
    whole, reader.size = reader.size, 0
    columns = RunColumns(reader)
    follower = LogFollower(columns)
    came: list[str] = []
    for reader.size in range(whole + 1):
        if columns.read_on():
            came += [line["text"] for line in follower.news(LineFilter(kind="log"))]
    assert came == ["first", "second"]


def test_a_follower_begins_at_the_end() -> None:
    columns = columns_of([logging_attempt(0, (20, "old"))])
    assert LogFollower(columns).news(LineFilter()) == []


@pytest.mark.parametrize("is_one_frame", [True, False])
def test_lines_of_a_running_step_go_once_its_attempt_repeats_them(is_one_frame: bool) -> None:
    early, late = (
        LiveLines(0, 0, 7, BEGAN + moment, (LogLine(BEGAN, 20, text),))
        for moment, text in ((0, "early"), (2, "late"))
    )
    records_ = [early, logging_attempt(0, (20, "early")), late]
    columns = columns_of(records_) if is_one_frame else columns_of(*([each] for each in records_))
    assert texts(columns, kind="log") == ["early", "late"]
