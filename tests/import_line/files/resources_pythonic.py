from dagster import ConfigurableResource, EnvVar, ResourceDependency, job, op
from pydantic import PrivateAttr

EVENTS = []


class Credentials(ConfigurableResource):
    user: str
    password: str = "secret"


class Database(ConfigurableResource):
    credentials: ResourceDependency[Credentials]
    url: str
    pool_size: int = 5
    _opened: bool = PrivateAttr(default=False)

    def setup_for_execution(self, context):
        self._opened = True
        EVENTS.append(f"open {self.url}")

    def teardown_after_execution(self, context):
        EVENTS.append(f"close {self.url}")

    def query(self, sql):
        return f"{self.credentials.user}@{self.url} {sql} {self._opened} {self.pool_size}"


@op
def count_rows(db: Database) -> str:
    return db.query("select count(*)")


creds = Credentials(user="me")


@job(resource_defs={"db": Database(credentials=creds, url="sqlite://")})
def counting():
    count_rows()


@job(resource_defs={"db": Database.configure_at_launch(credentials=creds)})
def late():
    count_rows()


@job(
    resource_defs={
        "db": Database(credentials=Credentials(user=EnvVar("NO_SUCH_VARIABLE_HERE")), url="u")
    }
)
def no_variable():
    count_rows()


RUNS = {
    "plain": {"job": "counting"},
    "overridden": {
        "job": "counting",
        "run_config": {"resources": {"db": {"config": {"url": "other", "pool_size": 1}}}},
    },
    "late": {"job": "late", "run_config": {"resources": {"db": {"config": {"url": "later"}}}}},
    "late without": {"job": "late"},
    "no variable": {"job": "no_variable"},
}


def observe():
    return EVENTS
