from dagster import Field, ResourceDefinition, job, make_values_resource, op


@op(required_resource_keys={"globals", "token", "nothing", "name"})
def use(context):
    return [
        context.resources.globals,
        context.resources.token,
        context.resources.nothing,
        context.resources.name,
    ]


@job(
    resource_defs={
        "globals": make_values_resource(year=Field(int, default_value=2020), region=str),
        "token": ResourceDefinition.hardcoded_resource("t"),
        "nothing": ResourceDefinition.none_resource(),
        "name": ResourceDefinition.string_resource(),
    }
)
def values():
    use()


RUNS = {
    "given": {
        "job": "values",
        "run_config": {
            "resources": {"globals": {"config": {"region": "eu"}}, "name": {"config": "n"}}
        },
    },
    "missing": {"job": "values", "run_config": {"resources": {"name": {"config": "n"}}}},
}
