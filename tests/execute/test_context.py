"""Context, config and log of an op."""

import logging
import os
from enum import Enum
from typing import Any

import pytest

from rayexec import (
    Config,
    ConfigError,
    Field,
    InvariantError,
    MetadataValue,
    OpExecutionContext,
    Output,
    RunConfig,
    graph,
    job,
    op,
)


def root_of(result: Any, key: str) -> tuple[str, str]:
    data = result.failure_data_for_node(key)
    return data.root.cls_name, data.root.message


def test_the_context_knows_run_step_and_job(execute: Any) -> None:
    @op(tags={"kind": "op", "kept": 1})
    def look(context: OpExecutionContext) -> dict[str, Any]:
        return {
            "run_id": context.run_id,
            "job_name": context.job_name,
            "op": context.op_def.name if context.op_def is not None else None,
            "handle": str(context.op_handle),
            "name": context.op_handle.name,
            "retry_number": context.retry_number,
            "tags": dict(context.run_tags),
            "has": (context.has_tag("team"), context.has_tag("nope")),
            "get": (context.get_tag("team"), context.get_tag("nope")),
            "run": (context.run.run_id, context.run.job_name, dict(context.run.tags)),
            "op_tags": dict(context.op_tags),
            "run_config": dict(context.run_config),
            "mapping_key": context.get_mapping_key(),
            "partition": context.has_partition_key,
            "config": context.op_config,
        }

    @graph
    def inner() -> Any:
        return look.tag({"kind": "call"}).alias("peek")()

    @job(tags={"team": "a", "of": "job"})
    def looking() -> None:
        inner()

    config = {"ops": {"inner": {"ops": {"peek": {"config": {"anything": [1]}}}}}}
    result = execute(looking, config, tags={"team": "b", "n": 3}, run_id="the-run")
    seen = result.output_for_node("inner.peek")
    tags = {"team": "b", "of": "job", "n": "3"}
    assert seen == {
        "run_id": "the-run",
        "job_name": "looking",
        "op": "look",
        "handle": "inner.peek",
        "name": "peek",
        "retry_number": 0,
        "tags": tags,
        "has": (True, False),
        "get": ("b", None),
        "run": ("the-run", "looking", tags),
        "op_tags": {"kind": "call", "kept": "1"},
        "run_config": config,
        "mapping_key": None,
        "partition": False,
        "config": {"anything": [1]},
    }
    assert result.run_id == result.dagster_run.run_id == "the-run"
    assert result.dagster_run.tags == tags


def test_run_tags_replace_the_tags_of_the_job(execute: Any) -> None:
    @op
    def look(context: OpExecutionContext) -> dict[str, str]:
        return dict(context.run_tags)

    @job(tags={"of": "definition"}, run_tags={"of": "run"})
    def tagged() -> None:
        look()

    assert execute(tagged).output_for_node("look") == {"of": "run"}
    assert execute(tagged, tags={"more": "x"}).output_for_node("look") == {"of": "run", "more": "x"}
    assert tagged.tags == {"of": "definition"}


def test_partitions_are_tags(execute: Any) -> None:
    @op
    def look(context: OpExecutionContext) -> str:
        return context.partition_key

    @job
    def partitioned() -> None:
        look()

    assert (
        execute(partitioned, tags={"dagster/partition": "2001-01"}).output_for_node("look")
        == "2001-01"
    )
    assert root_of(execute(partitioned), "look")[0] == InvariantError.dagster_name


class Color(Enum):
    RED = "red"


class LoadConfig(Config):
    path: str
    limit: int = 10
    color: Color = Color.RED


def test_pydantic_config(execute: Any) -> None:
    @op
    def load(config: LoadConfig) -> list[Any]:
        return [config.path, config.limit, config.color]

    @job(config=RunConfig(ops={"load": LoadConfig(path="default")}))
    def loading() -> None:
        load()

    assert execute(loading).output_for_node("load") == ["default", 10, Color.RED]
    given = execute(loading, {"ops": {"load": {"config": {"path": "x", "limit": 3}}}})
    assert given.output_for_node("load") == ["x", 3, Color.RED]
    objects = execute(loading, RunConfig(ops={"load": LoadConfig(path="y")}))
    assert objects.output_for_node("load") == ["y", 10, Color.RED]


def test_config_classes_made_inside_a_function(execute: Any) -> None:
    class Local(Config):
        n: int

    @op
    def load(context: OpExecutionContext, config: Local) -> int:
        return config.n + 1

    @job
    def loading() -> None:
        load()

    assert execute(loading, {"ops": {"load": {"config": {"n": 1}}}}).output_for_node("load") == 2
    assert execute(loading, RunConfig(ops={"load": Local(n=2)})).output_for_node("load") == 3


def test_dict_config_defaults_and_all_problems_at_once(execute: Any) -> None:
    @op(config_schema={"n": int, "word": Field(str, default_value="w")})
    def first(context: Any) -> Any:
        return context.op_config

    @op
    def second(config: LoadConfig) -> None:
        pass

    @job
    def configured() -> None:
        first()
        second()

    config = {"ops": {"first": {"config": {"n": 1}}, "second": {"config": {"path": "p"}}}}
    assert execute(configured, config).output_for_node("first") == {"n": 1, "word": "w"}
    with pytest.raises(ConfigError) as raised:
        execute(configured, {"ops": {"first": {"config": {"n": "1"}}, "thrid": {}}, "opps": {}})
    paths = {problem.path for problem in raised.value.problems}
    assert {("ops", "first", "config", "n"), ("ops", "thrid"), ("opps",)} <= paths
    assert any(path[:2] == ("ops", "second") for path in paths)


