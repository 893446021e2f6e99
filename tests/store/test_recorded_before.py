"""Reading, resuming and reusing runs of a store that an earlier rayexec recorded."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from recorded import recorded_jobs
from recorded.facts import command, facts_of

from rayexec import (
    DirectoryRunStore,
    FilesystemIOManager,
    InvariantError,
    MetadataValue,
    ReexecutionOptions,
    RunResult,
    execute_job,
)
from rayexec.events import Attempt
from rayexec.store.reading import StoredLog

RECORDED = Path(recorded_jobs.__file__).parent
EXPECTED: dict[str, Any] = json.loads((RECORDED / "expected.json").read_text())
LARGE = 8_400
ENGINES = ("in_process", "ray")
SELECTED = ("read", "add_all", "measure[2001,02]", "inner.label")
WAITING = ("canceled-in-process", "canceled-ray", "killed-ray")
YEARS, MONTHS = ("2001", "2002"), ("01", "02")

FLOW_VALUES: dict[str, dict[str, Any]] = {
    "load": {"result": recorded_jobs.large(8)},
    "inner.total": {"result": 28},
    "inner.label": {"result": "28 in all"},
    **{name: {"result": np.array([0, 2, 4, 6])} for name in ("first", "second", "third")},
    "describe": {"result": recorded_jobs.Reading("first", (0, 1, 2))},
    "choose": {"left": 1},
    "after_left": {"result": 2},
    "flaky": {"result": 1},
    "speak": {"result": None},
    "afterwards": {"result": "after"},
    "years": {"result[2001]": "2001", "result[2002]": "2002"},
    **{
        f"months[{year}]": {f"result[{month}]": f"{year}-{month}" for month in MONTHS}
        for year in YEARS
    },
    **{f"measure[{year},{month}]": {"result": 7} for year in YEARS for month in MONTHS},
    **{f"add[{year}]": {"result": 14} for year in YEARS},
    "add_all": {"result": 28},
    "read": {"result": np.array([1, 2, 3, 4])},
    "borrow": {"result": (recorded_jobs.public_values(), recorded_jobs.public_errors())},
    "query_one": {"result": None},
    "query_two": {"result": None},
}


def failing_values(size: int) -> dict[str, dict[str, Any]]:
    return {
        "load": {"result": recorded_jobs.large(size)},
        "describe": {"result": recorded_jobs.Reading("first", (0, 1, 2))},
        "check[k0]": {"result": 0},
        "check[k2]": {"result": 20},
        "borrow": {"result": (recorded_jobs.public_values(), recorded_jobs.public_errors())},
    }


# Stored values of each run by step and output, without those that go through an IO manager.
VALUES: dict[str, dict[str, dict[str, Any]]] = {
    "flow-in-process": FLOW_VALUES,
    "flow-ray": FLOW_VALUES,
    "failing-in-process": failing_values(8),
    "failing-ray": failing_values(LARGE),
    **{name: {"load": {"result": recorded_jobs.large(8)}} for name in WAITING},
}
# Keys of managers of stored outputs; an output has none if a manager loads an input from it.
HANDLED: dict[str, dict[str, dict[str, str | None]]] = {
    **{name: {"save": {"result": "files"}} for name in ("flow-in-process", "flow-ray")},
    **{
        name: {
            "save": {"result": "files"},
            "cut": {f"result[{key}]": "files" for key in recorded_jobs.KEYS},
            "plain": {"result": None},
        }
        for name in ("failing-in-process", "failing-ray")
    },
}


def judged(size: int) -> dict[str, Any]:
    """Return the output of ``judge`` in a mended run."""
    return {
        "checked": [0, 10, 20],
        "pieces": [0, 1, 2],
        "sum": sum(range(size)),
        "described": recorded_jobs.Reading("first", (0, 1, 2)),
        "saved": [0, 1, 2, 3],
        "borrowed": (recorded_jobs.public_values(), recorded_jobs.public_errors()),
        "said": "read from plain",
        "passed": "passed",
    }


def is_same(value: Any, expected: Any) -> bool:
    """Whether two values have one type and are equal, also arrays and exceptions within them."""
    if type(value) is not type(expected):
        return False
    if isinstance(value, np.ndarray):
        return value.dtype == expected.dtype and bool(np.array_equal(value, expected))
    if isinstance(value, Exception):
        return str(value) == str(expected) and is_same(vars(value), vars(expected))
    if isinstance(value, Mapping):
        return list(value) == list(expected) and all(
            is_same(value[key], expected[key]) for key in expected
        )
    if isinstance(value, (list, tuple)):
        return len(value) == len(expected) and all(map(is_same, value, expected))
    return bool(value == expected)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A copy of the recorded store, to read and to go on in."""
    return Path(shutil.copytree(RECORDED / "store", tmp_path / "store"))


