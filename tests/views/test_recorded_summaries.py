"""Summaries of runs that an earlier rayexec recorded."""

from __future__ import annotations

from pathlib import Path

from rayexec.events import StepEnd
from rayexec.store import DirectoryRunStore
from rayexec.store.reading import StoredLog
from rayexec.views.run_summary import summarise

RECORDED = Path(__file__).parents[1] / "store" / "recorded"


def test_a_summary_counts_as_the_driver_of_the_run_did() -> None:
    store = DirectoryRunStore(next(path.parent for path in RECORDED.rglob("runs")))
    ended = [record for record in store.list() if record.steps]
    assert len(ended) >= 10
    for record in ended:
        counts = summarise(StoredLog(store.open(record.run_id))).counts
        assert counts == record.steps, record.run_id
    assert any(record.steps.get(StepEnd.REUSED) for record in ended)
