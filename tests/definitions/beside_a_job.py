# mypy: disable-error-code="untyped-decorator,misc,no-untyped-def,empty-body,no-untyped-call"
"""A job among assets, partitions, schedules and sensors, as files for Dagster have them.

Everything here but the job only imports. Tests import this file and run the job.
"""

from abc import ABC
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Optional

from pydantic import BaseModel

import rayexec as dg
from rayexec import (
    AssetExecutionContext,
    AssetIn,
    AssetSelection,
    AutomationCondition,
    DailyPartitionsDefinition,
    DefaultScheduleStatus,
    DefaultSensorStatus,
    MaterializeResult,
    RunRequest,
    ScheduleDefinition,
    SkipReason,
    asset,
    asset_check,
    build_schedule_from_partitioned_job,
    daily_partitioned_config,
    define_asset_job,
    job,
    load_assets_from_modules,
    multi_asset,
    op,
    run_failure_sensor,
    schedule,
    sensor,
)

daily = DailyPartitionsDefinition(start_date="2024-01-01")
both = dg.MultiPartitionsDefinition({"day": daily, "color": dg.StaticPartitionsDefinition(["red"])})
first_days = [str(key) for key in daily.get_partition_keys()[:3]]


@op
def one() -> int:
    return 1


@job
def counting():
    one()


@job(partitions_def=daily)
def by_day() -> None:
    one()


@job(config=dg.static_partitioned_config(["a", "b"])(lambda key: {"ops": {}}))
def by_letter() -> None:
    one()


@asset
def orders(context: AssetExecutionContext) -> MaterializeResult:
    return MaterializeResult(metadata={"rows": 3})


@asset(
    ins={"orders": AssetIn(key="orders")},
    partitions_def=daily,
    automation_condition=AutomationCondition.eager() & ~AutomationCondition.in_progress(),
    check_specs=[dg.AssetCheckSpec("fresh", asset="customers")],
    backfill_policy=dg.BackfillPolicy.single_run(),
    retry_policy=dg.RetryPolicy(max_retries=2),
)
def customers(context: AssetExecutionContext, orders: Any) -> Iterator[dg.AssetCheckResult]:
    yield dg.AssetCheckResult(passed=True, severity=dg.AssetCheckSeverity.WARN)


@multi_asset(outs={"a": dg.AssetOut(), "b": dg.AssetOut(is_required=False)}, can_subset=True)
def pair() -> tuple[int, int]:
    return 1, 2


@asset_check(asset=orders, blocking=True)
def filled() -> dg.AssetCheckResult: ...


@dg.graph_asset
def built() -> Any:
    return one()


raw = dg.SourceAsset(key="raw", group_name="lake")
spec = dg.AssetSpec("external", deps=[orders, dg.AssetDep("raw")]).replace_attributes(owners=[])
others = [*load_assets_from_modules([dg]), raw]
more = load_assets_from_modules([dg], group_name="x") + others
even_more = others + dg.load_assets_from_package_name("some.package")
selected = (AssetSelection.all() - AssetSelection.groups("x")) | AssetSelection.assets(orders)
selected = selected.upstream() & "tag:a=b" | AssetSelection.keys(["a", "b"])
asset_job = define_asset_job("asset_job", selection=selected, partitions_def=daily)

every_day = ScheduleDefinition(
    job=counting, cron_schedule="0 0 * * *", default_status=DefaultScheduleStatus.RUNNING
)
asset_schedule = build_schedule_from_partitioned_job(asset_job, hour_of_day=3)


@daily_partitioned_config(start_date="2024-01-01")
def day_config(start: Any, _end: Any) -> dict[str, Any]:
    return {"ops": {"one": {"config": {"day": start.strftime("%Y-%m-%d")}}}}


@schedule(job=asset_job, cron_schedule="0 6 * * 1-5", execution_timezone="Europe/Berlin")
def weekdays(context: dg.ScheduleEvaluationContext) -> RunRequest | SkipReason:
    return RunRequest(run_key=context.scheduled_execution_time.isoformat())


@sensor(job=counting, minimum_interval_seconds=30, default_status=DefaultSensorStatus.STOPPED)
def files(context: dg.SensorEvaluationContext) -> Iterator[RunRequest | SkipReason]:
    yield SkipReason("no files")


@run_failure_sensor
def alarm(context: dg.RunFailureSensorContext) -> None: ...


@dg.run_status_sensor(run_status=dg.DefaultSensorStatus.RUNNING)
def watch(context: dg.RunStatusSensorContext) -> None: ...


class OwnSpec(dg.AssetSpec):
    def __init__(self, key: str, team: str) -> None:
        super().__init__(key, owners=[team])
        self.team = team


class OwnMapping(dg.PartitionMapping, ABC):
    @property
    def description(self) -> str:
        return "mine"


@dataclass
class OwnComponent(dg.Component, dg.Resolvable):
    table: str
    schedule: Optional[dg.AutomationCondition] = None  # noqa: UP045

    def build_defs(self, context: dg.ComponentLoadContext) -> Any: ...


class OwnModel(dg.Component, BaseModel):
    size: int


class Client(dg.PipesClient[str]):  # type: ignore[type-arg]
    def run(self, *, context: AssetExecutionContext) -> dg.PipesClientCompletedInvocation: ...


own = OwnSpec("mine", team="data")
pipes = dg.PipesSubprocessClient(message_reader=dg.PipesTempFileMessageReader())


@dg.executor(name="own", requirements=dg.multiple_process_executor_requirements())
def own_executor(init: dg.InitExecutorContext) -> dg.Executor: ...


@job(executor_def=own_executor)
def on_own_executor() -> None:
    one()
