"""Endpoints of jobs: answers of the code, checks and previews of runs, and launched runs."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from served_pages import ServedInThread, served_in_thread

from rayexec.launch.job_file import JobSource
from rayexec.web.session import DoorOptions

TIMEOUT_S = 60.0
JOBS = '''
from rayexec import Config, job, op

class Size(Config):
    """Rows to load."""

    rows: int
    name: str = "table"

@op
def load(config: Size):
    """Load rows."""
    return config.rows

@op(cache=True, code_version="1", tags={"team": "data"})
def save(rows):
    pass

@job
def copy():
    """Copy a table."""
    save(load())

@job
def empty():
    pass
'''
YAML = "ops:\n  load:\n    config:\n      rows: 3\n"


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ServedInThread]:
    """A server with the jobs of a file, once they are imported."""
    monkeypatch.setenv("RAYEXEC_HOME", str(tmp_path / "home"))
    (tmp_path / "jobs.py").write_text(JOBS)
    with served_in_thread(DoorOptions(source=JobSource(tmp_path / "jobs.py"))) as server:
        until(server, "ready")
        yield server


def until(server: ServedInThread, state: str) -> dict[str, Any]:
    deadline = time.monotonic() + TIMEOUT_S
    while (jobs := server.get("api/jobs"))["state"] != state:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    answer: dict[str, Any] = jobs
    return answer


def ended(server: ServedInThread, run_id: str) -> dict[str, Any]:
    deadline = time.monotonic() + TIMEOUT_S
    while True:
        answer = server.request("GET", f"api/runs/{run_id}")
        if answer.status == 200 and answer.json["is_over"]:
            report: dict[str, Any] = answer.json["report"]
            return report
        assert time.monotonic() < deadline, answer.text
        time.sleep(0.05)


def test_jobs_are_listed_and_shown(served: ServedInThread) -> None:
    jobs = served.get("api/jobs")
    assert (jobs["is_stale"], jobs["error"]) == (False, None)
    assert [(job["name"], job["ops"]) for job in jobs["jobs"]] == [("copy", 2), ("empty", 0)]
    job = served.get("api/jobs/copy")
    assert (job["description"], job["ops"]) == ("Copy a table.", 2)
    load, save = job["nodes"]
    assert [key["name"] for key in load["config"]] == ["rows", "name"]
    assert (save["is_cached"], save["tags"], save["file"]) == (True, {"team": "data"}, job["file"])
    assert served.request("GET", "api/jobs/none").status == 404
    graph = served.get("api/jobs/copy/graph")
    assert [node["id"] for node in graph["nodes"]] == ["load", "save"]


def test_a_check_tells_mistakes_and_the_selected_ops(served: ServedInThread) -> None:
    check = served.post("api/jobs/copy/check", {"yaml": ""})
    assert (check["is_valid"], check["missing"]) == (False, ["ops.load.config"])
    check = served.post("api/jobs/copy/check", {"yaml": YAML, "selection": "load, save"})
    assert (check["is_valid"], check["selected"]) == (True, ["load", "save"])
    check = served.post("api/jobs/copy/check", {"yaml": YAML, "selection": ["nothing"]})
    assert [problem["path"] for problem in check["problems"]] == ["selection"]
    check = served.post("api/jobs/copy/check", {"yaml": YAML, "tags": {"": "x"}})
    assert [problem["path"] for problem in check["problems"]] == ["tags"]


def test_mistakes_have_their_places_in_the_text(served: ServedInThread) -> None:
    text = "ops:\n  load:\n    config:\n      rows: x\n  sav: {}\n"
    check = served.post("api/jobs/copy/check", {"yaml": text, "tags": {"": 1}})
    places = [(each["line"], each["column"], each["path"]) for each in check["problems"]]
    assert places == [(4, 13, "ops.load.config.rows"), (5, 3, "ops.sav"), (None, None, "tags")]
    assert check["problems"][1]["fix"] == "save"
    check = served.post("api/jobs/copy/check", {"yaml": "ops: {load: {\n"})
    assert (check["problems"][0]["line"], check["is_valid"]) == (2, False)


def test_a_plan_is_there_also_with_mistakes_of_values(served: ServedInThread) -> None:
    plan = served.post("api/jobs/copy/plan", {"yaml": "", "max_concurrent": 3})
    assert (plan["is_valid"], plan["steps_at_least"]) == (False, 2)
    assert plan["execution"]["max_concurrent"]["limit"] == 3
    plan = served.post("api/jobs/copy/plan", {"yaml": YAML, "where": "in_process"})
    assert (plan["is_valid"], plan["execution"]["engine"]) == (True, "in_process")


def test_a_launched_run_ends_and_counts_in_the_history(served: ServedInThread) -> None:
    body = {"yaml": YAML, "where": "in_process", "tags": {"team": "a"}}
    run_id = served.post("api/jobs/copy/launch", body)["run_id"]
    report = ended(served, run_id)
    assert (report["status"], report["tags"]["team"]) == ("SUCCESS", "a")
    time.sleep(1.1)  # a list of runs may be a second old
    job = served.get("api/jobs/copy")
    assert [row["run_id"] for row in job["history"]] == [run_id]
    assert job["statistics"]["load"]["attempts"] == job["statistics"]["load"]["runs"] == 1
    (last,) = served.get("api/jobs")["jobs"][0]["last_runs"]
    assert (last["run_id"], last["status"]) == (run_id, "SUCCESS")


def test_mistakes_start_nothing(served: ServedInThread, tmp_path: Path) -> None:
    answer = served.request("POST", "api/jobs/copy/launch", {"yaml": "ops: {load: {confg: 1}}"})
    assert answer.status == 422
    assert "ops.load.confg" in [problem["path"] for problem in answer.json["problems"]]
    (tmp_path / "jobs.py").write_text(f"{JOBS}\nundefined\n")
    until(served, "failed")
    answer = served.request("POST", "api/jobs/copy/launch", {"yaml": YAML, "where": "in_process"})
    assert answer.status == 422
    assert "name 'undefined' is not defined" in answer.json["error"]
    assert not list((tmp_path / "home").glob("**/run.json"))


def test_completion_offers_keys_and_no_values_of_variables(served: ServedInThread) -> None:
    completion = served.get("api/jobs/copy/completion", selection="save")
    tree = completion["tree"]
    root = tree["types"][tree["root"]]
    assert {"ops", "execution", "loggers"} <= set(root["keys"])
    assert (completion["ops"], completion["tags"]) == (["load", "save"], ["team=data"])
    assert "RAYEXEC_HOME" in completion["env_vars"]
    assert os.environ["RAYEXEC_HOME"] not in json.dumps(completion)


def test_an_edit_adds_and_removes_keys_and_leaves_the_rest(served: ServedInThread) -> None:
    def edit(text: str, action: str, selection: str = "") -> dict[str, Any]:
        body = {"yaml": text, "action": action, "selection": selection}
        answer: dict[str, Any] = served.post("api/jobs/copy/edit", body)
        return answer

    scaffold = edit("# mine\n", "scaffold_missing")
    assert scaffold["yaml"].startswith("# mine\n")
    assert scaffold["added"]
    assert served.post("api/jobs/copy/check", {"yaml": scaffold["yaml"]})["is_valid"]
    unused = served.post("api/jobs/copy/check", {"yaml": YAML, "selection": "save"})["unused"]
    assert unused == ["ops.load"]
    removed = edit(f"{YAML}  save: {{}}  # stays\n", "remove_unused", "save")
    assert (removed["removed"], "# stays" in removed["yaml"]) == (["ops.load"], True)
    answer = served.request("POST", "api/jobs/copy/edit", {"yaml": "a: [", "action": "defaults"})
    assert answer.status == 422


def test_a_newer_check_of_the_same_tab_replaces_one_that_waits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAYEXEC_HOME", str(tmp_path / "home"))
    (tmp_path / "jobs.py").write_text(f"{held_until(tmp_path / 'go')}{JOBS}")
    statuses: dict[str, int] = {}
    with served_in_thread(DoorOptions(source=JobSource(tmp_path / "jobs.py"))) as server:

        def check(name: str, tab: str) -> None:
            answer = server.request(
                "POST", "api/jobs/copy/check", {"yaml": YAML}, {"X-Rayexec-Tab": tab}
            )
            statuses[name] = answer.status

        threads = []
        # The first one has its turn, and waits for the import.
        for name, tab in (("first", "a"), ("old", "a"), ("other tab", "b"), ("new", "a")):
            threads.append(threading.Thread(target=check, args=(name, tab)))
            threads[-1].start()
            wait_until(lambda: server.session.code._tickets == len(threads))
        (tmp_path / "go").touch()
        for thread in threads:
            thread.join(TIMEOUT_S)
        assert server.session.code._latest == {}
    assert statuses == {"first": 200, "old": 409, "other tab": 200, "new": 200}


def test_a_launch_waits_for_the_import_of_the_last_save(
    served: ServedInThread, tmp_path: Path
) -> None:
    code = served.session.code
    (tmp_path / "jobs.py").write_text(f"{held_until(tmp_path / 'go')}raise ValueError('no jobs')")

    def loads() -> bool:
        served.get("api/jobs")
        return code._loading is not None

    wait_until(loads)
    answers = []
    body = {"yaml": YAML, "where": "in_process"}
    thread = threading.Thread(
        target=lambda: answers.append(served.request("POST", "api/jobs/copy/launch", body))
    )
    thread.start()
    thread.join(0.3)
    assert thread.is_alive()
    (tmp_path / "go").touch()
    thread.join(TIMEOUT_S)
    assert (answers[0].status, "no jobs" in answers[0].text) == (422, True)


def held_until(file: Path) -> str:
    """Return code that waits until a file is there."""
    return (
        "import pathlib, time\n"
        f"while not pathlib.Path({str(file)!r}).exists():\n    time.sleep(0.01)\n"
    )


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + TIMEOUT_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)
