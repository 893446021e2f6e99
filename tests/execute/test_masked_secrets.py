"""Passwords from the environment: neither a record nor the text of an object has them."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import pydantic
import pytest
from typer.testing import CliRunner

from rayexec import (
    Config,
    ConfigurableResource,
    DefinitionError,
    EnvVar,
    OpExecutionContext,
    ReexecutionOptions,
    job,
    op,
)
from rayexec.cli.main import app
from rayexec.config.masking import MASKED, mask_env_vars, unmask_env_vars, without_env_values
from rayexec.execute.observer import Echo
from rayexec.execute.prepare import prepare
from rayexec.execute.recording import record_run
from rayexec.steps.digest import digest
from rayexec.store import DirectoryRunStore

SECRET = "ENVSECRET-2"


class Database(ConfigurableResource):
    password: str
    port: int = 1


class Nested(ConfigurableResource):
    inner: Database


class Login(Config):
    password: str
    user: str = "ann"


@op
def use(
    context: OpExecutionContext, config: Login, fixed: Database, launched: Database, nested: Nested
) -> None:
    values = (fixed.password, launched.password, nested.inner.password, config.password)
    assert values == (SECRET,) * 4
    raise ValueError(
        f"{fixed!r} {launched} {nested!r} {config} {pickle.loads(pickle.dumps(fixed))}"
    )


IN_PROCESS: dict[str, Any] = {"in_process": {}}


@job(
    resource_defs={
        "fixed": Database(password=EnvVar("PASSWORD"), port=5),
        "launched": Database.configure_at_launch(),
        "nested": Nested.configure_at_launch(),
    },
    config={
        "execution": {"config": IN_PROCESS},
        "ops": {"use": {"config": {"password": {"env": "PASSWORD"}}}},
        "resources": {
            "launched": {"config": {"password": {"env": "PASSWORD"}}},
            "nested": {"config": {"inner": {"password": {"env": "PASSWORD"}}}},
        },
    },
)
def failing() -> None:
    use()


def texts(home: Path) -> str:
    """Return all that the files of a store hold, as text; logs are Arrow data without compression
    of so short texts.
    """
    return "".join(
        path.read_bytes().decode("latin-1") for path in home.rglob("*") if path.is_file()
    )


def test_the_text_of_an_object_names_the_variable_instead_of_its_value(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PASSWORD", SECRET)
    result = failing.execute(store=tmp_path, run_id="r")
    [failure] = result.get_step_failure_events()
    message = str(failure.step_failure_data.root.message)
    assert message.count("password=EnvVar(name='PASSWORD')") == 5
    assert "user='ann'" in message
    for event in result.all_events:
        assert SECRET not in str(event.to_dict())
    assert SECRET not in texts(tmp_path)


class Strict(ConfigurableResource):
    password: str

    @pydantic.field_validator("password")
    @classmethod
    def refuse(cls, password: str) -> str:
        raise ValueError("it {has} no digit")


class Whole(ConfigurableResource):
    password: str

    @pydantic.model_validator(mode="after")
    def refuse(self) -> Whole:
        raise ValueError("both or none")


@op(required_resource_keys={"refused"})
def opened() -> None: ...


@pytest.mark.parametrize(
    ("kind", "reason"), [(Strict, "it {has} no digit"), (Whole, "both or none")]
)
def test_a_validator_that_refuses_a_value_does_not_show_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: type[ConfigurableResource], reason: str
) -> None:
    monkeypatch.setenv("PASSWORD", SECRET)

    @job(resource_defs={"refused": kind.configure_at_launch()})
    def refusing() -> None:
        opened()

    result = refusing.execute(
        run_config={
            "execution": {"config": IN_PROCESS},
            "resources": {"refused": {"config": {"password": {"env": "PASSWORD"}}}},
        },
        store=tmp_path,
        raise_on_error=False,
    )
    said = "".join(str(event.to_dict()) for event in result.all_events)
    assert not result.success
    assert reason in said
    assert SECRET not in said
    assert SECRET not in str(result.error)
    assert SECRET not in texts(tmp_path)


def test_a_value_from_the_environment_is_equal_to_any_other_one() -> None:
    from rayexec.definitions.schemas.schema import validate

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PASSWORD", SECRET)
        read, problems = validate(Login, {"password": {"env": "PASSWORD"}})
    given = Login(password=SECRET)
    assert not problems
    assert read == given
    assert digest(read) == digest(given)
    assert isinstance(read, Login)
    assert read.model_dump() == given.model_dump()
    assert SECRET not in repr(read) + str(read) + repr([read]) + repr(read.model_copy())
    assert SECRET in repr(given)


RUNTIME_ENV = {"env_vars": {"TOKEN": "RTSECRET-3", "MODE": "RTSECRET-4"}, "pip": ["wheel"]}
WITH_ENVIRONMENT = {"execution": {"config": {"ray": {"runtime_env": RUNTIME_ENV}}}}


@op
def nothing() -> None: ...


@job
def plain() -> None:
    nothing()


@pytest.fixture
def recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A store with a canceled run whose config has environment variables for workers."""
    monkeypatch.setenv("RAYEXEC_HOME", str(tmp_path))
    spec = prepare(plain, WITH_ENVIRONMENT, run_id="r")
    recording = record_run(None, plain, spec, Echo())
    assert recording is not None
    recording.broke_off(KeyboardInterrupt())
    return tmp_path


