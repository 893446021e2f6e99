"""Read models of runs that somebody looks at, over stores of real runs."""

from __future__ import annotations

import time
from array import array
from dataclasses import replace
from pathlib import Path

import pytest

from rayexec import job, op
from rayexec.events import RunStatus, Successes
from rayexec.plan import compile_job
from rayexec.run.process_identity import ProcessIdentity
from rayexec.store import DirectoryRunStore, RunRecord
from rayexec.store.writing import LogWriter
from rayexec.web.open_runs import OpenRuns


@op
def load() -> int:
    return 1


@job
def daily() -> None:
    load()


def test_the_report_of_a_run_that_ends_meanwhile_has_its_steps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    began = time.time()
    record = RunRecord(
        "aaaa", "daily", RunStatus.STARTED, start_time=began, driver=ProcessIdentity.here()
    )
    writer = DirectoryRunStore(tmp_path).create(record)
    log = LogWriter(compile_job(daily), writer)
    log.write()
    opened = OpenRuns(str(tmp_path)).get("aaaa")
    assert opened.report()["status"] == "STARTED"
    look = opened._monitor.record

    def ends_at_the_look() -> RunRecord:
        """End the run at the very moment in which a reader asks whether it is over."""
        monkeypatch.undo()
        log.add(Successes([0], [0], array("d", [began]), array("d", [began + 1]), 1, 0))
        log.write()
        writer.update(replace(record, status=RunStatus.SUCCESS, end_time=began + 1))
        writer.close()
        return look()

    monkeypatch.setattr(opened._monitor, "record", ends_at_the_look)
    report = opened.report()
    assert (report["status"], report["steps"]["succeeded"]) == ("SUCCESS", 1)