def test_config_for_what_is_not_selected_is_left_aside(execute: Any) -> None:
    @op(config_schema={"n": int})
    def first(context: Any) -> Any:
        return context.op_config

    @op(config_schema={"n": int})
    def second() -> None:
        pass

    @job
    def configured() -> None:
        first()
        second()

    config = {"ops": {"first": {"config": {"n": 1}}, "second": {"config": {"n": "wrong"}}}}
    assert execute(configured, config, op_selection=["first"]).output_for_node("first") == {"n": 1}


def test_the_job_config_stands_for_ops_that_the_run_does_not_mention(execute: Any) -> None:
    @op
    def first(context: Any) -> Any:
        return context.op_config

    both = {"ops": {"first": {"config": {"a": 1, "b": 2}}, "other": {"config": "kept"}}}

    @job(config=both)
    def configured() -> None:
        first()
        first.alias("other")()

    result = execute(configured, {"ops": {"first": {"config": {"a": 9}}}})
    assert result.output_for_node("first") == {"a": 9}
    assert result.output_for_node("other") == "kept"


def logged(result: Any, key: str) -> list[tuple[int, str]]:
    return [
        (event.event_specific_data["level"], event.message)
        for event in result.filter_events(lambda event: event.step_key == key)
        if event.event_type_value == "LOG_MESSAGE"
    ]


def test_log_lines_are_events_in_order(execute: Any) -> None:
    @op
    def talk(context: OpExecutionContext) -> None:
        log = context.log
        log.debug("fine print")
        log.info("%s of %d", "one", 2)
        log.info("%(a)s", {"a": 5})
        log.warning("careful", extra={"x": 1}, stacklevel=2)
        log.error("100%")
        log.critical("help")
        log.log(logging.INFO, "by number")
        log.log("warning", "by name")
        log.info("wrong %d", "format")
        try:
            raise KeyError("inside")
        except KeyError:
            log.exception("caught")
            log.error("told", exc_info=True)

    @job
    def talking() -> None:
        talk()

    result = execute(talking)
    assert result.success, result.failure_data_for_node("talk")
    lines = logged(result, "talk")
    assert lines[:9] == [
        (logging.DEBUG, "fine print"),
        (logging.INFO, "one of 2"),
        (logging.INFO, "5"),
        (logging.WARNING, "careful"),
        (logging.ERROR, "100%"),
        (logging.CRITICAL, "help"),
        (logging.INFO, "by number"),
        (logging.WARNING, "by name"),
        (logging.INFO, "wrong %d ('format',)"),
    ]
    for (level, text), first in zip(lines[9:], ("caught", "told"), strict=True):
        assert level == logging.ERROR
        assert text.splitlines()[0] == first
        assert text.splitlines()[-1] == "KeyError: 'inside'"


def test_log_lines_of_a_failed_attempt_are_kept(execute: Any) -> None:
    @op
    def talk(context: OpExecutionContext) -> None:
        context.log.info("before")
        raise ValueError

    @job
    def talking() -> None:
        talk()

    assert logged(execute(talking), "talk") == [(logging.INFO, "before")]


def test_log_lines_reach_logging_from_the_level_that_config_says(execute: Any, caplog: Any) -> None:
    @op
    def talk(context: OpExecutionContext) -> None:
        context.log.info("quiet")
        context.log.error("loud")

    @job
    def talking() -> None:
        talk()

    with caplog.at_level(logging.DEBUG, logger="rayexec"):
        execute(talking)
        assert [record.message.rpartition(" - ")[2] for record in caplog.records] == [
            "quiet",
            "loud",
        ]
        caplog.clear()
        result = execute(talking, {"loggers": {"console": {"config": {"log_level": "ERROR"}}}})
        assert [record.message.rpartition(" - ")[2] for record in caplog.records] == ["loud"]
    assert len(logged(result, "talk")) == 2


def test_output_metadata(execute: Any) -> None:
    @op
    def rows(context: OpExecutionContext) -> Output[int]:
        context.add_output_metadata({"late": True})
        return Output(1, metadata={"rows": 5, "where": MetadataValue.path("/x")})

    @job
    def described() -> None:
        rows()

    result = execute(described)
    [event] = [event for event in result.all_events if event.is_successful_output]
    metadata = {
        key: (each.kind, each.value) for key, each in event.step_output_data.metadata.items()
    }
    assert metadata == {"rows": ("int", 5), "where": ("path", "/x"), "late": ("bool", True)}


def test_ops_run_in_the_directory_and_environment_of_the_caller(
    execute: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    @op
    def where() -> str:
        return os.getcwd()

    @job
    def placed() -> None:
        where()

    monkeypatch.chdir(tmp_path)
    assert execute(placed).output_for_node("where") == str(tmp_path)
