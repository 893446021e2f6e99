from dagster import In, graph, job, op


@op(ins={"n": In(int, description="a number", metadata={"unit": "m"})})
def increment(context, n):
    """Adds one."""
    return n + 1


@op
def zero():
    return 0


@graph
def ten(n):
    for _ in range(10):
        n = increment(n)
    return n


@graph
def hundred(n):
    for _ in range(3):
        n = ten(n)
    return n


@job
def counting():
    """Counts."""
    increment(hundred(zero()))


def observe():
    return [increment.description, counting.description, increment.ins["n"].description]
