"""Cached outputs over HTTP: the same figures as the command line, and their removal."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from served_pages import ServedInThread
from typer.testing import CliRunner

from rayexec import job, op
from rayexec.cli.main import app

IN_PROCESS: dict[str, Any] = {"execution": {"config": {"in_process": {}}}}


@op(cache=True, code_version="1")
def small() -> bytes:
    return b"x"


@op(cache=True, code_version="1")
def large() -> bytes:
    return b"x" * 10_000


@job
def cached() -> None:
    small()
    large()
    small.alias("again")()


def listed() -> list[dict[str, Any]]:
    result = CliRunner().invoke(app, ["cache", "list", "--json"])
    entries: list[dict[str, Any]] = json.loads(result.stdout)
    return entries


def test_entries_are_summed_by_op(web_client: ServedInThread) -> None:
    for _ in range(2):
        cached.execute(IN_PROCESS)
    answer, rows = web_client.get("api/cache"), listed()
    assert [entry["op"] for entry in answer["entries"]] == ["large", "small"]
    for entry in answer["entries"]:
        of_op = [row for row in rows if row["op"] == entry["op"]]
        assert entry["count"] == len(of_op)
        assert entry["bytes"] == sum(row["size"] for row in of_op)
        assert entry["hits"] == sum(row["hits"] for row in of_op)
        assert entry["oldest"] <= entry["newest"]
    # The step `again` has what `small` stored a moment before.
    assert {entry["op"]: entry["hits"] for entry in answer["entries"]} == {"large": 1, "small": 3}
    assert answer["bytes"] == sum(row["size"] for row in rows)


def test_the_entries_of_an_op_and_then_all_go(web_client: ServedInThread) -> None:
    cached.execute(IN_PROCESS)
    before = web_client.get("api/cache")
    deleted = web_client.request("DELETE", "api/cache", {"op": "large"}).json
    assert deleted == {"deleted": 1, "bytes": before["entries"][0]["bytes"]}
    assert [row["op"] for row in listed()] == ["small"]
    assert web_client.request("DELETE", "api/cache", {}).json["deleted"] == 1
    assert web_client.get("api/cache") == {"entries": [], "bytes": 0}


def test_damaged_entries_are_shown_and_deleted_apart(web_client: ServedInThread) -> None:
    cached.execute(IN_PROCESS)
    root = Path(str(vars(web_client.session.store.cache())["root"]))
    [damaged, *_] = [path for path in root.rglob("*") if path.is_file() and not path.suffix]
    damaged.write_bytes(b"damaged")
    sums = {entry["op"]: entry for entry in web_client.get("api/cache")["entries"]}
    assert sums["(unreadable)"]["count"] == 1
    assert sums["(unreadable)"]["newest"] is None
    assert web_client.request("DELETE", "api/cache", {"op": "(unreadable)"}).json["deleted"] == 1
    assert len(listed()) == 1


@pytest.mark.parametrize("body", [{"ops": "small"}, {"op": 3}, [1]])
def test_a_mistaken_request_removes_nothing(web_client: ServedInThread, body: Any) -> None:
    cached.execute(IN_PROCESS)
    assert web_client.request("DELETE", "api/cache", body).status == 422
    assert len(listed()) == 2
