"""Resources that build_resources opens outside of runs."""

from collections.abc import Iterator
from typing import Any

import pytest

from rayexec import (
    ConfigError,
    ConfigurableResource,
    EnvVar,
    InvariantError,
    ResourceError,
    build_resources,
    resource,
)

events: list[str] = []


class Token(ConfigurableResource):
    user: str

    def setup_for_execution(self, context: Any) -> None:
        events.append(f"open {self.user}")

    def teardown_after_execution(self, context: Any) -> None:
        events.append(f"close {self.user}")


class Client(ConfigurableResource):
    token: Token
    retries: int = 3


@resource(config_schema={"animal": str})
def animal(context: Any) -> Iterator[str]:
    events.append(f"open animal {context.run_id} {context.instance}")
    yield context.resource_config["animal"]
    events.append("close animal")


@resource(required_resource_keys={"animal"})
def text(context: Any) -> str:
    return f"{context.resources.animal}, an animal"


@resource
def broken() -> None:
    raise ValueError("no connection")


def test_resources_of_all_kinds_open_and_close(monkeypatch: pytest.MonkeyPatch) -> None:
    events.clear()
    monkeypatch.setenv("TOKEN_USER", "ann")
    token = Token.configure_at_launch()
    config = {
        "animal": {"config": {"animal": "dog"}},
        "token": {"config": {"user": {"env": "TOKEN_USER"}}},
        "client": {"config": {"retries": 1}},
    }
    given = {
        "text": text,
        "animal": animal,
        "token": token,
        "client": Client(token=token),
        "other": Client(token=Token(user=EnvVar("TOKEN_USER"))),
        "plain": 5,
    }
    with build_resources(given, resource_config=config, instance="instance") as opened:
        assert opened.text == "dog, an animal"
        assert opened.client.retries == 1
        assert opened.client.token is opened.token
        assert opened.other.token.user == "ann"
        assert opened.plain == 5
        assert sorted(events) == ["open animal None instance", "open ann", "open ann"]
    assert sorted(events[3:]) == ["close animal", "close ann", "close ann"]


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({"broken": broken}, ResourceError, "no connection"),
        ({"animal": animal}, ConfigError, "animal:config"),
        ({"text": text}, InvariantError, "requires resource 'animal'"),
    ],
)
def test_what_cannot_open_is_said(given: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message), build_resources(given):
        pass
