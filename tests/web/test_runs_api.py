"""Answers about recorded runs, beside those of the command line."""

from __future__ import annotations

import json
import struct
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from served_pages import ServedInThread, served_in_thread

from rayexec import DynamicOut, DynamicOutput, Out, RetryPolicy, job, op
from rayexec.errors import RunNotFoundError
from rayexec.events import RunStatus
from rayexec.launch import find_launched, launch_job
from rayexec.launch.notes import LaunchNote
from rayexec.store import DirectoryRunStore, RunRecord, store_at
from rayexec.testing.recorded_runs import record_large_run
from rayexec.web.open_runs import OpenRun, OpenRuns, reads_run_or_launch
from rayexec.web.session import DoorOptions

IN_PROCESS: dict[str, Any] = {"execution": {"config": {"in_process": {}}}}


@op(out=DynamicOut(int))
def numbers() -> Any:
    for number in range(4):
        yield DynamicOutput(number, str(number))


@op(retry_policy=RetryPolicy(max_retries=1))
def half(context: Any, number: int) -> float:
    print(f"halving {number}")
    context.log.info(f"number {number}")
    context.add_output_metadata({"number": number})
    if number == 2:
        raise ValueError("two is <b>not</b> halved")
    return number / 2


@op(out={"low": Out(float), "high": Out(float)})
def ends(values: list[float]) -> Any:
    return min(values), max(values)


@job
def halves() -> None:
    ends(numbers().map(half).collect())


@op(config_schema={"n": int})
def configured(context: Any) -> int:
    return int(context.op_config["n"])


@job
def with_config() -> None:
    configured()


@pytest.fixture(scope="module")
def failed_run(web_client: ServedInThread) -> str:
    return halves.execute(IN_PROCESS, raise_on_error=False, tags={"team": "blue"}).run_id


