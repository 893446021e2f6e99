from dagster import Field, Noneable, Permissive, Selector, Shape, String, job, op


@op(
    config_schema={
        "path": String,
        "limit": Field(int, default_value=10, description="rows"),
        "filter": Field(Noneable(str), default_value=None, is_required=False),
        "format": Field(Selector({"csv": {"sep": str}, "json": {}}), is_required=False),
        "extra": Permissive({"owner": Field(str, is_required=False)}),
        "nested": Shape({"deep": Field(bool, default_value=True)}),
    }
)
def read(context):
    return context.op_config


@job
def read_job():
    read()


def _run(config):
    return {"job": "read_job", "run_config": {"ops": {"read": {"config": config}}}}


RUNS = {
    "least": _run({"path": "a", "extra": {}}),
    "all": _run(
        {
            "path": "a",
            "limit": 1,
            "filter": "x",
            "format": {"csv": {"sep": ";"}},
            "extra": {"owner": "me", "more": [1]},
            "nested": {"deep": False},
        }
    ),
    "two of a selector": _run(
        {"path": "a", "extra": {}, "format": {"csv": {"sep": ";"}, "json": {}}}
    ),
    "no path": _run({"extra": {}}),
    "an int for text": _run({"path": 1, "extra": {}}),
}
