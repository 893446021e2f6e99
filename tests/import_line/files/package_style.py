import dagster as dg


class Settings(dg.Config):
    n: int = 2


@dg.op(out=dg.DynamicOut(dg.Int))
def spread(config: Settings):
    for i in range(config.n):
        yield dg.DynamicOutput(i, mapping_key=f"k{i}")


@dg.op(ins={"x": dg.In(dg.Int)}, retry_policy=dg.RetryPolicy(max_retries=1))
def double(context: dg.OpExecutionContext, x) -> int:
    context.log.info(context.get_mapping_key())
    return x * 2


@dg.op
def gather(values: list[int]) -> int:
    return sum(values)


@dg.job(executor_def=dg.in_process_executor, tags={"a": "b"})
def spread_job():
    gather(spread().map(double).collect())


@dg.schedule(cron_schedule="* * * * *", target=spread_job)
def every_minute(context: dg.ScheduleEvaluationContext):
    return dg.RunRequest(run_key=None)


@dg.sensor(target=spread_job)
def watching(context: dg.SensorEvaluationContext):
    yield dg.SkipReason("nothing")


defs = dg.Definitions(jobs=[spread_job], schedules=[every_minute], sensors=[watching])
