"""Scopes of resources: an attempt of a step, a batch, or the time of a worker in the run."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from noted_resources import (
    ALONE,
    inserting,
    noting,
    opened_and_closed,
    pool_of,
    teardowns,
    words_of,
)

from rayexec import (
    ConfigurableResource,
    DefinitionError,
    ResourceDefinition,
    RetryPolicy,
    failure_hook,
    job,
    op,
    resource,
)


def test_a_pool_of_batch_scope_is_opened_for_each_batch(
    execute: Any, is_ray: bool, tmp_path: Path
) -> None:
    pool, _, notes = pool_of(tmp_path, "batch")
    assert execute(inserting(pool, 6), ALONE).success
    assert words_of(notes).count("open") == words_of(notes).count("close") == (6 if is_ray else 1)


@pytest.mark.parametrize("scope", ["batch", "worker"])
def test_spawned_processes_close_before_they_end(
    execute_on_ray: Any, tmp_path: Path, scope: str
) -> None:
    pool, _, notes = pool_of(tmp_path, scope)
    settings: Any = {"execution": {"config": {"multiprocess": {"start_method": {"spawn": {}}}}}}
    result = execute_on_ray(inserting(pool, 3), settings)
    assert result.success
    assert teardowns(result) == []
    assert len(opened_and_closed(notes)) == 3


def test_resources_of_step_scope_are_opened_for_each_attempt(execute: Any, tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    note = noting(notes)

    @resource
    def base() -> Iterator[int]:
        note("open-base")
        yield 10
        note("close-base")

    @resource(scope="step", required_resource_keys={"base"})
    def cursor(context: Any) -> Iterator[int]:
        note("open")
        yield context.resources.base + 1
        note("close")

    @failure_hook(required_resource_keys={"cursor"})
    def tell(context: Any) -> None:
        note(f"hook-{context.resources.cursor}")

    @op(required_resource_keys={"cursor"}, retry_policy=RetryPolicy(max_retries=1))
    def first(context: Any) -> int:
        note("first")
        if context.retry_number == 0:
            raise ValueError("again")
        return int(context.resources.cursor)

    @op
    def without(value: int) -> int:
        note("without")
        return value

    @op(required_resource_keys={"cursor"})
    def last(context: Any, value: int) -> None:
        note("last")
        raise ValueError("no more")

    @job(resource_defs={"base": base, "cursor": cursor}, hooks={tell})
    def stepping() -> None:
        last(without(first()))

    result = execute(stepping)
    assert not result.success
    assert result.output_for_node("first") == 11
    verbs = [word for word in words_of(notes) if not word.endswith("-base")]
    once = ["open", "first", "close"]
    assert verbs == [*once, *once, "without", "open", "last", "hook-11", "close"]
    opened = [
        event.step_key
        for event in result.all_events
        if event.event_type_value == "RESOURCE_INIT_SUCCESS" and '"cursor"' in event.message
    ]
    assert opened == ["first", "first", "last"]


def test_a_step_scoped_resource_that_fails_to_close_is_told_at_its_step(execute: Any) -> None:
    @resource(scope="step")
    def thing() -> Iterator[int]:
        yield 1
        raise RuntimeError("stuck")

    @op(required_resource_keys={"thing"})
    def use(context: Any) -> int:
        return int(context.resources.thing)

    @job(resource_defs={"thing": thing})
    def using() -> None:
        use()

    result = execute(using)
    assert result.success
    [event] = [
        event for event in result.all_events if event.message.startswith("Teardown of resources")
    ]
    assert event.step_key == "use"


class Model(ConfigurableResource):
    name: str
    resource_scope = "worker"


class Cursor(ConfigurableResource):
    resource_scope = "step"


def test_a_class_says_its_scope_and_copies_keep_it() -> None:
    from rayexec.definitions.fields_resource import resource_definition

    assert resource_definition(Model(name="a")).scope == "worker"
    assert Model.configure_at_launch().scope == "worker"
    assert Model.configure_at_launch().with_scope("batch").scope == "batch"
    assert resource_definition(Cursor()).scope == "step"

    @resource(scope="step", config_schema={"n": int})
    def thing(context: Any) -> int:
        return int(context.resource_config["n"])

    assert thing.configured({"n": 1}).scope == "step"
    assert resource(lambda: 1).scope == "batch"
    assert resource(scope="slice")(lambda: 1).scope == "batch"  # its former name


@pytest.mark.parametrize("scope", ["run", "Worker", None])
def test_an_unknown_scope_is_told_where_it_stands(scope: Any) -> None:
    message = re.escape(f"scope must be one of 'step', 'batch', 'worker', got {scope!r}.")
    with pytest.raises(DefinitionError, match=f"'thing'.*{message}"):

        @resource(scope=scope)
        def thing() -> int:
            return 1

    with pytest.raises(DefinitionError, match=message):
        resource(lambda: 1).with_scope(scope)
    with pytest.raises(DefinitionError, match=f"resource class Wrong.*{message}"):

        class Wrong(ConfigurableResource):
            resource_scope = scope


@pytest.mark.parametrize(
    ("upper", "base", "is_fit"),
    [
        ("worker", "worker", True),
        ("worker", "batch", False),
        ("worker", "step", False),
        ("batch", "worker", True),
        ("batch", "batch", True),
        ("batch", "step", False),
        ("step", "worker", True),
        ("step", "batch", True),
        ("step", "step", True),
    ],
)
def test_no_resource_outlives_what_it_requires(
    execute: Any, upper: str, base: str, is_fit: bool
) -> None:
    below = ResourceDefinition(lambda: 1, scope=base)
    above = ResourceDefinition(
        lambda context: context.resources.below + 1,
        required_resource_keys=frozenset({"below"}),
        scope=upper,
    )

    @op(required_resource_keys={"above"})
    def use(context: Any) -> int:
        return int(context.resources.above)

    @job(resource_defs={"below": below, "above": above})
    def using() -> None:
        use()

    if is_fit:
        assert execute(using).output_for_node("use") == 2
        return
    message = f"resource 'above' (scope '{upper}') requires resource 'below' (scope '{base}')"
    with pytest.raises(DefinitionError, match=re.escape(message)):
        execute(using)


def test_a_plain_object_may_stand_below_any_resource(execute: Any) -> None:
    @resource(scope="worker", required_resource_keys={"url"})
    def client(context: Any) -> str:
        return f"client of {context.resources.url}"

    @op(required_resource_keys={"client"})
    def use(context: Any) -> str:
        return str(context.resources.client)

    @job(resource_defs={"client": client, "url": "here"})
    def using() -> None:
        use()

    assert execute(using).output_for_node("use") == "client of here"
    assert execute(using, resources={"client": "mine"}).output_for_node("use") == "mine"