class Mended:
    """A directory that lets all steps pass and gets notes of those that ran."""

    def __init__(self, directory: Path, store: Path) -> None:
        directory.mkdir()
        (directory / "mended").touch()
        self._ran = directory / "ran"
        self.config = {
            "notes": {"config": {"directory": str(directory)}},
            "files": {"config": {"base_dir": str(store / "files")}},
        }

    def resources(self, *keys: str) -> dict[str, Any]:
        made = {
            "notes": recorded_jobs.Notes(**self.config["notes"]["config"]),
            "files": FilesystemIOManager(**self.config["files"]["config"]),
        }
        return {key: made[key] for key in keys}

    def ran(self) -> list[str]:
        """Return the steps that ran so far."""
        return sorted(self._ran.read_text().splitlines()) if self._ran.exists() else []


@pytest.fixture
def mended(tmp_path: Path, store: Path) -> Mended:
    return Mended(tmp_path / "notes", store)


def execution(engine: str) -> dict[str, Any]:
    return {"execution": {"config": {engine: {}}}}


def needs_ray(request: pytest.FixtureRequest, engine: str) -> None:
    if engine == "ray":
        request.getfixturevalue("ray_session")


def test_every_run_is_listed_with_its_status(store: Path) -> None:
    statuses = {name: facts["show"]["status"] for name, facts in EXPECTED.items()}
    assert set(statuses.values()) == {"SUCCESS", "FAILURE", "CANCELED", "STARTED"}
    code, printed = command("run", "list", "--store", str(store), "--json")
    assert code == 0
    assert {each["run_id"]: each["status"] for each in json.loads(printed)} == statuses
    assert {each.run_id: each.status for each in DirectoryRunStore(store).list()} == statuses
    assert len(statuses) == len(list((store / "runs").iterdir()))


@pytest.mark.parametrize("run_id", EXPECTED)
def test_commands_tell_of_a_run_what_they_told_when_it_was_recorded(
    store: Path, tmp_path: Path, run_id: str
) -> None:
    facts = json.loads(json.dumps(facts_of(store, run_id, tmp_path)))
    expected = EXPECTED[run_id]
    assert facts.keys() == expected.keys()
    for part, content in expected.items():
        assert facts[part] == content, part


@pytest.mark.parametrize("run_id", ["flow-in-process", "flow-ray"])
def test_metadata_of_each_kind_is_read_from_the_log(store: Path, run_id: str) -> None:
    log = StoredLog(DirectoryRunStore(store).open(run_id))
    (attempt,) = [
        each
        for each in log.entries()
        if isinstance(each, Attempt) and log.keys[each.step] == "describe"
    ]
    assert attempt.outputs[0].metadata == {
        "rows": MetadataValue.int(8),
        "mean": MetadataValue.float(3.5),
        "fine": MetadataValue.bool(True),
        "text": MetadataValue.text("some words"),
        "note": MetadataValue.md("**bold**"),
        "page": MetadataValue.url("https://example.org/a"),
        "file": MetadataValue.path("/somewhere/else"),
        "json": MetadataValue.json({"a": [1, None]}),
    }


