"""Answers about recorded runs, beside those of the command line."""

from __future__ import annotations

from typing import Any

from served_pages import ServedInThread

from rayexec import job, op

IN_PROCESS: dict[str, Any] = {"execution": {"config": {"in_process": {}}}}


@op
def one() -> int:
    return 1


@job
def small() -> None:
    one()


def test_a_run_is_in_the_list_and_has_a_report(web_client: ServedInThread) -> None:
    run_id = small.execute(IN_PROCESS).run_id
    (row,) = [each for each in web_client.get("api/runs")["runs"] if each["run_id"] == run_id]
    assert row["job"] == "small"
    assert row["status"] == "SUCCESS"
    shown = web_client.get(f"api/runs/{run_id}")
    assert shown["is_over"]
    assert shown["report"]["ops"]["one"]["attempts"] == 1
