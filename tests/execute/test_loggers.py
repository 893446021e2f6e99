"""Loggers of users: which lines reach them, how they are configured, and what happens where they
fail.
"""

import logging
import time
from typing import Any

import pytest

from rayexec import (
    Config,
    ConfigError,
    DefinitionError,
    InitLoggerContext,
    LoggerDefinition,
    RetryPolicy,
    build_init_logger_context,
    config_mapping,
    job,
    logger,
    op,
    success_hook,
)

_RECORDS: list[logging.LogRecord] = []
_CONTEXTS: list[InitLoggerContext] = []


@pytest.fixture(autouse=True)
def fresh() -> None:
    _RECORDS.clear()
    _CONTEXTS.clear()


class Keep(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        _RECORDS.append(record)


@logger(config_schema={"level": str})
def mine(context: InitLoggerContext) -> logging.Logger:
    """Keeps the records."""
    _CONTEXTS.append(context)
    made = logging.Logger("mine", context.logger_config["level"])
    made.addHandler(Keep())
    return made


@logger
def bare(context: InitLoggerContext) -> logging.Logger:
    assert context.logger_config is None
    made = logging.Logger("bare")
    made.addHandler(Keep())
    return made


@op
def talk(context: Any) -> float:
    context.log.debug("a detail")
    context.log.info("hello %s", "you")
    context.log.warning("take care")
    return time.time()


@job(logger_defs={"mine": mine, "bare": bare}, tags={"team": "a"})
def talking() -> None:
    talk()


MINE = {"loggers": {"mine": {"config": {"level": "INFO"}}}}


def lines_of(caplog: Any) -> list[str]:
    return [
        record.getMessage().rpartition(" - ")[2]
        for record in caplog.records
        if record.name == "rayexec"
    ]


def test_the_logger_that_is_named_gets_the_lines_and_the_console_none(
    execute: Any, caplog: Any
) -> None:
    caplog.set_level(logging.DEBUG, logger="rayexec")
    before = time.time()
    result = execute(talking, MINE)
    assert result.success
    prefix = f"talking - {result.run_id} - talk - "
    got = [(record.name, record.levelname, record.getMessage()) for record in _RECORDS]
    assert got == [
        ("mine", "INFO", f"{prefix}hello you"),
        ("mine", "WARNING", f"{prefix}take care"),
    ]
    assert before <= _RECORDS[0].created <= result.output_for_node("talk")
    assert lines_of(caplog) == []
    [context] = _CONTEXTS
    assert (context.logger_config, context.run_id) == ({"level": "INFO"}, result.run_id)
    assert context.job_def is talking
    assert context.logger_def is mine
    meta = vars(_RECORDS[0])["dagster_meta"]
    assert len({vars(each)["dagster_meta"]["log_message_id"] for each in _RECORDS}) == 2
    of_dagster = {"resource_name", "resource_fn_name", "dagster_event_batch_metadata"}
    assert {meta[key] for key in of_dagster} == {None}
    told = [
        meta[key]
        for key in ("run_id", "job_name", "job_tags", "step_key", "op_name", "orig_message")
    ]
    assert told == [result.run_id, "talking", {"team": "a"}, "talk", "talk", "hello you"]


def test_without_config_there_is_the_console_alone(execute: Any, caplog: Any) -> None:
    caplog.set_level(logging.DEBUG, logger="rayexec")
    assert execute(talking).success
    assert lines_of(caplog) == ["a detail", "hello you", "take care"]
    assert (_RECORDS, _CONTEXTS) == ([], [])


def test_several_loggers_and_the_console_each_with_its_level(execute: Any, caplog: Any) -> None:
    caplog.set_level(logging.DEBUG, logger="rayexec")
    console = {"config": {"log_level": "WARNING"}}
    assert execute(
        talking, {"loggers": {**MINE["loggers"], "bare": {}, "console": console}}
    ).success
    assert [record.name for record in _RECORDS] == ["bare", "mine", "bare", "mine", "bare"]
    assert lines_of(caplog) == ["take care"]


def test_a_job_may_have_a_console_of_its_own(execute: Any, caplog: Any) -> None:
    caplog.set_level(logging.DEBUG, logger="rayexec")

    @job(logger_defs={"console": bare})
    def other() -> None:
        talk()

    assert execute(other, {"loggers": {"console": {}}}).success
    assert [record.name for record in _RECORDS] == ["bare"] * 3
    assert lines_of(caplog) == []
    assert execute(other).success
    assert len(_RECORDS) == 3
    assert lines_of(caplog) == ["a detail", "hello you", "take care"]


def test_lines_of_each_attempt_and_of_hooks_are_handed_on(execute: Any) -> None:
    @success_hook
    def tell(context: Any) -> None:
        context.log.info("done")

    @op(retry_policy=RetryPolicy(max_retries=1))
    def again(context: Any) -> None:
        context.log.info(f"attempt {context.retry_number}")
        if context.retry_number == 0:
            raise ValueError("not yet")

    @job(logger_defs={"bare": bare}, hooks={tell})
    def retrying() -> None:
        again()

    assert execute(retrying, {"loggers": {"bare": {}}}).success
    assert [vars(record)["dagster_meta"]["orig_message"] for record in _RECORDS] == [
        "attempt 0",
        "attempt 1",
        "done",
    ]


def warnings_of(result: Any) -> list[str]:
    return [
        event.message
        for event in result.all_events
        if event.event_type_value == "LOG_MESSAGE" and event.message.startswith("logger ")
    ]


def test_a_logger_that_fails_fails_nothing_else_and_is_told_once(execute: Any) -> None:
    @logger
    def broken(context: InitLoggerContext) -> logging.Logger:
        class Handler(logging.Handler):
            def emit(self, record: logging.LogRecord) -> None:
                raise OSError("disk full")

        made = logging.Logger("broken")
        made.addHandler(Handler())
        return made

    @job(logger_defs={"broken": broken, "bare": bare})
    def logging_on() -> None:
        talk()

    result = execute(logging_on, {"loggers": {"broken": {}, "bare": {}}})
    assert result.success
    assert [record.name for record in _RECORDS] == ["bare"] * 3
    assert warnings_of(result) == ["logger 'broken' failed on a line: OSError: disk full"]


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (lambda context: 1 / 0, "ZeroDivisionError: division by zero"),
        (
            lambda context: "no logger",
            "TypeError: its function must return a logging.Logger, and returned a str",
        ),
    ],
)
def test_a_logger_that_cannot_be_made_is_told_and_left_out(
    execute: Any, function: Any, words: str
) -> None:
    @job(logger_defs={"broken": LoggerDefinition(function), "bare": bare})
    def logging_on() -> None:
        talk()

    result = execute(logging_on, {"loggers": {"broken": {}, "bare": {}}})
    assert result.success
    assert len(_RECORDS) == 3
    assert warnings_of(result) == [f"logger 'broken' cannot be made, so it gets no lines: {words}"]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"mine": {}}, "root:loggers:mine:config"),
        ({"mine": {"config": {"level": 3}}}, "root:loggers:mine:config:level"),
        ({"mine": {"config": {"level": "INFO", "more": 1}}}, "more"),
        ({"mine": {"level": "INFO"}}, "root:loggers:mine:level: unknown key. Expected: config"),
        ({"other": {}}, "root:loggers:other: unknown logger; there are bare, console, mine"),
    ],
)
def test_config_of_loggers_is_checked_before_the_run(execute: Any, given: Any, words: str) -> None:
    with pytest.raises(ConfigError) as raised:
        execute(talking, {"loggers": given})
    assert words in str(raised.value)
    assert _CONTEXTS == []


