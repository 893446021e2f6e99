"""A step gets the same value behind its producer in a batch, elsewhere, again, and from a store."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rayexec import (
    DynamicOut,
    DynamicOutput,
    FilesystemIOManager,
    JobDefinition,
    Out,
    Output,
    ReexecutionOptions,
    RetryPolicy,
    RunResult,
    execute_job,
    job,
    op,
)

ARRAY_BYTES = {"small": 800, "in the task": 80_000, "in the store": 800_000}


def on_ray(made: JobDefinition, *, batches: bool = True, **options: Any) -> RunResult:
    config: dict[str, Any] = {"ray": {"batches": batches}}
    return execute_job(made, {"execution": {"config": config}}, raise_on_error=False, **options)


@pytest.fixture(params=[True, False], ids=["in batches", "singly"])
def batches(request: pytest.FixtureRequest, ray_session: None) -> bool:
    return bool(request.param)


@op
def load() -> Iterator[Output[list[int]]]:
    rows = [1, 2, 3]
    yield Output(rows)
    rows.clear()  # let go of the memory; the output is on its way


@op
def count(rows: list[int]) -> int:
    return len(rows)


@job
def cleared() -> None:
    count(load())


def test_an_output_is_what_it_was_at_its_yield(batches: bool) -> None:
    result = on_ray(cleared, batches=batches)
    assert result.output_for_node("load") == [1, 2, 3]
    assert result.output_for_node("count") == 3


@op(out={"a": Out(), "b": Out()})
def buffered() -> Iterator[Output[list[int]]]:
    buffer: list[int] = []
    yield Output(buffer, "a")
    buffer.append(1)
    yield Output(buffer, "b")


@op
def both(a: list[int], b: list[int]) -> Any:
    return a, b, a is b


@job
def from_one_buffer() -> None:
    both(*buffered())


def test_two_outputs_of_one_buffer_are_two_values(batches: bool) -> None:
    assert on_ray(from_one_buffer, batches=batches).output_for_node("both") == ([], [1], False)


@op
def is_writable(value: Any) -> bool:
    return bool(value.flags.writeable)


def test_arrays_can_be_written_by_their_size_alone(batches: bool) -> None:
    @op
    def small() -> Any:
        return np.zeros(ARRAY_BYTES["small"] // 8)

    @op
    def in_the_task() -> Any:
        return np.zeros(ARRAY_BYTES["in the task"] // 8)

    @op
    def in_the_store() -> Any:
        return np.zeros(ARRAY_BYTES["in the store"] // 8)

    @job
    def arrays() -> None:
        for made in (small, in_the_task, in_the_store):
            is_writable.alias(f"of_{made.name}")(made())

    result = on_ray(arrays, batches=batches)
    assert [
        result.output_for_node(f"of_{name}") for name in ("small", "in_the_task", "in_the_store")
    ] == [True, False, False]


@op(out=DynamicOut(stream=True))
def streamed() -> Iterator[DynamicOutput[list[int]]]:
    buffer: list[int] = []
    for index in range(4):
        buffer.append(index)
        yield DynamicOutput(buffer, str(index))


@op(out=DynamicOut())
def collected_first() -> list[DynamicOutput[list[int]]]:
    buffer = [0]
    return [DynamicOutput(buffer, str(index)) for index in range(4)]


@op
def grow(value: list[int]) -> list[int]:
    value.append(-1)
    return value


@op
def gather(values: list[list[int]]) -> Any:
    for value in values:
        value.append(-2)
    return values


def test_dynamic_outputs_of_one_buffer_are_values_of_their_own(batches: bool) -> None:
    @job
    def streaming() -> None:
        gather(streamed().map(grow).collect())

    @job
    def collecting() -> None:
        gather(collected_first().map(grow).collect())

    expected = [[*range(index + 1), -1, -2] for index in range(4)]
    assert on_ray(streaming, batches=batches).output_for_node("gather") == expected
    assert on_ray(collecting, batches=batches).output_for_node("gather") == [[0, -1, -2]] * 4


@op(retry_policy=RetryPolicy(max_retries=1))
def changes_then_fails(context: Any, rows: list[int]) -> list[int]:
    rows.append(4)
    if context.retry_number == 0:
        raise ValueError("once")
    return rows


def test_a_retry_gets_the_input_as_it_was(batches: bool) -> None:
    @job
    def retried() -> None:
        count(changes_then_fails(load()))

    result = on_ray(retried, batches=batches)
    assert result.output_for_node("changes_then_fails") == [1, 2, 3, 4]
    assert result.output_for_node("count") == 4


def test_a_resumed_step_gets_the_input_as_it_was(batches: bool, tmp_path: Path) -> None:
    mark = tmp_path / "mark"

    @op
    def fails_once(rows: list[int]) -> list[int]:
        rows.append(4)
        if not mark.exists():
            mark.touch()
            raise ValueError("once")
        return rows

    @job
    def resumed() -> None:
        count(fails_once(load()))

    store = str(tmp_path / "store")
    first = on_ray(resumed, batches=batches, store=store)
    assert first.get_failed_step_keys() == {"fails_once"}
    again = on_ray(
        resumed,
        batches=batches,
        store=store,
        reexecution_options=ReexecutionOptions.from_failure(first.run_id),
    )
    assert again.is_node_untouched("load") or again.output_for_node("load") == [1, 2, 3]
    assert again.output_for_node("fails_once") == [1, 2, 3, 4]


def test_a_cached_output_is_what_it_was_at_its_yield(batches: bool, tmp_path: Path) -> None:
    @op(cache=True, code_version="1")
    def cached() -> Iterator[Output[list[int]]]:
        rows = [1, 2, 3]
        yield Output(rows)
        rows.clear()

    @job
    def caching() -> None:
        count(grow(cached()))

    for _ in range(2):
        result = on_ray(caching, batches=batches, store=str(tmp_path / "store"))
        assert result.output_for_node("grow") == [1, 2, 3, -1]
        assert result.output_for_node("count") == 4


def test_what_an_io_manager_stored_is_what_it_was_at_its_yield(
    batches: bool, tmp_path: Path
) -> None:
    @job(resource_defs={"io_manager": FilesystemIOManager(base_dir=str(tmp_path / "values"))})
    def managed() -> None:
        count(grow(load()))

    assert on_ray(managed, batches=batches).output_for_node("count") == 4


def test_what_a_resource_holds_is_not_the_next_step_s_input(batches: bool) -> None:
    from rayexec import resource

    @resource
    def shelf() -> dict[str, list[int]]:
        return {"rows": [1]}

    @op(required_resource_keys={"shelf"})
    def takes(context: Any) -> list[int]:
        return context.resources.shelf["rows"]  # type: ignore[no-any-return]

    @op(required_resource_keys={"shelf"})
    def looks(context: Any, rows: list[int]) -> Any:
        rows.append(2)
        return rows, context.resources.shelf["rows"]

    @job(resource_defs={"shelf": shelf})
    def shelved() -> None:
        looks(takes())

    assert on_ray(shelved, batches=batches).output_for_node("looks") == ([1, 2], [1])


def test_defaults_are_new_for_each_step(batches: bool) -> None:
    @op
    def appends(value: list[int] = []) -> list[int]:  # noqa: B006
        value.append(1)
        return value

    @job
    def defaulted() -> None:
        for index in range(8):
            appends.alias(f"appends_{index}")()

    for _ in range(2):
        result = on_ray(defaulted, batches=batches)
        assert [result.output_for_node(f"appends_{index}") for index in range(8)] == [[1]] * 8


def test_in_process_values_stay_the_objects_that_they_are() -> None:
    @op
    def holds() -> list[int]:
        return [1]

    @op
    def same(a: list[int], b: list[int]) -> bool:
        a.append(2)
        return a is b and b == [1, 2]

    @job
    def held() -> None:
        value = holds()
        same(value, value)

    assert held.execute_in_process().output_for_node("same")
    assert cleared.execute_in_process().output_for_node("count") == 0
