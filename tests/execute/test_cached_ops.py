"""Cached ops: reuse of the outputs of an earlier run, and its conditions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cached_runs
import pytest
from cached_runs import Calls, Run

from rayexec import (
    Config,
    DefinitionError,
    In,
    Nothing,
    Out,
    Output,
    job,
    op,
    resource,
    success_hook,
)
from rayexec.store import DirectoryRunStore

calls = cached_runs.calls
run = cached_runs.run


class By(Config):
    by: int = 2


def test_a_step_with_the_same_inputs_has_what_the_earlier_run_yielded(
    run: Run, calls: Calls
) -> None:
    @op
    def start() -> int:
        return 3

    @op(cache=True, code_version="1")
    def double(n: int) -> int:
        calls.add("double")
        return n * 2

    @op
    def after(n: int) -> int:
        return n + 1

    @job
    def doubling() -> None:
        after(double(start()))

    first, second = run(doubling), run(doubling)
    assert calls.drain() == ["double"]
    for result in (first, second):
        assert result.success
        assert result.output_for_node("after") == 7
    assert first.reused == {}
    ((key, origin),) = second.reused.items()
    assert (key, origin.run_id, origin.step_key) == ("double", first.run_id, "double")
    (event,) = [each for each in second.all_events if "Reused" in each.message]
    assert event.step_key == "double"
    assert event.event_specific_data == {"reused_run_id": first.run_id, "reused_step_key": "double"}
    kinds = [each.event_type_value for each in second.all_events if each.step_key == "double"]
    assert kinds == [
        "STEP_START",
        "ENGINE_EVENT",
        "LOADED_INPUT",
        "STEP_INPUT",
        "STEP_OUTPUT",
        "HANDLED_OUTPUT",
        "STEP_SUCCESS",
    ]


def test_each_thing_that_outputs_depend_on_counts(run: Run, calls: Calls) -> None:
    def make(version: str = "1", outs: Any = None) -> Any:
        @op(cache=True, code_version=version, out=outs)
        def times(values: Any, config: By, more: int = 1) -> Any:
            calls.add("times")
            return sum(values) * config.by * more

        return times

    def over(*values: Any, times: Any = None) -> Any:
        @op
        def given() -> Any:
            return values

        times = times or make()

        @job
        def multiplying() -> None:
            times(given())

        return multiplying

    def is_run(job: Any, config: Any = None) -> bool:
        assert run(job, config).success
        return calls.drain() == ["times"]

    assert is_run(over(1, 2))
    assert not is_run(over(1, 2))
    assert is_run(over(1, 3))
    assert is_run(over(1, 2.0))
    by_three = {"ops": {"times": {"config": {"by": 3}}}}
    assert is_run(over(1, 2), by_three)
    assert not is_run(over(1, 2), by_three)
    assert not is_run(
        over(1, 2), {"ops": {"times": {"config": {"by": 2}}}}
    )  # what is left out is its default
    assert is_run(over(1, 2, times=make("2")))
    assert is_run(over(1, 2, times=make(outs={"other": Out()})))
    assert not is_run(over(1, 2, times=make().alias("renamed")))
    assert is_run(over(1, 2, times=make().configured({"by": 2}, name="another")))


def test_ops_of_the_same_name_in_other_places_are_others(run: Run) -> None:
    def here() -> Any:
        @op(name="load", cache=True, code_version="1")
        def load() -> str:
            return "here"

        return load

    def there() -> Any:
        @op(name="load", cache=True, code_version="1")
        def load() -> str:
            return "there"

        return load

    for make, value in ((here, "here"), (there, "there"), (here, "here")):
        load = make()

        @job
        def loading() -> None:
            load()  # noqa: B023  # the body runs at once

        assert run(loading).output_for_node("load") == value


def test_defaults_and_fan_ins_count_by_their_values_and_nothing_does_not(
    run: Run, calls: Calls
) -> None:
    @op(cache=True, code_version="1", ins={"before": In(Nothing)})
    def total(values: list[int], extra: int = 5) -> int:
        calls.add("total")
        return sum(values) + extra

    @op
    def wait() -> None:
        pass

    @op
    def one() -> int:
        return 1

    @op
    def two() -> int:
        return 2

    @op
    def five() -> int:
        return 5

    @job
    def by_default() -> None:
        total([one(), two()])

    @job
    def given_all() -> None:
        total([one(), two()], five(), before=wait())

    @job
    def turned() -> None:
        total([two(), one()])

    for summing, is_run in ((by_default, True), (given_all, False), (turned, True)):
        assert run(summing).output_for_node("total") == 8
        assert calls.drain() == (["total"] if is_run else []), summing.name


def test_a_step_that_fails_keeps_nothing_and_a_retry_that_succeeds_does(
    run: Run, calls: Calls, tmp_path: Path
) -> None:
    @op(cache=True, code_version="1", out={"a": Out(), "b": Out()})
    def flaky(context: Any) -> Any:
        calls.add("flaky")
        yield Output("early", "a")
        if not (tmp_path / "mended").exists():
            raise ValueError("broken")
        yield Output("late", "b")

    @job
    def trying() -> None:
        flaky()

    for _ in range(2):
        assert not run(trying).success
    assert calls.drain() == ["flaky", "flaky"]
    assert DirectoryRunStore(tmp_path / "store").cache().list() == []
    (tmp_path / "mended").touch()
    for _ in range(2):
        result = run(trying)
        assert (result.output_for_node("flaky", "a"), result.output_for_node("flaky", "b")) == (
            "early",
            "late",
        )
    assert calls.drain() == ["flaky"]


def test_neither_hooks_nor_resources_are_needed_where_nothing_runs(run: Run, calls: Calls) -> None:
    @resource(scope="step")
    def connection() -> str:
        calls.add("opened")
        return "open"

    @success_hook
    def tell(context: Any) -> None:
        calls.add("told")

    @op(cache=True, code_version="1", required_resource_keys={"connection"})
    def ask(context: Any) -> str:
        return str(context.resources.connection)

    @job(resource_defs={"connection": connection}, hooks={tell})
    def asking() -> None:
        ask()

    assert run(asking).output_for_node("ask") == "open"
    assert calls.drain() == ["opened", "told"]
    assert run(asking).output_for_node("ask") == "open"
    assert calls.drain() == []


def test_reuse_can_be_switched_off_and_what_is_made_then_takes_the_old_ones_place(
    run: Run, calls: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    @op(cache=True, code_version="1")
    def count() -> str:
        calls.add("count")
        return "done"

    @job
    def counting() -> None:
        count()

    assert run(counting).reused == {}
    assert run(counting, cache=False).reused == {}
    third = run(counting, engine={"cache": False})
    assert third.reused == {}
    assert calls.drain() == ["count"] * 3
    assert run(counting).reused["count"].run_id == third.run_id
    assert run(counting, engine={"cache": False}, cache=True).reused["count"].run_id == third.run_id
    monkeypatch.setenv("RAYEXEC_CACHE", "0")
    assert run(counting).reused == {}
    assert calls.drain() == ["count"]


def test_runs_that_are_not_recorded_reuse_nothing(
    run: Run, calls: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    @op(cache=True, code_version="1")
    def count() -> None:
        calls.add("count")

    @job
    def counting() -> None:
        count()

    run(counting)
    run(counting, store=False)
    counting.execute_in_process()
    monkeypatch.setenv("RAYEXEC_RECORD", "0")
    run(counting, store=None)
    assert calls.drain() == ["count"] * 4


def test_a_run_without_cached_ops_has_no_memory_and_keeps_the_short_way(
    ray_session: None, tmp_path: Path
) -> None:
    @op(code_version="1")
    def count() -> None:
        pass

    @job
    def counting() -> None:
        count()

    for engine in ("in_process", "ray"):
        result = counting.execute({"execution": {"config": {engine: {}}}}, store=tmp_path)
        assert result.success
        assert result._spec.run_cache is None
    assert not (tmp_path / "cache").exists()


def test_a_cached_op_needs_a_code_version() -> None:
    with pytest.raises(
        DefinitionError,
        match=r"op 'count': cache=True needs a code_version.*cannot be compared safely",
    ):

        @op(cache=True)
        def count() -> None:
            pass

    def count_all() -> None:
        pass

    wrong: Any
    for wrong in (1, ""):
        with pytest.raises(DefinitionError, match="code_version must be a string"):
            op(code_version=wrong)(count_all)
    wrong = "yes"
    with pytest.raises(DefinitionError, match="cache must be True or False"):
        op(code_version="1", cache=wrong)(count_all)