def printed(*arguments: str) -> Any:
    done = subprocess.run(
        [sys.executable, "-m", "rayexec", *arguments, "--json"],
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


@pytest.mark.long("runs several commands")
def test_the_list_and_the_report_are_those_of_the_command_line(
    web_client: ServedInThread, failed_run: str
) -> None:
    rows = web_client.get("api/runs", limit=500)["runs"]
    extra = ("is_over", "is_live", "origin", "driver", "op_selection")
    assert [
        {key: value for key, value in row.items() if key not in extra} for row in rows
    ] == printed("run", "list")
    shown = web_client.get(f"api/runs/{failed_run}")
    assert shown["report"] == printed("run", "show", failed_run)
    assert shown["is_over"]
    assert shown["damage"] is None


def test_runs_are_chosen_by_job_status_tag_and_text(
    web_client: ServedInThread, failed_run: str
) -> None:
    other = with_config.execute({**IN_PROCESS, "ops": {"configured": {"config": {"n": 1}}}}).run_id

    def ids(**query: Any) -> list[str]:
        return [row["run_id"] for row in web_client.get("api/runs", **query)["runs"]]

    assert ids(job="halves") == [failed_run]
    assert ids(job="with_config") == [other]
    assert failed_run in ids(status="failure,CANCELED")
    assert other not in ids(status="FAILURE")
    assert ids(tag="team=blue") == [failed_run] == ids(tag="team")
    assert ids(tag="team=red") == []
    assert ids(text=failed_run[:13].upper()) == [failed_run]
    first = web_client.get("api/runs", limit=1)
    second = web_client.get("api/runs", limit=1, before=first["next"])
    assert first["runs"][0]["run_id"] == other
    assert second["runs"][0]["run_id"] == failed_run
    assert first["total"] == second["total"] >= 2
    everything = web_client.get("api/runs")
    assert everything["statuses"]["FAILURE"] >= 1
    assert {"halves", "with_config"} <= set(everything["jobs"])
    compared = web_client.get("api/runs/compare", a=failed_run, b=other)
    assert "+ops:" in compared["config"].splitlines()
    assert {"op": "configured", "a": None, "b": compared["ops"][-1]["b"]} == compared["ops"][-1]


def test_rows_of_attempts_are_columns_of_numbers(
    web_client: ServedInThread, failed_run: str
) -> None:
    answer = web_client.request("GET", f"api/runs/{failed_run}/rows")
    assert answer.headers["Content-Type"] == "application/octet-stream"
    (length,) = struct.unpack_from("<I", answer.body)
    head = json.loads(answer.body[4 : 4 + length])
    assert head["topic"] == f"run/{failed_run}"
    assert head["n"] == 6  # the producer, three halves, and two tries of the fourth
    assert (4 + length) % 8 == 0
    rest = web_client.request("GET", f"api/runs/{failed_run}/rows", **{"from": head["to"]})
    (length,) = struct.unpack_from("<I", rest.body)
    assert json.loads(rest.body[4 : 4 + length])["n"] == 0


def test_steps_keys_ops_and_graph_are_read_from_the_log(
    web_client: ServedInThread, failed_run: str
) -> None:
    page = web_client.get(f"api/runs/{failed_run}/steps", sort="attempts", desc="true")
    assert page["by_state"] == {"succeeded": 4, "failed": 1, "not run": 1}
    assert page["rows"][0]["key"] == "half[2]"
    failed = web_client.get(f"api/runs/{failed_run}/steps", state="failed")
    assert [row["key"] for row in failed["rows"]] == ["half[2]"]
    keys = web_client.get(f"api/runs/{failed_run}/keys", steps="0,1,99")["keys"]
    assert keys["0"] == "numbers"
    assert "99" not in keys
    assert web_client.get(f"api/runs/{failed_run}/keys", **{"from": 0, "count": 1})["keys"] == {
        "0": "numbers"
    }
    ops = {op["path"]: op for op in web_client.get(f"api/runs/{failed_run}/ops")["ops"]}
    assert ops["half"]["counts"] == {"succeeded": 3, "failed": 1}
    assert ops["half"]["attempts"] == 5
    graph = web_client.get(f"api/runs/{failed_run}/graph")
    assert [node["id"] for node in graph["nodes"]] == ["numbers", "half", "ends"]
    assert graph["total_ops"] == 3
    shown = web_client.get(f"api/runs/{failed_run}")
    (group,) = shown["failures"]
    assert group["steps"] == ["half[2]"]
    assert group["message"] == "two is <b>not</b> halved"
    assert shown["critical_path"]["steps"][0]["key"] == "numbers"
    assert len(shown["first_failed_rows"]) == 1


def test_a_step_has_its_attempts_neighbours_prints_and_failure(
    web_client: ServedInThread, failed_run: str
) -> None:
    step = web_client.get(f"api/runs/{failed_run}/steps/{quote('half[2]')}")
    assert step["state"] == "failed"
    assert [attempt["outcome"] for attempt in step["attempts"]] == ["retry", "failure"]
    assert step["attempts"][1]["failure"]["error"] == "ValueError"
    assert "not</b> halved" in step["attempts"][1]["failure"]["stack"]
    assert step["after"] == ["numbers"]
    assert step["inputs"] == [{"name": "number", "from": ["numbers"]}]
    assert step["logs"][0]["message"] == "number 2"
    good = web_client.get(f"api/runs/{failed_run}/steps/{quote('half[1]')}")
    assert good["outputs"][0]["metadata"] == {"number": {"kind": "int", "value": 1}}
    missing = web_client.request("GET", f"api/runs/{failed_run}/steps/nothing")
    assert missing.status == 404
    assert "no step 'nothing'" in missing.json["error"]


def test_lines_are_searched_in_pages(web_client: ServedInThread, failed_run: str) -> None:
    path = f"api/runs/{failed_run}/log"
    logged = web_client.get(path, kind="log", level="INFO")
    assert [line["text"] for line in logged["lines"]].count("number 1") == 1
    assert {line["step"] for line in web_client.get(path, step="half[2]")["lines"]} == {"half[2]"}
    first = web_client.get(path, limit=3)
    rest = web_client.get(path, limit=500, **{"from": first["next"]})
    every = web_client.get(path, limit=500)
    assert [line["n"] for line in every["lines"]] == [
        line["n"] for line in [*first["lines"], *rest["lines"]]
    ]
    (line,) = web_client.get(path, text="NOT</B> HALVED", kind="event", desc="true", limit=1)[
        "lines"
    ]
    assert line["step"] == "half[2]"
    assert web_client.request("GET", path, level="loud").status == 422


def test_a_run_that_is_not_there_has_an_answer_with_near_ids(
    web_client: ServedInThread, failed_run: str
) -> None:
    answer = web_client.request("GET", f"api/runs/{failed_run[:-1]}x")
    assert answer.status == 404
    assert failed_run in answer.json["error"]
    for hostile in ("..", ".hidden", "%2e%2e", "a%2fb", "x" * 200, "%00"):
        assert web_client.request("GET", f"api/runs/{hostile}").status in (400, 404)


RESUMED_FILE = """
import os

from rayexec import in_process_executor, job, op


@op
def first() -> int:
    return 1


@op
def second(number: int) -> int:
    if not os.path.exists("@MARK@"):
        raise ValueError("not yet")
    return number


@job(executor_def=in_process_executor)
def twice() -> None:
    second(first())
"""


@pytest.mark.long("starts drivers in processes of their own")
def test_actions_launch_resume_and_remove_runs(web_client: ServedInThread, tmp_path: Path) -> None:
    mark, file = tmp_path / "mark", tmp_path / "resumed_file.py"
    file.write_text(RESUMED_FILE.replace("@MARK@", str(mark)))
    failed = launch_job(file)
    assert failed.wait(60) == "FAILURE"
    path = f"api/runs/{failed.run_id}"
    actions = web_client.get(path)["actions"]
    assert actions["resume"] is actions["delete"] is None
    assert actions["cancel"] == "the run is over"
    assert web_client.request("POST", f"{path}/cancel").status == 409
    nothing = web_client.request("POST", f"{path}/resume", {"from": "steps"})
    assert nothing.status == 422
    mark.touch()
    run_id = web_client.post(f"{path}/resume", {"from": "failure"})["run_id"]
    resumed = find_launched(run_id)
    assert resumed is not None
    assert resumed.wait(60) == "SUCCESS"
    shown = web_client.get(path)
    assert [child["run_id"] for child in shown["children"]] == [run_id]
    child = web_client.get(f"api/runs/{run_id}")
    assert child["parent"]["run_id"] == failed.run_id
    again = web_client.request("POST", f"{path}/resume", {"from": "failure"})
    assert again.status == 422
    assert run_id in again.json["error"]
    chosen = web_client.post(f"api/runs/{run_id}/resume", {"from": "steps", "steps": ["second"]})
    third = find_launched(chosen["run_id"])
    assert third is not None
    assert third.wait(60) == "SUCCESS"
    for kind, begins in (("html", b"<!doctype"), ("parquet", b"PAR1"), ("trace", b"{")):
        answer = web_client.request("GET", f"api/runs/{run_id}/download/{kind}")
        assert answer.status == 200
        assert answer.body[:9].lower().startswith(begins.lower())
        assert f"run-{run_id}" in answer.headers["Content-Disposition"]
    assert web_client.request("DELETE", f"{path[:-1]}").status in (404, 409)
    assert web_client.request("DELETE", path).json == {"deleted": failed.run_id}
    assert web_client.request("GET", path).status == 404


def test_a_store_that_vanishes_and_comes_back_is_told(tmp_path: Path) -> None:
    root = tmp_path / "store"
    store_at(root).create(RunRecord("there", "daily", RunStatus.SUCCESS)).close()
    with served_in_thread(DoorOptions(store=str(root))) as served:
        assert served.get("api/runs")["total"] == 1
        root.rename(tmp_path / "away")
        time.sleep(0.3)  # Looks within a quarter of a second are one.
        answer = served.request("GET", "api/runs")
        assert answer.status == 503
        assert "is gone: it had 1 runs" in answer.json["error"]
        (tmp_path / "away").rename(root)
        assert served.get("api/runs")["total"] == 1


def test_runs_that_cannot_be_read_say_why(tmp_path: Path) -> None:
    store = store_at(tmp_path)
    store.create(RunRecord("good", "daily", RunStatus.SUCCESS)).close()
    (tmp_path / "runs" / "bad").mkdir()
    (tmp_path / "runs" / "bad" / "run.json").write_text("{")
    with served_in_thread(DoorOptions(store=str(tmp_path))) as served:
        rows = {row["run_id"]: row for row in served.get("api/runs")["runs"]}
        assert rows["bad"]["status"] == "UNREADABLE"
        assert "cannot be read" in rows["bad"]["note"]
        assert served.request("GET", "api/runs/bad").status == 503


def test_a_run_that_was_launched_and_recorded_nothing_yet_has_no_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAYEXEC_HOME", str(tmp_path / "home"))
    LaunchNote("launched-now", time.time(), {"file": "jobs.py"}, None, "http://127.0.0.1:1").write()
    with served_in_thread() as served:
        answer = served.request("GET", "api/runs/launched-now/rows")
        assert (answer.status, answer.body) == (204, b"")
        assert served.request("GET", "api/runs/another/rows").status == 404


def test_a_record_that_comes_between_two_looks_is_read(tmp_path: Path) -> None:
    record_large_run(DirectoryRunStore(tmp_path), "r", 10)
    looks: list[str] = []

    def read(run: OpenRun) -> str:
        looks.append(run.run_id)
        if len(looks) == 1:  # as for a run that begins at this moment
            raise RunNotFoundError("it is about to begin")
        return run.run_id

    assert reads_run_or_launch(read, OpenRuns(str(tmp_path)), "r") == "r"
    assert looks == ["r", "r"]
