"""Holders and waiters of a cluster's limits, with their runs and steps."""

from __future__ import annotations

from typing import Any

from rayexec.views.limit_use import LiveRun, runs_on, with_other_runs, with_runs


def holder(name: str, **fields: Any) -> dict[str, Any]:
    return {"name": name, "amount": 1.0, "pid": 7, "node_id": "n", **fields}


def limit(*holders: dict[str, Any], kind: str = "limit", name: str = "db=x") -> dict[str, Any]:
    used = len(holders)
    return {
        "name": name, "kind": kind, "total": 2, "used": used, "nodes": ["h"], "holders": holders,
    }  # fmt: skip


def queue(name: str, size: int, steps: list[str], holders: list[str]) -> dict[str, Any]:
    held = [{"key": key, "seconds": 1.0} for key in holders]
    return {"limit": name, "size": size, "steps": steps, "holders": held}


def test_holders_have_their_runs_and_steps_and_waiters_those_of_all_runs() -> None:
    first = queue("db=x (cluster)", 3, ["load[4]", "load[5]"], ["load[1]"])
    runs = [
        LiveRun("a", "nightly", {"queues": [first], "running": []}),
        LiveRun("b", "hourly", {"queues": [queue("db=x (cluster)", 1, ["q"], [])], "running": []}),
        LiveRun("c", "other", None),
    ]
    [shown] = with_runs([limit(holder("run a"), holder("run gone"), holder("own"))], runs)
    assert [(each["run_id"], each["step"]) for each in shown["holders"]] == [
        ("a", "load[1]"),
        ("gone", None),
        (None, None),
    ]
    assert shown["waiters"] == [
        {"run_id": "a", "job": "nightly", "size": 3, "steps": ["load[4]", "load[5]"]},
        {"run_id": "b", "job": "hourly", "size": 1, "steps": ["q"]},
    ]


def test_runs_of_other_clusters_are_not_on_it() -> None:
    """Limits of the same name are on both, so a waiter there is none here."""
    status = {"nodes": [{"node_id": "n"}, {"node_id": "m"}], "limits": [limit(holder("run e"))]}
    states = {"a": "m", "b": "elsewhere", "c": None}
    runs = [LiveRun(name, "j", {"node_id": node}) for name, node in states.items()]
    runs += [LiveRun("d", "j", None), LiveRun("e", "j", None)]
    assert [run.run_id for run in runs_on(status, runs)] == ["a", "e"]


def test_without_waiters_steps_are_known_where_all_of_them_hold() -> None:
    running = [{"key": "x"}, {"key": "y"}]
    run = LiveRun("a", "j", {"queues": [], "running": running})
    [pool] = with_runs([limit(holder("run a"), holder("run a"), kind="pool", name="p")], [run])
    assert [each["step"] for each in pool["holders"]] == ["x", "y"]
    [pool] = with_runs([limit(holder("run a"), kind="pool", name="p")], [run])
    assert [each["step"] for each in pool["holders"]] == [None]


def test_a_pool_and_a_limit_of_one_name_are_apart() -> None:
    run = LiveRun("a", "j", {"queues": [queue("pool db", 1, ["q"], [])], "running": []})
    shown = with_runs([limit(name="db"), limit(kind="pool", name="db")], [run])
    assert [len(each["waiters"]) for each in shown] == [0, 1]


def test_a_run_names_the_other_runs_that_hold_what_it_waits_for() -> None:
    runs = [LiveRun("a", "nightly", None), LiveRun("b", "hourly", None)]
    waits = {**queue("db=x (cluster)", 1, ["q"], []), "others": True, "other_runs": []}
    own = {**queue("max_concurrent", 1, ["q"], ["p"]), "others": False, "other_runs": []}
    held = limit(holder("run a"), holder("run b"), holder("run b"), holder("run gone"))
    now = with_other_runs({"run_id": "a", "queues": [waits, own]}, [held], runs)
    assert now["queues"] == [{**waits, "other_runs": [{"run_id": "b", "job": "hourly"}]}, own]
