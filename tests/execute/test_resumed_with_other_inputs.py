"""A run resumed with other input values: what takes them runs again, or the run is refused."""

from __future__ import annotations

import json
import pickle
import threading
from pathlib import Path
from typing import Any

import pytest

from rayexec import (
    Config,
    DefinitionError,
    DynamicOut,
    DynamicOutput,
    ReexecutionOptions,
    graph,
    job,
    op,
)
from rayexec.store import DirectoryRunStore

RAN: list[str] = []
MENDED: list[bool] = []
IN_PROCESS = {"execution": {"config": {"in_process": {"durable": True}}}}
SECRET = "swordfish"


class Settings(Config):
    names: set[str]


@op
def first(given: Any) -> Any:
    RAN.append("first")
    return given


@op
def other(text: str) -> str:
    RAN.append("other")
    return text


@op
def last(one: Any, two: str) -> Any:
    RAN.append("last")
    if not MENDED:
        raise ValueError("not yet")
    return one, two


@graph
def inner(given: Any) -> Any:
    return first(given)


@job(config=IN_PROCESS)
def pair(given: Any, text: Any) -> None:
    last(inner(given), other(text))


def begin(store: Path, given: Any, text: str = "t") -> None:
    MENDED.clear()
    values = {"given": given, "text": text}
    assert not pair.execute(store=store, run_id="r", input_values=values).success
    RAN.clear()
    MENDED.append(True)


def resume(store: Path, given: Any, *selection: str, text: str = "t", run_id: str = "r") -> Any:
    options = (
        ReexecutionOptions(run_id, selection)
        if selection
        else ReexecutionOptions.from_failure(run_id, is_forced=True)
    )
    RAN.clear()
    values = {"given": given, "text": text}
    return pair.execute(store=store, input_values=values, reexecution_options=options)


class Plain:
    """A class whose objects count by their pickle."""

    def __init__(self, value: int) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Plain) and other.value == self.value

    __hash__ = object.__hash__


@pytest.mark.parametrize(
    ("then", "now"),
    [
        (1, 2),
        (1, 1.0),
        (1, True),
        (SECRET, "other"),
        ({"a": [1]}, {"a": [2]}),
        (Plain(1), Plain(2)),
        (Settings(names={"a"}), Settings(names={"a", "b"})),
        (None, 0),
    ],
)
def test_another_value_runs_what_takes_it_again(tmp_path: Path, then: Any, now: Any) -> None:
    begin(tmp_path, then)
    assert resume(tmp_path, then).output_for_node("last") == (then, "t")
    assert RAN == ["last"]
    result = resume(tmp_path, now)
    assert result.output_for_node("last") == (now, "t")
    assert RAN == ["first", "last"]
    [message] = [e.message for e in result.all_events if "input values than" in e.message]
    assert message.startswith("inner.first: ")
    # The run after that compares with the values of this one.
    assert resume(tmp_path, now, "last", run_id=result.run_id).success
    assert RAN == ["last"]


def test_a_selection_that_leaves_out_what_takes_it_is_refused(tmp_path: Path) -> None:
    begin(tmp_path, 1)
    with pytest.raises(DefinitionError, match=r"inner\.first, and the selection leaves them out"):
        resume(tmp_path, 2, "last")
    assert RAN == []
    assert resume(tmp_path, 1, "last").output_for_node("last") == (1, "t")
    assert resume(tmp_path, 2, "inner.first*").output_for_node("last") == (2, "t")
    assert RAN == ["first", "last"]


def test_a_value_without_a_pickle_cannot_be_compared_so_its_steps_run_again(tmp_path: Path) -> None:
    lock = threading.Lock()

    @op
    def is_lock(given: Any) -> bool:
        RAN.append("is_lock")
        return given is lock

    @op
    def text() -> str:
        return "t"

    @job(config=IN_PROCESS)
    def locked(given: Any) -> None:
        last(is_lock(given), text())

    MENDED.clear()
    given = {"given": lock}
    assert not locked.execute(store=tmp_path, run_id="r", input_values=given).success
    MENDED.append(True)
    RAN.clear()
    options = ReexecutionOptions.from_failure("r")
    result = locked.execute(store=tmp_path, input_values=given, reexecution_options=options)
    assert result.output_for_node("last") == (True, "t")
    assert RAN == ["is_lock", "last"]


