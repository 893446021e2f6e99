"""Config of resources: in the job, in the run config, in fields, and from the environment."""

from typing import Any

import pydantic
import pytest

from rayexec import (
    ConfigError,
    ConfigurableResource,
    EnvVar,
    ResourceDefinition,
    ResourceParam,
    job,
    op,
    resource,
)


def test_plain_objects_functions_and_definitions(execute: Any) -> None:
    @resource(config_schema={"size": int})
    def sized(context: Any) -> int:
        return int(context.resource_config["size"])

    @resource
    def bare() -> str:
        return "bare"

    @op(required_resource_keys={"plain", "fixed", "sized", "bare", "preset"})
    def gather(context: Any) -> list[Any]:
        opened = context.resources
        return [opened.plain, opened.fixed, opened.sized, opened.bare, opened.preset]

    @job(
        resource_defs={
            "plain": "an object",
            "fixed": ResourceDefinition.hardcoded_resource(5),
            "sized": sized,
            "bare": bare,
            "preset": sized.configured({"size": 4}),
        }
    )
    def gathering() -> None:
        gather()

    result = execute(gathering, {"resources": {"sized": {"config": {"size": 3}}}})
    assert result.output_for_node("gather") == ["an object", 5, 3, "bare", 4]


class Connection(ConfigurableResource):
    host: str
    port: int = 5432
    _opened: bool = pydantic.PrivateAttr(default=False)

    def setup_for_execution(self, context: Any) -> None:
        self._opened = True

    def url(self) -> str:
        return f"{self.host}:{self.port} {'open' if self._opened else 'closed'}"


def test_configurable_resources_by_parameter(execute: Any) -> None:
    class Yielding(ConfigurableResource):
        def yield_for_execution(self, context: Any) -> Any:
            import contextlib

            return contextlib.nullcontext("yielded")

    @op
    def connect(db: Connection, other: Yielding, raw: ResourceParam[str]) -> list[str]:
        return [db.url(), str(other), str(raw)]

    @job(
        resource_defs={
            "db": Connection.configure_at_launch(port=1),
            "other": Yielding(),
            "raw": "raw",
        }
    )
    def connecting() -> None:
        connect()

    result = execute(connecting, {"resources": {"db": {"config": {"host": "h"}}}})
    assert result.output_for_node("connect") == ["h:1 open", "yielded", "raw"]


class Client(ConfigurableResource):
    url: str
    retries: int = 3

    @pydantic.field_validator("url")
    @classmethod
    def _without_slash(cls, url: str) -> str:
        return url.rstrip("/")


class Outer(ConfigurableResource):
    client: Client


@op
def describe_client(client: Client) -> str:
    return f"{client.url} {client.retries}"


def of_environment(**fields: Any) -> list[Any]:
    """Return a constructed client and one that is configured at launch."""
    return [Client(**fields), Client.configure_at_launch(**fields)]


@pytest.mark.parametrize("index", [0, 1])
def test_fields_may_come_from_the_environment(
    execute: Any, index: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = of_environment(url=EnvVar("CLIENT_URL"), retries=EnvVar("CLIENT_RETRIES"))[index]

    @job(resource_defs={"client": client})
    def calling() -> None:
        describe_client()

    monkeypatch.setenv("CLIENT_URL", "http://one/")
    monkeypatch.setenv("CLIENT_RETRIES", "7")
    assert execute(calling).output_for_node("describe_client") == "http://one 7"
    monkeypatch.setenv("CLIENT_URL", "http://two/")
    assert execute(calling).output_for_node("describe_client") == "http://two 7"


@pytest.mark.parametrize("index", [0, 1])
def test_a_variable_that_is_missing_is_named_before_anything_runs(
    execute: Any, index: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = of_environment(url=EnvVar("CLIENT_URL"), retries=EnvVar("CLIENT_RETRIES"))[index]

    @job(resource_defs={"client": client})
    def calling() -> None:
        describe_client()

    monkeypatch.delenv("CLIENT_URL", raising=False)
    monkeypatch.setenv("CLIENT_RETRIES", "secret")
    with pytest.raises(ConfigError) as caught:
        execute(calling)
    assert [str(each) for each in caught.value.problems] == [
        "root:resources:client:config:url: the environment variable 'CLIENT_URL' is not set.",
        (
            "root:resources:client:config:retries: the environment variable 'CLIENT_RETRIES' does "
            "not "
            "hold a valid int."
        ),
    ]


def test_a_variable_in_a_resource_within_a_resource(monkeypatch: pytest.MonkeyPatch) -> None:
    @op
    def look(outer: Outer) -> str:
        return outer.client.url

    @job(resource_defs={"outer": Outer(client=Client(url=EnvVar("CLIENT_URL")))})
    def looking() -> None:
        look()

    monkeypatch.setenv("CLIENT_URL", "http://one")
    assert looking.execute_in_process().output_for_node("look") == "http://one"


def test_what_is_wrong_beside_a_variable_is_said_at_once() -> None:
    wrong: dict[str, Any] = {"urls": "http://one"}
    with pytest.raises(pydantic.ValidationError, match="urls"):
        Client(url=EnvVar("CLIENT_URL"), **wrong)
    lacking: dict[str, Any] = {"retries": EnvVar("CLIENT_RETRIES")}
    with pytest.raises(pydantic.ValidationError, match="retries"):
        Client(url=EnvVar("CLIENT_URL"), retries="many")
    with pytest.raises(pydantic.ValidationError, match="url"):
        Client(**lacking)