def test_environment_variables_of_workers_are_masked_in_the_record(recorded: Path) -> None:
    record = json.loads((recorded / "runs/r/run.json").read_text())
    [environment] = [record["run_config"]["execution"]["config"]["ray"]["runtime_env"]]
    assert environment == {"env_vars": {"TOKEN": MASKED, "MODE": MASKED}, "pip": ["wheel"]}
    assert "RTSECRET" not in texts(recorded)
    assert WITH_ENVIRONMENT["execution"]["config"]["ray"]["runtime_env"] is RUNTIME_ENV


@pytest.mark.parametrize("written_by", ["this version", "an earlier one"])
def test_no_report_on_a_run_shows_them(recorded: Path, written_by: str) -> None:
    if written_by == "an earlier one":
        path = recorded / "runs/r/run.json"
        document = json.loads(path.read_text()) | {"run_config": WITH_ENVIRONMENT}
        path.write_text(json.dumps(document))
    for arguments in (
        ("show", "r"),
        ("show", "r", "--json"),
        ("events", "r", "--json"),
        ("list", "--json"),
        ("export", "r", "--html", str(recorded / "r.html")),
    ):
        ended = CliRunner().invoke(app, ["run", *arguments])
        assert ended.exit_code == 0, ended
        assert "RTSECRET" not in ended.output
    assert "RTSECRET" not in (recorded / "r.html").read_text()
    assert MASKED in CliRunner().invoke(app, ["run", "show", "r"]).output


def test_a_resumed_run_asks_for_them_by_name(recorded: Path) -> None:
    options = ReexecutionOptions.from_failure("r")
    with pytest.raises(DefinitionError, match=r"variables MODE, TOKEN in .* are masked"):
        plain.execute(reexecution_options=options)
    assert len(DirectoryRunStore(recorded).list()) == 1


def test_a_mask_is_never_passed_on(recorded: Path) -> None:
    given = {
        "execution": {
            "config": {"ray": {"runtime_env": {"env_vars": {"TOKEN": MASKED, "MODE": "x"}}}}
        }
    }
    with pytest.raises(DefinitionError, match=r"variables TOKEN in .* are masked"):
        plain.execute(given)


def test_values_in_the_job_itself_fill_the_masks_of_a_record() -> None:
    masked = mask_env_vars(WITH_ENVIRONMENT)
    assert unmask_env_vars(masked, WITH_ENVIRONMENT) == WITH_ENVIRONMENT
    assert unmask_env_vars(masked, {}) == masked
    fixed = {"execution": {"config": {"runtime_env": RUNTIME_ENV}}}  # of a job with an executor
    assert unmask_env_vars(mask_env_vars(fixed), WITH_ENVIRONMENT) == fixed


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"execution": None},
        {"execution": {"config": None}},
        {"execution": {"config": {"ray": None, "runtime_env": "env.yaml"}}},
        {"execution": {"config": {"ray": {"runtime_env": {"env_vars": None}}}}},
        {"ops": {"a": {"config": {"env_vars": {"A": "b"}}}}},
    ],
)
def test_other_config_stays_as_it_is(config: Any) -> None:
    assert mask_env_vars(config) == config


def test_a_message_of_ray_has_masks_for_them() -> None:
    text = "RuntimeError: env_vars: {'TOKEN': 'RTSECRET-3', 'A': '1'}"
    assert without_env_values(text, RUNTIME_ENV) == text.replace("RTSECRET-3", MASKED)
    assert without_env_values(text, None) == text