def test_a_record_of_an_earlier_version_has_no_digests_so_its_steps_run_again(
    tmp_path: Path,
) -> None:
    begin(tmp_path, 1)
    path = tmp_path / "runs/r/run.json"
    record = json.loads(path.read_text())
    del record["input_digests"]
    path.write_text(json.dumps(record))
    assert resume(tmp_path, 1).output_for_node("last") == (1, "t")
    assert RAN == ["first", "other", "last"]


def test_the_record_has_no_values(tmp_path: Path) -> None:
    for run_id in ("one", "two"):
        values = {"given": SECRET, "text": SECRET}
        pair.execute(store=tmp_path, run_id=run_id, input_values=values)
    one, two = (
        DirectoryRunStore(tmp_path).open(run_id).record().input_digests for run_id in ("one", "two")
    )
    assert one.keys() == two.keys() == {":given", ":text"}
    assert not set(one.values()) & set(two.values())  # equal values of two runs show nothing
    assert SECRET not in (tmp_path / "runs/one/run.json").read_text()


def test_the_job_s_own_input_values_count_too(tmp_path: Path) -> None:
    @graph
    def flow(given: Any, text: Any) -> None:
        last(inner(given), other(text))

    def made(given: int) -> Any:
        return flow.to_job(config=IN_PROCESS, input_values={"given": given, "text": "t"})

    MENDED.clear()
    assert not made(1).execute(store=tmp_path, run_id="r").success
    MENDED.append(True)
    RAN.clear()
    options = ReexecutionOptions.from_failure("r")
    result = made(2).execute(store=tmp_path, reexecution_options=options)
    assert result.output_for_node("last") == (2, "t")
    assert RAN == ["first", "last"]


@pytest.mark.parametrize("loader", ["json", "pickle"])
def test_a_file_with_other_content_is_another_value(tmp_path: Path, loader: str) -> None:
    file = tmp_path / "value"
    dump: Any = {"json": lambda value: json.dumps(value).encode(), "pickle": pickle.dumps}[loader]

    @job(config=IN_PROCESS)
    def reading() -> None:
        last(first(), other())

    inputs = {
        "first": {"inputs": {"given": {loader: {"path": str(file)}}}},
        "other": {"inputs": {"text": {"value": "t"}}},
    }
    MENDED.clear()
    file.write_bytes(dump([1]))
    assert not reading.execute({"ops": inputs}, store=tmp_path, run_id="r").success
    MENDED.append(True)
    for value, again in (([1], ["last"]), ([2], ["first", "last"])):
        file.write_bytes(dump(value))
        for run_config in (None, {"ops": inputs}):
            RAN.clear()
            options = ReexecutionOptions.from_failure("r", is_forced=True)
            result = reading.execute(run_config, store=tmp_path, reexecution_options=options)
            assert result.output_for_node("last") == (value, "t")
            assert again == RAN


@op(out=DynamicOut(int))
def split(count: int) -> Any:
    RAN.append("split")
    for index in range(count):
        yield DynamicOutput(index, str(index))


@op
def times(value: int, factor: int) -> int:
    RAN.append(f"times {value}")
    return value * factor


@op
def total(values: list[int]) -> int:
    RAN.append("total")
    if not MENDED:
        raise ValueError("not yet")
    return sum(values)


@job(config=IN_PROCESS)
def fanning(count: Any, factor: Any) -> None:
    total(split(count).map(lambda value: times(value, factor)).collect())


@pytest.mark.parametrize(
    ("count", "factor", "again", "expected"),
    [
        (2, 1, ["total"], 1),
        (2, 3, ["times 0", "times 1", "total"], 3),
        (3, 1, ["split", "times 0", "times 1", "times 2", "total"], 3),
    ],
)
def test_mapped_steps_run_again_too(
    tmp_path: Path, count: int, factor: int, again: list[str], expected: int
) -> None:
    MENDED.clear()
    values = {"count": 2, "factor": 1}
    assert not fanning.execute(store=tmp_path, run_id="r", input_values=values).success
    MENDED.append(True)
    RAN.clear()
    result = fanning.execute(
        store=tmp_path,
        input_values={"count": count, "factor": factor},
        reexecution_options=ReexecutionOptions.from_failure("r"),
    )
    assert result.output_for_node("total") == expected
    assert sorted(RAN) == sorted(again)
