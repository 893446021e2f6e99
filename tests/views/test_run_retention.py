"""Choice of runs that may go."""

from __future__ import annotations

import pytest

from rayexec.events import RunStatus
from rayexec.store import RunRecord
from rayexec.views.run_retention import Retention

DAY_S = 86_400.0
NOW = 100 * DAY_S


def run(run_id: str, age: float, **fields: object) -> RunRecord:
    """Return a run that ended ``age`` days ago."""
    ended = NOW - age * DAY_S
    values = {"job_name": "daily", "status": RunStatus.SUCCESS, "end_time": ended, **fields}
    return RunRecord(run_id=run_id, start_time=ended - 60, **values)  # type: ignore[arg-type]


RUNS = [
    run("a1", 1),
    run("b2", 2, job_name="weekly"),
    run("a3", 3, status=RunStatus.FAILURE),
    run("a5", 5),
    run("b8", 8, job_name="weekly", status=RunStatus.CANCELED),
    run("a9", 9, status=RunStatus.FAILURE),
    RunRecord("odd", "?", RunStatus.UNREADABLE),
]


@pytest.mark.parametrize(
    ("retention", "removed"),
    [
        (Retention(job="weekly"), "b2 b8"),
        (Retention(job="none"), ""),
        (Retention(status="failure"), "a3 a9"),
        (Retention(status="CANCELED"), "b8"),
        (Retention(older_than=4.5), "a5 b8 a9"),
        (Retention(older_than=0), "a1 b2 a3 a5 b8 a9"),
        (Retention(older_than=float("inf")), ""),
        (Retention(older_than=float("nan")), ""),
        (Retention(keep=4), "b8 a9"),
        (Retention(keep=0), "a1 b2 a3 a5 b8 a9"),
        (Retention(keep=99), ""),
        (Retention(job="daily", keep=2), "a5 a9"),
        (Retention(job="daily", status="SUCCESS", keep=1), "a5"),
        (Retention(older_than=4.5, keep=2), "a5 b8 a9"),
        (Retention(older_than=4.5, keep=5), "a9"),
        (Retention(job="daily", status="FAILURE", older_than=4, keep=1), "a9"),
        (Retention(status="UNREADABLE"), "odd"),
        (Retention(status="UNREADABLE", older_than=1), ""),
    ],
)
def test_a_run_goes_that_has_all_the_given_properties(retention: Retention, removed: str) -> None:
    choice = retention.choose(RUNS, NOW)
    assert " ".join(record.run_id for record in choice.removed) == removed
    assert not choice.in_use


def test_a_run_that_is_not_over_stays_with_the_runs_that_it_reads_from() -> None:
    going = run("going", 0, status=RunStatus.STARTED, end_time=None, parent_run_id="second")
    runs = [
        going,
        run("second", 10, parent_run_id="first"),
        run("first", 11, status=RunStatus.FAILURE),
        run("other", 12, parent_run_id="first"),
    ]
    choice = Retention(keep=0).choose(runs, NOW)
    assert [record.run_id for record in choice.removed] == ["other"]
    assert [record.run_id for record in choice.in_use] == ["going", "second", "first"]


def test_runs_that_name_each_other_as_parents_are_chosen_all_the_same() -> None:
    started = RunStatus.STARTED
    runs = [
        run("a", 1, parent_run_id="b", status=started),
        run("b", 2, parent_run_id="a", status=started),
    ]
    assert len(Retention(keep=0).choose(runs, NOW).in_use) == 2


def test_a_driver_that_died_counts_by_the_start_of_its_run() -> None:
    died = RunRecord("died", "daily", RunStatus.FAILURE, NOW - 3 * DAY_S, note="driver died")
    assert Retention(older_than=2).choose([died], NOW).removed == [died]
    assert Retention(older_than=4).choose([died], NOW).removed == []
