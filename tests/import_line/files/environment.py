import os

from dagster import Config, ConfigurableResource, EnvVar, Field, IntSource, StringSource, job, op

os.environ["IMPORT_LINE_USER"] = "somebody"
os.environ["IMPORT_LINE_PORT"] = "5432"


class Server(ConfigurableResource):
    user: str
    port: int


class Options(Config):
    user: str = "default"


@op
def connect(server: Server):
    return [server.user, server.port]


@op(config_schema={"user": StringSource, "port": Field(IntSource, default_value=1)})
def legacy(context):
    return [context.op_config["user"], context.op_config["port"]]


@op
def options(config: Options):
    return config.user


@job(
    resource_defs={
        "server": Server(user=EnvVar("IMPORT_LINE_USER"), port=EnvVar.int("IMPORT_LINE_PORT"))
    }
)
def by_code():
    connect()


@job
def by_config():
    legacy()
    options()


RUNS = {
    "code": {"job": "by_code"},
    "config": {
        "job": "by_config",
        "run_config": {
            "ops": {
                "legacy": {
                    "config": {
                        "user": {"env": "IMPORT_LINE_USER"},
                        "port": {"env": "IMPORT_LINE_PORT"},
                    }
                },
                "options": {"config": {"user": {"env": "IMPORT_LINE_USER"}}},
            }
        },
    },
    "missing": {
        "job": "by_config",
        "run_config": {"ops": {"legacy": {"config": {"user": {"env": "IMPORT_LINE_NOWHERE"}}}}},
    },
}


def observe():
    return EnvVar("IMPORT_LINE_USER").get_value()