@pytest.mark.parametrize("run_id", EXPECTED)
def test_stored_values_are_what_they_were(store: Path, run_id: str) -> None:
    committed = DirectoryRunStore(store).values(run_id).committed()
    values = {
        key: {name: each.load() for name, each in done.values.items()}
        for key, done in committed.items()
    }
    handled = HANDLED.get(run_id, {})
    expected = VALUES.get(run_id, {})
    assert values.keys() == expected.keys() | handled.keys()
    for key, outputs in expected.items():
        assert is_same(values[key], outputs), key
    for key, keys in handled.items():
        assert {name: each.manager_key for name, each in values[key].items()} == keys
        assert {each.step_key for each in values[key].values()} == {key}
        assert {each.run_id for each in values[key].values()} == {run_id}


@pytest.mark.parametrize("engine", ["its own", *ENGINES])
@pytest.mark.parametrize("run_id", ["failing-in-process", "failing-ray", "failing-again"])
def test_a_failed_run_is_resumed(
    request: pytest.FixtureRequest, store: Path, mended: Mended, run_id: str, engine: str
) -> None:
    size = 8 if run_id == "failing-in-process" else LARGE
    needs_ray(request, "ray" if engine == "its own" and size == LARGE else engine)
    with execute_job(
        recorded_jobs.failing,
        # Its own config has words of the old version.
        None
        if engine == "its own"
        else {"ops": {"load": {"config": {"size": size}}}, **execution(engine)},
        store=store,
        resources=mended.resources("notes", "files"),
        reexecution_options=ReexecutionOptions.from_failure(run_id),
    ) as result:
        assert result.success
        assert mended.ran() == ["check[k1]", "judge", "refuse"]
        assert is_same(result.output_for_node("judge"), judged(size))
        assert {origin.run_id for origin in result.reused.values()} == {run_id}
        assert result.counts() == {
            "succeeded": 3,
            "reused": 9,
            "failed": 0,
            "skipped": 0,
            "not run": 0,
        }
        assert result.dagster_run.tags["dagster/parent_run_id"] == run_id
        loaded = [
            each
            for each in result.events_for_node("judge")
            if each.event_type_value == "LOADED_INPUT"
        ]
        managers = {each.event_specific_data.get("manager_key") for each in loaded}
        assert managers == {None, "files", "reader"}, (
            "values that an IO manager stored are loaded by it"
        )


