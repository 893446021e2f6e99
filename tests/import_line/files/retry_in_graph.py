from dagster import RetryPolicy, RetryRequested, graph, job, op

TRIES = {}


def fail_times(context, times):
    key = context.op.name
    TRIES[key] = TRIES.get(key, 0) + 1
    if TRIES[key] <= times:
        raise ConnectionError(f"try {TRIES[key]}")
    return TRIES[key]


@op
def once(context):
    return fail_times(context, 1)


@op(retry_policy=RetryPolicy(max_retries=1))
def twice(context):
    return fail_times(context, 2)


@op
def requests(context):
    try:
        return fail_times(context, 1)
    except ConnectionError as error:
        raise RetryRequested(max_retries=2, seconds_to_wait=0) from error


@graph
def inside():
    return once()


job_with_policy = inside.to_job(name="job_with_policy", op_retry_policy=RetryPolicy(max_retries=2))


@job
def own_policies():
    twice()
    once.alias("with_policy").with_retry_policy(RetryPolicy(max_retries=1))()
    once.alias("without")()
    requests()


def observe():
    return TRIES
