"""Fields marked as secret: no record, report, message, scaffold or text of an object shows them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pydantic
import pytest
from typer.testing import CliRunner

from rayexec import (
    Config,
    ConfigError,
    ConfigurableResource,
    DefinitionError,
    EnvVar,
    Field,
    Map,
    Noneable,
    OpExecutionContext,
    ReexecutionOptions,
    RunConfig,
    config_mapping,
    execute_job,
    graph,
    job,
    op,
)
from rayexec.cli.main import app
from rayexec.config.masking import MASKED
from rayexec.definitions.schemas.schema import describe, mask_secrets, scaffold, validate

SECRET = "MARKED-SECRET"
MARK: dict[str, Any] = {"dagster__is_secret": True}


class Login(Config):
    user: str = "ann"
    password: str = pydantic.Field(default="code", json_schema_extra=MARK)


class Database(ConfigurableResource):
    host: str
    key: str = pydantic.Field(json_schema_extra=MARK)

    @pydantic.field_validator("key")
    @classmethod
    def _long(cls, key: str) -> str:
        if len(key) < 3:
            raise ValueError(f"{key} is too short")
        return key


class Both(Config):
    login: Login
    more: list[Login] = pydantic.Field(default_factory=list)


SCHEMA = {
    "user": str,
    "password": Field(str, default_value="code", is_secret=True),
    "inner": Field(Noneable({"key": Field(int, is_secret=True)}), is_required=False),
    "hosts": Field(Map(str, {"key": Field(str, is_secret=True)}), is_required=False),
}


@op(config_schema=SCHEMA)
def by_schema(context: OpExecutionContext) -> None: ...


@op
def by_class(context: OpExecutionContext, config: Both, database: Database) -> None:
    assert config.login.password == database.key == SECRET
    assert context.run_config["resources"]["database"]["config"]["key"] == SECRET
    if context.run.tags.get("broken") == "yes":
        raise ValueError(f"{config!r} {database}")


@graph
def part() -> None:
    by_schema()
    by_class()


@job(resource_defs={"database": Database.configure_at_launch(host="h")})
def working() -> None:
    part()


GIVEN: dict[str, Any] = {
    "ops": {
        "part": {
            "ops": {
                "by_schema": {
                    "config": {
                        "user": "bob",
                        "password": SECRET,
                        "inner": {"key": 123456789},
                        "hosts": {"a": {"key": SECRET}},
                    }
                },
                "by_class": {
                    "config": {"login": {"password": SECRET}, "more": [{"password": SECRET}]}
                },
            }
        }
    },
    "resources": {"database": {"config": {"key": SECRET}}},
    "execution": {"config": {"in_process": {}}},
}


def texts(home: Path) -> str:
    """Return all that the files of a store hold, as text."""
    return "".join(
        path.read_bytes().decode("latin-1") for path in home.rglob("*") if path.is_file()
    )


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A store with a failed run that got secrets."""
    monkeypatch.setenv("RAYEXEC_HOME", str(tmp_path))
    assert not execute_job(working, GIVEN, run_id="r", tags={"broken": "yes"}).success
    return tmp_path


def test_no_record_and_no_report_shows_secrets(home: Path) -> None:
    record = json.loads((home / "runs/r/run.json").read_text())
    ops = record["run_config"]["ops"]["part"]["ops"]
    assert ops["by_schema"]["config"] == {
        "user": "bob",
        "password": MASKED,
        "inner": {"key": MASKED},
        "hosts": {"a": {"key": MASKED}},
    }
    assert ops["by_class"]["config"] == {
        "login": {"password": MASKED},
        "more": [{"password": MASKED}],
    }
    assert record["run_config"]["resources"] == {"database": {"config": {"key": MASKED}}}
    shown = texts(home)
    for arguments in (
        ("show", "r"),
        ("show", "r", "--json"),
        ("events", "r", "--json"),
        ("logs", "r"),
        ("export", "r", "--html", str(home / "r.html")),
    ):
        ended = CliRunner().invoke(app, ["run", *arguments])
        assert ended.exit_code == 0, ended
        shown += ended.output
    shown += (home / "r.html").read_text()
    assert SECRET not in shown
    assert "123456789" not in shown
    assert "password='(masked)'" in shown


