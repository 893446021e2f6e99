"""Reading, resuming and reusing runs of a store that an earlier rayexec recorded."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import pytest
import recorded_runs
from recorded.facts import command, facts_of
from recorded_runs import EXPECTED, HANDLED, VALUES, is_same

from rayexec import DirectoryRunStore, MetadataValue
from rayexec.events import Attempt
from rayexec.store.reading import StoredLog

store = recorded_runs.store
INPUT_EVENTS = ("LOADED_INPUT", "STEP_INPUT")


def test_every_run_is_listed_with_its_status(store: Path) -> None:
    statuses = {name: facts["show"]["status"] for name, facts in EXPECTED.items()}
    assert set(statuses.values()) == {"SUCCESS", "FAILURE", "CANCELED", "STARTED"}
    code, printed = command("run", "list", "--store", str(store), "--json")
    assert code == 0
    assert {each["run_id"]: each["status"] for each in json.loads(printed)} == statuses
    assert {each.run_id: each.status for each in DirectoryRunStore(store).list()} == statuses
    assert len(statuses) == len(list((store / "runs").iterdir()))


def loads_first(events: list[Any]) -> list[Any]:
    """Return a step's events in today's order: then, an input's load and check were together."""

    def rank(event: Any) -> int:
        kind = event if isinstance(event, str) else event[0]
        return INPUT_EVENTS.index(kind) if kind in INPUT_EVENTS else -1

    ordered: list[Any] = []
    for _, group in itertools.groupby(events, lambda each: rank(each) >= 0):
        ordered += sorted(group, key=rank)
    return ordered


@pytest.mark.parametrize("run_id", EXPECTED)
def test_commands_tell_of_a_run_what_they_told_when_it_was_recorded(
    store: Path, tmp_path: Path, run_id: str
) -> None:
    facts = json.loads(json.dumps(facts_of(store, run_id, tmp_path)))
    expected = EXPECTED[run_id]
    for each in expected["events"].values():
        each["events"] = loads_first(each["events"])
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
