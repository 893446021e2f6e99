from dagster import Config, config_mapping, configured, graph, job, op


class Simple(Config):
    size: int


@config_mapping
def simplified(config: Simple):
    return {"ops": {"make": {"config": {"rows": config.size, "name": "mapped"}}}}


@op(config_schema={"rows": int, "name": str})
def make(context):
    return [context.op_config["name"]] * context.op_config["rows"]


@job(config=simplified)
def mapped():
    make()


@configured(make, config_schema={"rows": int})
def named(config):
    return {"rows": config["rows"], "name": "configured"}


two = make.configured({"rows": 2, "name": "two"}, name="two")


@job
def configured_job():
    named()
    two()


@config_mapping(config_schema={"n": int})
def graph_config(config):
    return {"make": {"config": {"rows": config["n"], "name": "graph"}}}


@graph(config=graph_config)
def inner():
    return make()


@job
def graph_job():
    inner()


RUNS = {
    "mapped": {"job": "mapped", "run_config": {"size": 1}},
    "mapped wrongly": {"job": "mapped", "run_config": {"size": "x"}},
    "configured": {
        "job": "configured_job",
        "run_config": {"ops": {"named": {"config": {"rows": 1}}}},
    },
    "graph": {"job": "graph_job", "run_config": {"ops": {"inner": {"config": {"n": 3}}}}},
}