def test_config_by_a_class_a_mapping_or_fixed(execute: Any) -> None:
    class Level(Config):
        level: str = "WARNING"

    @logger(Level)
    def by_class(context: InitLoggerContext) -> logging.Logger:
        return mine(InitLoggerContext({"level": context.logger_config.level}))

    @config_mapping(config_schema={"loud": bool})
    def loudness(config: Any) -> Any:
        return {"level": "DEBUG" if config["loud"] else "ERROR"}

    @job(
        logger_defs={
            "by_class": by_class,
            "fixed": mine.configured({"level": "INFO"}),
            "mapped": mine.configured(loudness),
        }
    )
    def configured() -> None:
        talk()

    assert execute(configured, {"loggers": {"by_class": {}}}).success
    assert len(_RECORDS) == 1
    assert execute(configured, {"loggers": {"fixed": {}}}).success
    assert len(_RECORDS) == 1 + 2
    assert execute(configured, {"loggers": {"mapped": {"config": {"loud": True}}}}).success
    assert len(_RECORDS) == 1 + 2 + 3


def test_definitions_are_what_the_decorator_makes() -> None:
    assert isinstance(mine, LoggerDefinition)
    assert (mine.description, bare.description) == ("Keeps the records.", None)
    assert mine(build_init_logger_context(logger_config={"level": "INFO"})).level == logging.INFO
    with pytest.raises(
        DefinitionError, match="job 'wrong': logger 'mine' must be what @logger makes, got Logger"
    ):

        @job(logger_defs={"mine": logging.Logger("mine")})
        def wrong() -> None:
            talk()
