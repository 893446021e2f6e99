from dagster import Failure, MetadataValue, Out, Output, job, op


@op
def fails():
    raise Failure(description="no data", metadata={"url": MetadataValue.url("http://x")})


@op
def after(x):
    return x


@op
def independent():
    return "ran"


@op(out={"a": Out(), "b": Out()})
def half_done():
    yield Output(1, "a")
    raise RuntimeError("half")


@op
def missing_output() -> int:
    yield Output(1)
    yield Output(2)


@op
def unexpected_name():
    yield Output(1, "nope")


@op
def none_yielded():
    if False:
        yield Output(1)


@job
def failing():
    after(fails())
    independent()
    a, b = half_done()
    after.alias("after_a")(a)
    after.alias("after_b")(b)


@job
def twice():
    missing_output()


@job
def wrong_name():
    unexpected_name()


@job
def nothing_yielded():
    none_yielded()


def observe():
    result = failing.execute_in_process(raise_on_error=False)
    data = result.failure_data_for_node("fails")
    return [
        data.user_failure_data.description,
        sorted(data.user_failure_data.metadata),
        data.error.cls_name,
        result.failure_data_for_node("independent"),
        sorted(event.step_key for event in result.get_step_failure_events()),
    ]
