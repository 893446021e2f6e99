from dagster import In, Int, List, Nothing, Set, String, Tuple, job, op


@op(ins={"n": In(Int), "names": In(List[String])})
def use(n, names):
    return [n, names]


@op(ins={"pair": In(Tuple[Int, String]), "some": In(Set[Int])})
def collections(pair, some):
    return [list(pair), sorted(some)]


@op(ins={"before": In(Nothing)})
def last():
    return "last"


@job
def from_config():
    last(use())


@job
def from_values(n):
    use(n)


@job
def from_collections():
    collections()


RUNS = {
    "config": {
        "job": "from_config",
        "run_config": {"ops": {"use": {"inputs": {"n": 1, "names": ["a", {"value": "b"}]}}}},
    },
    "missing": {"job": "from_config"},
    "values": {
        "job": "from_values",
        "input_values": {"n": 4},
        "run_config": {"ops": {"use": {"inputs": {"names": []}}}},
    },
    "collections": {
        "job": "from_collections",
        "run_config": {"ops": {"collections": {"inputs": {"pair": [1, "a"], "some": [3, 2, 3]}}}},
    },
}
