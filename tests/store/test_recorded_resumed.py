"""Resuming runs of the recorded store, and reusing its cached outputs."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import recorded_runs
from recorded import recorded_jobs, stored_values
from recorded.facts import command
from recorded_runs import (
    ENGINES,
    FLOW_VALUES,
    LARGE,
    RECORDED,
    SELECTED,
    WAITING,
    Mended,
    execution,
    is_same,
    judged,
    needs_ray,
)

from rayexec import (
    FilesystemIOManager,
    InvariantError,
    MetadataValue,
    ReexecutionOptions,
    RunResult,
    execute_job,
)

mended = recorded_runs.mended
store = recorded_runs.store


@pytest.mark.parametrize("engine", ["its own", *ENGINES])
@pytest.mark.parametrize("run_id", ["failing-in-process", "failing-ray", "failing-again"])
def test_a_failed_run_is_resumed(
    request: pytest.FixtureRequest, store: Path, mended: Mended, run_id: str, engine: str
) -> None:
    size = 8 if run_id == "failing-in-process" else LARGE
    needs_ray(request, "ray" if engine == "its own" and size == LARGE else engine)
    with execute_job(
        recorded_jobs.failing,
        # Its own config has words of the old version.
        None
        if engine == "its own"
        else {"ops": {"load": {"config": {"size": size}}}, **execution(engine)},
        store=store,
        resources=mended.resources("notes", "files"),
        reexecution_options=ReexecutionOptions.from_failure(run_id),
    ) as result:
        assert result.success
        assert mended.ran() == ["check[k1]", "judge", "refuse"]
        assert is_same(result.output_for_node("judge"), judged(size))
        assert {origin.run_id for origin in result.reused.values()} == {run_id}
        assert result.counts() == {
            "succeeded": 3,
            "reused": 9,
            "failed": 0,
            "skipped": 0,
            "not run": 0,
        }
        assert result.dagster_run.tags["dagster/parent_run_id"] == run_id
        loaded = [
            each
            for each in result.events_for_node("judge")
            if each.event_type_value == "LOADED_INPUT"
        ]
        managers = {each.loaded_input_data.given_key for each in loaded}
        assert managers == {None, "files", "reader"}, (
            "values that an IO manager stored are loaded by it"
        )


@pytest.mark.parametrize("run_id", ["failing-ray", "failing-again"])
def test_a_failed_run_is_resumed_by_the_command(
    store: Path, mended: Mended, tmp_path: Path, run_id: str
) -> None:
    config = {
        "ops": {"load": {"config": {"size": LARGE}}},
        "resources": mended.config,
        "execution": {"config": {"in_process": {}}},
    }
    (tmp_path / "run.yaml").write_text(json.dumps(config))
    given = [
        "-m",
        "recorded.recorded_jobs",
        "-c",
        str(tmp_path / "run.yaml"),
        "--store",
        str(store),
        "--run-id",
        "on",
    ]
    ended = subprocess.run(
        [sys.executable, "-m", "rayexec", "run", "resume", run_id, *given, "--json"],
        cwd=RECORDED.parent,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    assert mended.ran() == ["check[k1]", "judge", "refuse"]
    assert json.loads(ended.stdout)["status"] == "SUCCESS"
    code, printed = command("run", "show", "on", "--store", str(store), "--json")
    assert code == 0
    shown = json.loads(printed)
    assert (shown["parent_run_id"], shown["root_run_id"]) == (run_id, "failing-ray")
    assert (shown["steps"]["succeeded"], shown["steps"]["reused"]) == (3, 9)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("run_id", WAITING)
def test_a_run_that_was_canceled_or_killed_is_resumed(
    request: pytest.FixtureRequest, store: Path, mended: Mended, run_id: str, engine: str
) -> None:
    needs_ray(request, engine)

    def resume(*, is_forced: bool) -> RunResult:
        return execute_job(
            recorded_jobs.waiting,
            {**execution(engine), "resources": {"notes": mended.config["notes"]}},
            store=store,
            reexecution_options=ReexecutionOptions.from_failure(run_id, is_forced=is_forced),
        )

    is_killed = run_id == "killed-ray"
    if is_killed:  # by a driver of another host, which cannot be asked
        with pytest.raises(InvariantError, match="still runs"):
            resume(is_forced=False)
    with resume(is_forced=is_killed) as result:
        assert result.success
        assert result.output_for_node("wait") == 28
    assert mended.ran() == ["wait"]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("run_id", ["flow-in-process", "flow-ray"])
def test_steps_of_a_durable_run_are_run_again_on_what_it_stored(
    request: pytest.FixtureRequest, store: Path, mended: Mended, run_id: str, engine: str
) -> None:
    needs_ray(request, engine)
    with execute_job(
        recorded_jobs.flow,
        execution(engine),
        store=store,
        resources=mended.resources("notes", "files"),
        reexecution_options=ReexecutionOptions(run_id, SELECTED),
    ) as result:
        assert result.success
        assert {key for key in result.reused if key in FLOW_VALUES} >= {
            "load",
            "months[2001]",
            "inner.total",
        }
        assert {each.step_key for each in result.get_step_success_events()} == {*SELECTED}
        assert result.output_for_node("add_all") == 28
        assert result.output_for_node("inner.label") == "28 in all"
        assert result.output_for_node("read").tolist() == [1, 2, 3, 4]
    assert mended.ran() == []


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(("size", "origin"), [(8, "caching-in-process"), (LARGE, "caching-ray")])
def test_cached_ops_reuse_what_was_recorded(
    request: pytest.FixtureRequest, store: Path, mended: Mended, size: int, origin: str, engine: str
) -> None:
    needs_ray(request, engine)
    with execute_job(
        recorded_jobs.caching,
        {"ops": {"load": {"config": {"size": size}}}, **execution(engine)},
        store=store,
        resources=mended.resources("notes"),
    ) as result:
        assert result.success
        assert mended.ran() == ["load", "use"]
        first = "caching-in-process"  # It ran the ops without a size first.
        assert {key: (each.run_id, each.step_key) for key, each in result.reused.items()} == {
            **{key: (origin, key) for key in ("grow", "detail", "pieces")},
            **{key: (first, key) for key in ("lend", "accept")},
        }
        assert is_same(result.output_for_node("grow"), stored_values.large(size) * 2)
        assert is_same(result.output_for_node("lend"), stored_values.public_values())
        reading = recorded_jobs.Reading("cached", (0, 2))
        assert is_same(result.output_for_node("use"), (size * (size - 1), reading, [0, 2, 4], 9))
        (reuse,) = [
            each
            for each in result.all_events
            if (each.step_key, each.event_type_value) == ("detail", "ENGINE_EVENT")
        ]
        assert reuse.event_specific_data == {"reused_run_id": origin, "reused_step_key": "detail"}
        (made,) = [each for each in result.events_for_node("detail") if each.is_successful_output]
        assert made.step_output_data.metadata == {
            "note": MetadataValue.md("*kept*"),
            "n": MetadataValue.int(2),
        }


def test_a_cached_op_reuses_what_an_io_manager_stored(
    store: Path, mended: Mended, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(store)  # The relative directory of the manager is a part of the entry's key.
    resources = {**mended.resources("notes"), "files": FilesystemIOManager(base_dir="files")}
    with execute_job(
        recorded_jobs.caching_files, execution("in_process"), store=store, resources=resources
    ) as result:
        assert result.success
        assert mended.ran() == ["fetch", "load"]
        assert [(key, each.run_id) for key, each in result.reused.items()] == [
            ("put", "caching-files")
        ]
        assert result.output_for_node("fetch") == [0, 1, 2, 3]
