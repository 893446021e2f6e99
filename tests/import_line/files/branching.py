from dagster import Out, Output, job, op


@op(out={"even": Out(is_required=False), "odd": Out(is_required=False)})
def branch():
    yield Output(4, "even")


@op
def half(n):
    return n // 2


@op
def triple(n):
    return n * 3


@op
def merge(values):
    return values


@job
def branching_job():
    even, odd = branch()
    merge([half(even), triple(odd)])


@job
def both_ends():
    even, odd = branch()
    half(even)
    triple(odd)
