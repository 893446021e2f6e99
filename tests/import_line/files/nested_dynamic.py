from dagster import DynamicOut, DynamicOutput, Out, Output, graph, job, op


@op(out=DynamicOut(int))
def pages():
    for i in range(3):
        yield DynamicOutput(i, mapping_key=f"p{i}", metadata={"page": i})


@op
def fetch(n: int) -> int:
    return n * 10


@op
def enrich(n: int, factor: int) -> int:
    return n * factor


@op
def factor() -> int:
    return 2


@op
def save(values) -> int:
    return sum(values)


@graph
def process(n):
    return fetch(fetch(n))


@op(out={"numbers": DynamicOut(int), "label": Out(str)})
def mixed():
    yield DynamicOutput(1, mapping_key="one", output_name="numbers")
    yield Output("x", "label")


@job
def mixed_job():
    numbers, label = mixed()
    save(numbers.map(fetch).collect())


@job
def through_graphs():
    two = factor()
    mapped = pages().map(process)
    save(mapped.collect())
    save.alias("save_enriched")(
        pages.alias("more")().map(lambda n: enrich(fetch.alias("f")(n), two)).collect()
    )


@job
def two_collects():
    results = pages().map(fetch)
    save(results.collect())
    save.alias("again")(results.collect())
