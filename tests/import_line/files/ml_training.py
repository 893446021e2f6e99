import random

from dagster import Array, Enum, EnumValue, Field, Noneable, Out, Output, ScalarUnion, job, op

Solver = Enum("Solver", [EnumValue("LBFGS"), EnumValue("SGD", python_value="sgd", description="d")])


@op(config_schema={"seed": Field(int, default_value=7), "rows": Field(int, default_value=20)})
def make_data(context):
    rng = random.Random(context.op_config["seed"])
    return [(x, 2 * x + rng.random() / 100) for x in range(context.op_config["rows"])]


@op(out={"train": Out(list), "test": Out(list)}, config_schema=Field(float, default_value=0.5))
def split(context, data):
    cut = int(len(data) * context.op_config)
    yield Output(data[:cut], "train")
    yield Output(data[cut:], "test")


@op(
    config_schema={
        "solver": Field(Solver, default_value="LBFGS", is_required=False),
        "steps": Field(Noneable(int), default_value=None),
        "rates": Field(Array(float), default_value=[0.1]),
        "stop": Field(
            ScalarUnion(scalar_type=int, non_scalar_schema={"after": int}), default_value=3
        ),
    }
)
def train(context, rows):
    slope = sum(y for _, y in rows) / max(sum(x for x, _ in rows), 1)
    return [str(context.op_config["solver"]), context.op_config["steps"], round(slope, 1)]


@op
def score(model, rows) -> float:
    return round(model[2] - rows[0][1] / rows[0][0], 1)


@job
def training():
    train_rows, test_rows = split(make_data())
    score(train(train_rows), test_rows)


def _run(config):
    return {"job": "training", "run_config": {"ops": config}}


RUNS = {
    "default": {"job": "training"},
    "solver": _run({"train": {"config": {"solver": "SGD", "steps": 5, "rates": [1.0, 2.0]}}}),
    "scalar": _run({"split": {"config": 0.25}, "train": {"config": {"stop": {"after": 1}}}}),
    "bad solver": _run({"train": {"config": {"solver": "ADAM"}}}),
    "bad rates": _run({"train": {"config": {"rates": ["x"]}}}),
}
