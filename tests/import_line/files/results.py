from dagster import DagsterEventType, DynamicOut, DynamicOutput, graph, job, op


@op
def first():
    return 1


@op(out=DynamicOut())
def spread(n):
    yield DynamicOutput(n, "a")
    yield DynamicOutput(n + 1, "b")


@op
def maybe(n):
    if n > 1:
        raise ValueError("too large")
    return n


@op
def last(x):
    return x


@graph
def inner(n):
    return last.alias("inside")(n)


@job
def results_job():
    n = first()
    spread(n).map(maybe)
    last(inner(n))


def observe():
    result = results_job.execute_in_process(raise_on_error=False)
    return {
        "success": result.success,
        "mapped": [result.is_node_success("maybe"), result.is_node_failed("maybe")],
        "graph": [result.is_node_success("inner"), result.is_node_success("inner.inside")],
        "outputs": result.output_for_node("spread"),
        "events": [e.event_type_value for e in result.events_for_node("first")],
        "types": len(result.filter_events(lambda e: e.event_type == DagsterEventType.STEP_SUCCESS)),
        "failed": sorted(e.step_key for e in result.get_step_failure_events()),
        "retries": result.retry_attempts_for_node("first"),
        "job": result.job_def.name,
        "run": result.dagster_run.job_name,
        "end": result.all_events[-1].event_type_value,
    }
