"""A list of 5,000 runs: pages of it, counts, filters, and how much is sent and kept."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest
from many_runs import copied_runs
from served_pages import ServedInThread, served_in_thread

pytestmark = pytest.mark.long("writes 5,000 runs")

RUNS = 5_000
#: Of an answer with 200 runs, as the page asks for them.
MOST_BYTES = 200_000


def paged(served: ServedInThread, **query: Any) -> tuple[list[str], list[int]]:
    """Return the ids of all pages of a question, and the bytes of each."""
    ids: list[str] = []
    sizes = []
    before: dict[str, Any] = {}
    while True:
        answer = served.request("GET", "api/runs", limit=200, **query, **before)
        assert answer.status == 200
        page = answer.json
        sizes.append(len(answer.body))
        ids += [row["run_id"] for row in page["runs"]]
        assert len(page["runs"]) <= 200
        if page["next"] is None:
            assert page["total"] == len(ids)
            return ids, sizes
        before = {"before": page["next"]}


def memory() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def test_pages_counts_and_filters_of_5_000_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    monkeypatch.setenv("RAYEXEC_HOME", str(home))
    ids = copied_runs(home, RUNS)
    failed = ids[10::10]
    with served_in_thread() as served:
        served.session.checks_answers = False
        before, began = memory(), time.monotonic()
        served.get("api/runs")
        first_s, began = time.monotonic() - began, time.monotonic()
        served.get("api/runs")
        print(
            f"{RUNS:,} runs: {first_s:.2f} s for the first look, "
            f"{time.monotonic() - began:.2f} s for the next one, "
            f"+{memory() - before:.0f} MB"
        )
        seen, sizes = paged(served)
        assert seen == ids
        assert max(sizes) < MOST_BYTES
        assert paged(served, status="FAILURE")[0] == failed
        assert paged(served, tag="part=1")[0] == ids[1::4]
        assert paged(served, status="FAILURE", tag="part=2")[0] == ids[10::20]
        assert paged(served, text="copy-0123")[0] == ids[1230:1240]
        answer = served.get("api/runs", limit=1)
        assert answer["statuses"] == {"SUCCESS": RUNS - len(failed), "FAILURE": len(failed)}
        # The filter by status leaves the counts beside it as they are.
        answer = served.get("api/runs", limit=1, status="FAILURE", tag="part=2")
        assert answer["statuses"] == {"SUCCESS": 1_000, "FAILURE": 250}
        assert answer["jobs"] == ["copied"]
