"""Resources: opening, config, replacement, closing, and their failures."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rayexec import (
    DefinitionError,
    ResourceDefinition,
    ResourceError,
    RetryPolicy,
    job,
    op,
    resource,
    success_hook,
)


def kinds_of(result: Any) -> list[str]:
    return [event.event_type.name for event in result.all_events]


def root_of(result: Any, key: str) -> tuple[str, str]:
    data = result.failure_data_for_node(key)
    return data.root.cls_name, data.root.message


@op(required_resource_keys={"thing"})
def use(context: Any) -> Any:
    return context.resources.thing


def test_a_run_may_replace_resources(execute: Any) -> None:
    @job(resource_defs={"thing": "of the job"})
    def using() -> None:
        use()

    @job
    def lacking() -> None:
        use()

    assert execute(using).output_for_node("use") == "of the job"
    assert execute(using, resources={"thing": "of the run"}).output_for_node("use") == "of the run"
    assert (
        execute(lacking, resources={"thing": ResourceDefinition(lambda: 3)}).output_for_node("use")
        == 3
    )
    with pytest.raises(DefinitionError, match="op 'use' requires resource 'thing'"):
        execute(lacking)


def test_resources_stand_on_each_other_and_close_in_reverse(execute: Any, tmp_path: Path) -> None:
    log = str(tmp_path / "log")

    def note(word: str) -> None:
        with open(log, "a") as file:
            file.write(f"{word} ")

    @resource
    def base() -> Iterator[int]:
        note("open-base")
        yield 10
        note("close-base")

    @resource(required_resource_keys={"base"})
    def upper(context: Any) -> Iterator[int]:
        note("open-upper")
        try:
            yield context.resources.base + 1
        finally:
            note("close-upper")

    @op(required_resource_keys={"upper"})
    def work(context: Any) -> int:
        note("work")
        return int(context.resources.upper)

    @job(resource_defs={"base": base, "upper": upper})
    def stacked() -> None:
        work()

    assert execute(stacked).output_for_node("work") == 11
    assert Path(log).read_text().split() == [
        "open-base",
        "open-upper",
        "work",
        "close-upper",
        "close-base",
    ]


def test_resources_close_after_a_failure_too(execute: Any, tmp_path: Path) -> None:
    closed = tmp_path / "closed"

    @resource
    def handle() -> Iterator[int]:
        yield 1
        closed.touch()

    @op(required_resource_keys={"handle"})
    def fails() -> None:
        raise ValueError("no")

    @job(resource_defs={"handle": handle})
    def failing() -> None:
        fails()

    assert not execute(failing).success
    assert closed.exists()


def test_a_resource_opens_once_a_run_in_process_and_only_where_needed(tmp_path: Path) -> None:
    opened = tmp_path / "opened"

    @resource
    def counted() -> int:
        with open(opened, "a") as file:
            file.write("x")
        return 1

    @resource
    def unneeded() -> None:
        raise AssertionError("nobody asked for this one")

    @op(required_resource_keys={"counted"})
    def work(context: Any) -> int:
        return int(context.resources.counted)

    @job(resource_defs={"counted": counted, "unneeded": unneeded})
    def counting() -> None:
        work()
        work()

    result = counting.execute_in_process()
    assert opened.read_text() == "x"
    assert (
        kinds_of(result).count("RESOURCE_INIT_STARTED")
        == kinds_of(result).count("RESOURCE_INIT_SUCCESS")
        == 1
    )


def test_a_resource_that_fails_to_open_fails_the_run_in_process() -> None:
    @resource
    def broken() -> None:
        raise RuntimeError("no connection")

    @job(resource_defs={"thing": broken})
    def breaking() -> None:
        use()

    result = breaking.execute_in_process(raise_on_error=False)
    assert not result.success
    assert isinstance(result.error, ResourceError)
    assert "resource 'thing' failed to open: RuntimeError: no connection" in str(result.error)
    assert kinds_of(result)[-2:] == ["RESOURCE_INIT_FAILURE", "RUN_FAILURE"]
    assert result.is_node_untouched("use")
    with pytest.raises(ResourceError, match="no connection") as raised:
        breaking.execute_in_process()
    assert isinstance(raised.value.__cause__, RuntimeError)


def test_a_resource_that_fails_to_open_fails_its_step_on_ray(execute_on_ray: Any) -> None:
    @resource
    def broken() -> None:
        raise RuntimeError("no connection")

    @op
    def beside() -> int:
        return 1

    @op
    def consume(value: Any) -> Any:
        return value

    @job(resource_defs={"thing": broken})
    def breaking() -> None:
        consume(use())
        beside()

    result = execute_on_ray(breaking)
    data = result.failure_data_for_node("use")
    assert data.error.cls_name == "DagsterResourceFunctionError"
    assert "resource 'thing' failed to open: RuntimeError: no connection" in data.error.message
    assert "RESOURCE_INIT_FAILURE" in kinds_of(result)
    assert result.is_node_untouched("consume")
    assert result.output_for_node("beside") == 1


@pytest.mark.parametrize("raised", ["SystemExit(3)", "ValueError('late')"])
def test_a_resource_that_fails_to_close_fails_nothing_else(
    execute: Any, tmp_path: Path, raised: str
) -> None:
    closed = tmp_path / "closed"

    @resource
    def first() -> Iterator[int]:
        yield 1
        closed.touch()

    @resource(required_resource_keys={"first"})
    def thing() -> Iterator[int]:
        yield 2
        raise eval(raised)

    @job(resource_defs={"thing": thing, "first": first})
    def closing() -> None:
        use()

    result = execute(closing)
    assert result.success
    assert result.output_for_node("use") == 2
    assert closed.exists()
    [event] = [
        event for event in result.all_events if event.message.startswith("Teardown of resources")
    ]
    assert event.event_type.name == "ENGINE_EVENT"
    assert "Teardown of resources [thing] failed" in event.message


def test_a_resource_that_exits_while_it_opens(execute: Any) -> None:
    @resource
    def leaving() -> None:
        raise SystemExit(3)

    @job(resource_defs={"thing": leaving})
    def exiting() -> None:
        use()

    result = execute(exiting)
    assert not result.success
    assert "RESOURCE_INIT_FAILURE" in kinds_of(result)


def test_a_resource_that_opens_at_the_second_try_on_ray(
    execute_on_ray: Any, tmp_path: Path
) -> None:
    mark = tmp_path / "tried"

    @resource
    def moody() -> int:
        if not mark.exists():
            mark.touch()
            raise ConnectionError("not yet")
        return 1

    @op(required_resource_keys={"thing"}, retry_policy=RetryPolicy(max_retries=1))
    def patient(context: Any) -> Any:
        return context.resources.thing

    @job(resource_defs={"thing": moody})
    def trying() -> None:
        patient()

    assert execute_on_ray(trying).output_for_node("patient") == 1


def test_generator_resources_must_yield(execute: Any) -> None:
    @resource
    def empty() -> Iterator[int]:
        yield from ()

    @job(resource_defs={"thing": empty})
    def nothing() -> None:
        use()

    result = execute(nothing)
    failure = next(
        event for event in result.all_events if event.event_type.name == "RESOURCE_INIT_FAILURE"
    )
    assert "must yield its object once" in failure.message


def test_an_op_sees_only_the_resources_it_asked_for(execute: Any) -> None:
    @op(required_resource_keys={"thing"})
    def peek(context: Any) -> Any:
        return context.resources.thingy

    @job(resource_defs={"thing": 1, "other": 2})
    def peeking() -> None:
        peek()

    name, message = root_of(execute(peeking), "peek")
    assert name == "DagsterUnknownResourceError"
    assert "resource 'thingy' is not among those this op asked for" in message
    assert "Did you mean 'thing'?" in message


def test_resources_of_hooks_are_checked_when_the_job_is_made() -> None:
    @success_hook(required_resource_keys={"slack"})
    def tell(context: Any) -> None:
        context.resources.slack.append(1)

    with pytest.raises(DefinitionError, match="hook 'tell' requires resource 'slack'"):

        @job(resource_defs={"thing": ResourceDefinition.hardcoded_resource(1)}, hooks={tell})
        def lacking() -> None:
            use()


def test_what_resources_print_is_not_lost_on_ray(execute_on_ray: Any, capfd: Any) -> None:
    @resource
    def talker() -> Iterator[int]:
        os.system("echo opening")
        yield 1
        print("closing")

    @job(resource_defs={"thing": talker})
    def talking() -> None:
        use()

    assert execute_on_ray(talking).success
    printed = capfd.readouterr().out.split()
    assert printed == ["opening", "closing"]
