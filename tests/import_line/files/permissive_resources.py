from dagster import Config, ConfigurableResource, job, op
from pydantic import Field


class Client:
    def __init__(self, url, retries):
        self.url, self.retries = url, retries


class ClientResource(ConfigurableResource[Client]):
    url: str = Field(description="where")
    retries: int | None = None

    def create_resource(self, context) -> Client:
        return Client(self.url, self.retries)


class Nested(Config):
    level: int = 1


class Settings(ConfigurableResource):
    nested: Nested = Nested()
    names: list = []

    def describe(self):
        return [self.nested.level, self.names]


class Derived(Settings):
    extra: str = "e"

    def describe(self):
        return [*super().describe(), self.extra]


@op(required_resource_keys={"client"})
def use(context):
    client = context.resources.client
    return [type(client).__name__, client.url, client.retries]


@op
def describe(settings: Settings):
    return settings.describe()


@job(resource_defs={"client": ClientResource(url="u", retries=2), "settings": Derived(names=["a"])})
def bound():
    use()
    describe()


@job(
    resource_defs={
        "client": ClientResource.configure_at_launch(),
        "settings": Settings.configure_at_launch(),
    }
)
def later():
    use()
    describe()


RUNS = {
    "bound": {"job": "bound"},
    "later": {
        "job": "later",
        "run_config": {
            "resources": {
                "client": {"config": {"url": "v"}},
                "settings": {"config": {"nested": {"level": 9}}},
            }
        },
    },
    "unheard key": {
        "job": "bound",
        "run_config": {"resources": {"settings": {"config": {"nope": 1}}}},
    },
}
