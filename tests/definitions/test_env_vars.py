"""Variables of the environment as values of config, in every part of a Config."""

from typing import Any

import pytest

from rayexec import Config, ConfigError, EnvVar, RunConfig, job, op


def test_variables_that_hold_an_int(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AN_INT", "55")
    monkeypatch.delenv("NO_INT", raising=False)
    assert EnvVar.int("AN_INT").get_value() == 55
    assert EnvVar.int("NO_INT").get_value() is None
    assert EnvVar.int("NO_INT").get_value(default=3) == 3
    assert EnvVar("AN_INT").get_value() == "55"


@pytest.mark.parametrize("use", [str, print, "{}".format])
@pytest.mark.parametrize("variable", [EnvVar("A"), EnvVar.int("A")])
def test_a_variable_is_no_value_yet(use: Any, variable: Any) -> None:
    with pytest.raises(RuntimeError, match=r"EnvVar\(name='A'\) stands for a value"):
        use(variable)
    if variable == EnvVar.int("A"):
        with pytest.raises(RuntimeError):
            int(variable)


class Inner(Config):
    text: str
    numbers: list[int] = []  # noqa: RUF012


class Outer(Config):
    inner: Inner
    texts: dict[str, str] = {}  # noqa: RUF012
    size: int = EnvVar.int("SIZE")


@op
def show(config: Outer) -> list[Any]:
    return [config.inner.text, config.inner.numbers, config.texts, config.size]


@job
def showing() -> None:
    show()


def test_variables_stand_in_every_part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEXT", "text")
    monkeypatch.setenv("SIZE", "7")
    inner = Inner(text=EnvVar("TEXT"), numbers=[1, EnvVar.int("SIZE")])
    config = RunConfig(ops={"show": Outer(inner=inner, texts={"a": EnvVar("TEXT")})})
    result = showing.execute_in_process(config)
    assert result.output_for_node("show") == ["text", [1, 7], {"a": "text"}, 7]
    monkeypatch.setenv("SIZE", "many")
    with pytest.raises(ConfigError, match="'SIZE' does not hold a valid int"):
        showing.execute_in_process(config)
    monkeypatch.delenv("TEXT")
    with pytest.raises(ConfigError, match="'TEXT' is not set"):
        showing.execute_in_process(config)
