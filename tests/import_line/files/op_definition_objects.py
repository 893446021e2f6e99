from dagster import In, Int, OpDefinition, Out, Output, job


def _add(_context, inputs):
    yield Output(inputs["a"] + 1, "result")


add_one = OpDefinition(
    compute_fn=_add,
    name="add_one",
    ins={"a": In(Int, default_value=1)},
    outs={"result": Out(Int)},
    tags={"k": "v"},
    description="adds",
)


@job
def adding():
    add_one(add_one())


def observe():
    return [
        add_one.name,
        add_one.description,
        dict(add_one.tags),
        sorted(add_one.ins),
        sorted(add_one.outs),
    ]
