from dagster import Field, InitResourceContext, job, op, resource

EVENTS = []


class Client:
    def __init__(self, host, port):
        self.host, self.port = host, port

    def get(self, what):
        return f"{self.host}:{self.port}/{what}"


@resource(config_schema={"host": str, "port": Field(int, default_value=80)})
def http(context: InitResourceContext):
    EVENTS.append("open")
    try:
        yield Client(context.resource_config["host"], context.resource_config["port"])
    finally:
        EVENTS.append("close")


@resource(required_resource_keys={"http"})
def api(init_context):
    return init_context.resources.http.get("api")


@op(required_resource_keys={"http"})
def fetch(context):
    return context.resources.http.get("users")


@op(required_resource_keys={"api"})
def call(context):
    return context.resources.api


@job(resource_defs={"http": http, "api": api})
def api_job():
    fetch()
    call()


@job(resource_defs={"http": http.configured({"host": "configured"})})
def configured_job():
    fetch()


RUNS = {
    "with config": {
        "job": "api_job",
        "run_config": {"resources": {"http": {"config": {"host": "h", "port": 1}}}},
    },
    "without": {"job": "api_job"},
    "configured": {"job": "configured_job"},
}


def observe():
    return EVENTS
