"""Facts of recorded runs as commands print them, to compare two versions of rayexec by."""

from __future__ import annotations

import contextlib
import io
import json
import runpy
import sys
from pathlib import Path
from typing import Any
from unittest import mock

import pyarrow.parquet

__all__ = ["command", "facts_of"]

# Columns of the exported table that no rename of the engine touches.
_COLUMNS = (
    "step_key",
    "op",
    "attempt",
    "outcome",
    "seconds",
    "pid",
    "node",
    "output_bytes",
    "error",
    "message",
)


def command(*arguments: str) -> tuple[int, str]:
    """Run a ``rayexec`` command in this process; return its exit code and standard output."""
    printed, code = io.StringIO(), 0
    with (
        mock.patch.object(sys, "argv", ["rayexec", *arguments]),
        contextlib.redirect_stdout(printed),
    ):
        try:
            runpy.run_module("rayexec", run_name="__main__")
        except SystemExit as error:
            code = error.code if isinstance(error.code, int) else 1
    return code, printed.getvalue()


def _read(*arguments: str) -> str:
    code, printed = command(*arguments)
    assert code == 0, (arguments, code)
    return printed


def facts_of(store: Path, run_id: str, scratch: Path) -> dict[str, Any]:
    """Return a run's facts by ``show``, ``events``, ``logs``, ``export`` (into ``scratch``)."""
    given = (run_id, "--store", str(store))
    shown = json.loads(_read("run", "show", *given, "--json"))
    assert run_id in _read("run", "show", *given)
    table, trace, page = (scratch / f"{run_id}.{suffix}" for suffix in ("parquet", "json", "html"))
    _read(
        "run",
        "export",
        *given,
        "--parquet",
        str(table),
        "--chrome-trace",
        str(trace),
        "--html",
        str(page),
    )
    assert run_id in page.read_text()
    events = [json.loads(line) for line in _read("run", "events", *given, "--json").splitlines()]
    bars = [each for each in json.loads(trace.read_text())["traceEvents"] if each["ph"] == "X"]
    return {
        "show": {
            key: shown[key]
            for key in (
                *("run_id", "job", "status", "start_time", "end_time", "duration", "tags", "steps"),
                *(
                    "parent_run_id",
                    "root_run_id",
                    "error",
                    "note",
                    "run_config",
                    "origin",
                    "versions",
                    "driver",
                ),
                *("ops", "failed_steps", "last_recorded"),
            )
        },
        "events": _by_step(events),
        "logs": [json.loads(line) for line in _read("run", "logs", *given, "--json").splitlines()],
        "attempts": [
            [row[name] for name in _COLUMNS]
            for row in pyarrow.parquet.read_table(table).to_pylist()
        ],
        "bars": sorted({each["name"] for each in bars}),
    }


def _by_step(events: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return by step (``""``: the run) types and data of events, the first and the last moment."""
    steps: dict[str, dict[str, Any]] = {}
    for event in events:
        kind, moment, key = (event.pop(name) for name in ("event_type", "timestamp", "step_key"))
        message = event.pop("message")
        if kind == "LOG_MESSAGE":
            event["message"] = message
        step = steps.setdefault(key or "", {"first": moment, "events": []})
        step["last"] = moment
        step["events"].append([kind, event] if event else kind)
    return steps