@pytest.mark.parametrize("run_id", ["failing-ray", "failing-again"])
def test_a_failed_run_is_resumed_by_the_command(
    store: Path, mended: Mended, tmp_path: Path, run_id: str
) -> None:
    config = {
        "ops": {"load": {"config": {"size": LARGE}}},
        "resources": mended.config,
        "execution": {"config": {"in_process": {}}},
    }
    (tmp_path / "run.yaml").write_text(json.dumps(config))
    given = [
        "-m",
        "recorded.recorded_jobs",
        "-c",
        str(tmp_path / "run.yaml"),
        "--store",
        str(store),
        "--run-id",
        "on",
    ]
    ended = subprocess.run(
        [sys.executable, "-m", "rayexec", "run", "resume", run_id, *given, "--json"],
        cwd=RECORDED.parent,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    assert mended.ran() == ["check[k1]", "judge", "refuse"]
    assert json.loads(ended.stdout)["status"] == "SUCCESS"
    code, printed = command("run", "show", "on", "--store", str(store), "--json")
    assert code == 0
    shown = json.loads(printed)
    assert (shown["parent_run_id"], shown["root_run_id"]) == (run_id, "failing-ray")
    assert (shown["steps"]["succeeded"], shown["steps"]["reused"]) == (3, 9)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("run_id", WAITING)
def test_a_run_that_was_canceled_or_killed_is_resumed(
    request: pytest.FixtureRequest, store: Path, mended: Mended, run_id: str, engine: str
) -> None:
    needs_ray(request, engine)

    def resume(*, is_forced: bool) -> RunResult:
        return execute_job(
            recorded_jobs.waiting,
            {**execution(engine), "resources": {"notes": mended.config["notes"]}},
            store=store,
            reexecution_options=ReexecutionOptions.from_failure(run_id, is_forced=is_forced),
        )

    is_killed = run_id == "killed-ray"
    if is_killed:  # by a driver of another host, which cannot be asked
        with pytest.raises(InvariantError, match="still runs"):
            resume(is_forced=False)
    with resume(is_forced=is_killed) as result:
        assert result.success
        assert result.output_for_node("wait") == 28
    assert mended.ran() == ["wait"]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("run_id", ["flow-in-process", "flow-ray"])
def test_steps_of_a_durable_run_are_run_again_on_what_it_stored(
    request: pytest.FixtureRequest, store: Path, mended: Mended, run_id: str, engine: str
) -> None:
    needs_ray(request, engine)
    with execute_job(
        recorded_jobs.flow,
        execution(engine),
        store=store,
        resources=mended.resources("notes", "files"),
        reexecution_options=ReexecutionOptions(run_id, SELECTED),
    ) as result:
        assert result.success
        assert {key for key in result.reused if key in FLOW_VALUES} >= {
            "load",
            "months[2001]",
            "inner.total",
        }
        assert {each.step_key for each in result.get_step_success_events()} == {*SELECTED}
        assert result.output_for_node("add_all") == 28
        assert result.output_for_node("inner.label") == "28 in all"
        assert result.output_for_node("read").tolist() == [1, 2, 3, 4]
    assert mended.ran() == []


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(("size", "origin"), [(8, "caching-in-process"), (LARGE, "caching-ray")])
def test_cached_ops_reuse_what_was_recorded(
    request: pytest.FixtureRequest, store: Path, mended: Mended, size: int, origin: str, engine: str
) -> None:
    needs_ray(request, engine)
    with execute_job(
        recorded_jobs.caching,
        {"ops": {"load": {"config": {"size": size}}}, **execution(engine)},
        store=store,
        resources=mended.resources("notes"),
    ) as result:
        assert result.success
        assert mended.ran() == ["load", "use"]
        first = "caching-in-process"  # It ran the ops without a size first.
        assert {key: (each.run_id, each.step_key) for key, each in result.reused.items()} == {
            **{key: (origin, key) for key in ("grow", "detail", "pieces")},
            **{key: (first, key) for key in ("lend", "accept")},
        }
        assert is_same(result.output_for_node("grow"), recorded_jobs.large(size) * 2)
        assert is_same(result.output_for_node("lend"), recorded_jobs.public_values())
        reading = recorded_jobs.Reading("cached", (0, 2))
        assert is_same(result.output_for_node("use"), (size * (size - 1), reading, [0, 2, 4], 9))
        (reuse,) = [
            each
            for each in result.events_for_node("detail")
            if each.event_type_value == "ENGINE_EVENT"
        ]
        assert reuse.event_specific_data == {"reused_run_id": origin, "reused_step_key": "detail"}
        (made,) = [each for each in result.events_for_node("detail") if each.is_successful_output]
        assert made.step_output_data.metadata == {
            "note": MetadataValue.md("*kept*"),
            "n": MetadataValue.int(2),
        }


def test_a_cached_op_reuses_what_an_io_manager_stored(
    store: Path, mended: Mended, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(store)  # The relative directory of the manager is a part of the entry's key.
    resources = {**mended.resources("notes"), "files": FilesystemIOManager(base_dir="files")}
    with execute_job(
        recorded_jobs.caching_files, execution("in_process"), store=store, resources=resources
    ) as result:
        assert result.success
        assert mended.ran() == ["fetch", "load"]
        assert [(key, each.run_id) for key, each in result.reused.items()] == [
            ("put", "caching-files")
        ]
        assert result.output_for_node("fetch") == [0, 1, 2, 3]


def test_entries_of_the_cache_are_listed(store: Path) -> None:
    code, printed = command("cache", "list", "--store", str(store), "--json")
    assert code == 0
    entries = json.loads(printed)
    assert len(entries) == sum(1 for each in (store / "cache").rglob("*") if each.is_file())
    assert sorted((each["op"], each["run_id"]) for each in entries) == [
        ("accept", "caching-in-process"),
        ("detail", "caching-in-process"),
        ("detail", "caching-ray"),
        ("grow", "caching-in-process"),
        ("grow", "caching-ray"),
        ("lend", "caching-in-process"),
        ("pieces", "caching-in-process"),
        ("pieces", "caching-ray"),
        ("put", "caching-files"),
    ]
