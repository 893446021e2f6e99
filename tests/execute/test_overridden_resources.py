"""Run config over the values that code gives to resources, and resources that no step uses."""

import enum
from typing import Any

import pydantic
import pytest

from rayexec import (
    Config,
    ConfigError,
    ConfigurableResource,
    EnvVar,
    RunConfig,
    job,
    op,
    resource,
    validate_run_config,
)


class Size(enum.Enum):
    SMALL = "small size"
    LARGE = "large size"


class Limits(Config):
    least: int = 1
    most: int = 9


class Client(ConfigurableResource):
    url: str
    retries: int = 3
    size: Size = Size.SMALL
    limits: Limits = Limits()
    names: list[str] = pydantic.Field(default_factory=list)


@op
def show(client: Client) -> list[Any]:
    seen = client.get_resource_context().resource_config
    assert seen["size"] == client.size.value
    assert seen["limits"] == {"least": client.limits.least, "most": client.limits.most}
    return [client.url, client.retries, client.size.name, client.limits.most, client.names]


IN_CODE: dict[str, Any] = {"url": "code", "retries": 5, "names": ["code"]}
FROM_CODE = ["code", 5, "SMALL", 9, ["code"]]
MISSING = "required key 'url' is missing"


@pytest.mark.parametrize(
    ("config", "of_instance", "at_launch"),
    [
        (None, FROM_CODE, FROM_CODE),
        ({}, MISSING, FROM_CODE),
        ({"url": "run"}, ["run", 3, "SMALL", 9, []], ["run", *FROM_CODE[1:]]),
        ({"retries": 0, "size": "LARGE"}, MISSING, ["code", 0, "LARGE", 9, ["code"]]),
        (
            {"url": "u", "limits": {"most": 5}},
            ["u", 3, "SMALL", 5, []],
            ["u", 5, "SMALL", 5, ["code"]],
        ),
        ({"names": []}, MISSING, ["code", 5, "SMALL", 9, []]),
        ({"url": {"env": "CLIENT_URL"}}, ["env", 3, "SMALL", 9, []], ["env", *FROM_CODE[1:]]),
        (Client(url="o", names=["o"]), ["o", 3, "SMALL", 9, ["o"]], ["o", 3, "SMALL", 9, ["o"]]),
    ],
)
def test_run_config_over_values_of_code(
    monkeypatch: pytest.MonkeyPatch, config: Any, of_instance: Any, at_launch: Any
) -> None:
    """It replaces those of an instance as a whole, and others one by one, as in Dagster."""
    monkeypatch.setenv("CLIENT_URL", "env")
    run_config = (
        RunConfig(resources={"client": config})
        if isinstance(config, Client)
        else {"resources": {"client": {"config": config}}}
    )
    at_once, later = Client(**IN_CODE), Client.configure_at_launch(**IN_CODE)
    for client, expected in ((at_once, of_instance), (later, at_launch)):

        @job(resource_defs={"client": client})
        def showing() -> None:
            show()

        if expected == MISSING:
            with pytest.raises(ConfigError, match=MISSING):
                showing.execute_in_process(run_config)
        else:
            assert showing.execute_in_process(run_config).output_for_node("show") == expected


@pytest.mark.parametrize("given", ["LARGE", "large size", Size.LARGE])
def test_code_names_members_of_enums_as_config_does(given: Any) -> None:
    @job(resource_defs={"client": Client(url="code", size=given)})
    def showing() -> None:
        show()

    assert showing.execute_in_process().output_for_node("show")[2] == "LARGE"


def test_run_config_replaces_a_variable() -> None:
    @job(resource_defs={"client": Client(url=EnvVar("NOT_SET_ANYWHERE"))})
    def showing() -> None:
        show()

    config = {"resources": {"client": {"config": {"url": "run"}}}}
    assert showing.execute_in_process(config).output_for_node("show")[0] == "run"
    with pytest.raises(ConfigError, match="'NOT_SET_ANYWHERE' is not set"):
        showing.execute_in_process()


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"retries": "many"}, "client:config:retries: expected int"),
        ({"retires": 3}, "unknown key 'retires'. Did you mean 'retries'"),
        ({"size": "huge"}, "client:config:size"),
    ],
)
def test_wrong_values_are_refused_before_the_run(config: Any, message: str) -> None:
    @job(resource_defs={"client": Client(url="code")})
    def showing() -> None:
        show()

    with pytest.raises(ConfigError, match=message):
        showing.execute_in_process({"resources": {"client": {"config": config}}})


def test_validated_run_config_shows_the_values_of_code() -> None:
    @job(resource_defs={"client": Client(url="code")})
    def showing() -> None:
        show()

    assert validate_run_config(showing)["resources"]["client"]["config"] == {
        "url": "code",
        "retries": 3,
        "size": "small size",
        "limits": {"least": 1, "most": 9},
        "names": [],
    }


def test_resources_that_no_step_uses_need_no_config() -> None:
    @resource(config_schema={"size": int})
    def sized(context: Any) -> None:
        raise AssertionError("no step asks for it")

    @resource(config_schema=str)
    def below(context: Any) -> str:
        return str(context.resource_config)

    @resource(required_resource_keys={"below"})
    def thing(context: Any) -> str:
        return str(context.resources.below)

    @op(required_resource_keys={"thing"})
    def use(context: Any) -> Any:
        return context.resources.thing

    @op(required_resource_keys={"sized"})
    def other(context: Any) -> None: ...

    @job(
        resource_defs={
            "thing": thing,
            "below": below,
            "sized": sized,
            "launched": Client.configure_at_launch(),
        }
    )
    def using() -> None:
        use()
        other()

    given = {"resources": {"below": {"config": "base"}}}
    result = using.execute_in_process(given, op_selection=["use"])
    assert result.output_for_node("use") == "base"
    with pytest.raises(ConfigError, match="below:config: a value is required"):
        using.execute_in_process(op_selection=["use"])
    with pytest.raises(ConfigError, match="sized:config"):
        using.execute_in_process(given)
    wrong = {"resources": {**given["resources"], "sized": {"config": {"size": "x"}}}}
    with pytest.raises(ConfigError, match="sized:config:size: expected int"):
        using.execute_in_process(wrong, op_selection=["use"])
