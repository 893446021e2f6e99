"""Loggers of jobs: those for the terminal, their config, and the levels of lines."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest

from rayexec import (
    DagsterInvalidConfigError,
    DagsterInvariantViolationError,
    Field,
    LoggerDefinition,
    build_init_logger_context,
    colored_console_logger,
    configured,
    default_loggers,
    job,
    json_console_logger,
    logger,
    op,
)

heard: list[tuple[str, str, str]] = []


class Listening(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        heard.append((record.name, record.levelname, record.msg.split(" - ")[-1]))


@logger({"log_level": Field(str, "INFO"), "name": Field(str, default_value="own")})
def own(context: Any) -> logging.Logger:
    config = context.logger_config
    made = logging.Logger(config["name"], level=config["log_level"])
    made.addHandler(Listening())
    return made


@op
def speaks(context: Any) -> None:
    context.log.debug("d")
    context.log.info("number %s", 3)
    context.log.log(15, "fifteen")
    context.log.log("warn", "by name")
    context.log.critical("\x1b[2J")


def heard_by(definition: Any, section: Any) -> list[tuple[str, str, str]]:
    heard.clear()

    @job(logger_defs={"own": definition})
    def speaking() -> None:
        speaks()

    assert speaking.execute_in_process({"loggers": section} if section else None).success
    return heard


ALL = [
    ("own", "DEBUG", "d"),
    ("own", "INFO", "number 3"),
    ("own", "Level 15", "fifteen"),
    ("own", "WARNING", "by name"),
    ("own", "CRITICAL", "\x1b[2J"),
]


def test_a_logger_is_used_with_its_config_and_defaults() -> None:
    assert heard_by(own, None) == []
    assert heard_by(own, {"own": {"config": {"log_level": "DEBUG"}}}) == ALL
    assert heard_by(own, {"own": {}}) == [ALL[1], ALL[3], ALL[4]]
    with pytest.raises(DagsterInvalidConfigError, match="loggers:own:config:log_level"):
        heard_by(own, {"own": {"config": {"log_level": 3}}})


def test_loggers_are_configured_like_ops() -> None:
    fixed = own.configured({"log_level": "CRITICAL", "name": "fixed"}, description="of errors")
    assert fixed.description == "of errors"
    assert heard_by(fixed, {"own": {}}) == [("fixed", *ALL[4][1:])]

    @configured(own, config_schema={"lowest": str})
    def by_level(config: Any) -> Any:
        return {"log_level": config["lowest"]}

    assert heard_by(by_level, {"own": {"config": {"lowest": "WARNING"}}}) == ALL[3:]
    chained = by_level.configured({"lowest": "CRITICAL"})
    assert heard_by(chained, {"own": {}}) == ALL[4:]


def test_a_definition_is_made_of_a_function() -> None:
    made = LoggerDefinition(logger_fn=own.logger_fn, config_schema=own.config_schema)
    assert heard_by(made, {"own": {}}) == [ALL[1], ALL[3], ALL[4]]
    assert made(build_init_logger_context()).name == "own"


def lines_on_terminal(definition: Any, capsys: pytest.CaptureFixture[str], level: str) -> list[str]:
    @job(logger_defs={"shown": definition})
    def speaking() -> None:
        speaks()

    config = {"loggers": {"shown": {"config": {"log_level": level, "name": "mine"}}}}
    assert speaking.execute_in_process(config).success
    return capsys.readouterr().err.splitlines()


def test_the_json_logger_writes_objects(capsys: pytest.CaptureFixture[str]) -> None:
    lines = [json.loads(line) for line in lines_on_terminal(json_console_logger, capsys, "info")]
    assert [line["dagster_meta"]["orig_message"] for line in lines] == [
        "number 3",
        "by name",
        "\x1b[2J",
    ]
    assert {line["name"] for line in lines} == {"mine"}
    assert lines[0]["dagster_meta"]["job_name"] == "speaking"
    assert lines[0]["dagster_meta"]["step_key"] == "speaks"


def test_the_console_logger_writes_lines(capsys: pytest.CaptureFixture[str]) -> None:
    lines = lines_on_terminal(colored_console_logger, capsys, "WARN")
    assert [line.split(" - ", 1)[1].split(" - ")[:2] for line in lines] == [
        ["mine", "WARNING"],
        ["mine", "CRITICAL"],
    ]
    assert lines[0].endswith("speaks - by name")
    assert lines[1].endswith(r"\x1b[2J")


def test_the_loggers_for_the_terminal_have_defaults() -> None:
    for definition in (colored_console_logger, json_console_logger):
        made = definition(build_init_logger_context())
        assert (made.name, made.level) == ("dagster", logging.INFO)
        with pytest.raises(DagsterInvariantViolationError, match="'nope' is no log level"):
            definition(build_init_logger_context(logger_config={"log_level": "nope"}))
    assert default_loggers() == {"console": colored_console_logger}


def test_the_console_of_run_config_has_known_keys() -> None:
    for config, problem in (
        ({"level": "INFO"}, "unknown key"),
        ({"log_level": "LOUD"}, "got 'LOUD'"),
    ):
        with pytest.raises(DagsterInvalidConfigError, match=problem):
            heard_by(own, {"console": {"config": config}})
    assert heard_by(own, {"console": {"config": {"log_level": "fatal", "name": "mine"}}}) == []


def test_an_unknown_level_fails_the_op() -> None:
    @op
    def loud(context: Any) -> None:
        context.log.log("LOUD", "x")

    @job
    def shouting() -> None:
        loud()

    with pytest.raises(DagsterInvariantViolationError, match="'LOUD' is no log level"):
        shouting.execute_in_process()
