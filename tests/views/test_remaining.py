"""The least time that the rest of a run needs."""

from __future__ import annotations

from typing import Any

import pytest
from made_logs import BEGAN, KEYS, GrowingReader, bytes_of_log

from rayexec.events import FAILURE, SUCCESS, Attempt, ErrorInfo, Event, EventType, StepFailureData
from rayexec.views.remaining import Remaining, remaining, remaining_in_words
from rayexec.views.run_columns import RunColumns

# The job of these logs has six pairs of ``load`` and ``store``, one after the other.
LOAD, STORE = 2.0, 3.0


def attempt(key: str, seconds: float, outcome: int = SUCCESS) -> Attempt:
    failure = StepFailureData(ErrorInfo("ValueError", "empty", "a stack"))
    return Attempt(
        KEYS.index(key),
        0,
        outcome,
        BEGAN,
        BEGAN + seconds,
        failure=failure if outcome == FAILURE else None,
    )


def columns_of(*records: object, max_concurrent: int | None = 4) -> RunColumns:
    limits = [{"limit": "max_concurrent", "most": max_concurrent, "held_by": "driver", "how": ""}]
    start = Event(EventType.RUN_START, "", BEGAN, None, {"limits": limits})
    first = [start] if max_concurrent else []
    return RunColumns(GrowingReader(bytes_of_log([[*first, *records]], {})))


def state_of(**given: Any) -> dict[str, Any]:
    return {"running": [], "queues": [], "slots": {"most": 0}, **given}


def rest_of(columns: RunColumns, earlier: dict[str, float], **given: Any) -> Remaining | None:
    return remaining(columns, state_of(**given), earlier)


def test_work_over_slots_or_the_longest_path_whichever_is_longer() -> None:
    first = attempt("load", LOAD), attempt("store", STORE)
    # Five pairs are left: 25 s of work for four slots, or 5 s behind each other.
    assert rest_of(columns_of(*first), {}) == (6.25, "max_concurrent 4", [])
    assert rest_of(columns_of(*first, max_concurrent=8), {}) == (5.0, "the longest path", [])
    slots = columns_of(*first, max_concurrent=None)
    assert rest_of(slots, {}, slots={"most": 2}) == (12.5, "max_concurrent 2", [])


def test_what_running_steps_have_run_is_not_left() -> None:
    columns = columns_of(attempt("load", LOAD), attempt("store", STORE))
    running = [{"key": KEYS[2], "seconds": 1.5}, {"key": KEYS[4], "seconds": 9.0}]
    assert rest_of(columns, {}, running=running) == (21.5 / 4, "max_concurrent 4", [])


def test_a_limit_bounds_the_nodes_that_hold_it_or_wait_for_it() -> None:
    columns = columns_of(attempt("load", LOAD), attempt("store", STORE))
    queue = {
        "limit": "database=redshift",
        "most": 1.0,
        "steps": ["load_2", "load_3"],
        "holders": [{"key": "load_4", "seconds": 0.0}],
    }
    assert rest_of(columns, {}, queues=[queue]) == (6.25, "max_concurrent 4", [])
    queue["steps"] = ["load_2", "load_3", "load_5", "load_6"]
    assert rest_of(columns, {}, queues=[queue]) == (10.0, "database=redshift 1", [])


def test_times_of_another_run_serve_ops_without_any() -> None:
    columns = columns_of(attempt("load", LOAD))
    assert rest_of(columns, {}) == (2.5, "max_concurrent 4", ["store"])
    assert rest_of(columns, {"load": 100.0, "store": STORE}) == (7.0, "max_concurrent 4", [])
    assert rest_of(columns_of(), {}) is None


def test_steps_behind_a_failure_are_not_to_come() -> None:
    failed = attempt("load", LOAD, FAILURE)
    assert rest_of(columns_of(failed), {"store": STORE}) == (6.25, "max_concurrent 4", [])
    done = [attempt(key, LOAD if key.startswith("load") else STORE) for key in KEYS[2:]]
    assert rest_of(columns_of(failed, *done), {}) is None


@pytest.mark.parametrize(
    ("unknown", "words"),
    [
        ([], "at least 12.3 s, because of the longest path"),
        (["a", "b"], "at least 12.3 s, because of the longest path; no time is known of a, b"),
    ],
)
def test_the_words_are_those_of_the_page(unknown: list[str], words: str) -> None:
    assert remaining_in_words(Remaining(12.34, "the longest path", unknown).to_dict()) == words
    assert remaining_in_words(None) is None
