"""Addresses of run stores, and stores that are added by a scheme."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from pyarrow import fs
from typer.testing import CliRunner

from rayexec import StoreError, job
from rayexec.cli.main import app
from rayexec.cluster.home import home
from rayexec.store import (
    DirectoryRunStore,
    MemoryRunStore,
    RunRecord,
    default_store,
    is_default,
    register_store,
    store_at,
)


@job
def nothing() -> None:
    pass


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


def test_stores_with_the_same_runs_have_the_same_identity(tmp_path: Path) -> None:
    path = store_at(tmp_path / "a" / ".." / "runs")
    below = DirectoryRunStore("runs", fs.SubTreeFileSystem(str(tmp_path), fs.LocalFileSystem()))
    assert path.identity == store_at(f"file://{tmp_path}/runs").identity == below.identity
    assert path.identity == store_at(tmp_path / "runs/").identity
    others = [store_at(tmp_path / "others"), MemoryRunStore(), MemoryRunStore()]
    others += [DirectoryRunStore("runs", fs._MockFileSystem()) for _ in range(2)]
    assert len({each.identity for each in (path, *others)}) == 6


def test_a_store_is_added_by_its_scheme_from_outside(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    stores = {"noted://here": MemoryRunStore()}
    register_store("noted", stores.__getitem__)
    assert store_at("noted://here") is stores["noted://here"]
    monkeypatch.setenv("RAYEXEC_HOME", "noted://here")
    assert default_store() is stores["noted://here"]
    result = nothing.execute({"execution": {"config": {"in_process": {}}}})
    listed = CliRunner().invoke(app, ["run", "list", "--store", "noted://here"])
    assert result.run_id in listed.stdout
    register_store("loaded", "store_kinds:in_memory")
    assert store_at("loaded://x").identity == store_at("loaded://x").identity


def test_an_unknown_scheme_is_an_error() -> None:
    with pytest.raises(StoreError, match="nobody://knows is no place for a run store"):
        store_at("nobody://knows")
