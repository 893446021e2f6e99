from dagster import OpExecutionContext, job, op


@op(config_schema={"name": str}, tags={"a": "b"})
def inspect(context: OpExecutionContext):
    return {
        "op_config": context.op_config,
        "job_name": context.job_name,
        "op": context.op.name,
        "def": context.op_def.name,
        "handle": str(context.op_handle),
        "retry": context.retry_number,
        "has": context.has_tag("run"),
        "tag": context.get_tag("run"),
        "tags": {k: v for k, v in context.run_tags.items() if not k.startswith((".", "dagster"))},
        "partition": context.has_partition_key,
        "run": context.run.job_name,
        "ids": context.run_id == context.run.run_id,
        "outputs": sorted(context.selected_output_names),
    }


@job(tags={"run": "yes"})
def inspected():
    inspect()


RUNS = {
    "one": {
        "job": "inspected",
        "tags": {"more": "1"},
        "run_config": {"ops": {"inspect": {"config": {"name": "x"}}}},
    }
}
