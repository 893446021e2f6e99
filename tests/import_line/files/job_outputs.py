from dagster import GraphOut, Out, graph, job, op


@op
def one():
    return 1


@op(out={"a": Out(), "b": Out()})
def pair():
    return 2, 3


@graph
def single():
    return one()


single_job = single.to_job()


@job
def pairs():
    a, b = pair()
    return a, b


@graph(out={"x": GraphOut(), "y": GraphOut()})
def named():
    a, b = pair()
    return {"x": a, "y": b}


named_job = named.to_job()


@graph
def outer():
    x, y = named()
    return x


outer_job = outer.to_job()


def observe():
    results = [job.execute_in_process() for job in (single_job, named_job, outer_job)]
    return [
        results[0].output_value(),
        results[1].output_value("x"),
        results[1].output_value("y"),
        results[2].output_value(),
        results[2].output_for_node("named.pair", "b"),
        results[2].output_for_node("named", "x"),
    ]
