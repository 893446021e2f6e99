"""Entries of a batch's answer: no field of an attempt is lost on the way to the driver."""

from __future__ import annotations

from typing import Any

import pytest

from rayexec import AssetMaterialization
from rayexec.engine.ray.protocol.entries import pack_entry, unpack_entry
from rayexec.events import (
    FAILURE,
    SUCCESS,
    Attempt,
    ErrorInfo,
    HookOutcome,
    LoadedInput,
    LogLine,
    OutputRecord,
    RejectedInput,
    Report,
    ResourceRecord,
    Reused,
    StepFailureData,
)
from rayexec.run.spec import Call

PID, BATCH_ID = 77, 5
CALLS = [Call(8, 0), Call(9, 1)]
PLAIN = Attempt(9, 1, SUCCESS, 1.0, 2.0, (OutputRecord("result"),), pid=PID, output_bytes=6)
# A value for each field that is not the one in PLAIN.
OTHER: dict[str, Any] = {
    "outcome": FAILURE,
    "started": 1.5,
    "ended": 2.5,
    "outputs": (OutputRecord("result", {"rows": 3}),),
    "failure": StepFailureData(ErrorInfo("ValueError", "no", ""), ("ValueError",)),
    "delay": 0.5,
    "logs": (LogLine(1.2, 20, "logged"),),
    "hooks": (HookOutcome("hook", "completed"),),
    "stdout": "printed",
    "stderr": "complained",
    "resources": (ResourceRecord("db", 1.0, 1.1),),
    "loaded": (LoadedInput("x", "io_manager"),),
    "reused": Reused("run", "step"),
    "output_bytes": 12,
    "rejected": RejectedInput("x", "no int"),
    "reports": (Report(1.4, 1, AssetMaterialization("table")),),
}
# The driver fills these in from the batch, whatever the worker puts there.
BY_DRIVER = {"step", "attempt_number", "pid", "has_large_output", "batch"}


def arrived(row: Attempt, stored: dict[str, bytes | int] | None = None) -> Attempt:
    """Return a row of the second call as the driver gets it."""
    packed = pack_entry(1, row, stored or {"result": b"packed"})
    entry = unpack_entry(packed, CALLS, PID, BATCH_ID)
    assert entry.position == 1
    return entry.attempt


@pytest.mark.parametrize("name", [name for name in Attempt._fields if name not in BY_DRIVER])
def test_every_field_of_an_attempt_travels(name: str) -> None:
    # A new field has no value here: give it one, and see that it arrives.
    row = PLAIN._replace(**{name: OTHER[name]})
    assert row != PLAIN
    assert arrived(row) == row._replace(batch=BATCH_ID)


def test_a_plain_success_arrives_as_it_was_and_is_short() -> None:
    assert arrived(PLAIN) == PLAIN._replace(batch=BATCH_ID)
    whole = pack_entry(1, PLAIN._replace(stdout="x"), {"result": b"packed"})
    assert len(pack_entry(1, PLAIN, {"result": b"packed"})) < len(whole) / 2


def test_a_large_output_is_noted() -> None:
    assert arrived(PLAIN, {"result": 0}).has_large_output
    assert arrived(PLAIN._replace(stdout="x"), {"result": -1}).has_large_output
