"""Where runs go."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from rayexec.cluster.home import home
from rayexec.store import MemoryRunStore, RunRecord, default_store, is_default, store_at


def test_runs_go_where_the_environment_says_else_below_the_home(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("RAYEXEC_HOME")
    assert is_default()
    default_store().create(RunRecord("r", "j")).close()
    assert (tmp_path / ".rayexec/runs/r/run.json").exists()
    monkeypatch.setenv("RAYEXEC_HOME", f"file://{tmp_path}/elsewhere")
    assert not is_default()
    default_store().create(RunRecord("r", "j")).close()
    assert (tmp_path / "elsewhere/runs/r/run.json").exists()


def test_what_a_cluster_keeps_stays_on_this_machine(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("RAYEXEC_HOME", str(tmp_path))
    assert home() == tmp_path
    monkeypatch.setenv("RAYEXEC_HOME", "s3://bucket/runs")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert home() == tmp_path / ".rayexec"


def test_a_store_is_given_as_a_path_or_as_itself(tmp_path: Path) -> None:
    memory = MemoryRunStore()
    assert store_at(memory) is memory
    store_at(tmp_path / "a b").create(RunRecord("r", "j")).close()
    assert [os.fspath(each.name) for each in (tmp_path / "a b/runs").iterdir()] == ["r"]
