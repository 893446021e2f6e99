from dagster import Backoff, Failure, Jitter, MetadataValue, RetryPolicy, RetryRequested, job, op

CALLS = {"flaky": 0, "asks": 0}


@op(
    retry_policy=RetryPolicy(max_retries=2, delay=0.001, backoff=Backoff.LINEAR, jitter=Jitter.FULL)
)
def flaky():
    CALLS["flaky"] += 1
    if CALLS["flaky"] < 3:
        raise ValueError("not yet")
    return CALLS["flaky"]


@op
def asks(context):
    if context.retry_number < 1:
        raise RetryRequested(max_retries=3)
    return context.retry_number


@op
def asks_forever():
    try:
        raise KeyError("cause")
    except KeyError as error:
        raise RetryRequested(max_retries=1) from error


@op(retry_policy=RetryPolicy(max_retries=3))
def gives_up():
    raise Failure("no use", metadata={"code": MetadataValue.int(7)}, allow_retries=False)


@op(retry_policy=RetryPolicy(max_retries=1))
def wrong_type() -> int:
    return "text"


@job
def flaky_job():
    flaky()


@job
def asking_job():
    asks()


@job
def asking_forever_job():
    asks_forever()


@job(op_retry_policy=RetryPolicy(max_retries=1))
def giving_up_job():
    gives_up()


@job
def wrong_type_job():
    wrong_type()
