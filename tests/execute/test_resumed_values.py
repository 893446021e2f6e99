"""Values of an earlier run in a resumed run: stored, lost, loaded by managers, or made again."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
import resumed_jobs
from resumed_jobs import IN_PROCESS, Ran, Run

from rayexec import (
    FilesystemIOManager,
    JobDefinition,
    Out,
    ReexecutionOptions,
    execute_job,
    job,
    op,
)
from rayexec.store import DirectoryRunStore, RunStore

ran = resumed_jobs.ran
run = resumed_jobs.run
store = resumed_jobs.store


def test_what_io_managers_stored_is_loaded_by_them(
    run: Run, store: RunStore, ran: Ran, tmp_path: Path
) -> None:
    @op(out=Out(io_manager_key="files"))
    def load() -> int:
        ran.note("load")
        return 4

    @op(out=Out(io_manager_key="files"))
    def double(value: int) -> int:
        ran.note("double")
        ran.check()
        return 2 * value

    @job(resource_defs={"files": FilesystemIOManager(base_dir=str(tmp_path / "io"))})
    def stored() -> None:
        double(load())

    first = run(stored, store)
    assert ran.drain() == ["double", "load"]
    result = run(stored, store, reexecution_options=ReexecutionOptions.from_failure(first.run_id))
    assert ran.drain() == ["double"]
    assert (result.output_for_node("double"), result.output_for_node("load")) == (8, 4)


def test_values_that_are_not_kept_are_made_again_unless_the_op_refuses(
    run: Run, ran: Ran, tmp_path: Path
) -> None:
    store = DirectoryRunStore(tmp_path / "store")

    def make(rerun: bool) -> JobDefinition:
        @op(rerun_on_loss=rerun)
        def load() -> int:
            ran.note("load")
            return 1

        @op
        def save(value: int) -> int:
            ran.note("save")
            ran.check()
            return value

        @job
        def losing() -> None:
            save(load())

        return losing

    for rerun in (True, False):
        ran.trouble.touch()
        first = run(make(rerun), store)
        ran.drain()
        for file in (tmp_path / f"store/runs/{first.run_id}/values").iterdir():
            file.unlink()
        result = run(
            make(rerun), store, reexecution_options=ReexecutionOptions.from_failure(first.run_id)
        )
        if rerun:
            assert ran.drain() == ["load", "save"]
            assert result.success
            message = (
                'The outputs of step "load" are not stored, and step "save" needs them: '
                "it runs again."
            )
            assert message in [event.message for event in result.all_events]
        else:
            assert ran.drain() == []
            failure = result.failure_data_for_node("save")
            assert failure is not None
            assert (
                "whose outputs the earlier run did not store, and which must not run again"
                in failure.root.message
            )


def test_a_value_that_cannot_be_pickled_is_made_again(ran: Ran, store: RunStore) -> None:
    @op
    def lock() -> Any:
        ran.note("lock")
        return threading.Lock()

    @op
    def use(held: Any) -> int:
        ran.note("use")
        ran.check()
        return 1

    @job
    def locked() -> None:
        use(lock())

    first = execute_job(locked, IN_PROCESS, store=store)
    ran.drain()
    messages = [event.message for event in first.all_events if "not stored" in event.message]
    assert len(messages) == 1
    assert 'output "result" of step "lock" is not stored for a resumed run' in messages[0]
    result = execute_job(
        locked, store=store, reexecution_options=ReexecutionOptions.from_failure(first.run_id)
    )
    assert ran.drain() == ["lock", "use"]
    assert result.success


def test_durable_ops_store_what_they_yield_and_others_do_not(
    run: Run, ran: Ran, tmp_path: Path
) -> None:
    store = DirectoryRunStore(tmp_path / "store")

    @op(durable=True)
    def one() -> int:
        return 1

    @op
    def two(value: int) -> int:
        return value + 1

    @job
    def partly() -> None:
        two(one())

    result = run(partly, store)
    assert store.values(result.run_id).committed().keys() == {"one"}
    config = {"execution": {"config": {"ray": {"durable": True}}}}
    if result.dagster_run.run_config == {}:
        result = execute_job(partly, config, store=store)
        assert store.values(result.run_id).committed().keys() == {"one", "two"}


def test_a_step_whose_outputs_cannot_be_stored_fails(run: Run, ran: Ran, tmp_path: Path) -> None:
    store = DirectoryRunStore(tmp_path / "store")

    @op(durable=True)
    def one() -> int:
        (tmp_path / "store/runs/r/values").write_text("in the way")
        return 1

    @op
    def two(value: int) -> int:
        ran.note("two")
        return value

    @job
    def blocked() -> None:
        two(one())

    result = run(blocked, store, run_id="r")
    assert result.get_failed_step_keys() == {"one"}
    failure = result.failure_data_for_node("one")
    assert failure is not None
    assert failure.root.cls_name == "StoreError"
    assert "values cannot be stored in" in failure.root.message
    assert ran.drain() == []


def test_a_list_is_never_short_of_what_was_not_kept(run: Run, ran: Ran, tmp_path: Path) -> None:
    store = DirectoryRunStore(tmp_path / "store")

    @op(rerun_on_loss=False)
    def pay() -> int:
        ran.note("pay")
        return 100

    @op
    def free() -> int:
        return 1

    @op
    def total(values: list[int]) -> int:
        ran.check()
        return sum(values)

    @job
    def paying() -> None:
        total([pay(), free()])

    first = run(paying, store)
    for file in (tmp_path / f"store/runs/{first.run_id}/values").iterdir():
        file.unlink()
    ran.drain()
    result = run(paying, store, reexecution_options=ReexecutionOptions.from_failure(first.run_id))
    assert result.get_failed_step_keys() == {"total"}
    assert ran.drain() == []
    failure = result.failure_data_for_node("total")
    assert failure is not None
    assert failure.root.message.startswith(
        "it reads from ['pay'], whose outputs the earlier run did not store"
    )


def test_what_an_io_manager_stored_that_is_gone_is_made_again(
    run: Run, ran: Ran, tmp_path: Path
) -> None:
    store = DirectoryRunStore(tmp_path / "store")

    def make(manager: str | None) -> JobDefinition:
        @op(out=Out() if manager is None else Out(io_manager_key=manager))
        def load() -> int:
            ran.note("load")
            return 4

        @op
        def double(value: int) -> int:
            ran.check()
            return 2 * value

        files = FilesystemIOManager(base_dir=str(tmp_path / "io"))

        @job(resource_defs={} if manager is None else {manager: files})
        def managed() -> None:
            double(load())

        return managed

    first = run(make("old"), store)
    ran.drain()
    for manager in (None, "new"):
        result = run(
            make(manager), store, reexecution_options=ReexecutionOptions(first.run_id, ("double",))
        )
        assert ran.drain() == ["load"]
        assert result.output_for_node("double") == 8


def test_values_of_classes_of_functions_are_made_again(run: Run, ran: Ran, tmp_path: Path) -> None:
    store = DirectoryRunStore(tmp_path / "store")

    def make() -> JobDefinition:
        class Point:
            x = 1

        @op
        def point() -> Any:
            ran.note("point")
            return Point()

        @op
        def use(given: Any) -> bool:
            ran.check()
            return type(given).__qualname__ == Point.__qualname__

        @job
        def points() -> None:
            use(point())

        return points

    for durable in (False, True):
        ran.trouble.touch()
        first = run(make(), store, durable=durable)
        ran.drain()
        result = run(
            make(), store, reexecution_options=ReexecutionOptions.from_failure(first.run_id)
        )
        assert ran.drain() == ["point"]
        assert result.output_for_node("use") is True


def test_arrays_in_this_process_are_as_writable_as_they_were(ran: Ran, tmp_path: Path) -> None:
    store = DirectoryRunStore(tmp_path / "store")

    @op
    def load() -> Any:
        return np.zeros(100_000)

    @op
    def add(array: Any) -> float:
        ran.check()
        array += 1
        return float(array.sum())

    @job
    def adding() -> None:
        add(load())

    first = execute_job(adding, IN_PROCESS, store=store)
    ran.drain()
    result = execute_job(
        adding, store=store, reexecution_options=ReexecutionOptions.from_failure(first.run_id)
    )
    assert result.output_for_node("add") == 100_000
