"""Statuses of runs, as users compare, print and record them."""

from __future__ import annotations

import json

import pytest

import rayexec
from rayexec import RunStatus, StoreError
from rayexec.store import RunRecord


@pytest.mark.parametrize("status", RunStatus)
def test_a_status_is_its_own_name(status: RunStatus) -> None:
    assert status == status.name
    assert (str(status), f"{status:>10}", json.dumps(status)) == (
        status.name,
        f"{status.name:>10}",
        f'"{status.name}"',
    )
    assert {status.name: 1}[status] == 1


@pytest.mark.parametrize("status", RunStatus)
def test_a_record_keeps_its_status(status: RunStatus) -> None:
    read = RunRecord.decode(RunRecord("r", "job", status).encode(), "r")
    assert read.status is status


def test_a_record_of_an_unknown_status_is_an_error() -> None:
    document = json.loads(RunRecord("r", "job").encode()) | {"status": "ODD"}
    with pytest.raises(StoreError, match="run r cannot be read: 'ODD' is not a valid RunStatus"):
        RunRecord.decode(json.dumps(document).encode(), "r")


def test_a_result_has_a_status() -> None:
    @rayexec.job
    def nothing() -> None:
        pass

    result = nothing.execute_in_process()
    assert result.status is RunStatus.SUCCESS
