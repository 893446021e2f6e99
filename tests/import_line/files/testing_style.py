from dagster import (
    ConfigurableResource,
    build_input_context,
    build_op_context,
    build_output_context,
    build_resources,
    job,
    op,
    resource,
)

EVENTS = []


@resource(config_schema={"n": int})
def counter(context):
    EVENTS.append("open")
    yield context.resource_config["n"]
    EVENTS.append("close")


@resource
def doubled():
    return 8


class Api(ConfigurableResource):
    base: str

    def url(self):
        return f"{self.base}/x"


@op(required_resource_keys={"n"})
def use(context):
    return context.resources.n


@op
def call(context, api: Api):
    return api.url()


@job(resource_defs={"n": counter.configured({"n": 1}), "api": Api(base="http://real")})
def real():
    use()
    call()


def observe():
    seen = []
    with build_op_context(resources={"n": counter.configured({"n": 3})}) as context:
        seen.append(use(context))
    seen.append(use(build_op_context(resources={"n": 4})))
    seen.append(call(build_op_context(), api=Api(base="b")))
    seen.append(doubled())
    with build_resources({"n": counter}, resource_config={"n": {"config": {"n": 9}}}) as made:
        seen.append(made.n)
    output = build_output_context(step_key="s", name="o", metadata={"a": 1})
    seen.append([output.step_key, output.name, output.definition_metadata])
    seen.append(build_input_context(upstream_output=output).upstream_output.name)
    result = real.execute_in_process(resources={"n": 5, "api": Api(base="mocked")})
    seen.append([result.output_for_node("use"), result.output_for_node("call")])
    return [seen, EVENTS]