def test_a_resumed_run_asks_for_secrets(home: Path) -> None:
    options = ReexecutionOptions.from_failure("r")
    with pytest.raises(DefinitionError, match=r"database:config:key: give the run config again"):
        execute_job(working, reexecution_options=options)
    resumed = execute_job(
        working, GIVEN, tags={"broken": "no"}, reexecution_options=options, raise_on_error=True
    )
    assert resumed.success
    assert resumed.is_node_untouched("part.by_schema")  # its secrets count as the same


def test_secrets_in_the_job_itself_fill_the_masks(home: Path) -> None:
    fixed = working.graph.to_job(  # type: ignore[attr-defined]
        name="working", resource_defs=working.resource_defs, config=GIVEN
    )
    options = ReexecutionOptions.from_failure("r")
    assert execute_job(fixed, tags={"broken": "no"}, reexecution_options=options).success


def test_objects_in_run_config_are_masked_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAYEXEC_HOME", str(tmp_path))
    login = Login(password=SECRET)

    @op
    def greet(config: Login, database: Database) -> str:
        return config.user

    @job(resource_defs={"database": Database.configure_at_launch()})
    def greeting() -> None:
        greet()

    config = RunConfig(
        ops={"greet": login},
        resources={"database": Database(host="h", key=SECRET)},
        execution=GIVEN["execution"],
    )
    assert execute_job(greeting, config).success
    assert SECRET not in texts(tmp_path)


def test_secrets_of_a_config_mapping_are_masked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAYEXEC_HOME", str(tmp_path))

    @op(config_schema={"key": Field(str, is_secret=True)})
    def keyed(context: OpExecutionContext) -> None:
        assert context.op_config["key"] == SECRET

    @config_mapping(config_schema={"outer": Field(str, is_secret=True)})
    def outer_config(config: Any) -> Any:
        return {"keyed": {"config": {"key": config["outer"]}}}

    @graph(config=outer_config)
    def outer() -> None:
        keyed()

    @job
    def mapped() -> None:
        outer()

    config = {"ops": {"outer": {"config": {"outer": SECRET}}}, "execution": GIVEN["execution"]}
    assert execute_job(mapped, config).success
    assert SECRET not in texts(tmp_path)


@pytest.mark.parametrize("name", ["PASSWORD", EnvVar("PASSWORD")])
def test_names_of_variables_are_no_secrets(name: Any) -> None:
    value = {"password": name if isinstance(name, EnvVar) else {"env": name}}
    assert mask_secrets(Login, value) == value


def test_neither_texts_nor_descriptions_show_secrets() -> None:
    assert repr(Login(password=SECRET)) == "Login(user='ann', password='(masked)')"
    assert 'password?: str = "(masked)"' in describe(Login)
    assert 'password?: str = "(masked)"' in describe(SCHEMA)
    assert scaffold(Login) == {"user": "ann"}
    assert "password" not in scaffold(SCHEMA)  # type: ignore[operator]


@pytest.mark.parametrize(
    ("schema", "given"),
    [
        (SCHEMA, {"user": "a", "inner": {"key": SECRET}}),
        (Login, {"password": [SECRET]}),
        (Both, {"login": {}, "more": [{"password": [SECRET]}]}),
        (Field(int, is_secret=True), SECRET),
    ],
)
def test_messages_do_not_quote_secrets(schema: Any, given: Any) -> None:
    _, problems = validate(schema, given)
    assert problems
    assert SECRET not in str(problems)
    assert "The value is secret" in str(problems)


def test_a_resource_that_refuses_its_secret_does_not_show_it() -> None:
    config = {**GIVEN, "resources": {"database": {"config": {"key": "S3"}}}}
    with pytest.raises(Exception, match="database") as caught:
        working.execute_in_process(config)
    assert "input_value" not in str(caught.value)
    with pytest.raises(ConfigError, match="The value is secret"):
        working.execute_in_process(
            {**GIVEN, "resources": {"database": {"config": {"key": [SECRET]}}}}
        )
