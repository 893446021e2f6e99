"""JSON of stored events: any data, levels of lines, and objects that JSON lacks."""

from __future__ import annotations

import json
import logging
import math
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from rayexec import (
    MetadataValue,
    Output,
    ReexecutionOptions,
    execute_job,
    in_process_executor,
    job,
    op,
)
from rayexec.cli.main import app
from rayexec.cli.streams import write_json
from rayexec.events import OutputRecord
from rayexec.store import RunRecord
from rayexec.store.encoding import _decode, _encode, outputs_text, read_outputs, read_text

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary(),
    lambda inner: (
        st.lists(inner) | st.dictionaries(st.text() | st.just("$"), inner) | st.tuples(inner, inner)
    ),
    max_leaves=8,
)


@given(JSON)
def test_data_comes_back_as_it_was(value: Any) -> None:
    assert _decode(json.loads(json.dumps(_encode(value), allow_nan=False))) == value


def test_levels_of_lines_are_numbers() -> None:
    assert _encode(logging.WARNING) == 30


class Unspeakable:
    def __repr__(self) -> str:
        raise OSError


def test_what_json_has_no_word_for_becomes_words() -> None:
    deep: Any = 1
    for _ in range(100_000):  # some Pythons show 5,000
        deep = [deep]
    assert _encode([object, Unspeakable()]) == [
        "<class 'object'>",
        "<Unspeakable that cannot be shown: OSError>",
    ]
    assert "RecursionError" in json.dumps(_encode(deep))


ODD = [math.nan, math.inf, -math.inf]


def strictly(text: str | bytes) -> Any:
    """Return the data of JSON, as a strict parser reads it."""

    def refuse(word: str) -> None:
        raise AssertionError(f"{word} is no JSON")

    return json.loads(text, parse_constant=refuse)


@pytest.mark.parametrize("odd", [*ODD, np.float64("nan")])
def test_floats_that_json_lacks_come_back(odd: float) -> None:
    data = {"metadata": MetadataValue.float(odd), "list": [odd, (odd, 1.5)]}
    text = outputs_text((OutputRecord("result", data),))
    strictly(text)
    [back] = read_outputs(text)
    assert repr(back.metadata) == repr(data).replace(repr(odd), repr(float(odd)))
    assert repr(read_text(json.dumps({"a": odd}))) == repr({"a": float(odd)})  # as written before


@pytest.mark.parametrize("odd", ODD)
def test_a_record_is_strict_json_with_any_config(odd: float) -> None:
    config = {"ops": {"a": {"config": {"x": odd, "rows": [odd, "NaN", {"$": "float"}]}}}}
    record = RunRecord("r", "job", run_config=config)
    strictly(record.encode())
    assert repr(RunRecord.decode(record.encode(), "r")) == repr(record)
    former = json.dumps({"schema_version": 2} | record.to_dict()).encode()
    assert repr(RunRecord.decode(former, "r")) == repr(record)


def test_printed_json_is_strict(capsys: pytest.CaptureFixture[str]) -> None:
    write_json(sys.stdout, {"odd": [*ODD, 1.5], math.inf: None, "other": Path("/tmp")})
    assert strictly(capsys.readouterr().out) == {
        "odd": ["NaN", "Infinity", "-Infinity", 1.5],
        "Infinity": None,
        "other": "/tmp",
    }


def test_a_run_with_odd_numbers_is_recorded_shown_and_resumed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    @op(config_schema={"limit": float})
    def odd(context: Any) -> Output[float]:
        context.log.info("limit %s", context.op_config["limit"])
        return Output(math.nan, metadata={"limit": context.op_config["limit"], "nan": math.nan})

    @job(executor_def=in_process_executor)
    def odd_job() -> None:
        odd()

    config = {
        "ops": {"odd": {"config": {"limit": math.inf}}},
        "execution": {"config": {"max_runtime": math.inf}},
    }
    monkeypatch.setenv("RAYEXEC_HOME", str(tmp_path))
    result = execute_job(odd_job, config, run_id="first")
    assert result.success
    strictly(next(tmp_path.rglob("run.json")).read_text())
    resumed = execute_job(
        odd_job, run_id="second", reexecution_options=ReexecutionOptions("first", ("odd",))
    )
    assert resumed.success
    assert "limit inf" in str(list(resumed.all_events))
    for command in (["show", "--json"], ["events", "--json"]):
        shown = CliRunner().invoke(app, ["run", command[0], "second", *command[1:]])
        assert shown.exit_code == 0, shown.output
        for text in [shown.stdout] if command[0] == "show" else shown.stdout.splitlines():
            strictly(text)
    page = tmp_path / "run.html"
    exported = CliRunner().invoke(app, ["run", "export", "second", "--html", str(page)])
    assert exported.exit_code == 0, exported.output
    assert not re.search(r"[:,[](NaN|-?Infinity)[,}\]]", page.read_text())
