from dagster import GraphIn, GraphOut, In, Nothing, Out, graph, job, op


@op
def load(context) -> int:
    return len(context.op_handle.path)


@op
def clean(n: int) -> int:
    return n + 1


@op(out={"low": Out(), "high": Out()})
def bounds(n: int):
    return n - 1, n + 1


@op(ins={"after": In(Nothing)})
def notify():
    return "done"


@graph
def preprocess(n):
    return clean(clean(n))


@graph(out={"low": GraphOut(), "high": GraphOut()}, ins={"n": GraphIn()})
def limits(n):
    low, high = bounds(preprocess(n))
    return {"low": low, "high": high}


@op
def add(a, b):
    return a + b


@job
def nested():
    result = limits(load())
    notify(add(result.low, result.high))


@graph
def reusable():
    return preprocess(load())


reusable_job = reusable.to_job(name="reusable_job", description="made of a graph")
twice_job = reusable.to_job(name="twice_job", tags={"team": "data"})
