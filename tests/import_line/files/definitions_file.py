from dagster import (
    ConfigurableResource,
    Definitions,
    ResourceDefinition,
    ResourceParam,
    asset,
    define_asset_job,
    in_process_executor,
    job,
    op,
)


class Greeter(ConfigurableResource):
    greeting: str = "hello"


@op
def greet(greeter: Greeter, plain: ResourceParam[str]):
    return f"{greeter.greeting} {plain}"


@op(required_resource_keys={"plain"})
def legacy(context):
    return context.resources.plain


@job
def greeting_job():
    greet()
    legacy()


@job(
    resource_defs={
        "greeter": Greeter(greeting="own"),
        "plain": ResourceDefinition.hardcoded_resource("mine"),
    }
)
def own_job():
    greet()


@asset
def beside():
    return 1


defs = Definitions(
    assets=[beside],
    jobs=[greeting_job, own_job, define_asset_job("asset_job", selection=[beside])],
    resources={"greeter": Greeter(greeting="hi"), "plain": "world"},
    executor=in_process_executor,
)

RUNS = {"unbound": {"job": "own_job"}}


def observe():
    return [
        defs.get_job_def("greeting_job").execute_in_process().output_for_node("greet"),
        defs.get_job_def("greeting_job").execute_in_process().output_for_node("legacy"),
        defs.get_job_def("own_job").execute_in_process().output_for_node("greet"),
    ]
