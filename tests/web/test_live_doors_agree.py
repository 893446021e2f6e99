"""The command line and the API never disagree about what happens now: a run under way, a cluster.

Steps of the run wait for the test, so that all of it is at rest while it is looked at.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from doors_store import DoorsStore, empty_store, printed, until
from served_pages import ServedInThread, served_in_thread

from rayexec.web.session import DoorOptions

pytestmark = pytest.mark.long("starts Ray and a driver")

ONLY_LISTED = ("is_over", "is_live", "origin", "driver", "op_selection")


@pytest.fixture(scope="module")
def store(
    ray_session: None, no_home: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[DoorsStore]:
    with empty_store(tmp_path_factory.mktemp("doors")) as store:
        yield store


@pytest.fixture(scope="module")
def served(store: DoorsStore) -> Iterator[ServedInThread]:
    import ray

    address = ray.get_runtime_context().gcs_address
    with served_in_thread(DoorOptions(address=address)) as server:
        yield server


@pytest.fixture(scope="module")
def lasting(store: DoorsStore, served: ServedInThread) -> Iterator[str]:
    """A run with a step that holds a limit, one that holds a pool, and six that wait."""
    with store.lasting() as run_id:
        until(
            lambda: _now(served, run_id),
            lambda now: (now.get("over"), now.get("running_count")) == (1, 2),
        )
        yield run_id


def _now(served: ServedInThread, run_id: str) -> dict[str, Any]:
    """Return the state of a run, or why there is none yet."""
    answer: dict[str, Any] = served.request("GET", f"api/runs/{run_id}/now").json
    return answer


def test_a_run_under_way(served: ServedInThread, lasting: str) -> None:
    # A success may come into the log a moment after the state has it.
    shown = until(
        lambda: served.get(f"api/runs/{lasting}"),
        lambda shown: shown["report"]["steps"]["succeeded"] == 1,
    )
    # Until a step that holds the limit has run for longer than it did in the run before, less
    # and less is left, and the server looks at that once a second.
    report, now = until(
        lambda: (printed("run", "show", lasting), _now(served, lasting)),
        lambda doors: bool(_at_rest(doors[0]["now"]) == _at_rest(doors[1])),
    )
    del report["now"]
    assert shown["report"] == report
    assert now["remaining"]["because_of"] == "database=redshift 1"
    assert now["remaining"]["seconds"] >= 5 * 0.2
    assert report["status"] == "STARTED"
    assert {end: count for end, count in report["steps"].items() if count} == {
        **now["ends"],
        "not run": now["running_count"] + now["waiting"],
    }
    assert now["steps"] == sum(report["steps"].values())
    listed, _ = served.get("api/runs")["runs"]
    row, _ = printed("run", "list")
    assert {key: listed[key] for key in row if key != "steps"} == {
        key: row[key] for key in row if key != "steps"
    }
    assert listed["steps"] in ({}, {**now["ends"], "running": 2, "waiting": now["waiting"]})
    told = served.get(f"api/runs/{lasting}/log", limit=500, **{"from": 0})["lines"]
    assert [line["text"] for line in told if line["kind"] in ("event", "log")] == [
        event["message"] for event in printed("run", "events", lasting)
    ]


def _at_rest(state: Any) -> Any:
    """Return a state without what the clock moves."""
    if isinstance(state, dict):
        moving = ("time", "as_of") if "steps" in state else ("seconds",) if "key" in state else ()
        return {name: _at_rest(state[name]) for name in state if name not in moving}
    return [_at_rest(each) for each in state] if isinstance(state, list) else state


def test_a_cluster_with_a_held_pool(served: ServedInThread, lasting: str) -> None:
    address = served.session.options.address
    assert address is not None

    def both() -> tuple[Any, Any]:
        answer = served.get("api/cluster")
        return answer, printed("cluster", "status", "--address", address)

    def is_held(doors: tuple[Any, Any]) -> bool:
        # Ray tells its holders a second late, and each door asks for itself.
        api, status = doors
        return bool(
            api["limits"] and api["limits"][0]["holders"] and status["limits"][0]["holders"]
        ) and all(one["free"] == other["free"] for one, other in _pairs(api, status))

    api, status = until(both, is_held)
    assert (api["address"], api["holders_unknown"]) == (
        status["address"],
        status["holders_unknown"],
    )
    for one, other in _pairs(api, status):
        assert {key: one[key] for key in other} == other
    (pool,), (printed_pool,) = api["limits"], status["limits"]
    for name in ("name", "kind", "total", "used"):
        assert pool[name] == printed_pool[name]
    assert pool["used"] == pool["total"] == 1
    assert len(pool["nodes"]) == printed_pool["nodes"]
    assert [(each["amount"], each["pid"]) for each in pool["holders"]] == [
        (each["amount"], each["pid"]) for each in printed_pool["holders"]
    ]
    assert api["runs"] == [lasting]


def _pairs(api: dict[str, Any], status: dict[str, Any]) -> list[tuple[Any, Any]]:
    return list(zip(api["nodes"], status["nodes"], strict=True))
