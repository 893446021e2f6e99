from dagster import job, op


@op
def a():
    return 1


@op
def b(x):
    return x + 1


@op
def c(x):
    return x * 10


@op
def d(x, y):
    return x + y


@job
def diamond():
    start = a()
    d(b(start), c(start))


RUNS = {
    "all": {"job": "diamond"},
    "up": {"job": "diamond", "op_selection": ["*b"]},
    "down": {"job": "diamond", "op_selection": ["b+"], "input_values": {}},
    "list": {"job": "diamond", "op_selection": ["a", "c"]},
    "unheard": {"job": "diamond", "op_selection": ["nope"]},
}


def observe():
    result = diamond.execute_in_process(op_selection=["a", "b"])
    return [
        result.is_node_success("a"),
        result.is_node_untouched("d"),
        result.is_node_failed("a"),
        result.is_node_skipped("a"),
    ]
