"""Names of Dagster that only import: beside a job they do no harm, and a use says what to do."""

import copy
import pickle
from collections.abc import Callable
from types import ModuleType
from typing import Any

import beside_a_job as beside
import pytest

import rayexec as dg
from rayexec import DefinitionError, UnsupportedError, job, op
from rayexec.definitions.stand_ins.topics import ACTIONS, MIXINS, TOPIC_OF, TOPICS


@pytest.mark.parametrize("name", ["counting", "by_day", "by_letter", "on_own_executor"])
def test_a_job_beside_them_runs(name: str) -> None:
    assert getattr(beside, name).execute_in_process().output_for_node("one") == 1


@pytest.mark.parametrize("name", sorted(TOPIC_OF))
def test_each_name_imports_has_a_title_and_is_made_or_refused(name: str) -> None:
    scope: dict[str, Any] = {}
    exec(f"from rayexec import {name}", scope)
    value = scope[name]
    if name in ACTIONS:
        with pytest.raises(UnsupportedError, match=TOPIC_OF[name].title):
            value()
    elif isinstance(value, type):
        assert isinstance(value(), value)
        assert name in MIXINS or vars(dg)[name].something.further is not None
    else:
        assert name in repr(value("x"))


def test_no_name_is_twice_there() -> None:
    listed = [name for topic in TOPICS for name in topic.names]
    assert len(listed) == len(set(listed)) == len(TOPIC_OF)
    assert set(TOPIC_OF) >= ACTIONS | MIXINS


_USES: dict[str, tuple[Callable[[ModuleType], Any], str]] = {
    "asset": (lambda m: m.orders(None), "asset 'orders' was called"),
    "asset with settings": (lambda m: m.customers(None, 1), "asset 'customers' was called"),
    "multi_asset": (lambda m: m.pair(), "multi_asset 'pair' was called"),
    "asset job": (lambda m: m.asset_job.execute_in_process(), "execute_in_process was called"),
    "schedule": (lambda m: m.weekdays(None), "cron"),
    "schedule tick": (lambda m: m.every_day.evaluate_tick(None), "evaluate_tick was called"),
    "sensor": (lambda m: m.files(None), "sensor 'files' was called"),
    "failure sensor": (lambda m: m.alarm(None), "run_failure_sensor 'alarm' was called"),
    "config": (lambda m: m.day_config(1, 2), "partitions"),
    "partition": (
        lambda m: m.by_day.execute_in_process(partition_key="2024-01-01"),
        "partition_key= is for",
    ),
    "executor": (lambda m: m.on_own_executor.execute(), "executor 'own' is the executor of job"),
    "length": (lambda m: len(m.daily), "was asked for its length"),
    "materialize": (lambda m: dg.materialize([m.orders]), "materialize was called"),
    "context": (lambda m: dg.build_schedule_context(), "build_schedule_context was called"),
    "pipes": (lambda m: dg.open_pipes_session().__enter__(), "subprocess"),
    "with": (lambda m: m.pipes.__enter__(), "was entered by with"),
}


@pytest.mark.parametrize("use", _USES)
def test_a_use_says_what_it_is_and_what_to_do(use: str) -> None:
    call, message = _USES[use]
    with pytest.raises(UnsupportedError, match=message) as caught:
        call(beside)
    assert "rayexec" in str(caught.value)
    assert "does not have" in str(caught.value)


@pytest.mark.parametrize(
    "touch",
    [
        lambda: beside.daily.get_partition_keys(),
        lambda: list(beside.daily),
        lambda: dg.MaterializeResult(metadata={}),
        lambda: dg.RunRequest(),
        lambda: beside.pipes.run(command=["ls"]),
        lambda: beside.both["day"],
        lambda: beside.selected | "x",
    ],
)
def test_in_a_step_any_touch_is_a_use(touch: Callable[[], Any]) -> None:
    @op
    def touching() -> None:
        touch()

    @job
    def touches() -> None:
        touching()

    with pytest.raises(UnsupportedError, match="was used in a step: rayexec runs ops and jobs"):
        touches.execute_in_process()


def test_a_step_may_import_a_module_that_has_them(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "late_assets.py").write_text(
        "from rayexec import asset, DailyPartitionsDefinition\n"
        "@asset(partitions_def=DailyPartitionsDefinition('2024-01-01'))\n"
        "def late(): ...\n"
        "SIZE = 4\n"
    )
    monkeypatch.syspath_prepend(tmp_path)

    @op
    def importing() -> int:
        import late_assets  # type: ignore[import-not-found]

        size: int = late_assets.SIZE
        return size

    @job
    def imports() -> None:
        importing()

    assert imports.execute_in_process().output_for_node("importing") == 4


def test_they_know_their_kind_and_have_copies_and_pickles() -> None:
    assert isinstance(beside.own, dg.AssetSpec)
    assert beside.own.team == "data"
    assert not isinstance(beside.orders, dg.AssetSpec)
    assert dg.DefaultSensorStatus.RUNNING is dg.DefaultSensorStatus.RUNNING
    assert beside.asset_job.name == "asset_job"
    assert beside.orders.__name__ == "orders"
    assert beside.OwnComponent(table="t").table == "t"
    assert beside.OwnModel(size=3).size == 3
    for each in (beside.daily, beside.asset_job, beside.orders, dg.AssetCheckSeverity.ERROR):
        assert repr(copy.deepcopy(each)) == repr(pickle.loads(pickle.dumps(each))) == repr(each)


@pytest.mark.parametrize("name", ["AssetExecutionContext", "AssetCheckExecutionContext"])
def test_the_context_of_an_asset_is_refused_for_an_op_that_runs(name: str) -> None:
    annotation = getattr(dg, name)

    def given(ctx: Any) -> int:
        return 1

    given.__annotations__["ctx"] = annotation
    annotated = op(given)  # a graph-backed asset may have such ops, so that the file imports

    @job
    def annotated_job() -> None:
        annotated()

    result = annotated_job.execute_in_process(raise_on_error=False)
    assert not result.success
    with pytest.raises(DefinitionError, match="annotate it with OpExecutionContext"):
        annotated_job.execute_in_process()


def test_a_star_import_has_all_of_them() -> None:
    scope: dict[str, Any] = {}
    exec("from rayexec import *", scope)
    assert set(TOPIC_OF) <= set(scope) & set(dir(dg))


def test_an_asset_in_the_body_of_a_graph_imports_and_its_step_says_so() -> None:
    def _users() -> int:
        return 1

    users = dg.asset(name="users")(_users)

    @dg.op
    def count(rows: Any) -> int:
        return len(rows)

    @dg.op
    def beside() -> str:
        return "ran"

    @dg.job
    def mixed() -> None:
        count(users())
        count.alias("of_a_source")(users.to_source_asset())
        count.alias("again")(rows=users())
        beside()

    result = mixed.execute_in_process(raise_on_error=False)
    assert result.output_for_node("beside") == "ran"
    failed = {event.step_key for event in result.get_step_failure_events()}
    assert failed == {"users", "users_2", "asset_to_source_asset"}
    failure = result.failure_data_for_node("users")
    assert failure is not None
    assert "asset 'users' is in a graph: rayexec runs ops and jobs" in str(failure.error)
